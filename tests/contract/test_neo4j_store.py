"""What only a graph on a server does: others beside it, connections that break, servers that refuse."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import textwrap
import threading
from typing import TYPE_CHECKING, Any

import neo4j
import pytest

from bolt_proxy import BoltProxy
from graph_loaders.copy import copy, drop
from graph_loaders.elements import Edge, GraphElements, Node
from graph_loaders.stores import SqliteStore, open_store
from graph_loaders.stores import neo4j_writing as writing
from graph_loaders.stores.address import ServerAddress
from graph_loaders.stores.neo4j_store import Neo4jStore
from ontology.errors import ConfigError, MissingGraph, QueryRefused, SourceError, StoreError
from store_graphs import FACTS, GAPS, GRAPH, A, B, cohort

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from neo4j_server import Neo4jServer

SEEN = ("MATCH (n) RETURN n.id AS id ORDER BY id", "MATCH ()-[e]->() RETURN type(e) AS t, e.key AS key ORDER BY t, key")
PASSWORD = "the-canary-of-a-password"


@pytest.fixture
def session(neo4j_server: Neo4jServer) -> Iterator[neo4j.Session]:
    """The plain driver, as other programs use it."""
    with (
        neo4j.GraphDatabase.driver(neo4j_server.uri, auth=(neo4j_server.user, neo4j_server.password)) as driver,
        driver.session() as opened,
    ):
        yield opened


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every write goes in several transactions."""
    monkeypatch.setattr(writing, "ONE_TRANSACTION", 0)
    monkeypatch.setattr(writing, "BATCH", 2)


def reopened(store: Neo4jStore, server: Neo4jServer, **more: Any) -> Neo4jStore:
    return Neo4jStore(store.address, server.password, **more)


# Others in the database


def test_graphs_share_a_database_and_do_not_see_each_other(new_graph: Callable[[], Neo4jStore]) -> None:
    one, other = new_graph(), new_graph()
    one.write(GRAPH)
    assert other.read() == GraphElements()
    assert [other.query(query) for query in SEEN] == [[], []]
    other.write(GraphElements.of([A, Node("Stage", "stage:mild")]))
    assert one.read() == GRAPH
    assert other.query("MATCH (c:Concept) RETURN count(c) AS n") == [{"n": 1}]
    one.drop_graph()
    assert other.read() == GraphElements.of([A, Node("Stage", "stage:mild")])


def test_what_belongs_to_others_is_not_seen_and_not_touched(graph: Neo4jStore, session: neo4j.Session) -> None:
    graph.write(GRAPH)
    before = [graph.query(query) for query in SEEN]
    mark = graph.address.graph
    session.run(
        "MATCH (a:Concept {_graph: $graph, id: $a}), (b:Concept {_graph: $graph, id: $b}) "
        "CREATE (x:Note:Concept {mark: $graph, id: 'foreign', cui: 'foreign'})-[:ABOUT]->(a), (x)-[:PRECEDES {key: 'x'}]->(b), "
        "(a)-[:PRECEDES {mark: $graph, note: 'foreign'}]->(b), (a)-[:PRECEDES]->(a)",
        graph=mark,
        a=A.key,
        b=B.key,
    ).consume()
    try:
        assert [graph.query(query) for query in SEEN] == before
        assert graph.read() == GRAPH
        graph.write(GRAPH, replace="paquid")
        graph.drop("paquid")
        assert graph.read() == FACTS
        counted = "MATCH (x {mark: $graph}) OPTIONAL MATCH (x)-[e]->() RETURN count(DISTINCT x), count(e)"
        assert session.run(counted, graph=mark).values() == [[1, 2]]
        assert session.run("MATCH ()-[e {mark: $graph}]->() RETURN e.note", graph=mark).values() == [["foreign"]]
        graph.drop_graph()
        assert session.run("MATCH (x {mark: $graph}) RETURN labels(x)", graph=mark).single() is not None
    finally:
        session.run("MATCH (x {mark: $graph}) DETACH DELETE x", graph=mark).consume()


