"""What every store does. A new store is one more parameter of `new_store`."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING, Any

import pytest

from graph_loaders.elements import Edge, GraphElements, Node
from graph_loaders.schema import EDGES, NODES
from graph_loaders.stores import SqliteStore, open_store
from graph_loaders.stores.sqlite_store import APPLICATION_ID, FORMAT_VERSION
from ontology.errors import ConfigError, QueryRefused, SourceError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from graph_loaders.stores import GraphStore

A = Node("Concept", "C0002395", {"name": "Alzheimer's disease", "types": ["T047"], "remits": False})
B = Node("Concept", "C0085632", {"name": 'Apathy "quoted"\nsecond line — λ 🧠', "types": []})
START = Node("Start", "start", {"name": "start"})
FACT = Edge(
    "PRECEDES", ("Concept", "C0085632"), ("Concept", "C0002395"), "fact-1", {"source": "doi:1", "log_ratio": 0.5}
)
GAPS = [0, 1, 2, 3, 0, 0, 0, 0]


def cohort(key: str, persons: int = 7, **more: Any) -> list[Node | Edge]:
    """A cohort with counts and an estimate between A and B."""
    return [
        Node("Cohort", key, {"persons": persons, "source": "test", **more}),
        Edge(
            "PRECEDES",
            ("Concept", B.key),
            ("Concept", A.key),
            key,
            {"cohort": key, "persons": persons, "gap_days": GAPS},
        ),
        Edge(
            "ESTIMATES",
            ("Cohort", key),
            ("Concept", A.key),
            key,
            {"cohort": key, "features": ["intercept"], "coefficients": [-3.25], "information": [12.5]},
        ),
    ]


FACTS = GraphElements.of([A, B, START, FACT])
GRAPH = GraphElements.of([*FACTS, *cohort("paquid")])


@pytest.fixture(params=["sqlite-file", "sqlite-memory"])
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], GraphStore]]:
    """Makes empty stores, and closes them."""
    made: list[GraphStore] = []

    def make() -> GraphStore:
        target = ":memory:" if request.param == "sqlite-memory" else tmp_path / f"{len(made)}.graph"
        made.append(open_store(target, create=True))
        return made[-1]

    yield make
    for store in made:
        store.close()


@pytest.fixture
def store(new_store: Callable[[], GraphStore]) -> GraphStore:
    return new_store()


def test_what_is_written_is_read_with_the_same_fingerprint(store: GraphStore) -> None:
    store.write(GRAPH)
    assert store.read() == GRAPH
    assert store.read().fingerprint == GRAPH.fingerprint


def test_an_empty_graph_reads_as_one_and_answers_queries(store: GraphStore) -> None:
    assert store.read() == GraphElements()
    assert store.query("MATCH (n) RETURN n") == []
    assert store.query("MATCH (n) RETURN count(n) AS n") == [{"n": 0}]


def test_writing_twice_changes_nothing(store: GraphStore) -> None:
    store.write(GRAPH)
    store.write(GRAPH)
    assert store.read() == GRAPH


def test_writing_in_parts_and_in_another_order_gives_the_same_graph(new_store: Callable[[], GraphStore]) -> None:
    one, other = new_store(), new_store()
    one.write(GRAPH)
    other.write(GRAPH.nodes[::-1])
    other.write(GRAPH.edges[::-1])
    assert other.read().fingerprint == one.read().fingerprint


def test_an_element_is_replaced_by_its_identity(store: GraphStore) -> None:
    store.write(GRAPH)
    store.write([Node("Concept", A.key, {"name": "AD"})])
    assert {n.key: n.properties for n in store.read().nodes}[A.key] == {"name": "AD"}
    assert len(store.read().nodes) == len(GRAPH.nodes)


def test_two_contents_for_one_identity_in_a_batch_are_refused(store: GraphStore) -> None:
    with pytest.raises(StoreError, match="two different nodes for one identity"):
        store.write([A, Node("Concept", A.key, {"name": "other"})])
    assert store.read() == GraphElements()


def test_a_cohort_without_its_node_is_invisible_until_it_comes(store: GraphStore) -> None:
    store.write(FACTS)
    node, *edges = cohort("late")
    store.write(edges)
    assert store.read() == FACTS
    assert store.query("MATCH ()-[p:PRECEDES]->() RETURN p.key AS key") == [{"key": "fact-1"}]
    store.write([node])
    assert store.read() == GraphElements.of([*FACTS, node, *edges])
    assert len(store.query("MATCH ()-[p:PRECEDES]->() RETURN p.key AS key")) == 2


def test_drop_removes_one_cohort_and_nothing_else(store: GraphStore) -> None:
    store.write([*FACTS, *cohort("one"), *cohort("two")])
    store.drop("one")
    assert store.read() == GraphElements.of([*FACTS, *cohort("two")])
    store.drop("none of that name")
    store.drop("two")
    assert store.read() == FACTS


def test_dropped_is_gone_and_does_not_come_back_with_the_node(store: GraphStore) -> None:
    store.write([*FACTS, *cohort("one")])
    store.drop("one")
    store.write([cohort("one")[0]])
    assert store.read() == GraphElements.of([*FACTS, cohort("one")[0]])


def test_a_cohort_is_replaced_in_one_step_or_not_at_all(store: GraphStore) -> None:
    store.write([*FACTS, *cohort("one"), *cohort("two")])
    with pytest.raises(StoreError, match="has no node"):
        store.write([Edge("IS_A", ("Concept", "C9999999"), ("Concept", A.key))], replace="one")
    assert store.read() == GraphElements.of([*FACTS, *cohort("one"), *cohort("two")])
    store.write(cohort("one", persons=9)[:2], replace="one")
    assert store.read() == GraphElements.of([*FACTS, *cohort("one", persons=9)[:2], *cohort("two")])


def test_a_private_cohort_is_read_only_when_asked_for(store: GraphStore) -> None:
    hidden = cohort("ward", private=True)
    store.write([*FACTS, *hidden])
    assert store.read() == FACTS
    assert store.read(private=True) == GraphElements.of([*FACTS, *hidden])
    assert store.query("MATCH (c:Cohort) RETURN c.id") == []


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "None"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        ({"a": 1}, "dict"),
        ((1, 2), "tuple"),
        ([1, "a"], "a list that is not all"),
        ([[1]], "a list that is not all"),
        (b"x", "bytes"),
        ("\ud800", "surrogate"),
        (3, "name is 3"),
        (True, "name is True"),
    ],
)
def test_a_property_outside_the_schema_is_refused_with_its_place(store: GraphStore, value: Any, why: str) -> None:
    store.write(FACTS)
    with pytest.raises(ConfigError, match="Concept C0000001") as caught:
        store.write([Node("Concept", "C0000002", {"name": "fine"}), Node("Concept", "C0000001", {"name": value})])
    assert why in str(caught.value)
    assert store.read() == FACTS


def test_labels_and_types_are_closed(store: GraphStore) -> None:
    with pytest.raises(ConfigError) as caught:
        store.write([Node("Patient", "p1"), Edge("KNOWS", ("Concept", "a"), ("Concept", "b"))])
    assert [issue.code for issue in caught.value.issues] == ["unknown-label", "unknown-type"]
    assert store.read() == GraphElements()


def test_an_edge_needs_its_nodes(store: GraphStore) -> None:
    with pytest.raises(StoreError, match="IS_A hpo from Concept C1 to Concept C2 has no node Concept C1"):
        store.write([Node("Concept", "C2"), Edge("IS_A", ("Concept", "C1"), ("Concept", "C2"), "hpo")])
    assert store.read() == GraphElements()


def test_a_failing_source_of_elements_writes_nothing(store: GraphStore) -> None:
    def broken() -> Iterator[Node]:
        yield A
        message = "the reader broke"
        raise OSError(message)

    with pytest.raises(OSError, match="the reader broke"):
        store.write(broken())
    assert store.read() == GraphElements()


def test_close_may_be_called_twice_and_ends_everything(store: GraphStore) -> None:
    store.write(FACTS)
    store.query("RETURN 1 AS x")
    store.close()
    store.close()
    with pytest.raises(StoreError, match="is closed"):
        store.read()
    with pytest.raises(StoreError, match="is closed"):
        store.query("RETURN 1 AS x")


# Cypher


def test_the_query_of_the_guide_answers(store: GraphStore) -> None:
    store.write(GRAPH)
    rows = store.query(
        "MATCH (a:Concept)-[p:PRECEDES]->(b) WHERE a.cui = $cui RETURN b.name, p.persons ORDER BY p.key", cui="C0085632"
    )
    assert rows == [
        {"b.name": A.properties["name"], "p.persons": None},
        {"b.name": A.properties["name"], "p.persons": 7},
    ]


def test_every_property_of_every_element_can_be_queried(store: GraphStore) -> None:
    store.write(GRAPH)
    for node in GRAPH.nodes:
        returned = ", ".join(["n.id AS id", *(f"n.{key} AS {key}" for key in node.properties)])
        rows = store.query(f"MATCH (n:{node.label}) WHERE n.id = $key RETURN {returned}", key=node.key)
        assert rows == [{"id": node.key, **node.properties}]
    for edge in GRAPH.edges:
        returned = ", ".join(["e.key AS key", *(f"e.{key} AS {key}" for key in edge.properties)])
        rows = store.query(
            f"MATCH (a)-[e:{edge.type}]->(b) WHERE a.id = $a AND b.id = $b AND e.key = $key RETURN {returned}",
            a=edge.start[1],
            b=edge.end[1],
            key=edge.key,
        )
        assert rows == [{"key": edge.key, **edge.properties}]


def test_a_missing_property_is_null(store: GraphStore) -> None:
    store.write([Node("Concept", "C0000001"), Node("Stage", "stage:mild", {"ordinal": 1})])
    assert store.query("MATCH (n:Concept) RETURN n.name AS name, n.definition AS d") == [{"name": None, "d": None}]
    assert store.query("MATCH (n:Stage) RETURN n.name AS name, n.ordinal AS o") == [{"name": None, "o": 1}]


def test_every_label_and_type_of_the_schema_can_be_filled_and_queried(store: GraphStore) -> None:
    nodes = {label: Node(label, f"the {label}") for label in NODES}
    edges = [
        Edge(kind, (shape.starts[0], f"the {shape.starts[0]}"), (shape.ends[-1], f"the {shape.ends[-1]}"))
        for kind, shape in EDGES.items()
    ]
    store.write([*nodes.values(), *edges])
    for label in NODES:
        assert store.query(f"MATCH (n:{label}) RETURN n.id AS id") == [{"id": f"the {label}"}]
    for edge in edges:
        rows = store.query(f"MATCH (a)-[e:{edge.type}]->(b) RETURN a.id AS a, b.id AS b, type(e) AS type")
        assert rows == [{"a": edge.start[1], "b": edge.end[1], "type": edge.type}]
    assert store.query("MATCH ()-[e:IS_A|IN]->() RETURN count(e) AS n") == [{"n": 2}]


def test_edges_between_the_same_nodes_are_all_there(store: GraphStore) -> None:
    store.write([*FACTS, *(element for k in range(5) for element in cohort(f"c{k}", persons=k))])
    rows = store.query("MATCH (:Concept)-[p:PRECEDES]->(:Concept) RETURN p.key AS key, p.persons AS n ORDER BY key")
    assert [row["key"] for row in rows] == ["c0", "c1", "c2", "c3", "c4", "fact-1"]
    assert [row["n"] for row in rows] == [0, 1, 2, 3, 4, None]


@pytest.mark.parametrize(
    "text", ['O\'Brien "x"', "line\nbreak\ttab", "`back`", "\\u0027", "$cui", "λ 🧠 ſ", "", "') DELETE n //"]
)
def test_parameters_are_values_whatever_they_say(store: GraphStore, text: str) -> None:
    store.write([Node("Concept", "C0000001", {"name": text}), Node("Concept", "C0000002", {"name": "other"})])
    assert store.query("MATCH (n:Concept) WHERE n.name = $name RETURN n.cui AS cui", name=text) == [{"cui": "C0000001"}]
    assert store.query("RETURN $x AS x", x={"a": [1, 2.5, None, True, text]}) == [
        {"x": {"a": [1, 2.5, None, True, text]}}
    ]


def test_queries_see_what_was_written_since(store: GraphStore) -> None:
    count = "MATCH (n:Concept) RETURN count(n) AS n"
    assert store.query(count) == [{"n": 0}]
    store.write(FACTS)
    assert store.query(count) == [{"n": 2}]


def test_too_many_rows_are_refused_with_the_way_out(store: GraphStore) -> None:
    store.write(FACTS)
    with pytest.raises(QueryRefused, match="2 rows, more than 1: add LIMIT"):
        store.query("MATCH (n:Concept) RETURN n", limit=1)
    assert len(store.query("MATCH (n:Concept) RETURN n", limit=2)) == 2


def test_a_slow_query_is_ended_and_the_next_one_answered(store: GraphStore) -> None:
    nodes = [Node("Concept", f"C{i:07d}") for i in range(60)]
    edges = [Edge("IS_A", ("Concept", a.key), ("Concept", b.key)) for a in nodes for b in nodes if a is not b]
    store.write([*nodes, *edges])
    store.query("RETURN 1 AS x")
    start = time.perf_counter()
    with pytest.raises(QueryRefused, match=r"longer than 0.5 s"):
        store.query("MATCH (a)-[*]->(b) RETURN count(b)", timeout=0.5)
    assert time.perf_counter() - start < 10
    assert store.query("MATCH (n) RETURN count(n) AS n") == [{"n": 60}]


def test_a_query_that_cannot_run_says_why_in_one_line(store: GraphStore) -> None:
    with pytest.raises(QueryRefused, match="the query cannot run") as caught:
        store.query("MATCH (n RETURN n)")
    assert "\n" not in str(caught.value)


# The file


def graph_file(folder: Path) -> Path:
    path = folder / "ad.graph"
    with SqliteStore(path) as store:
        store.write(GRAPH)
    return path


def test_a_graph_at_rest_is_one_file_that_says_what_it_is(tmp_path: Path) -> None:
    path = graph_file(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["ad.graph"]
    head = path.read_bytes()[:100]
    assert (int.from_bytes(head[68:72]), int.from_bytes(head[60:64])) == (APPLICATION_ID, FORMAT_VERSION)
    with open_store(path) as store:
        assert store.read() == GRAPH


def test_a_missing_file_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    path = tmp_path / "no.graph"
    with pytest.raises(StoreError) as caught:
        open_store(path)
    assert str(caught.value) == f"there is no graph at {path}; make one with: dualalign load facts --graph {path}"
    assert not path.exists()


def test_a_missing_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="check that its folder exists"):
        open_store(tmp_path / "no" / "ad.graph", create=True)


def foreign_database(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = wal")
    db.execute("CREATE TABLE other (x)")
    db.close()


def later_format(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {FORMAT_VERSION + 1}")
    db.close()


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (foreign_database, "database of another program"),
        (later_format, f"a graph of format {FORMAT_VERSION + 1}"),
        (lambda path: path.write_bytes(b"PK\x03\x04 a zip file"), "not a graph of DualAlign"),
        (lambda path: path.write_bytes(b"x"), "not a graph of DualAlign"),
    ],
)
@pytest.mark.parametrize("create", [False, True])
def test_a_file_of_another_kind_is_refused_untouched(
    tmp_path: Path, make: Callable[[Path], None], why: str, create: bool
) -> None:
    path = tmp_path / "x.graph"
    make(path)
    before = path.read_bytes()
    with pytest.raises(SourceError, match=why):
        open_store(path, create=create)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["x.graph"]


@pytest.mark.parametrize("keep", [100, 0.25, 0.5, 0.75, 0.99])
def test_a_torn_file_is_refused_in_one_sentence(tmp_path: Path, keep: float) -> None:
    path = graph_file(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: int(keep if keep > 1 else keep * len(data))])
    with pytest.raises((SourceError, StoreError), match="take a copy that is whole"), open_store(path) as store:
        store.read()


def test_overwritten_pages_never_pass_as_a_graph(tmp_path: Path) -> None:
    path = graph_file(tmp_path)
    data = bytearray(path.read_bytes())
    for page in range(4096, len(data), 4096):
        data[page : page + 64] = b"\xff" * 64
    path.write_bytes(bytes(data))
    with pytest.raises(SourceError, match="damaged graph file"), open_store(path) as store:
        store.read()


def test_a_full_disk_leaves_the_graph_as_it_was(tmp_path: Path) -> None:
    path = graph_file(tmp_path)
    with SqliteStore(path) as store:
        store._connection.execute("PRAGMA max_page_count = 8")  # SQLite then answers as on a full disk
        with pytest.raises(StoreError, match="the disk is full; make room") as caught:
            store.write(Node("Concept", f"C{i:07d}", {"definition": "x" * 500}) for i in range(500))
        assert not caught.value.retryable
        assert store.read() == GRAPH
    with open_store(path) as store:
        assert store.read() == GRAPH
    assert [p.name for p in tmp_path.iterdir()] == ["ad.graph"]


def test_a_limit_on_file_size_leaves_the_graph_as_it_was(tmp_path: Path) -> None:
    path = graph_file(tmp_path)
    script = """
        import resource, signal, sys
        from graph_loaders.elements import Node
        from graph_loaders.stores import SqliteStore
        from ontology.errors import StoreError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
        try:
            with SqliteStore(sys.argv[1]) as store:
                store.write(Node("Concept", f"C{i:07d}", {"definition": "x" * 500}) for i in range(5000))
        except StoreError as error:
            print("refused:", error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"refused: the graph {path} was not written")
    with open_store(path) as store:
        assert store.read() == GRAPH


