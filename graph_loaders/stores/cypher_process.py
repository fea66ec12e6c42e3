"""`CypherProcess`: starts the engine in a process of its own, asks it, times it out and ends it."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ontology.errors import QueryRefused, StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graph_loaders.elements import GraphElements

__all__ = ["CypherProcess"]

MEMORY = 4 * 2**30
"""Bytes of address space of the engine."""

_GRACE = 1.0  # seconds between the engine's own time-out and its end
_FILL = 300.0  # seconds to fill it
_PROGRAM = Path(__file__).with_name("cypher_engine.py")


class CypherProcess:
    """The engine, started by `fill`, gone after a time-out or a crash until the next `fill`."""

    def __init__(self, *, memory: int = MEMORY) -> None:
        self._memory = memory
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._words: list[bytes] = []
        self._listener: threading.Thread | None = None
        self._reaper: weakref.finalize[..., CypherProcess] | None = None

    @property
    def alive(self) -> bool:
        """Whether it runs and holds a graph."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The process id, while there is one."""
        return None if self._process is None else self._process.pid

    def _start(self) -> None:
        self.close()
        keep = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT") if name in os.environ}
        try:
            process = subprocess.Popen(  # noqa: S603 -- our own program, no shell
                [sys.executable, "-I", str(_PROGRAM), str(self._memory)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=_PROGRAM.parent,
                env=keep,
            )
        except OSError as error:
            raise StoreError(f"the query engine could not start: {error}", retryable=True) from None
        self._process, self._answers, self._words = process, queue.SimpleQueue(), []
        self._reaper = weakref.finalize(self, _end, process)
        threading.Thread(target=_pump, args=(process.stdout, self._answers), daemon=True).start()
        self._listener = threading.Thread(target=_tail, args=(process.stderr, self._words), daemon=True)
        self._listener.start()

    def fill(self, elements: GraphElements) -> None:
        """Starts a fresh engine that holds `elements`: 20,000 edges in about a second."""
        self._start()
        nodes: dict[str, list[dict[str, Any]]] = {}
        for node in elements.nodes:
            keys = {"id": node.key} | ({"cui": node.key} if node.label == "Concept" else {})
            # kglite makes up a name where none is given; null says that there is none
            nodes.setdefault(node.label, []).append({"name": None, **node.properties, **keys})
        edges: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
        for edge in elements.edges:
            row = {"a": edge.start[1], "b": edge.end[1], "p": {**edge.properties, "key": edge.key}}
            edges.setdefault((edge.type, edge.start[0], edge.end[0]), []).append(row)
        self._ask({"do": "fill", "nodes": nodes, "edges": [[*k, rows] for k, rows in edges.items()]}, _FILL)

    def query(self, cypher: str, params: Mapping[str, Any], *, timeout: float, limit: int) -> list[dict[str, Any]]:
        """Rows of a query that the guard has passed."""
        request = {"do": "query", "cypher": cypher, "params": dict(params), "limit": limit, "timeout": timeout}
        answer = self._ask(request, timeout + _GRACE, slow=timeout)
        if "rows" in answer:
            rows: list[dict[str, Any]] = answer["rows"]
            return rows
        if "many" in answer:
            raise QueryRefused(
                f"the query gives {answer['many']} rows, more than {limit}: add LIMIT, or raise the limit"
            )
        if "slow" in answer:
            raise _slow(timeout)
        if "large" in answer:
            raise self._large()
        raise QueryRefused(f"the query cannot run: {' '.join(answer['refused'].split())}")

    def _ask(self, request: dict[str, Any], wait: float, *, slow: float | None = None) -> dict[str, Any]:
        process = self._process
        if process is None or process.stdin is None:
            raise StoreError("the query engine is not running; ask again", retryable=True)
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            line = self._answers.get(timeout=wait)
        except queue.Empty:
            self.close()
            raise _slow(wait if slow is None else slow) from None
        except OSError:
            line = b""
        except BaseException:  # interrupted: an answer that comes late must not answer the next question
            self.close()
            raise
        if not line.endswith(b"\n"):
            words = self._last_words(process)
            if any(b"memory allocation" in line or b"MemoryError" in line for line in self._words):
                raise self._large()
            raise StoreError(f"the query engine stopped ({words}); ask again", retryable=True)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _large(self) -> QueryRefused:
        return QueryRefused(f"the query needs more than {self._memory // 2**20} MB of memory: narrow it, or add LIMIT")

    def _last_words(self, process: subprocess.Popen[bytes]) -> str:
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
        code = process.wait()
        if self._listener is not None:
            self._listener.join(_GRACE)
        lines = b"".join(self._words).decode(errors="replace").splitlines()
        said = [line.strip() for line in lines if line.strip(" ^~")]
        self.close()
        return f"exit code {code}" + (f": {said[-1][:200]}" if said else "")

    def close(self) -> None:
        """Ends the engine and waits until it is gone; may be called twice."""
        reaper, self._reaper, self._process = self._reaper, None, None
        if reaper is not None:
            reaper()


def _slow(seconds: float) -> QueryRefused:
    return QueryRefused(f"the query took longer than {seconds:g} s: narrow it, or allow more time")


def _pump(stream: IO[bytes], answers: queue.SimpleQueue[bytes]) -> None:
    with stream:
        for line in stream:
            answers.put(line)
    answers.put(b"")


def _tail(stream: IO[bytes], words: list[bytes]) -> None:
    with stream:
        for line in stream:
            words.append(line[:500])
            del words[:-20]


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    if process.stdin is not None:
        with suppress(OSError):  # what was not written is lost with the process
            process.stdin.close()
    process.wait()
