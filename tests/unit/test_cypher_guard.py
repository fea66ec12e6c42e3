"""The guard before Cypher: what reads passes, what does anything else is refused, whatever its spelling."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from graph_loaders.elements import Edge, GraphElements, Node
from graph_loaders.stores import SqliteStore
from graph_loaders.stores.cypher import FUNCTIONS, MAX_LENGTH, MAX_NESTING, REFUSED_WORDS, guard
from ontology.errors import QueryRefused

if TYPE_CHECKING:
    from pathlib import Path

READS = [
    "MATCH (a:Concept)-[p:PRECEDES]->(b) WHERE a.cui = $cui RETURN b.name, p.persons",
    "MATCH (a:Concept {cui: $cui})--(b) RETURN DISTINCT b.name AS name ORDER BY name DESC SKIP 1 LIMIT 3;",
    "match (n) return count(*) as n",
    "MATCH (a)-[:IS_A*1..3]->(b) RETURN a.cui, collect(b.cui)[0..2] AS some",
    "MATCH p = shortestPath((a:Concept)-[*..4]->(b:Death)) RETURN length(p)",
    "OPTIONAL MATCH (n:Stage) WITH n, size(keys(n)) AS k WHERE k > 1.5 OR n.ordinal IN [1, 2] RETURN n, k",
    "UNWIND $cui AS x RETURN toUpper(x), CASE WHEN x = 'a' THEN 1 ELSE -1 END AS y",
    "MATCH (n) WHERE EXISTS { MATCH (n)-[:REQUIRES]->() } RETURN n.id",
    "MATCH (n) WHERE n.name =~ '.*disease' AND NOT (n)-[:IN]->() RETURN n.`name`",
    "RETURN 'CREATE (n)' AS a, \"it's // DELETE\" AS b, `x` /* SET */ // REMOVE it's",
    "MATCH (n) RETURN n.id UNION MATCH (m) RETURN m.id",
    "RETURN reduce(s = 0, x IN [1, 2] | s + x) AS s, [x IN range(1, 3) WHERE x > 1 | x * 2] AS l, {a: $cui} AS m",
    "RETURN any(x IN [1] WHERE x = 1) AS any, 'ſ λ 🧠' AS text\r\n",
]


@pytest.mark.parametrize("query", READS)
def test_reading_passes(query: str) -> None:
    assert guard(query, {"cui": "C0002395"})


def test_comments_are_dropped_and_the_rest_is_kept() -> None:
    assert (
        guard("MATCH (n) // all 'of' them\nRETURN n.name /* CREATE (x) */;  // end", {}) == "MATCH (n)  \nRETURN n.name"
    )
    assert guard("RETURN 'a  // b' AS `c /* d`", {}) == "RETURN 'a  // b' AS `c /* d`"


WRITES = [
    "CREATE (x:Concept {cui: 'C666'})",
    "MERGE (x:Concept {cui: 'C666'})",
    "MATCH (n) SET n.name = 'changed'",
    "MATCH (n) DELETE n",
    "MATCH (n) DETACH DELETE n",
    "MATCH (n) NODETACH DELETE n",
    "MATCH (n) REMOVE n.name",
    "MATCH (n) FOREACH (x IN [1] | SET n.name = 'changed')",
    "DROP INDEX ON :Concept(cui)",
    "CREATE CONSTRAINT FOR (n:Concept) REQUIRE n.cui IS UNIQUE",
    "INSERT (:Concept {cui: 'C666'})",
    "LOAD CSV FROM 'file:///CANARY' AS row RETURN row",
    "MATCH (n) LOAD CSV WITH HEADERS FROM 'CANARY' AS row RETURN row",
    "CALL db.labels() YIELD label RETURN label",
    "CALL apoc.load.json('file://CANARY') YIELD value RETURN value",
    "CALL apoc.cypher.doIt('CREATE (n)', {}) YIELD value RETURN value",
    "CALL { CREATE (n) } RETURN 1",
    "MATCH (n) CALL { WITH n DETACH DELETE n } IN TRANSACTIONS RETURN 1",
    "CALL dbms.security.createUser('x', 'y')",
    "RETURN apoc.text.join(['a'], 'b')",
    "RETURN apoc.util.sleep(10)",
    "RETURN file('CANARY')",
    "RETURN load_csv('CANARY') AS x",
    "USE other MATCH (n) RETURN n",
    "MATCH (n) RETURN n UNION USE other MATCH (n) RETURN n",
    "EXPLAIN MATCH (n) RETURN n",
    "PROFILE MATCH (n) RETURN n",
    "CYPHER runtime=slotted MATCH (n) RETURN n",
    "SHOW INDEXES",
    "MATCH (n) RETURN n FORMAT CSV",
    "USING PERIODIC COMMIT LOAD CSV FROM 'CANARY' AS r CREATE (n)",
    "FOR VALID_TIME AS OF '2020-01-01' MATCH (n) RETURN n",
    "BEGIN TRANSACTION",
    "GRANT ROLE admin TO me",
    "ALTER USER me SET PASSWORD 'x'",
    "START n=node(*) DELETE n",
    "MATCH (n) RETURN n; MATCH (m) DETACH DELETE m",
    "RETURN 1; DROP DATABASE neo4j",
    ";MATCH (n) RETURN n",
    "MATCH (n:$($label)) RETURN n",
    "MATCH (n:$any($label)) RETURN n",
    "MATCH (n:$label) RETURN n",
    "MATCH ()-[r:$label]->() RETURN r",
    "MATCH (n) WHERE n.x > 1. CREATE (m) RETURN m",
    "MATCH (n) WITH n.CREATE AS x RETURN x",
    "MATCH (n) RETURN `apoc.load.json`('CANARY')",
    "MATCH (n) RETURN `load`.`csv`('CANARY')",
]

DISGUISES = [
    ("as it is", lambda q: q),
    ("mixed case", lambda q: "".join(c.upper() if i % 2 else c.lower() for i, c in enumerate(q))),
    ("behind a read", lambda q: f"MATCH (zz) WITH zz {q}"),
    ("comment before", lambda q: f"/* MATCH (n) RETURN n */ {q}"),
    ("comments between", lambda q: q.replace(" ", "/**/ ")),
    ("line comment trick", lambda q: f"RETURN 1 AS a // ' \n {q} // '"),
    ("block comment trick", lambda q: f"RETURN '/*' AS a {q} RETURN '*/' AS b"),
    ("nested comment", lambda q: f"/* /* */ {q} /* */ */"),
    ("quote trick", lambda q: f"RETURN '\\' AS a {q} //' AS b"),
    ("doubled quote", lambda q: f"RETURN 'a''b' AS a {q}"),
    ("backtick trick", lambda q: f"RETURN 1 AS `a``b` {q}"),
    ("second statement", lambda q: f"RETURN 1 AS a; {q}"),
    ("carriage return", lambda q: f"RETURN 1 AS a // \r {q}"),
    ("line separator", lambda q: f"RETURN 1 AS a //\u2028' \n {q} // '"),
    ("unicode escape", lambda q: "".join(f"\\u{ord(c):04x}" if c.isalpha() else c for c in q)),
    ("no-break spaces", lambda q: f"RETURN 1 AS a {q}".replace(" ", "\u00a0")),
    ("fullwidth", lambda q: "".join(chr(ord(c) + 0xFEE0) if c.isalpha() else c for c in q)),
    ("zero width", lambda q: "".join(f"{c}\u200b" if c.isalpha() else c for c in q)),
    ("null byte", lambda q: f"RETURN 1 AS a\0 {q}"),
    ("union", lambda q: f"MATCH (zz) RETURN zz UNION {q}"),
    ("unclosed string", lambda q: f'RETURN "x {q}'),
    ("unclosed comment", lambda q: f"RETURN 1 /* {q}"),
]

HOSTILE = list(itertools.product(WRITES, DISGUISES))
PARAMS = {"label": "Concept"}


def refused_by_guard(query: str, params: dict[str, Any] | None = None) -> bool:
    try:
        guard(query, PARAMS if params is None else params)
    except QueryRefused:
        return True
    return False


def test_there_are_many_hostile_queries() -> None:
    assert len({disguise(query) for query, (_, disguise) in HOSTILE}) >= 900


@pytest.mark.parametrize(("name", "disguise"), DISGUISES, ids=[name for name, _ in DISGUISES])
def test_hostile_queries_are_refused(name: str, disguise: object) -> None:
    assert callable(disguise)
    passed = [query for query in WRITES if not refused_by_guard(disguise(query))]
    assert passed == []


def test_hostile_queries_leave_the_graph_and_read_no_file(tmp_path: Path) -> None:
    canary = tmp_path / "canary.csv"
    canary.write_text("name\nthe-canary-sings\n")
    graph = GraphElements.of(
        [
            Node("Concept", "C0000001", {"name": "one"}),
            Node("Concept", "C0000002", {"name": "two"}),
            Edge("IS_A", ("Concept", "C0000001"), ("Concept", "C0000002"), "k"),
        ]
    )
    path = tmp_path / "ad.graph"
    with SqliteStore(path) as store:
        store.write(graph)
        store.query("RETURN 1 AS x")
        before = path.read_bytes()
        for query, (name, disguise) in HOSTILE:
            try:
                answer = str(store.query(disguise(query.replace("CANARY", str(canary))), label="Concept", timeout=5))
            except QueryRefused as error:
                answer = f"refused: {error}"
            assert answer.startswith("refused: "), (name, query)
            assert "the-canary-sings" not in answer
        assert path.read_bytes() == before
        assert store.query("MATCH (n) RETURN n.id AS id, n.name AS name ORDER BY id") == [
            {"id": "C0000001", "name": "one"},
            {"id": "C0000002", "name": "two"},
        ]


def test_the_engine_itself_refuses_to_write_and_to_open_files(tmp_path: Path) -> None:
    """What would happen if the guard let something through: the second lock."""
    canary = tmp_path / "canary.csv"
    canary.write_text("name\nthe-canary-sings\n")
    with SqliteStore() as store:
        store.write([Node("Concept", "C0000001", {"name": "one"})])
        store.query("RETURN 1 AS x")
        engine = store._engine
        assert engine is not None
        for query in WRITES:
            try:
                text = str(engine.query(query.replace("CANARY", str(canary)), PARAMS, timeout=5, limit=100))
            except QueryRefused as error:
                text = str(error)
            assert "the-canary-sings" not in text
        count = "MATCH (n) RETURN n.id AS id, n.name AS name"
        assert engine.query(count, {}, timeout=5, limit=9) == [{"id": "C0000001", "name": "one"}]


@given(st.text(max_size=80))
def test_any_text_passes_or_is_refused_in_one_line(text: str) -> None:
    message = ""
    try:
        guard(text, {})
    except QueryRefused as error:
        message = str(error)
    assert "\n" not in message


@given(
    st.lists(
        st.sampled_from(
            ["'", '"', "`", "//", "/*", "*/", "\n", "\\", "a", " ", ";", "CREATE", "(n)", "RETURN", "--", "$x"]
        ),
        max_size=14,
    )
)
def test_a_refused_word_outside_quotes_never_passes(parts: list[str]) -> None:
    query = "RETURN 1 " + " ".join(parts)
    assume(not refused_by_guard(query, {"x": 1}))
    text = guard(query, {"x": 1})
    assert "CREATE" not in _without_quotes(text)
    assert guard(text, {"x": 1}) == text


def _without_quotes(text: str) -> str:
    kept, quote = "", ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"`":
            quote = character
        else:
            kept += character
    return kept


@pytest.mark.parametrize("word", sorted(REFUSED_WORDS))
def test_a_refused_word_may_be_a_name_in_backticks(word: str) -> None:
    assert refused_by_guard(f"MATCH (n) RETURN n.{word.lower()}")
    assert not refused_by_guard(f"MATCH (n) RETURN n.`{word.lower()}`")


def test_the_message_names_what_where_and_the_way_out() -> None:
    with pytest.raises(QueryRefused, match="DETACH at character 11 is not allowed: queries only read"):
        guard("MATCH (n) DETACH DELETE n", {})
    with pytest.raises(QueryRefused, match=r"a query starts with MATCH, .* not with 'CREATE'"):
        guard("CREATE (n)", {})
    with pytest.raises(QueryRefused, match="not with nothing"):
        guard(" // only a comment", {})
    with pytest.raises(QueryRefused, match=r"\$cui at character 8 has no value: pass cui=\.\.\."):
        guard("RETURN $cui", {})
    with pytest.raises(QueryRefused, match="text, not bytes"):
        guard(b"RETURN 1", {})  # type: ignore[arg-type]


def test_length_and_nesting_are_bounded() -> None:
    assert guard("RETURN " + "(" * MAX_NESTING + "1" + ")" * MAX_NESTING, {})
    assert refused_by_guard("RETURN " + "(" * (MAX_NESTING + 1) + "1" + ")" * (MAX_NESTING + 1))
    assert refused_by_guard("RETURN '" + "x" * MAX_LENGTH + "'")
    assert refused_by_guard("RETURN (1]")
    assert refused_by_guard("RETURN (1")
    assert refused_by_guard("RETURN 1)")


def test_functions_are_those_of_the_list() -> None:
    for name in FUNCTIONS:
        assert guard(f"RETURN {name}(1)", {})
    for name in ("rand", "randomUUID", "datetime", "point", "load", "file", "exists_", "linenumber", "graph"):
        assert refused_by_guard(f"RETURN {name}(1)")


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (object(), "object"),
        (b"x", "bytes"),
        ({1: 2}, "a key that is not text"),
        ({"a": [{"b": {1}}]}, "set"),
        (float("nan"), "nan"),
        (2**63, "int"),
        ("\ud800", "str"),
        ("x" * 200_000, "larger than"),
        ([0] * 200_000, "larger than"),
    ],
)
def test_parameters_are_like_json(value: object, why: str) -> None:
    with pytest.raises(QueryRefused, match=why):
        guard("RETURN $x AS x", {"x": value})


def test_a_parameter_that_holds_itself_is_refused() -> None:
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(QueryRefused, match="deeper than"):
        guard("RETURN $x AS x", {"x": circle})


def test_a_query_that_wants_all_memory_is_stopped_and_the_next_one_answered() -> None:
    from graph_loaders.stores.cypher_process import CypherProcess

    engine = CypherProcess(memory=2**30)
    nodes = [Node("Concept", f"C{i:07d}", {"name": "x" * 1000}) for i in range(300)]
    engine.fill(GraphElements.of(nodes))
    try:
        query = guard("MATCH (a), (b), (c) RETURN collect(a.name + b.name + c.name) AS x", {})
        with pytest.raises(QueryRefused, match="more than 1024 MB of memory"):
            engine.query(query, {}, timeout=20, limit=10)
    finally:
        engine.close()
    assert not engine.alive