HIDDEN = [
    "MATCH (n) WHERE n.id CONTAINS 'ward' OR n.name = 'ward' RETURN n.id",
    "MATCH ()-[e]->() WHERE e.cohort = 'ward' RETURN e.key",
    "MATCH (a)-[es*1..2]->(b) WHERE any(e IN es WHERE e.cohort = 'ward') RETURN a.id",
    "MATCH p = (a)-[*1..3]-(b) WHERE any(e IN relationships(p) WHERE e.cohort = 'ward') RETURN length(p)",
    "MATCH (a:Concept) WHERE COUNT { (a)-[e]-() WHERE e.cohort = 'ward' } > 0 RETURN a.id",
    "MATCH (a:Concept) WHERE EXISTS { MATCH (a)-[e]-() WHERE e.cohort = 'ward' } RETURN a.id",
    "MATCH (a:Concept) WITH [(a)-[e]-(x) WHERE e.cohort = 'ward' | e.key] AS found WHERE size(found) > 0 RETURN found",
    "MATCH (a:Concept) WHERE (a)--(:Cohort {id: 'ward'}) RETURN a.id",
    "MATCH (a)--(b) WITH collect(b.id) AS ids WHERE 'ward' IN ids RETURN ids",
    (
        "MATCH (a), (b) WHERE a.id <> b.id MATCH p = shortestPath((a)-[*..4]-(b)) "
        "WHERE any(e IN relationships(p) WHERE e.cohort = 'ward') RETURN length(p)"
    ),
    "MATCH ((a)-[e]->(b) WHERE e.cohort = 'ward'){1,2} RETURN 1 AS one",
    "MATCH (a)-[e]->+(b) WHERE any(x IN e WHERE x.cohort = 'ward') RETURN 1 AS one",
    "MATCH (a WHERE EXISTS { (a)-[e]-() WHERE e.cohort = 'ward' }) RETURN a.id",
    "MATCH (a WHERE (a)-[{cohort: 'ward'}]-()) RETURN a.id",
    "MATCH (a), p = shortestPath((a)-[*..3]-(c WHERE (c)-[{cohort: 'ward'}]-())) WHERE a.id <> c.id RETURN a.id",
    "OPTIONAL MATCH (a:Cohort) WITH a WHERE a IS NOT NULL RETURN a.id",
]


@pytest.mark.parametrize("private", [True, False], ids=["private", "without its node"])
@pytest.mark.parametrize("query", HIDDEN)
def test_no_form_of_pattern_shows_a_hidden_cohort(
    new_graph: Callable[[], Neo4jStore], query: str, private: bool
) -> None:
    graph, control = new_graph(), new_graph()
    graph.write([*FACTS, *(cohort("ward", private=True) if private else cohort("ward")[1:])])
    assert graph.query(query) == []
    control.write([*FACTS, *cohort("ward")])
    assert control.query(query) != []  # the query would have shown it


def test_paths_walk_through_what_can_be_seen_only(graph: Neo4jStore) -> None:
    far = [Node("Concept", f"C{i}") for i in range(4)]
    graph.write([*far, *(Edge("IS_A", ("Concept", f"C{i}"), ("Concept", f"C{i + 1}")) for i in range(3))])
    graph.write([Edge("PRECEDES", ("Concept", "C0"), ("Concept", "C3"), "ward", {"cohort": "ward"})])
    ends = "(a:Concept {id: 'C0'})-[*]->(b:Concept {id: 'C3'})"
    assert graph.query(f"MATCH p = shortestPath({ends}) RETURN length(p) AS n") == [{"n": 3}]
    assert graph.query(f"MATCH {ends} RETURN count(*) AS n") == [{"n": 1}]
    graph.write([Node("Cohort", "ward")])
    assert graph.query(f"MATCH p = shortestPath({ends}) RETURN length(p) AS n") == [{"n": 1}]


def test_the_stores_own_names_are_no_part_of_answers_and_of_queries(graph: Neo4jStore) -> None:
    graph.write(GRAPH)
    rows = graph.query("MATCH p = (a)-[e]->(b) RETURN a, e, p, keys(a), properties(e), a {.*} AS m, collect(b) AS bs")
    assert "_graph" not in str(rows)
    assert graph.address.graph not in str(rows)
    for query in ("MATCH (a) RETURN a._graph", "MATCH (a {`_graph`: 'x'}) RETURN a", "RETURN $_graph AS g"):
        with pytest.raises(QueryRefused):
            graph.query(query)
    with pytest.raises(QueryRefused, match="store's own"):
        graph.query("RETURN 1 AS one", _graph="other")


