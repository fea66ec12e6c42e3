"""How fast a graph is written, read, fingerprinted, handed to the Cypher engine and queried.

python benchmarks/store.py          # prints a line a graph, then one line of JSON
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graph_loaders.elements import Edge, GraphElements, Node
from graph_loaders.interchange import to_networkx, to_rdf
from graph_loaders.stores import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from graph_loaders.elements import Value

ONE_HOP = "MATCH (a:Concept)-[p:PRECEDES]->(b) WHERE a.cui = $cui RETURN b.name, p.persons"


def made(concepts: int, edges: int) -> GraphElements:
    """A cohort of `edges` counted pairs over `concepts` concepts."""
    keys = [f"C{i:07d}" for i in range(concepts)]
    counts: dict[str, Value] = {
        "cohort": "bench",
        "person_years": 1234.5,
        "gap_days": [3, 1, 4, 1, 5, 9, 2, 6],
        "source": "bench",
    }
    return GraphElements.of(
        [
            Node("Cohort", "bench", {"persons": 1000, "source": "bench"}),
            *(Node("Concept", key, {"name": f"concept {key}", "types": ["T184"], "source": "bench"}) for key in keys),
            *(
                Edge(
                    "PRECEDES",
                    ("Concept", keys[i % concepts]),
                    ("Concept", keys[(i // concepts + i + 1) % concepts]),
                    "bench",
                    {**counts, "persons": i},
                )
                for i in range(edges)
            ),
        ]
    )


def timed(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def measure(concepts: int, edges: int, queries: int = 1000) -> dict[str, float]:
    """Seconds of each step, and one-hop queries a second through the guard and the pipe."""
    graph = made(concepts, edges)
    with tempfile.TemporaryDirectory() as folder, SqliteStore(Path(folder) / "bench.graph") as store:
        row: dict[str, float] = {"nodes": len(graph.nodes), "edges": len(graph.edges)}
        row["write_s"] = timed(lambda: store.write(graph))
        row["write_again_s"] = timed(lambda: store.write(graph))
        row["file_kb"] = Path(store.path).stat().st_size // 1024
        row["read_s"] = timed(store.read)
        row["fingerprint_s"] = timed(lambda: graph.fingerprint)
        row["engine_start_and_fill_s"] = timed(lambda: store.query("RETURN 1 AS one"))
        spent = timed(lambda: [store.query(ONE_HOP, cui=f"C{i % concepts:07d}") for i in range(queries)])
        row["rows_a_query"] = len(store.query(ONE_HOP, cui="C0000000"))
        row["queries_per_s"] = round(queries / spent)
        row["networkx_s"] = timed(lambda: to_networkx(graph))
        row["rdf_s"] = timed(lambda: to_rdf(graph))
    return {name: round(value, 4) for name, value in row.items()}


def main() -> None:
    result = {"small": measure(65, 1_000), "large": measure(300, 20_000)}
    for name, row in result.items():
        print(name, " ".join(f"{key}={value:g}" for key, value in row.items()))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