def test_a_file_that_cannot_be_written_reads_and_refuses_to_write(tmp_path: Path) -> None:
    path = graph_file(tmp_path)
    before = path.read_bytes()
    path.chmod(0o400)
    with SqliteStore(path, read_only=True) as store:
        assert store.read() == GRAPH
        assert store.query("MATCH (c:Cohort) RETURN c.persons AS n") == [{"n": 7}]
        with pytest.raises(StoreError, match="cannot be written"):
            store.write(FACTS)
        with pytest.raises(StoreError, match="cannot be written"):
            store.drop("paquid")
    assert path.read_bytes() == before


def test_a_lock_is_waited_for_then_reported_as_retryable(tmp_path: Path) -> None:
    path = graph_file(tmp_path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(StoreError, match="another process is writing to it; try again") as caught:
            SqliteStore(path, wait=0.1).write([A])
        assert caught.value.retryable
    finally:
        other.execute("ROLLBACK")
        other.close()
    with SqliteStore(path, wait=0.1) as store:
        store.write([A])


def test_queries_see_what_another_process_wrote(tmp_path: Path) -> None:
    path = graph_file(tmp_path)
    with open_store(path) as one, open_store(path) as other:
        assert one.query("MATCH (c:Concept) RETURN count(c) AS n") == [{"n": 2}]
        other.write([Node("Concept", "C0000009")])
        assert one.query("MATCH (c:Concept) RETURN count(c) AS n") == [{"n": 3}]


def test_a_kill_in_the_middle_of_a_write_leaves_the_old_or_the_new_graph(tmp_path: Path) -> None:
    path = graph_file(tmp_path)
    script = """
        import sys
        from graph_loaders.elements import Node
        from graph_loaders.stores import SqliteStore
        batch = [Node("Concept", f"C1{i:06d}", {"definition": "x" * 400}) for i in range(20_000)]
        store = SqliteStore(sys.argv[1])
        print("ready", flush=True)
        store.write(batch)
    """
    seen = set()
    for delay in (0.0, 0.02, 0.05, 0.1, 0.15, 0.2):
        child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script), str(path)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        time.sleep(delay)
        child.kill()
        child.wait()
        child.stdout.close()
        with open_store(path) as store:
            seen.add(len(store.read().nodes))
        assert [p.name for p in tmp_path.iterdir()] == ["ad.graph"]
    assert seen <= {len(GRAPH.nodes), len(GRAPH.nodes) + 20_000}