# Large loads


def test_a_load_in_parts_gives_the_same_graph(graph: Neo4jStore, small_parts: None) -> None:
    graph.write([*FACTS, *cohort("old"), *cohort("kept")])
    graph.write([*FACTS, *cohort("new", 3)], replace="old")
    expected = GraphElements.of([*FACTS, *cohort("new", 3), *cohort("kept")])
    assert graph.read() == expected
    graph.write([*FACTS, *cohort("new", 4)])
    graph.write([*FACTS, *cohort("new", 4)])
    assert graph.read() == GraphElements.of([*FACTS, *cohort("new", 4), *cohort("kept")])
    assert graph.read(private=True) == graph.read()


def test_a_load_in_parts_that_fails_shows_none_of_its_cohort(
    graph: Neo4jStore, small_parts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph.write([*FACTS, *cohort("old")])
    with monkeypatch.context() as patch:
        patch.setattr(writing.Writing, "_publish", lambda self, tx, **_: tx.run("RETURN broken"))
        with pytest.raises(QueryRefused):
            graph.write([*FACTS, *cohort("old", 9)], replace="old")
    assert graph.read(private=True) == GraphElements.of([*FACTS, *cohort("old")])
    assert graph.query("MATCH ()-[e]->() WHERE e.persons = 9 RETURN e.key") == []
    graph.write([*FACTS, *cohort("old", 8)], replace="old")  # other data: what the failed load left is not taken
    assert graph.read(private=True) == GraphElements.of([*FACTS, *cohort("old", 8)])


def test_an_edge_moves_between_a_fact_and_a_hidden_cohort_and_is_never_twice(graph: Neo4jStore) -> None:
    graph.write(GRAPH)
    moved = dataclasses.replace(FACT, properties={"cohort": "ward"})
    graph.write([moved])
    assert graph.read() == GraphElements.of([*GRAPH.nodes, *(e for e in GRAPH.edges if e.key != FACT.key)])
    graph.write([Node("Cohort", "ward")])
    assert [e for e in graph.read().edges if e.key == FACT.key] == [moved]


FACT = next(edge for edge in FACTS.edges if edge.key == "fact-1")


@pytest.mark.slow
def test_two_hundred_thousand_rows_are_streamed(graph: Neo4jStore) -> None:
    nodes = [Node("Concept", f"C{i:04d}") for i in range(500)]
    graph.write(nodes)
    rows = graph.query("MATCH (a:Concept), (b:Concept) RETURN a.id AS a, b.id AS b LIMIT 200000", limit=200_000)
    assert len(rows) == 200_000
    with pytest.raises(QueryRefused, match="more than 1000: add LIMIT"):
        graph.query("MATCH (a:Concept), (b:Concept), (c:Concept) RETURN a.id, b.id, c.id", limit=1000)


# Connections


def test_a_commit_whose_answer_is_lost_is_done_once(graph: Neo4jStore, neo4j_server: Neo4jServer) -> None:
    with BoltProxy(neo4j_server.uri) as proxy:
        address = dataclasses.replace(graph.address, uri=proxy.uri)
        with Neo4jStore(address, neo4j_server.password) as through:
            proxy.cut_commits()
            through.write(GRAPH)
        assert proxy.commits_cut == 1
    assert graph.read() == GRAPH


def test_whichever_commit_of_a_load_in_parts_is_lost_the_graph_is_the_same(
    graph: Neo4jStore, neo4j_server: Neo4jServer, small_parts: None
) -> None:
    graph.write([*FACTS, *cohort("one", 0)])
    with BoltProxy(neo4j_server.uri) as proxy:
        through = Neo4jStore(dataclasses.replace(graph.address, uri=proxy.uri), neo4j_server.password)
        for number in range(1, 30):
            proxy.cut_commits(after=number)
            through.write([*FACTS, *cohort("one", number)], replace="one")
            assert graph.read(private=True) == GraphElements.of([*FACTS, *cohort("one", number)])
            if not proxy.commits_cut:  # there were no more to cut
                break
        through.close()
    assert 5 < number < 29


def test_commits_that_are_lost_again_and_again_end_in_an_error_to_try_again(
    graph: Neo4jStore, neo4j_server: Neo4jServer
) -> None:
    with BoltProxy(neo4j_server.uri) as proxy:
        address = dataclasses.replace(graph.address, uri=proxy.uri)
        with Neo4jStore(address, neo4j_server.password) as through:
            proxy.cut_commits(1000, after=1)  # the look at the constraints passes
            with pytest.raises(StoreError, match="cut while it was committed; run the same again") as caught:
                through.write(GRAPH)
    assert caught.value.retryable
    assert graph.read() == GRAPH


def test_a_cut_connection_is_made_again_by_the_next_question(graph: Neo4jStore, neo4j_server: Neo4jServer) -> None:
    graph.write(GRAPH)
    with BoltProxy(neo4j_server.uri) as proxy:
        address = dataclasses.replace(graph.address, uri=proxy.uri)
        with Neo4jStore(address, neo4j_server.password) as through:
            for _ in range(3):
                proxy.cut()
                assert through.read() == GRAPH
                proxy.cut()
                through.write(GRAPH)


def test_two_processes_load_the_same_and_another_cohort_at_once(graph: Neo4jStore, neo4j_server: Neo4jServer) -> None:
    script = """
        import sys
        from store_graphs import FACTS, cohort
        from graph_loaders.stores import neo4j_writing as writing
        from graph_loaders.stores.address import parse
        from graph_loaders.stores.neo4j_store import Neo4jStore
        writing.ONE_TRANSACTION = int(sys.argv[3])
        writing.BATCH = 2
        with Neo4jStore(parse(sys.argv[1]), sys.stdin.readline().strip()) as store:
            for _ in range(8):
                store.write([*FACTS, *cohort("same"), *cohort(sys.argv[2])], replace="same")
    """
    path = [sys.path[0], *(p for p in sys.path if p.endswith(("contract", "servers")))]
    environment = {"PYTHONPATH": ":".join(path), "PATH": "/usr/bin"}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script), str(graph.address), name, size],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for name, size in (("one", "1000"), ("two", "1000"), ("three", "1000"))
    ]
    ends = [process.communicate(neo4j_server.password + "\n", timeout=120)[1] for process in running]
    assert [(process.returncode, end) for process, end in zip(running, ends, strict=True)] == [(0, "")] * 3
    names = ("same", "one", "two", "three")
    assert graph.read() == GraphElements.of([*FACTS, *(e for name in names for e in cohort(name))])


