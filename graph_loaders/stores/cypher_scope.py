"""Narrows a query to one graph of a shared database: every node and relationship pattern gets `_graph: $_graph`.

Only what can be seen of a graph carries the property `_graph`, and relationships that carry it join nodes that do, so a
query whose every pattern asks for it sees that graph and nothing else: no other graph, no private or unfinished cohort, no
node of another program. The query is read by a small grammar of patterns. What that grammar does not know is refused, never
run: a form that is missing here costs an answer, not a leak.
"""

from __future__ import annotations

from typing import NoReturn

from graph_loaders.stores.cypher import FUNCTIONS, tokens
from ontology.errors import QueryRefused

__all__ = ["OWN", "PARAMETER", "own_keys", "scope"]

OWN = ("_graph", "_placeholder")
"""Properties of the store itself; never part of an answer."""

PARAMETER = "_graph"
"""The parameter that takes the graph's name."""

_MAP = f"_graph: ${PARAMETER}"
_SUBQUERIES = frozenset({"EXISTS", "COUNT", "COLLECT"})
_PATHS = frozenset({"SHORTESTPATH", "ALLSHORTESTPATHS"})
_SELECTORS = frozenset({"SHORTEST", "ANY", "ALL", "PATH", "PATHS", "GROUP", "GROUPS"})
_AFTER_PATTERNS = frozenset(
    {"WHERE", "RETURN", "WITH", "MATCH", "OPTIONAL", "UNWIND", "UNION", "ORDER", "SKIP", "LIMIT"}
)
_CLAUSES = frozenset({"MATCH", "OPTIONAL", "RETURN", "UNWIND", "WITH"})
_MOST_BRACKETS = 1_000
_CLOSE = {"(": ")", "[": "]", "{": "}"}


