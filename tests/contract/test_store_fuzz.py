"""Hostile queries by the thousand, made from grammars and a list: no effect on either store, no file read, nothing of others seen."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, Any

import neo4j
import pytest

from graph_loaders.stores import SqliteStore
from graph_loaders.stores.cypher import guard
from ontology.errors import DualAlignError, QueryRefused
from store_graphs import GRAPH, cohort

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from graph_loaders.stores.neo4j_store import Neo4jStore
    from neo4j_server import Neo4jServer

SONG = "the-canary-sings"
IN_FILE = "a-file-was-read"
PARAMS = {"label": "Concept", "text": "x"}

WRITES = (
    "CREATE (:Concept {id: 'C666'})",
    "MERGE (n:Fuzz {id: 1}) RETURN n",
    "MATCH (n) SET n.name = 'changed' RETURN n",
    "MATCH (n) SET n:Fuzz",
    "MATCH (n) DETACH DELETE n",
    "MATCH ()-[e]->() DELETE e",
    "MATCH (n) REMOVE n.name",
    "FOREACH (i IN [1] | CREATE (:Fuzz))",
    "INSERT (:Fuzz)",
    "UNWIND [1] AS i CREATE (:Fuzz {i: i})",
    "CALL { CREATE (:Fuzz) }",
    "CALL { MATCH (n) DETACH DELETE n } IN TRANSACTIONS OF 10 ROWS",
    "CALL (*) { CREATE (:Fuzz) } IN 2 CONCURRENT TRANSACTIONS",
    "CREATE INDEX fuzz FOR (n:Fuzz) ON (n.x)",
    "CREATE CONSTRAINT fuzz FOR (n:Fuzz) REQUIRE n.x IS UNIQUE",
    "DROP CONSTRAINT dualalign_concept",
    "DROP INDEX dualalign_concept_cui",
    "CREATE USER fuzz SET PASSWORD 'fuzzfuzz'",
    "ALTER CURRENT USER SET PASSWORD FROM 'a' TO 'b'",
    "STOP DATABASE neo4j",
    "CREATE DATABASE fuzz",
    "USE system CREATE USER fuzz SET PASSWORD 'fuzzfuzz'",
)
READERS = (
    "LOAD CSV FROM 'CANARY' AS row RETURN row",
    "LOAD CSV WITH HEADERS FROM 'CANARY' AS row FIELDTERMINATOR ';' RETURN row",
    "LOAD CSV FROM $text AS row RETURN row",
    "CALL apoc.load.csv('CANARY') YIELD list RETURN list",
    "CALL apoc.load.json('CANARY') YIELD value RETURN value",
    "CALL apoc.import.file('CANARY', {})",
    "CALL apoc.export.csv.all('CANARY', {})",
    "CALL apoc.cypher.runFile('CANARY')",
    "CALL apoc.cypher.doIt('CREATE (:Fuzz)', {})",
    "CALL apoc.periodic.commit('CREATE (:Fuzz)', {})",
    "CALL apoc.trigger.install('neo4j', 'x', 'CREATE (:Fuzz)', {})",
    "CALL db.createLabel('Fuzz')",
    "CALL db.index.fulltext.createNodeIndex('fuzz', ['Fuzz'], ['x'])",
    "CALL dbms.listConfig() YIELD name, value RETURN name, value",
    "CALL dbms.setConfigValue('db.transaction.timeout', '1s')",
    "CALL dbms.killQueries(['x'])",
    "CALL db.clearQueryCaches()",
    "CALL genai.vector.encode('x', 'y', {}) YIELD vector RETURN vector",
    "SHOW USERS",
    "SHOW SETTINGS YIELD name, value",
    "SHOW TRANSACTIONS",
    "TERMINATE TRANSACTIONS 'x'",
    "RETURN apoc.load.csv('CANARY') AS x",
    "RETURN file('CANARY') AS x",
    "RETURN apoc.cypher.runFirstColumnSingle('CREATE (:Fuzz) RETURN 1', {}) AS x",
)
DYNAMIC = (
    "MATCH (n:$($label)) RETURN n",
    "MATCH (n:$any($label)) RETURN n",
    "MATCH (n:$label) RETURN n",
    "MATCH ()-[e:$($label)]->() RETURN e",
    "MATCH (n) SET n:$($label)",
    "MATCH (n) SET n[$text] = 1",
    "MATCH (n) RETURN n:$all($label)",
    "WITH 'Concept' AS l MATCH (n:$(l)) RETURN n",
)
OPENINGS = (
    "",
    "MATCH (n) WITH n ",
    "RETURN 1 AS one UNION ",
    "UNWIND [1] AS i ",
    "OPTIONAL MATCH (zz) WITH zz WHERE true ",
    "WITH 1 AS one ",
)
DISGUISES: dict[str, Callable[[str], str]] = {
    "plain": lambda q: q,
    "mixed case": lambda q: "".join(c.upper() if i % 2 else c.lower() for i, c in enumerate(q)),
    "comments between": lambda q: q.replace(" ", "/**/"),
    "line comment": lambda q: f"// MATCH (n) RETURN n\n{q}",
    "comment that closes twice": lambda q: f"/* */ {q} /* */ */",
    "quote in a comment": lambda q: f"RETURN 1 AS a // '\n{q} // '",
    "comment in a quote": lambda q: f"RETURN '/*' AS a {q} RETURN '*/' AS b",
    "escaped quote": lambda q: f"RETURN '\\' AS a {q} //' AS b",
    "escaped backtick": lambda q: f"RETURN 1 AS `a``b {q}`",
    "backtick escape": lambda q: f"RETURN 1 AS `\\u0060 {q} //`",
    "second statement": lambda q: f"RETURN 1 AS a; {q}",
    "statement first": lambda q: f"{q}; RETURN 1 AS a",
    "unicode escapes": lambda q: "".join(f"\\u{ord(c):04X}" if c.isalpha() else c for c in q),
    "one unicode escape": lambda q: q.replace("E", "\\u0045").replace("e", "\\u0065"),
    "full width": lambda q: "".join(chr(ord(c) + 0xFEE0) if c.isalpha() else c for c in q),
    "long s": lambda q: q.replace("S", "ſ").replace("s", "ſ"),
    "no-break spaces": lambda q: q.replace(" ", "\u00a0"),
    "paragraph separators": lambda q: q.replace(" ", "\u2029"),
    "zero width": "\u200b".join,
    "null": lambda q: q.replace(" ", "\0"),
    "in a subquery": lambda q: f"MATCH (n) WHERE EXISTS {{ {q} }} RETURN n",
    "in a count": lambda q: f"MATCH (n) RETURN COUNT {{ {q} }} AS c",
    "in a call": lambda q: f"CALL {{ {q} }} RETURN 1 AS a",
    "in nested calls": lambda q: f"CALL {{ CALL {{ CALL {{ {q} }} }} }} RETURN 1 AS a",
    "explained": lambda q: f"EXPLAIN {q}",
    "profiled": lambda q: f"PROFILE {q}",
    "with options": lambda q: f"CYPHER 25 runtime=slotted {q}",
    "in another database": lambda q: f"USE neo4j {q}",
    "in backticks": lambda q: " ".join(f"`{word}`" for word in q.replace("`", "").split(" ")),
}
BY_HAND = (
    "MATCH (n) RETURN n.`name``; CREATE (:Fuzz) //`",
    "MATCH (n {`a\\u0060}) CREATE (:Fuzz) //`: 1}) RETURN n",
    "MATCH (n) WHERE n.x > 1.CREATE (:Fuzz)",
    "RETURN 1e1CREATE (:Fuzz)",
    "RETURN 0x1fDELETE AS x",
    "MATCH (n) RETURN n\u2028CREATE (:Fuzz)",
    "MATCH (n)\vDETACH\vDELETE\vn",
    "MATCH (n)\fDETACH\fDELETE\fn",
    "\ufeffCREATE (:Fuzz)",
    ":param x => 1",
    ":use system",
    "RETURN '\\'; CREATE (:Fuzz); //'",
    "MATCH (n) RETURN n SKIP (CALL db.labels())",
    "MATCH (n) WHERE (n)-[:`x`]->({`y`: 1}) DETACH DELETE n",
    "MATCH p = ((a)-[e]->(b)){1,3} DETACH DELETE a",
    "MATCH (n) RETURN COLLECT { CREATE (x:Fuzz) RETURN x }",
    "WHEN true THEN { CREATE (:Fuzz) } ELSE { RETURN 1 }",
    "LET x = 1 CREATE (:Fuzz)",
    "FILTER true CREATE (:Fuzz)",
    "MATCH (n) NEXT CREATE (:Fuzz)",
    "$text",
    "{",
    "",
    ";",
    "`",
    "RETURN " + "[" * 5000,
    "RETURN '" + "x" * 100_000 + "'",
)
# Queries that read, in forms that try to see more than the graph: they may run, and may not see what is not theirs.
PEEPS = (
    "MATCH (n) RETURN n",
    "MATCH (n:DualAlign) RETURN n",
    "MATCH (n:Secret) RETURN n.song AS song",
    "MATCH (n:!Concept) RETURN n",
    "MATCH (n:%) RETURN n",
    "MATCH ()-[e]-() RETURN e",
    "MATCH (a)-[*1..2]-(b) RETURN a, b",
    "MATCH (a)--(b)--(c) RETURN properties(c) AS c",
    "MATCH (n) WHERE n._graph IS NOT NULL RETURN n",
    "MATCH (n {`_graph`: 'x'}) RETURN n",
    "MATCH (n) RETURN n['_graph'] AS g, n['song'] AS song",
    "OPTIONAL MATCH (n) WHERE n.song IS NOT NULL RETURN n.song AS song",
    "MATCH (n) RETURN COLLECT { MATCH (x) RETURN x.song } AS songs",
    "MATCH (n) RETURN [(n)--(x) | x.song] AS songs",
    "MATCH (n) WHERE EXISTS { (x) WHERE x.song IS NOT NULL } RETURN n",
    "MATCH (n) WHERE COUNT { (x:Secret) } > 0 RETURN 'the-canary-sings' AS song",
    "MATCH (n) WHERE EXISTS { MATCH (x:Secret) } RETURN 'the-canary-sings' AS song",
    "UNWIND COLLECT { MATCH (x:Secret) RETURN x } AS x RETURN x",
    "MATCH (a:Concept), p = shortestPath((a)-[*..3]-(x:Secret)) RETURN p",
    "MATCH (a) MATCH (a)-[e WHERE e.song IS NOT NULL]-(b) RETURN e.song AS song",
    "MATCH (a), (x WHERE x.song IS NOT NULL) RETURN x",
    "MATCH (a) RETURN a UNION MATCH (a:Secret) RETURN a",
    "MATCH ((a)--(x)){1,2} RETURN x",
    "MATCH (a)-->*(x) RETURN x",
    "MATCH ANY SHORTEST (a)--+(x:Secret) RETURN x",
    "WITH 1 AS one MATCH (x) WHERE x.song > '' RETURN x",
    "MATCH (a) RETURN reduce(s = '', x IN [(a)-[e]-(y) | coalesce(y.song, e.song, '')] | s + x) AS songs",
    "MATCH (a) WHERE any(x IN [(a)--(y) | y.song] WHERE x STARTS WITH 'the') RETURN 'the-canary-sings' AS song",
    "MATCH (a) WHERE NOT (a)--(:Secret) RETURN count(a) AS n",
    "MATCH (a)-[e]->(b) WHERE e.song =~ '.*' RETURN e",
)


def payloads(canary: str) -> list[str]:
    """Each once, in an order that is the same in every run."""
    made = [
        disguise(opening + statement)
        for opening, statement in itertools.product(OPENINGS, (*WRITES, *READERS, *DYNAMIC))
        for name, disguise in DISGUISES.items()
        if not opening
        or name in {"plain", "comments between", "quote in a comment", "second statement", "in a subquery"}
    ]
    chance = random.Random(1)  # noqa: S311 -- the same payloads each run
    signs = ["'", '"', "`", "//", "/*", "*/", ";", "\n", "\\u0027"]
    words = [*" ".join((*WRITES, *READERS, *DYNAMIC, *PEEPS)).split(), *signs]
    made += ["MATCH (n) " + " ".join(chance.choices(words, k=chance.randrange(2, 12))) for _ in range(600)]
    made += [disguise(peep) for peep in PEEPS for disguise in DISGUISES.values()]
    return list(dict.fromkeys(text.replace("CANARY", canary) for text in (*made, *BY_HAND)))


def harmless(query: Callable[..., Any], texts: list[str]) -> dict[str, int]:
    """How the payloads ended; none may answer with what the canary sings (but where the query itself says it)."""
    ends = {"refused": 0, "answered": 0}
    for text in texts:
        try:
            answer = str([list(row.values()) for row in query(text, timeout=5.0, limit=1000, **PARAMS)])
        except QueryRefused as error:
            answer = "" if SONG in text else str(error)
            ends["refused"] += 1
        else:
            ends["answered"] += 1
        assert SONG not in answer, text
        assert IN_FILE not in answer, text
    return ends


def test_there_are_more_than_a_thousand_payloads() -> None:
    assert len(payloads("file:///canary.csv")) > 2_000


NAMES_ONLY = {"escaped backtick", "in backticks"}


def test_every_write_is_refused_before_a_store_sees_it() -> None:
    disguises = [disguise for name, disguise in DISGUISES.items() if name not in NAMES_ONLY]
    passed = []
    for text in (d(o + s) for o in OPENINGS for s in (*WRITES, *READERS, *DYNAMIC) for d in disguises):
        try:
            passed.append(guard(text, PARAMS))
        except QueryRefused:
            continue
    assert passed == []


@pytest.mark.slow
def test_nothing_happens_to_a_file(tmp_path: Path) -> None:
    canary = tmp_path / "canary.csv"
    canary.write_text(f"name\n{IN_FILE}\n")
    path = tmp_path / "ad.graph"
    with SqliteStore(path) as store:
        store.write(GRAPH)
        before = path.read_bytes()
        ends = harmless(store.query, payloads(canary.as_uri()))
        assert path.read_bytes() == before
        assert store.read() == GRAPH
    assert ends["refused"] > 2_000


@pytest.fixture
def secrets(graph: Neo4jStore, neo4j_server: Neo4jServer) -> Iterator[tuple[Neo4jStore, neo4j.Session]]:
    """A graph between things that it must not show: other programs' nodes tied to it, a hidden and a private cohort."""
    graph.write([*GRAPH, *cohort("ward", private=True, source=SONG), *cohort(f"late {SONG}")[1:]])
    with (
        neo4j.GraphDatabase.driver(neo4j_server.uri, auth=(neo4j_server.user, neo4j_server.password)) as driver,
        driver.session() as session,
    ):
        mark = {"graph": graph.address.graph, "song": SONG}
        session.run(
            "MATCH (a:Concept {_graph: $graph}) WITH a LIMIT 1 CREATE (x:Secret:Concept {song: $song, of: $graph, id: $song}) "
            "CREATE (x)-[:KNOWS {song: $song}]->(a), (a)-[:PRECEDES {song: $song}]->(x), (a)-[:IS_A {song: $song}]->(a)",
            mark,
        ).consume()
        yield graph, session
        session.run("MATCH (x:Secret {of: $graph}) DETACH DELETE x", mark).consume()


