"""Batches through one process or several: results in the order of the batches, a bounded number of them on their way."""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

from engine.processes import begin, process_context
from ontology.errors import WorkerLost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future
    from multiprocessing.connection import Connection

__all__ = ["in_order"]

_Batch = TypeVar("_Batch")
_Made = TypeVar("_Made")

_AHEAD = 2  # batches on their way for each process: one in work, one waiting


def in_order(
    batches: Iterable[_Batch], build: Callable[[], Callable[[_Batch], _Made]], processes: int = 1
) -> Iterator[_Made]:
    """What the function that `build` makes says of each batch, in order.

    With one process the work is done here. With more, `build`, the batches and the results are pickled; each process is
    begun by `process_context` and makes its own function. Errors of the work
    are raised here; WorkerLost when a process ends before its work is done. Processes end with the iterator, or with this process
    however that ends.

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
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    context = process_context()
    watched, held = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(processes, context, _start, (build, watched, dict(os.environ)))
    waiting: deque[Future[Any]] = deque()
    try:
        for batch in batches:
            waiting.append(pool.submit(_call, batch))
            if len(waiting) >= _AHEAD * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise WorkerLost(
            f"one of the {processes} linking processes ended before its work was done (killed, or out of memory); "
            "nothing half-written is kept: run the same command again, with fewer --processes where memory is short"
        ) from None
    finally:
        held.close()  # nobody waits for what is still in work
        pool.shutdown(wait=True, cancel_futures=True)
        watched.close()


_build: Callable[[], Callable[[Any], Any]] | None = None
_work: Callable[[Any], Any] | None = None


def _start(build: Callable[[], Callable[[Any], Any]], watched: Connection, environ: dict[str, str]) -> None:
    global _build  # noqa: PLW0603 - one function a process, set once when the process starts
    _build = build
    begin(watched, environ)


def _call(batch: Any) -> Any:
    global _work  # noqa: PLW0603 - see `_start`; made at the first batch, so that what fails is said in words
    if _work is None:
        if _build is None:
            raise RuntimeError("the worker process was not started")
        _work = _build()
    return _work(batch)