def test_an_empty_journal_of_a_killed_write_is_cleared(tmp_path: Path) -> None:
    path = graph_file(tmp_path)
    (tmp_path / "ad.graph-journal").write_bytes(b"")
    with SqliteStore(path, read_only=True) as store:
        assert store.read() == GRAPH
    with open_store(path) as store:
        assert store.read() == GRAPH
    assert [p.name for p in tmp_path.iterdir()] == ["ad.graph"]


def test_twenty_thousand_edges_are_written_in_seconds(tmp_path: Path) -> None:
    nodes = [Node("Concept", f"C{i:07d}", {"name": f"concept {i}"}) for i in range(200)]
    edges = [
        Edge("IS_A", ("Concept", f"C{i % 200:07d}"), ("Concept", f"C{i // 200:07d}"), "k", {"source": "x"})
        for i in range(20_000)
    ]
    with SqliteStore(tmp_path / "big.graph") as store:
        start = time.perf_counter()
        store.write([*nodes, *edges])
        assert time.perf_counter() - start < 10  # 0.4 s alone on a core; the benchmark measures, this only guards
        assert len(store.read().edges) == 20_000


# The engine's process


def children(pid: int) -> list[int]:
    path = f"/proc/{pid}/task/{pid}/children"
    if not os.path.exists(path):  # noqa: PTH110 -- not a file of ours
        pytest.skip("no /proc: children of a process are counted on Linux only")
    with open(path) as file:  # noqa: PTH123 -- as above
        return [int(word) for word in file.read().split()]


