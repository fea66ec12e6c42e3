"""A cohort of 200,000 edges between 20,000 concepts onto a Neo4j server: the store against a bare UNWIND ... MERGE loop.

python benchmarks/neo4j_load.py [CONCEPTS] [EDGES] [ROUNDS]      last line: JSON

Both write the same elements to the same server, in turn, each into an empty graph; the loop sends batches of 20,000 rows in
managed transactions through the plain driver, with a constraint on its key, and neither checks nor hides anything. `ratio` is
the loop's time over the store's, of the medians: 1 is as fast, less is slower. CPU seconds are this process's own.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path[:0] = [str(Path(__file__).parents[1] / "tests" / "servers"), str(Path(__file__).parent)]

import neo4j  # noqa: E402 -- the plain driver is what the store is measured against
from store import made  # noqa: E402

import neo4j_server as servers  # noqa: E402
from graph_loaders.stores.address import ServerAddress  # noqa: E402
from graph_loaders.stores.neo4j_store import Neo4jStore  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

    from graph_loaders.elements import GraphElements

ROWS = 20_000
NODES = "UNWIND $rows AS row MERGE (n:BareConcept {id: row.id}) SET n += row.properties"
EDGES = (
    "UNWIND $rows AS row MATCH (a:BareConcept {id: row.start}) MATCH (b:BareConcept {id: row.end}) "
    "MERGE (a)-[e:BARE_PRECEDES {key: row.key}]->(b) SET e += row.properties"
)


def bare_loop(driver: neo4j.Driver, graph: GraphElements) -> None:
    nodes = [{"id": n.key, "properties": dict(n.properties)} for n in graph.nodes if n.label == "Concept"]
    edges = [
        {"start": e.start[1], "end": e.end[1], "key": e.key, "properties": dict(e.properties)} for e in graph.edges
    ]
    with driver.session() as session:
        for statement, rows in ((NODES, nodes), (EDGES, edges)):
            for i in range(0, len(rows), ROWS):
                session.execute_write(_send, statement, rows[i : i + ROWS])


def _send(tx: neo4j.ManagedTransaction, statement: str, rows: list[dict[str, Any]]) -> None:
    tx.run(statement, rows=rows).consume()


def clear(driver: neo4j.Driver) -> None:
    statement = "MATCH (n:BareConcept) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 5000 ROWS"
    with driver.session() as session:
        session.run(statement).consume()


def timed(function: Callable[[], object]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - wall, time.process_time() - cpu


def main(concepts: int, edges: int, rounds: int) -> None:
    graph = made(concepts, edges)
    figures: dict[str, list[tuple[float, float]]] = {"store": [], "bare": []}
    with (
        servers.running() as server,
        neo4j.GraphDatabase.driver(server.uri, auth=(server.user, server.password)) as driver,
    ):
        print(f"{server!r}: {len(graph.nodes)} nodes, {len(graph.edges)} edges")
        with driver.session() as session:
            session.run("CREATE CONSTRAINT bare IF NOT EXISTS FOR (n:BareConcept) REQUIRE n.id IS UNIQUE").consume()
        for number in range(rounds + 1):  # the first warms the server up with the same statements, and is not counted
            part = made(concepts // 4, edges // 4) if number == 0 else graph
            address = ServerAddress(server.uri, server.user, "neo4j", f"bench{number}")
            store = Neo4jStore(address, server.password, create=True)
            steps = {"store": lambda: store.write(part), "bare": lambda: bare_loop(driver, part)}  # noqa: B023
            for name in sorted(steps, reverse=bool(number % 2)):
                wall, cpu = timed(steps[name])
                print(f"round {number} {name}: {wall:.1f} s, {cpu:.1f} s of CPU here")
                if number:
                    figures[name].append((wall, cpu))
            assert store.read().fingerprint == part.fingerprint
            store.drop_graph()
            clear(driver)
    medians = {name: statistics.median(wall for wall, _ in rows) for name, rows in figures.items()}
    print(
        json.dumps(
            {
                "edges": len(graph.edges),
                "store_s": round(medians["store"], 2),
                "bare_s": round(medians["bare"], 2),
                "store_edges_per_s": round(len(graph.edges) / medians["store"]),
                "ratio": round(medians["bare"] / medians["store"], 3),
                "ratios": [round(b[0] / s[0], 3) for b, s in zip(figures["bare"], figures["store"], strict=True)],
                "store_cpu_s": round(statistics.median(cpu for _, cpu in figures["store"]), 2),
                "bare_cpu_s": round(statistics.median(cpu for _, cpu in figures["bare"]), 2),
            }
        )
    )


if __name__ == "__main__":
    main(*(int(text) for text in (*sys.argv[1:4], *("20000", "200000", "3")[len(sys.argv) - 1 :])))