STATE = (
    "MATCH (n) RETURN count(n) AS n, count{ (x:Fuzz) } AS fuzz",
    "MATCH ()-[e]->() RETURN count(e) AS n",
    "MATCH (n) UNWIND keys(n) AS k RETURN k, count(*) AS n ORDER BY k",
    "SHOW CONSTRAINTS YIELD name RETURN name ORDER BY name",
    "SHOW INDEXES YIELD name RETURN name ORDER BY name",
    "SHOW USERS YIELD user RETURN user ORDER BY user",
    "CALL db.labels() YIELD label RETURN label ORDER BY label",
    "CALL db.relationshipTypes() YIELD relationshipType AS t RETURN t ORDER BY t",
)


def state(session: neo4j.Session) -> list[list[list[Any]]]:
    return [session.run(statement).values() for statement in STATE]


def canary_in(server: Neo4jServer, folder: Path) -> str:
    """A file that the server could import, were it to read files; elsewhere one that this machine has."""
    place = server.home / "import" if server.home else folder
    (place / "canary.csv").write_text(f"name\n{IN_FILE}\n")
    return "file:///canary.csv" if server.home else (place / "canary.csv").as_uri()


@pytest.mark.slow
def test_nothing_happens_to_a_server(
    secrets: tuple[Neo4jStore, neo4j.Session], neo4j_server: Neo4jServer, tmp_path: Path
) -> None:
    graph, session = secrets
    canary = canary_in(neo4j_server, tmp_path)
    before = state(session)
    ends = harmless(graph.query, payloads(canary))
    assert state(session) == before
    assert graph.read() == GRAPH
    assert ends["refused"] > 2_000
    assert ends["answered"] > 20  # the peeps that are plain queries did run