def test_no_process_before_the_first_query_and_none_after_close() -> None:
    before = children(os.getpid())
    with SqliteStore() as store:
        store.write(FACTS)
        assert children(os.getpid()) == before
        store.query("RETURN 1 AS x")
        assert len(children(os.getpid())) == len(before) + 1
    assert children(os.getpid()) == before


def test_a_forgotten_store_leaves_no_process() -> None:
    before = children(os.getpid())
    store = SqliteStore()
    store.query("RETURN 1 AS x")
    db = store._connection
    del store
    db.close()
    import gc

    gc.collect()
    assert children(os.getpid()) == before


def test_an_engine_killed_between_queries_is_started_again() -> None:
    with SqliteStore() as store:
        store.write(FACTS)
        store.query("RETURN 1 AS x")
        assert store._engine is not None
        assert store._engine._process is not None
        child = store._engine._process
        old = child.pid
        child.kill()
        child.wait()
        assert store.query("MATCH (n:Concept) RETURN count(n) AS n") == [{"n": 2}]
        assert store._engine.pid != old


def test_an_engine_that_dies_during_a_query_is_a_retryable_error() -> None:
    import threading

    nodes = [Node("Concept", f"C{i:07d}") for i in range(60)]
    edges = [Edge("IS_A", ("Concept", a.key), ("Concept", b.key)) for a in nodes for b in nodes if a is not b]
    with SqliteStore() as store:
        store.write([*nodes, *edges])
        store.query("RETURN 1 AS x")
        assert store._engine is not None
        assert store._engine._process is not None
        timer = threading.Timer(0.3, store._engine._process.kill)
        timer.start()
        with pytest.raises(StoreError, match="the query engine stopped") as caught:
            store.query("MATCH (a)-[*]->(b) RETURN count(b)", timeout=20)
        timer.join()
        assert caught.value.retryable
        assert store.query("MATCH (n) RETURN count(n) AS n") == [{"n": 60}]