def test_threads_share_a_store(graph: Neo4jStore) -> None:
    graph.write(FACTS)
    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for _ in range(3):
                graph.write(cohort(name))
                assert graph.query("MATCH (c:Concept) RETURN count(c) AS n") == [{"n": 2}]
        except BaseException as error:  # noqa: BLE001 -- a thread's failure is the test's
            failures.append(error)

    threads = [threading.Thread(target=work, args=(f"c{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert graph.read() == GraphElements.of([*FACTS, *(e for i in range(4) for e in cohort(f"c{i}"))])


@pytest.mark.slow
def test_a_server_stopped_half_way_is_named_and_goes_on_when_it_is_back(
    graph: Neo4jStore, neo4j_server: Neo4jServer
) -> None:
    if not neo4j_server.can_stop:
        pytest.skip("the server is the user's own: tests do not stop it")
    graph.write(GRAPH)
    with Neo4jStore(graph.address, neo4j_server.password, wait=2.0) as store:
        neo4j_server.stop()
        try:
            for act in (lambda: store.write(GRAPH), store.read, lambda: store.query("RETURN 1 AS x")):
                with pytest.raises(StoreError) as caught:
                    act()
                assert caught.value.retryable
                assert str(graph.address) in str(caught.value)
                assert neo4j_server.password not in str(caught.value)
            with pytest.raises(StoreError, match="check that it runs"):
                Neo4jStore(graph.address, neo4j_server.password, wait=2.0)
        finally:
            neo4j_server.start()
        assert store.read() == GRAPH
        store.write(cohort("after"))
        assert store.query("MATCH (c:Cohort) RETURN c.id AS id ORDER BY id") == [{"id": "after"}, {"id": "paquid"}]


# What is refused


def address(server: Neo4jServer, **more: Any) -> ServerAddress:
    return dataclasses.replace(ServerAddress(server.uri, server.user, "neo4j", "refused"), **more)


def test_a_wrong_password_is_never_repeated(neo4j_server: Neo4jServer) -> None:
    with pytest.raises(ConfigError, match="refuses the user 'neo4j' with the password given") as caught:
        Neo4jStore(address(neo4j_server), PASSWORD)
    assert "DUALALIGN_NEO4J_PASSWORD" in str(caught.value)
    assert PASSWORD not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_a_wrong_user_database_and_host_are_named(neo4j_server: Neo4jServer) -> None:
    with pytest.raises(ConfigError, match="refuses the user 'nobody'"):
        Neo4jStore(address(neo4j_server, user="nobody"), neo4j_server.password)
    with pytest.raises(ConfigError, match="no database 'nowhere'"):
        Neo4jStore(address(neo4j_server, database="nowhere"), neo4j_server.password, create=True)
    with pytest.raises(StoreError, match="host and port are right"):
        Neo4jStore(address(neo4j_server, uri="bolt://127.0.0.1:1"), neo4j_server.password, wait=1.0)


def test_a_missing_graph_is_named_with_the_command_that_makes_it(neo4j_server: Neo4jServer) -> None:
    asked = address(neo4j_server, graph="never-made")
    with pytest.raises(MissingGraph) as caught:
        open_store(asked, password=neo4j_server.password)
    assert str(caught.value).endswith(f"make one with: dualalign load facts --graph '{asked}'")


@pytest.mark.parametrize(("agent", "answer"), [(b"5.12", None), (b"4.44", "5.13 or later"), (b"5.12", "5.13 or later")])
def test_an_old_server_is_refused(neo4j_server: Neo4jServer, agent: bytes, answer: str | None) -> None:
    with BoltProxy(neo4j_server.uri, change=lambda data: data.replace(b"Neo4j/5.26", b"Neo4j/" + agent)) as proxy:
        with pytest.raises(ConfigError, match=answer or "is Neo4j/5.12"):
            Neo4jStore(address(neo4j_server, uri=proxy.uri), neo4j_server.password, create=True)
        with pytest.raises(ConfigError, match="name a Neo4j server"):
            Neo4jStore._refuse_old(object.__new__(_Nameless), "Memgraph/2.1")


class _Nameless(Neo4jStore):
    address = ServerAddress()


def test_a_graph_of_a_later_version_is_refused_untouched(
    graph: Neo4jStore, neo4j_server: Neo4jServer, session: neo4j.Session
) -> None:
    graph.write(GRAPH)
    later = "MATCH (g:DualAlign {name: $graph}) SET g.format = $format"
    session.run(later, graph=graph.address.graph, format=2).consume()
    try:
        for create in (True, False):
            with pytest.raises(SourceError, match="a graph of format 2, and this version reads format 1"):
                reopened(graph, neo4j_server, create=create)
        with pytest.raises(SourceError, match="update DualAlign"):
            graph.write(FACTS)
    finally:
        session.run(later, graph=graph.address.graph, format=1).consume()
    assert graph.read() == GRAPH


def test_constraints_are_made_again_before_data_and_nothing_is_loaded_without(
    graph: Neo4jStore, session: neo4j.Session
) -> None:
    session.run("DROP CONSTRAINT dualalign_stage").consume()
    graph.write(FACTS)
    assert session.run("SHOW CONSTRAINTS YIELD name WHERE name = 'dualalign_stage'").single() is not None
    twins = "UNWIND [1, 2] AS i CREATE (:Stage {_graph: 'twins', id: 'twin'})"
    session.run("DROP CONSTRAINT dualalign_stage").consume()
    session.run(twins).consume()
    try:
        with pytest.raises(StoreError, match=r"would not make the constraint on Stage\(_graph, id\)"):
            graph.write(cohort("one"))
        assert graph.read() == FACTS
    finally:
        session.run("MATCH (s:Stage {_graph: 'twins'}) DELETE s").consume()
    graph.write(cohort("one"))


# Copies


def test_a_copy_there_and_back_is_the_identity(
    new_graph: Callable[[], Neo4jStore], neo4j_server: Neo4jServer, tmp_path: Path
) -> None:
    first, second = new_graph().address, new_graph().address
    with SqliteStore(tmp_path / "a.graph") as store:
        store.write(GRAPH)
    given = {"password": neo4j_server.password}
    reports = [
        copy(tmp_path / "a.graph", first, **given),
        copy(first, second, **given),
        copy(second, tmp_path / "b.graph", **given),
    ]
    assert {report.fingerprint for report in reports} == {GRAPH.fingerprint}
    with open_store(tmp_path / "b.graph") as store:
        assert store.read() == GRAPH
    assert not copy(first, second, **given).written
    assert not copy(first, tmp_path / "c.graph", dry_run=True, **given).written
    assert not (tmp_path / "c.graph").exists()


def test_a_copy_leaves_private_cohorts_behind_unless_asked(
    new_graph: Callable[[], Neo4jStore], neo4j_server: Neo4jServer, tmp_path: Path
) -> None:
    target, other = new_graph().address, new_graph().address
    with SqliteStore(tmp_path / "a.graph") as store:
        store.write([*GRAPH, *cohort("ward", private=True)])
        everything = store.read(private=True)
    given = {"password": neo4j_server.password}
    assert copy(tmp_path / "a.graph", target, **given).left_out == 1
    copy(tmp_path / "a.graph", other, private=True, **given)
    with open_store(other, **given) as store:
        assert store.read() == GRAPH
        assert store.read(private=True) == everything


def test_a_copy_over_another_graph_is_refused(graph: Neo4jStore, neo4j_server: Neo4jServer, tmp_path: Path) -> None:
    graph.write(GRAPH)
    with SqliteStore(tmp_path / "a.graph") as store:
        store.write(FACTS)
    with pytest.raises(ConfigError, match="holds another graph already"):
        copy(tmp_path / "a.graph", graph.address, password=neo4j_server.password)
    assert graph.read() == GRAPH
    drop(graph.address, cohort="paquid", password=neo4j_server.password)
    assert not copy(tmp_path / "a.graph", graph.address, password=neo4j_server.password).written
    with pytest.raises(ConfigError, match="has no cohort 'paquid'; it has none"):
        drop(graph.address, cohort="paquid", password=neo4j_server.password)
    drop(graph.address, password=neo4j_server.password)
    with pytest.raises(MissingGraph):
        open_store(graph.address, password=neo4j_server.password)


def test_hostile_text_comes_back_as_it_went(graph: Neo4jStore) -> None:
    texts = ["') DELETE n //", "`x`", "\\u0027", "a\0b", "\u2028\ufeff", "🧠" * 500, "x" * 20_000, "ſ\u0301", ""]
    nodes = [Node("Concept", f"C{i} {text[:50]}", {"name": text}) for i, text in enumerate(texts)]
    edges = [Edge("IS_A", ("Concept", a.key), ("Concept", b.key), f"{a.key}\n`") for a in nodes for b in nodes[:2]]
    graph.write([*nodes, *edges])
    assert graph.read() == GraphElements.of([*nodes, *edges])
    for node in nodes:
        assert graph.query("MATCH (n) WHERE n.id = $id RETURN n.name AS name", id=node.key) == [dict(node.properties)]


def test_numbers_keep_their_types(graph: Neo4jStore) -> None:
    counts = {"persons": 2**62, "person_years": 1.0, "gap_days": GAPS, "log_ratio": -0.0, "se": 5e-324}
    edge = Edge("PRECEDES", ("Concept", A.key), ("Concept", B.key), "k", counts)
    whole = dataclasses.replace(edge, key="w", properties={"person_years": 1})  # an integer may stand for a float
    graph.write([A, B, edge, whole])
    assert graph.read().fingerprint == GraphElements.of([A, B, edge, whole]).fingerprint
