"""The guard before every Cypher query from outside: pure, text only.

A query is split into tokens by rules on which no engine can differ (no backslash, no character outside ASCII except in
quotes, line feeds only), judged token by token, and put together again without its comments: what runs is what was judged.

Allowed: reading clauses, the functions in `FUNCTIONS`, values as `$name` parameters. Refused: everything else that writes,
reads files, calls procedures, names another database, plans, or holds more than one statement.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from ontology.errors import QueryRefused

__all__ = ["FUNCTIONS", "MAX_LENGTH", "REFUSED_WORDS", "guard", "tokens"]

MAX_LENGTH = 10_000
"""Characters of a query."""

MAX_NESTING = 50
"""Brackets within brackets, and lists or maps within a parameter."""

MAX_PARAMETERS = 100_000
"""Values and characters in all parameters together."""

FIRST_WORDS = frozenset({"MATCH", "OPTIONAL", "RETURN", "UNWIND", "WITH"})

REFUSED_WORDS = frozenset(
    """
    ALTER BEGIN CALL COMMIT COPY CREATE CSV CYPHER DATABASE DATABASES DEALLOCATE DELETE DENY DETACH DROP DRYRUN ENABLE EXECUTE
    EXPLAIN EXPORT FINISH FOREACH FORMAT GRANT IMPORT INSERT LOAD MERGE NODETACH PERIODIC PROFILE REALLOCATE REMOVE RENAME
    REVOKE ROLLBACK SET SHOW STOP TERMINATE TRANSACTION TRANSACTIONS USE VALID_TIME YIELD
    """.split()  # noqa: SIM905 -- one word a line would be a page
)
"""Refused wherever they stand, also as the name of a variable or property: in backticks they are only names."""

FUNCTIONS = frozenset(
    """
    abs all allshortestpaths any avg ceil coalesce collect count e exists exp floor head
    isempty keys labels last left length log log10 lower ltrim max min nodes none percentilecont percentiledisc
    pi properties range reduce relationships replace reverse right round rtrim shortestpath sign single size
    split sqrt stdev stdevp substring sum tail toboolean tofloat tointeger tolower tostring toupper
    trim type upper
    """.split()  # noqa: SIM905 -- one word a line would be a page
)
"""Functions that only compute (in lower case; Cypher ignores case)."""

_BEFORE_BRACKET = frozenset(
    """
    AND AS ASC BY CASE CONTAINS DESC DISTINCT ELSE ENDS FILTER IN LIMIT MATCH NOT ON OR RETURN SKIP STARTS THEN
    UNION UNWIND WHEN WHERE WITH XOR ALL
    """.split()  # noqa: SIM905 -- one word a line would be a page
)
"""Reading words after which a bracket may open."""

_ALSO_NAMES = frozenset({"END", "IN"})
"""Keywords that the schema has as a label or type."""

_TOKEN = re.compile(
    r"""(?P<space>[ \t\n]+)
    |(?P<comment>//[^\n]*|/\*.*?\*/)
    |(?P<string>'[^']*'|"[^"]*")
    |(?P<quoted>`[^`]+`)
    |(?P<parameter>\$[A-Za-z_][A-Za-z0-9_]*)
    |(?P<number>(?:\d+\.(?!\.)\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?)
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign>\.\.|<>|<=|>=|=~|\+=|\|\||[-()\[\]{},.:;=<>+*/%^|&!])""",
    re.VERBOSE | re.DOTALL,
)
_OPEN, _CLOSE = "([{", {")": "(", "]": "[", "}": "{"}


def guard(cypher: str, params: Mapping[str, Any]) -> str:
    """The query as it may run, its comments dropped; QueryRefused says what is not allowed and what to write instead.

    >>> guard("MATCH (a:Concept) /* all */ RETURN a.name;", {})
    'MATCH (a:Concept)   RETURN a.name'
    >>> guard("MATCH (a) DETACH DELETE a", {})
    Traceback (most recent call last):
    ontology.errors.QueryRefused: DETACH at character 11 is not allowed: queries only read; put a name in backticks
    """
    if not isinstance(cypher, str):
        raise QueryRefused(f"a query is text, not {type(cypher).__name__}")
    cypher = cypher.replace("\r\n", "\n")
    if len(cypher) > MAX_LENGTH:
        raise QueryRefused(
            f"a query of {len(cypher)} characters is longer than {MAX_LENGTH}; pass values as parameters"
        )
    found = tokens(cypher)
    code = [token for token in found if token[0] not in {"space", "comment"}]
    if code and code[-1][1] == ";":
        end = found.index(code.pop())
        found = found[:end]
    if not code or code[0][1].upper() not in FIRST_WORDS:
        first = repr(code[0][1]) if code else "nothing"
        raise QueryRefused(f"a query starts with {', '.join(sorted(FIRST_WORDS))}, not with {first}")
    _judge(code, params)
    _judge_parameters(params)
    return _again(found)


def _again(found: list[tuple[str, str, int]]) -> str:
    """The text of the tokens; labels and types that are also keywords go into backticks, which Neo4j does not ask for."""
    parts, last = [], ""
    for kind, text, _ in found:
        if kind == "word" and last in {":", "|"} and text.upper() in _ALSO_NAMES:
            parts.append(f"`{text}`")
        else:
            parts.append(" " if kind == "comment" else text)
        last = last if kind in {"space", "comment"} else text
    return "".join(parts).strip()


def tokens(cypher: str) -> list[tuple[str, str, int]]:
    """(kind, text, position from 1) of every token."""
    found: list[tuple[str, str, int]] = []
    at = 0
    while at < len(cypher):
        match = _TOKEN.match(cypher, at)
        text = match[0] if match else cypher[at]
        if match is None:
            why = {
                "\\": "no backslashes; pass the text as a parameter",
                "'": "a quote that is not closed",
                '"': "a quote that is not closed",
                "`": "a backtick that is not closed, or quotes nothing",
                "$": "a parameter is $name",
            }.get(text, "write names outside ASCII in backticks, and text in quotes or as a parameter")
            raise QueryRefused(f"{text!r} at character {at + 1} is not allowed: {why}")
        kind = str(match.lastgroup)
        if "\\" in text or any(ord(c) < ord(" ") and c not in "\t\n" for c in text):
            raise QueryRefused(
                f"a backslash or control character after character {at + 1} is not allowed: pass the text as a parameter"
            )
        if text == "/" and cypher.startswith("/*", at):
            raise QueryRefused(f"the comment at character {at + 1} is never closed: end it with */")
        if kind == "comment" and text.startswith("/*") and "/*" in text[2:]:
            raise QueryRefused(f"a comment within the comment at character {at + 1} is not allowed: close it first")
        found.append((kind, text, at + 1))
        at = match.end()
    return found


