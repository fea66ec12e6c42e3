"""The embedded Cypher engine (kglite) as a program of its own: JSON lines in, JSON lines out.

Run by `cypher_process`, never imported by it: kglite and nmslib do not fit into one process (static TLS), and a process can
be killed and limited. Imports nothing of ours, so that it starts by its path from any folder.

Requests: `{"do": "fill", "nodes": {label: [properties]}, "edges": [[type, start label, end label, rows]]}` and
`{"do": "query", "cypher": ..., "params": ..., "limit": ..., "timeout": ...}`. Answers: `{"rows": [...]}`,
`{"refused": why}` or `{"failed": why}`. After filling the graph is read-only, and no more files can be opened.
"""

from __future__ import annotations

import json
import sys
from typing import IO, Any

__all__ = ["serve"]

_BATCH = 5_000


def _confine(memory: int) -> None:
    """No more memory than `memory` bytes of address space; no file written, no core dumped."""
    try:
        import resource
    except ImportError:  # not a Unix: the timeout stands alone
        return
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _close_the_door() -> None:
    """No more files can be opened (or sockets made): the process keeps its pipes and nothing else."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))


def _filled(request: dict[str, Any]) -> Any:
    import kglite

    kglite.set_query_warning_policy("silent")
    graph = kglite.KnowledgeGraph()
    for label, rows in request["nodes"].items():
        for i in range(0, len(rows), _BATCH):
            graph.cypher(f"UNWIND $rows AS r CREATE (n:`{label}`) SET n += r", params={"rows": rows[i : i + _BATCH]})
    for kind, start, end, rows in request["edges"]:
        for i in range(0, len(rows), _BATCH):
            graph.cypher(
                f"UNWIND $rows AS r MATCH (a:`{start}` {{id: r.a}}), (b:`{end}` {{id: r.b}}) "
                f"CREATE (a)-[e:`{kind}`]->(b) SET e += r.p",
                params={"rows": rows[i : i + _BATCH]},
            )
    graph.read_only(True)  # noqa: FBT003 -- kglite's signature
    return graph


def _answer(graph: Any, request: dict[str, Any]) -> dict[str, Any]:
    import kglite

    try:
        result = graph.cypher(
            request["cypher"],
            params=request["params"],
            timeout_ms=max(1, int(request["timeout"] * 1000)),
        )
        if isinstance(result, str):
            return {"refused": "the query gives text, not rows"}
        if len(result) > request["limit"]:
            return {"many": len(result)}
        return {"rows": result.to_list()}
    except kglite.CypherTimeoutError:
        return {"slow": True}
    except kglite.KgError as error:
        return {"refused": str(error)}
    except MemoryError:
        return {"large": True}


def serve(requests: IO[bytes], answers: IO[bytes], memory: int) -> None:
    """Answers requests until there are no more."""
    _confine(memory)
    import kglite  # noqa: F401 -- its library is loaded while files can still be opened

    _close_the_door()
    graph: Any = None
    for line in requests:
        request = json.loads(line)
        if request["do"] == "fill":
            graph = _filled(request)
            answer: dict[str, Any] = {"rows": []}
        else:
            answer = _answer(graph, request)
        answers.write(json.dumps(answer, default=str).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer, int(sys.argv[1]))
