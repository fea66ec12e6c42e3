"""What only a graph in a file does: the file itself, and the process of its query engine."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING

import pytest

from graph_loaders.elements import Edge, Node
from graph_loaders.stores import SqliteStore, open_store
from graph_loaders.stores.sqlite_store import APPLICATION_ID, FORMAT_VERSION
from ontology.errors import SourceError, StoreError
from store_graphs import FACTS, GRAPH, A

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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