def own_keys(cypher: str, own: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    """The query whose `keys()` leave out the engine's `own` properties, and what stands in a column's name for what was written.

    >>> own_keys("MATCH (n) RETURN keys(n)", ("title",))
    ("MATCH (n) RETURN [_key IN keys(n) WHERE NOT _key IN ['title']]", {"[_key IN keys(n) WHERE NOT _key IN ['title']]": 'keys(n)'})
    """
    found = tokens(cypher)
    out = [text for _, text, _ in found]
    code = [i for i, (kind, _, _) in enumerate(found) if kind != "space"]
    written: dict[str, str] = {}
    for at, i in reversed(list(enumerate(code))):  # the innermost first
        if found[i][0] != "word" or out[i].casefold() != "keys" or at + 1 >= len(code) or out[code[at + 1]] != "(":
            continue
        depth = 0
        for j in code[at + 1 :]:
            depth += {"(": 1, ")": -1}.get(found[j][1], 0)
            if not depth:
                break
        before = "".join(out[i : j + 1])
        out[i] = f"[_key IN {out[i]}"
        out[j] += f" WHERE NOT _key IN {list(own)}]"
        written["".join(out[i : j + 1])] = before
    return "".join(out), written


def scope(cypher: str) -> str:
    """A query that the guard has passed, narrowed to the graph in `$_graph`; QueryRefused where a pattern cannot be read.

    >>> scope("MATCH (a:Concept)-->({cui: 'C1'}) RETURN a.name")
    "MATCH (a:Concept {_graph: $_graph})-[{_graph: $_graph}]->({_graph: $_graph, cui: 'C1'}) RETURN a.name"
    """
    return _Reader(cypher).read()


class _Unread(Exception):
    """Not a pattern of the grammar, at this token."""


class _Reader:
    """One walk over the tokens; `out` is the text of each, with what is inserted."""

    def __init__(self, cypher: str) -> None:
        found = tokens(cypher)
        self.out = [text for _, text, _ in found]
        self.code = [(kind, text, at, i) for i, (kind, text, at) in enumerate(found) if kind != "space"]
        self.at = self.brackets = 0
        self.plain_edges = False  # within a shortest path
        for kind, text, at, _ in self.code:
            if kind in {"word", "quoted", "parameter"} and text.strip("`$").casefold() in OWN:
                raise QueryRefused(f"{text} at character {at} is not allowed: it is a name of the store itself")

    def read(self) -> str:
        try:
            while self.at < len(self.code):
                self.item()
        except _Unread:
            self.refuse()
        return "".join(self.out)

    # Tokens

    def text(self, ahead: int = 0) -> str:
        at = self.at + ahead
        return self.code[at][1] if 0 <= at < len(self.code) else ""

    def word(self, ahead: int = 0) -> str:
        at = self.at + ahead
        return self.code[at][1].upper() if 0 <= at < len(self.code) and self.code[at][0] == "word" else ""

    def named(self, ahead: int = 0) -> bool:
        at = self.at + ahead
        return 0 <= at < len(self.code) and self.code[at][0] in {"word", "quoted"}

    def number(self) -> bool:
        return self.at < len(self.code) and self.code[self.at][0] == "number"

    def take(self, *wanted: str) -> bool:
        if self.text() in wanted and self.text():
            self.at += 1
            return True
        return False

    def expect(self, wanted: str) -> None:
        if not self.take(wanted):
            raise _Unread

    def insert(self, text: str) -> None:
        """Before the token that comes next."""
        if self.at >= len(self.code):
            raise _Unread
        i = self.code[self.at][3]
        self.out[i] = text + self.out[i]

    def add(self, text: str) -> None:
        """After the token that came last."""
        self.out[self.code[self.at - 1][3]] += text

    def refuse(self) -> NoReturn:
        where = f"at character {self.code[self.at][2]}" if self.at < len(self.code) else "at the end"
        raise QueryRefused(
            f"the query cannot be narrowed to one graph of the server {where}: write patterns as (a:Label)-[r:TYPE]->(b), "
            "and put names that are also words of Cypher in backticks"
        )

    # Expressions: everything that is no pattern

    def item(self) -> None:
        word, text = self.word(), self.text()
        if word == "MATCH" and self.text(-1) != ".":
            self.at += 1
            self.condition(self.patterns())
        elif word in _SUBQUERIES and self.text(1) == "{":
            self.at += 2
            if self.word() not in _CLAUSES and self.text() != ".":
                self.condition(self.patterns())
            self.until("}")
        elif word.lower() in FUNCTIONS and self.text(1) == "(":
            self.function(word)
        elif text == "(":
            self.bracket()
        elif text in _CLOSE:
            self.at += 1
            self.until(_CLOSE[text])
        elif self.text(-1) == ")" and self.edge_starts():  # an edge whose first node was not read as one
            self.refuse()
        else:
            self.at += 1

    def until(self, close: str) -> None:
        """Items up to the closing bracket, and over it."""
        plain, self.plain_edges = self.plain_edges, False
        while self.text() != close:
            if self.at >= len(self.code):
                raise _Unread
            self.item()
        self.at += 1
        self.plain_edges = plain

    def function(self, word: str) -> None:
        if word in _PATHS:  # outside MATCH there is no place for the condition on its edges
            self.refuse()
        start = self.code[self.at][3]
        self.at += 2
        self.until(")")
        if word == "KEYS":  # the store's own properties are no keys of the graph's
            end = self.code[self.at - 1][3]
            self.out[start] = f"[_key IN {self.out[start]}"
            self.out[end] += f" WHERE NOT _key IN {list(OWN)}]"

    def bracket(self) -> None:
        """A bracket in an expression: a pattern where it can be one (as Neo4j reads it), else an expression."""
        self.brackets += 1
        if self.brackets > _MOST_BRACKETS:
            self.refuse()
        at, out, self.plain_edges = self.at, self.out.copy(), False
        try:
            self.chain(least=1)
        except _Unread:
            self.at, self.out = at, out
            self.at += 1
            self.until(")")

    # Patterns

    def patterns(self) -> list[str]:
        """What follows MATCH, up to the next clause; what its shortest paths must meet."""
        demands: list[str] = []
        while True:
            self.selectors()
            name = ""
            if self.named() and self.text(1) == "=":
                name = self.text()
                self.at += 2
                self.selectors()
            if self.word() in _PATHS and self.text(1) == "(":
                demands.append(self.shortest(name))
            else:
                self.chain()
            if not self.take(","):
                break
        if self.text() not in {"}", ""} and self.word() not in _AFTER_PATTERNS:
            raise _Unread
        return demands

    def shortest(self, name: str) -> str:
        """A shortest path, which takes no map on its edge: the condition on its edges is part of WHERE, and of the search."""
        if not name:
            self.brackets += 1
            name = f"_path{self.brackets}"
            self.insert(f"{name} = ")
        self.at += 2
        self.plain_edges = True
        self.chain()
        self.plain_edges = False
        self.expect(")")
        return f"all(_edge IN relationships({name}) WHERE _edge.{_MAP.replace(': ', ' = ')})"

    def condition(self, demands: list[str]) -> None:
        """What the shortest paths of a MATCH must meet, before what is written after WHERE."""
        if not demands:
            return
        demand = " AND ".join(demands)
        if self.word() != "WHERE":
            self.add(f" WHERE {demand} ")
            return
        self.at += 1
        self.insert(f" {demand} AND (")
        while self.at < len(self.code) and self.text() not in _CLOSE.values() and not self.clause():
            self.item()
        self.add(") ")

    def clause(self) -> bool:
        return self.word() in _AFTER_PATTERNS and self.word(-1) not in {"STARTS", "ENDS"} and self.text(-1) != "."

    def selectors(self) -> None:
        while (self.word() in _SELECTORS and self.text(1) != "=") or self.number():
            self.at += 1

    def chain(self, least: int = 0) -> None:
        """Nodes joined by edges, at least so many edges."""
        edges = 0
        self.node()
        while self.edge_starts() or self.text() == "(":  # a group of edges stands beside its nodes
            if self.text() != "(":
                self.edge()
                self.quantifier()
                edges += 1
            self.node()
        if edges < least:
            raise _Unread

    def quantifier(self) -> None:
        if self.take("+", "*"):
            return
        if self.take("{"):
            while self.number() or self.text() == ",":
                self.at += 1
            self.expect("}")

    def node(self) -> None:
        self.expect("(")
        if self.text() == "(" or (self.named() and self.text(1) == "="):
            if self.named():
                self.at += 2
            self.chain()
            if self.word() == "WHERE":
                self.at += 1
                self.until(")")
            else:
                self.expect(")")
            self.quantifier()
            return
        self.name_and_labels()
        self.properties(")")

    def name_and_labels(self) -> None:
        if self.named() and self.word() != "WHERE":
            self.at += 1
        if self.word() == "IS":
            self.at += 1
        elif not self.take(":"):
            return
        depth = 0
        while (self.named() and self.word() != "WHERE") or self.text() in {"|", "&", "!", "%", ":", "("} or depth:
            if self.at >= len(self.code):
                raise _Unread
            depth += {"(": 1, ")": -1}.get(self.text(), 0)
            self.at += 1

    def properties(self, close: str) -> None:
        """The map, the condition and the closing bracket of a node or an edge."""
        if self.plain_edges and close == "]":
            pass
        elif self.take("{"):
            self.insert(_MAP if self.text() == "}" else f"{_MAP}, ")
            self.until("}")
        else:
            self.insert(f" {{{_MAP}}}" + (" " if self.word() == "WHERE" else ""))
        if self.word() == "WHERE":
            self.at += 1
            self.until(close)
        else:
            self.expect(close)

    def edge_starts(self) -> bool:
        ahead = 1 if self.text() == "<" else 0
        return self.text(ahead) == "-" and self.text(ahead + 1) in {"-", "["}

    def edge(self) -> None:
        self.take("<")
        self.expect("-")
        if self.take("["):
            self.name_and_labels()
            if self.take("*"):
                while self.number() or self.text() == "..":
                    self.at += 1
            self.properties("]")
        elif not self.plain_edges:
            self.insert(f"[{{{_MAP}}}]")
        self.expect("-")
        self.take(">")
