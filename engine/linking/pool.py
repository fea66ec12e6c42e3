"""Batches through one process or several: results in the order of the batches, a bounded number of them on their way."""

from __future__ import annotations

from collections import deque
from contextlib import closing
from typing import TYPE_CHECKING, TypeVar

from engine.processes import WorkerProcesses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

__all__ = ["in_order"]

_Batch = TypeVar("_Batch")
_Made = TypeVar("_Made")

_AHEAD = 2  # batches on their way for each process: one in work, one waiting


def in_order(
    batches: Iterable[_Batch], build: Callable[[], Callable[[_Batch], _Made]], processes: int = 1
) -> Iterator[_Made]:
    """What the function that `build` makes says of each batch, in order.

    With one process the work is done here. With more, by `WorkerProcesses`: each makes its own function, and they end with the iterator.
    Errors of the work are raised here; WorkerLost when a process ends before its work is done.

    >>> list(in_order([1, 2, 3], lambda: str))
    ['1', '2', '3']
    """
    if processes > 1:
        yield from _parallel(batches, build, processes)
        return
    work: Callable[[_Batch], _Made] | None = None
    for batch in batches:  # what is wrong with the input is said before anything is opened
        work = work or build()
        yield work(batch)


def _parallel(
    batches: Iterable[_Batch], build: Callable[[], Callable[[_Batch], _Made]], processes: int
) -> Iterator[_Made]:
    lost = (
        f"one of the {processes} linking processes ended before its work was done (killed, or out of memory); "
        "nothing half-written is kept: run the same command again, with fewer --processes where memory is short"
    )
    with closing(WorkerProcesses(build, processes, lost)) as pool:
        waiting: deque[Future[_Made]] = deque()
        for batch in batches:
            waiting.append(pool.submit(batch))
            if len(waiting) >= _AHEAD * processes:
                yield pool.result(waiting.popleft())
        while waiting:
            yield pool.result(waiting.popleft())
