"""Trajectories as JSON lines, from several processes; any number of them gives the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.sampling.sampler import Sampler, sample, trajectories
from graph_loaders.trajectory import Trajectory
from ontology.lines import adapter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.sampling.criteria import Criteria
    from engine.sampling.model import ProgressionModel

__all__ = ["json_lines"]

_CHUNK = 256
_HERE: list[tuple[ProgressionModel, Criteria, int, str]] = []


def json_lines(
    model: ProgressionModel,
    criteria: Criteria,
    n: int | None,
    seed: int = 0,
    *,
    mode: str = "exact",
    processes: int = 1,
) -> Iterator[tuple[bytes, int, int]]:
    """Chunks of JSON lines in order, each with how many draws were accepted and tried for it; endless for n=None.

    Processes are started anew and are handed the fitted model; they open no store. Raises as `sample`, before the first chunk
    where it can.
    """
    Sampler.of(model, criteria, mode)  # refuse here what cannot be, not in a process
    if processes <= 1:
        found = sample(model, criteria, n=n, seed=seed, mode=mode)
        before = (0, 0)
        lines: list[bytes] = []
        for one in found:
            lines.append(_line(one))
            if len(lines) >= _CHUNK or found.report.tried != before[1]:
                now = (found.report.accepted, found.report.tried)
                yield b"".join(lines), now[0] - before[0], now[1] - before[1]
                before, lines = now, []
        if lines:
            yield b"".join(lines), 0, 0
        return
    yield from _spread(model, criteria, n, seed, mode, processes)


def _spread(
    model: ProgressionModel, criteria: Criteria, n: int | None, seed: int, mode: str, processes: int
) -> Iterator[tuple[bytes, int, int]]:
    from collections import deque
    from concurrent.futures import Future, ProcessPoolExecutor
    from multiprocessing import get_context

    pool = ProcessPoolExecutor(processes, get_context("spawn"), _begin, (model, criteria, seed, mode))
    waiting: deque[Future[tuple[bytes, int, int]]] = deque()
    first = 0
    try:
        while waiting or n is None or first < n:
            while (n is None or first < n) and len(waiting) < 2 * processes:
                count = _CHUNK if n is None else min(_CHUNK, n - first)
                waiting.append(pool.submit(_chunk, first, count))
                first += count
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(model: ProgressionModel, criteria: Criteria, seed: int, mode: str) -> None:
    _HERE[:] = [(model, criteria, seed, mode)]


def _chunk(first: int, count: int) -> tuple[bytes, int, int]:
    model, criteria, seed, mode = _HERE[0]
    found, report = trajectories(model, criteria, seed, first, count, mode=mode)
    return b"".join(map(_line, found)), report.accepted, report.tried


def _line(trajectory: Trajectory) -> bytes:
    line: bytes = adapter(Trajectory).dump_json(trajectory) + b"\n"
    return line