def test_an_interrupted_query_does_not_answer_the_next_one() -> None:
    import signal
    import threading

    nodes = [Node("Concept", f"C{i:07d}") for i in range(60)]
    edges = [Edge("IS_A", ("Concept", a.key), ("Concept", b.key)) for a in nodes for b in nodes if a is not b]
    with SqliteStore() as store:
        store.write([*nodes, *edges])
        store.query("RETURN 1 AS x")
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
        try:
            timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
            timer.start()
            with pytest.raises(KeyboardInterrupt):
                store.query("MATCH (a)-[*]->(b) RETURN count(b)", timeout=5)
            timer.join()
        finally:
            signal.signal(signal.SIGINT, before)
        assert store.query("RETURN 7 AS x") == [{"x": 7}]


def test_the_engine_works_from_any_folder_with_a_hostile_environment(tmp_path: Path) -> None:
    (tmp_path / "kglite.py").write_text("raise SystemExit('the wrong kglite')")
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')")
    script = """
        import sys
        sys.path = [p for p in sys.path if p not in ("", sys.argv[1])]
        from graph_loaders.stores import SqliteStore
        with SqliteStore() as store:
            print(store.query("RETURN 1 AS x"))
        assert "kglite" not in sys.modules
    """
    path = tmp_path / "run" / "script.py"
    path.parent.mkdir()
    path.write_text(textwrap.dedent(script))
    environment = {**os.environ, "PYTHONSTARTUP": "x", "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, str(path), str(tmp_path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("[{'x': 1}]\n", "")


def test_results_are_plain_json() -> None:
    with SqliteStore() as store:
        store.write(GRAPH)
        rows = store.query("MATCH p = (a:Concept)-[e]->(b) RETURN a, e, p, labels(a) AS labels, keys(e) AS keys")
        assert json.loads(json.dumps(rows)) == rows
        assert len(rows) == 2