@pytest.mark.slow
def test_the_server_is_the_second_lock(
    secrets: tuple[Neo4jStore, neo4j.Session],
    neo4j_server: Neo4jServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Were the guard to let everything through: what the server classifies and its settings still hold."""
    graph, session = secrets
    canary = canary_in(neo4j_server, tmp_path)
    before = state(session)
    monkeypatch.setattr("graph_loaders.stores.neo4j_store.guard", lambda text, _: text)
    monkeypatch.setattr("graph_loaders.stores.neo4j_store.scope", lambda text: text)
    for text in (*WRITES, *READERS, *DYNAMIC, *BY_HAND[:-3]):
        try:
            answer = str(graph.query(text.replace("CANARY", canary), timeout=5.0, **PARAMS))
        except DualAlignError as error:
            answer = f"refused: {error}"
        assert answer.startswith("refused") or text.startswith(("MATCH", "WITH", "RETURN")), text
        assert IN_FILE not in answer, text
    assert state(session) == before


def test_the_elements_of_the_graph_are_what_a_query_counts(secrets: tuple[Neo4jStore, neo4j.Session]) -> None:
    graph, _ = secrets
    assert graph.query("MATCH (n) RETURN count(n) AS n") == [{"n": len(GRAPH.nodes)}]
    assert graph.query("MATCH ()-[e]->() RETURN count(e) AS n") == [{"n": len(GRAPH.edges)}]
    assert graph.query("MATCH (a)--(b) RETURN count(*) AS n") == [{"n": 2 * len(GRAPH.edges)}]
