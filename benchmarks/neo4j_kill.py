"""Loads onto a Neo4j server that are cut off: forced disconnects and SIGKILLs at random times. Is the graph the same each time?

python benchmarks/neo4j_kill.py [DISCONNECTS] [KILLS] [EDGES]      last line: JSON

Every try starts from a graph with an older cohort, replaces it, is cut off while it writes, looks at what can be seen (the old
cohort or the new one, never a mixture), and runs again. A third of the disconnects are right after a COMMIT was sent; every
other load goes in many transactions, as a large one does.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests" / "servers"), str(HERE)]

import neo4j  # noqa: E402 -- counts duplicates without our own code
from store import made  # noqa: E402

import neo4j_server as servers  # noqa: E402
from bolt_proxy import BoltProxy  # noqa: E402
from graph_loaders.elements import Edge, GraphElements, Node  # noqa: E402
from graph_loaders.stores import neo4j_writing as writing  # noqa: E402
from graph_loaders.stores.address import ServerAddress, parse  # noqa: E402
from graph_loaders.stores.neo4j_store import Neo4jStore  # noqa: E402

DUPLICATES = (
    "MATCH (a {_graph: $graph})-[e]->(b) WHERE e._graph = $graph "
    "WITH a, b, type(e) AS t, e.key AS key, count(*) AS n WHERE n > 1 RETURN count(*) AS n"
)
TWINS = "MATCH (n {_graph: $graph}) WITH labels(n) AS l, n.id AS id, count(*) AS n WHERE n > 1 RETURN count(*) AS n"


def graph_of(edges: int, persons: int) -> GraphElements:
    """The graph that is loaded; `persons` tells the older from the newer one."""
    return GraphElements.of(
        Node(e.label, e.key, {**e.properties, "persons": persons}) if e.label == "Cohort" else e
        for e in made(max(20, edges // 10), edges).nodes
    ) + GraphElements.of(
        Edge(e.type, e.start, e.end, e.key, {**e.properties, "persons": persons})
        for e in made(max(20, edges // 10), edges).edges
    )


def load() -> None:
    """The loader that is killed: address, edges and persons as arguments, the password on standard input."""
    if int(sys.argv[4]) % 2:  # as a load that is too large for one transaction
        writing.ONE_TRANSACTION, writing.BATCH = 0, 500
    with Neo4jStore(parse(sys.argv[2]), sys.stdin.readline().strip()) as store:
        elements = graph_of(int(sys.argv[3]), int(sys.argv[4]))
        print("ready", flush=True)
        store.write(elements, replace="bench")


def start(address: ServerAddress, password: str, edges: int, persons: int) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, __file__, "load", str(address), str(edges), str(persons)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(HERE.parent)},
    )
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(f"{password}\n")
    child.stdin.flush()
    child.stdout.readline()
    return child


def main(disconnects: int, kills: int, edges: int) -> None:
    chance = random.Random(1)  # noqa: S311 -- times of cuts, the same each run
    counts = {"disconnects": 0, "disconnects_after_commit": 0, "kills": 0, "reruns": 0}
    found = {"different_fingerprints": 0, "mixtures": 0, "duplicates": 0}
    with (
        servers.running() as server,
        neo4j.GraphDatabase.driver(server.uri, auth=(server.user, server.password)) as driver,
    ):
        address = ServerAddress(server.uri, server.user, "neo4j", "killed")
        with Neo4jStore(address, server.password, create=True) as store:
            store.drop_graph()
        store = Neo4jStore(address, server.password, create=True)
        store.write(graph_of(edges, 0))
        begun = time.perf_counter()  # the server is warm now
        store.write(graph_of(edges, 0), replace="bench")
        whole = time.perf_counter() - begun
        print(f"{server!r}: {edges} edges, undisturbed {whole:.1f} s")
        for number in range(disconnects + kills):
            old, new = graph_of(edges, number).fingerprint, graph_of(edges, number + 1).fingerprint
            cut_off = False
            while not cut_off:
                at = chance.uniform(0, whole)
                if number < disconnects:
                    after_commit = number % 3 == 0
                    cut_off = disconnected(address, server, edges, number + 1, at, chance if after_commit else None)
                    counts["disconnects"] += cut_off
                    counts["disconnects_after_commit"] += cut_off and after_commit
                else:
                    child = start(address, server.password, edges, number + 1)
                    time.sleep(at)
                    cut_off = child.poll() is None
                    child.send_signal(signal.SIGKILL)
                    child.communicate()
                    counts["kills"] += cut_off
                found["mixtures"] += store.read().fingerprint not in {old, new}
                if not cut_off:  # it was done before: back to the old one, and again
                    store.write(graph_of(edges, number), replace="bench")
            child = start(address, server.password, edges, number + 1)
            child.communicate()
            counts["reruns"] += child.returncode == 0
            found["different_fingerprints"] += store.read(private=True).fingerprint != new
            with driver.session() as session:
                for statement in (DUPLICATES, TWINS):
                    found["duplicates"] += session.run(statement, graph=address.graph).single(strict=True)["n"]
            print(f"{number + 1}: {counts} {found}", flush=True)
        store.drop_graph()
    print(json.dumps({**counts, **found, "edges": edges, "seconds_undisturbed": round(whole, 2)}))
    if any(found.values()):
        sys.exit(1)


def disconnected(
    address: ServerAddress,
    server: servers.Neo4jServer,
    edges: int,
    persons: int,
    at: float,
    commit: random.Random | None,
) -> bool:
    """One load through a proxy that is cut and stays cut; whether the loader noticed."""
    with BoltProxy(server.uri) as proxy:
        through = ServerAddress(proxy.uri, address.user, address.database, address.graph)
        child = start(through, server.password, edges, persons)
        if commit is not None:
            proxy.cut_commits(after=commit.randrange(4))
            while proxy.commits_cut == 0 and child.poll() is None:
                time.sleep(0.005)
        else:
            time.sleep(at)
        running = child.poll() is None
        proxy.close()
        child.kill()  # it would try again for half a minute, and nobody answers
        child.communicate()
        return running


if __name__ == "__main__":
    if sys.argv[1:2] == ["load"]:
        load()
    else:
        main(*(int(text) for text in (*sys.argv[1:4], *("30", "30", "4000")[len(sys.argv) - 1 :])))
