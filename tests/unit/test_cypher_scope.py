"""Queries narrowed to one graph: every pattern is, and what cannot be read as one is refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph_loaders.stores.cypher import guard
from graph_loaders.stores.cypher_scope import own_keys, scope
from ontology.errors import QueryRefused

N, E = "{_graph: $_graph}", "[{_graph: $_graph}]"


@pytest.mark.parametrize(
    ("query", "narrowed"),
    [
        ("MATCH (n) RETURN n", f"MATCH (n {N}) RETURN n"),
        ("MATCH () RETURN 1", f"MATCH ( {N}) RETURN 1"),
        ("MATCH (a)<--(b) RETURN a", f"MATCH (a {N})<-{E}-(b {N}) RETURN a"),
        ("MATCH (a)<-->(b) RETURN a", f"MATCH (a {N})<-{E}->(b {N}) RETURN a"),
        ("MATCH (a:A {x: 1}) RETURN a", "MATCH (a:A {_graph: $_graph, x: 1}) RETURN a"),
        ("MATCH (a {}) RETURN a", f"MATCH (a {N}) RETURN a"),
        ("MATCH (a WHERE a.x = 1) RETURN a", f"MATCH (a  {N} WHERE a.x = 1) RETURN a"),
        ("MATCH (a:(A|B)&!C)-[r:T|U*1..3]->(b) RETURN a", f"MATCH (a:(A|B)&!C {N})-[r:T|U*1..3 {N}]->(b {N}) RETURN a"),
        (
            "MATCH (a)-[r {x: 1} WHERE r.y = 2]-(b) RETURN a",
            f"MATCH (a {N})-[r {{_graph: $_graph, x: 1}} WHERE r.y = 2]-(b {N}) RETURN a",
        ),
        ("MATCH (a) WHERE (a) = a RETURN (a), (a.x) - 1", f"MATCH (a {N}) WHERE (a) = a RETURN (a), (a.x) - 1"),
        ("RETURN count(1) AS n", "RETURN count(1) AS n"),
        ("RETURN 1 AS `match (n)`, 'MATCH (n)' AS x", "RETURN 1 AS `match (n)`, 'MATCH (n)' AS x"),
        ("MATCH (a) RETURN a.match, {b: (a)}", f"MATCH (a {N}) RETURN a.match, {{b: (a)}}"),
    ],
)
def test_every_pattern_is_narrowed_and_nothing_else(query: str, narrowed: str) -> None:
    assert scope(guard(query, {})) == narrowed


@pytest.mark.parametrize(
    "query",
    [
        "RETURN ANY (a)-->(b)",
        "MATCH (a), (b) RETURN shortestPath((a)-[*]-(b))",
        "MATCH REPEATABLE ELEMENTS (a)-->(b) RETURN a",
        "MATCH (a) USING SCAN a:A RETURN a",
        "MATCH (a) SEARCH a IN (VECTOR INDEX x FOR 1 LIMIT 2) RETURN a",
        "RETURN (1)--(2)",
        "RETURN 1 AS x ORDER BY (a.b)-[c]-(d)",
        "MATCH",
        "MATCH (a",
        "MATCH (a)-[b",
        "MATCH (a $x) RETURN a",
        "MATCH a RETURN a",
    ],
)
def test_what_is_not_read_as_a_pattern_is_refused(query: str) -> None:
    with pytest.raises(QueryRefused):
        scope(guard(query, {"x": 1}))


NODES = ("(a)", "()", "(b:A)", "(c:A|B {x: 1})", "({x: 1})", "(d WHERE d.x = 1)", "(e:!A)", "(`f g`)")
NODE = st.sampled_from(NODES)
EDGE = st.sampled_from(
    ["--", "-->", "<--", "-[r]->", "<-[:T|U]-", "-[*1..2]-", "-[q:T {k: 1}]->", "-[s WHERE s.k = 1]->", "-->+"]
)
CHAIN = st.builds(
    lambda first, rest: first + "".join(e + n for e, n in rest), NODE, st.lists(st.tuples(EDGE, NODE), max_size=3)
)
LONG = st.builds(
    lambda first, rest: first + "".join(e + n for e, n in rest),
    NODE,
    st.lists(st.tuples(EDGE, NODE), min_size=1, max_size=2),
)
BOOLEAN = st.deferred(
    lambda: st.one_of(
        LONG,
        CHAIN.map(lambda c: f"EXISTS {{ {c} }}"),
        st.builds("COUNT {{ MATCH {} WHERE {} }} > 1".format, CHAIN, BOOLEAN),
        LONG.map(lambda c: f"size([{c} | 1]) > 0"),
        st.builds("NOT ({} AND {})".format, BOOLEAN, BOOLEAN),
        st.just("a.x STARTS WITH 'x'"),
    )
)
QUERY = st.builds(
    "MATCH {}, p = {} WHERE {} OPTIONAL MATCH {} RETURN size([{} | 1]) AS n".format, CHAIN, CHAIN, BOOLEAN, CHAIN, LONG
)


@given(QUERY)
def test_as_many_patterns_are_narrowed_as_there_are(query: str) -> None:
    """Counted by another way than the grammar: nodes by their brackets as written above, edges by their signs."""
    narrowed = scope(guard(query, {}))
    nodes = sum(query.count(node) for node in NODES)
    edges = len(re.findall(r"<?--+>?|<?-\[", query))
    assert narrowed.count("_graph: $_graph") == nodes + edges


PARTS = [
    "MATCH",
    "(a)",
    "(",
    ")",
    "-[",
    "]->",
    "--",
    "{",
    "}",
    "x",
    ":",
    "WHERE",
    ",",
    "=",
    "[",
    "]",
    "shortestPath",
    "EXISTS",
    "|",
]


@given(st.lists(st.sampled_from(PARTS), max_size=14))
def test_any_tokens_are_narrowed_or_refused_in_one_line(parts: list[str]) -> None:
    message = ""
    try:
        scope(guard("RETURN 1 " + " ".join(parts), {}))
    except QueryRefused as error:
        message = str(error)
    assert "\n" not in message


def test_brackets_within_brackets_take_no_time() -> None:
    scope(guard("RETURN " + "(" * 49 + "1" + ")" * 49, {}))
    deep = "x"
    for _ in range(20):
        deep = f"((a WHERE {deep}))"
    with pytest.raises(QueryRefused):
        scope(guard(f"RETURN {deep}" + " + (a)" * 1200, {}))


def test_keys_leave_out_what_is_the_engines_and_keep_the_column() -> None:
    text, written = own_keys("MATCH (n) RETURN keys( n ), size(keys(n)) AS k", ("title",))
    assert text.count("WHERE NOT _key IN ['title']") == 2
    assert set(written.values()) == {"keys( n )", "keys(n)"}