def _judge(code: list[tuple[str, str, int]], params: Mapping[str, Any]) -> None:
    brackets: list[str] = []
    before = ["", *(text for _, text, _ in code)]
    after = [*(text for _, text, _ in code[1:]), ""]
    for last, (kind, text, at), following in zip(before, code, after, strict=False):
        if kind == "word":
            _judge_word(text, at, last, following)
        elif kind == "quoted" and following == "(":
            raise QueryRefused(f"{text} at character {at} is not allowed: functions are written without backticks")
        elif kind == "parameter":
            if text[1:] not in params:
                raise QueryRefused(f"{text} at character {at} has no value: pass {text[1:]}=...")
            if following == "(" or (last in {":", "&", "|"} and brackets[-1:] != ["{"]):
                raise QueryRefused(f"{text} at character {at} is not allowed: labels and types are written out")
        elif kind == "sign":
            _judge_sign(text, at, brackets)
    if brackets:
        raise QueryRefused(f"{brackets[-1]!r} is never closed")


def _judge_sign(text: str, at: int, brackets: list[str]) -> None:
    if text == ";":
        raise QueryRefused(f"a second statement after character {at} is not allowed: send one query at a time")
    if text in _OPEN:
        brackets.append(text)
        if len(brackets) > MAX_NESTING:
            raise QueryRefused(f"more than {MAX_NESTING} brackets within brackets at character {at}")
    elif text in _CLOSE and (not brackets or brackets.pop() != _CLOSE[text]):
        raise QueryRefused(f"{text!r} at character {at} closes nothing")


def _judge_word(word: str, at: int, last: str, following: str) -> None:
    if word.upper() in REFUSED_WORDS:
        raise QueryRefused(f"{word} at character {at} is not allowed: queries only read; put a name in backticks")
    if following == "(" and last == ".":
        raise QueryRefused(f"{last}{word}() at character {at} is not allowed: no function with a dot, APOC's included")
    if following == "(" and word.upper() not in _BEFORE_BRACKET and word.lower() not in FUNCTIONS:
        raise QueryRefused(
            f"{word}() at character {at} is not allowed: the functions are {', '.join(sorted(FUNCTIONS))}"
        )


def _judge_parameters(params: Mapping[str, Any]) -> None:
    total = 0
    todo: list[tuple[str, Any, int]] = [(name, value, 1) for name, value in params.items()]
    while todo:
        name, value, depth = todo.pop()
        total += 1 + (len(value) if isinstance(value, str) else 0)
        if total > MAX_PARAMETERS or depth > MAX_NESTING:
            raise QueryRefused(
                f"the parameters are larger than {MAX_PARAMETERS} or deeper than {MAX_NESTING}; send less"
            )
        if isinstance(value, Mapping):
            if not all(isinstance(key, str) for key in value):
                raise QueryRefused(f"parameter {name} has a key that is not text")
            todo += [(name, item, depth + 1) for pair in value.items() for item in pair]
        elif isinstance(value, list | tuple):
            todo += [(name, item, depth + 1) for item in value]
        elif not _plain(value):
            raise QueryRefused(
                f"parameter {name} holds {value!r:.40} ({type(value).__name__}): text, 64-bit integers, finite numbers, "
                "booleans, None, lists and maps are allowed"
            )


def _plain(value: object) -> bool:
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= c <= "\udfff" for c in value)
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return value is None or (isinstance(value, float) and math.isfinite(value))
