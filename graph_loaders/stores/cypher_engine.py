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
_NODE = {"id", "labels", "properties"}
_EDGE = {"id", "start", "end", "type", "properties"}
_OWN = ("title", "type")  # what the engine adds to the properties of a node


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


class _Keys(dict[int, str]):
    """The engine's number of a node to the graph's key; looked up when an edge is first part of an answer."""

    def __init__(self, graph: Any) -> None:
        self._graph = graph

    def __missing__(self, number: int) -> str | None:
        for row in self._graph.cypher("MATCH (n) RETURN n").to_list() if not self else ():
            self[row["n"]["id"]] = row["n"]["properties"]["id"]
        return self.get(number)


def _plain(value: Any, keys: _Keys) -> Any:
    """A value of an answer without the engine's own numbers and properties."""
    if isinstance(value, list):
        return [_plain(item, keys) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == _NODE and isinstance(value["properties"], dict):
        properties = _plain(value["properties"], keys)
        return {"id": properties.get("id"), "labels": value["labels"], "properties": properties}
    if value.keys() == _EDGE and isinstance(value["properties"], dict):
        ends = {side: keys[value[side]] for side in ("start", "end")}
        return {**ends, "type": value["type"], "properties": _plain(value["properties"], keys)}
    own = _OWN if value.keys() >= {"id", *_OWN} else ()
    return {key: _plain(item, keys) for key, item in value.items() if key not in own}


def _answer(graph: Any, request: dict[str, Any], keys: _Keys) -> dict[str, Any]:
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
        rows: list[dict[str, Any]] = result.to_list()
        return {"rows": [{name: _plain(value, keys) for name, value in row.items()} for row in rows]}
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
    keys = _Keys(None)
    for line in requests:
        request = json.loads(line)
        if request["do"] == "fill":
            graph = _filled(request)
            keys = _Keys(graph)
            answer: dict[str, Any] = {"rows": []}
        else:
            answer = _answer(graph, request, keys)
        answers.write(json.dumps(answer, default=str).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer, int(sys.argv[1]))
