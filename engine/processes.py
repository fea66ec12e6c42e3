"""`WorkerProcesses`: batches worked on in processes of our own, which begin with what they need, leave interrupts to the main process,
end when that does, and collect garbage seldom.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ontology.errors import WorkerLost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from multiprocessing.connection import Connection
    from multiprocessing.context import BaseContext

__all__ = ["WorkerProcesses", "collect_seldom"]

_Batch = TypeVar("_Batch")
_Made = TypeVar("_Made")

_YOUNG = 50_000
_NEEDED = (
    "numba",
    "engine.runs.worker",
    "engine.sampling.model",
    "engine.sampling.sampler",
    "engine.validation",
    "engine.verbalization.template",
    "ontology.linker",
)


class WorkerProcesses(Generic[_Batch, _Made]):
    """Works on batches in `count` processes. `build` makes the function that does, in each process at its first batch; it, batches and
    results are pickled. `lost`: the message of WorkerLost, raised when a process ends before its work is done. The processes end with
    this one, however that ends.
    """

    def __init__(self, build: Callable[[], Callable[[_Batch], _Made]], count: int, lost: str) -> None:
        from concurrent.futures import ProcessPoolExecutor

        context = _context()
        self._watched, self._held = context.Pipe(duplex=False)
        self._pool = ProcessPoolExecutor(count, context, _begin, (build, self._watched, dict(os.environ)))
        self._lost = lost

    def submit(self, batch: _Batch) -> Future[_Made]:
        """Sends a batch to a process; `result` gives what comes of it."""
        with self._explained():
            return self._pool.submit(_call, batch)

    def result(self, future: Future[_Made]) -> _Made:
        """Waits for a batch that was sent. Errors of the work are raised as they were."""
        with self._explained():
            return future.result()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        from concurrent.futures.process import BrokenProcessPool

        try:
            yield
        except BrokenProcessPool:
            raise WorkerLost(self._lost) from None

    def close(self) -> None:
        """Ends the processes; what they still hold is dropped."""
        self._held.close()  # nobody waits for what is still in work
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._watched.close()


def _context() -> BaseContext:
    """How processes begin: on Linux as copies of a server process that has imported what a worker needs and done nothing else, which
    halves their start and shares the memory of the libraries; elsewhere afresh. Never as copies of the caller: it may have threads.
    """
    import multiprocessing

    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_NEEDED))
    return context


_build: Callable[[], Callable[[Any], Any]]  # of a worker process


def _begin(build: Callable[[], Callable[[Any], Any]], watched: Connection, environ: dict[str, str]) -> None:
    """What a worker process does first. It takes the main process's environment (the server process has that of its own start) and ends
    when the other end of the pipe is closed: by the main process that is done, or by the system when that is killed. An interrupt is
    the main process's to answer.
    """
    global _build  # noqa: PLW0603 - one function a process, set once when the process starts
    _build = build
    os.environ.clear()
    os.environ.update(environ)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_wait, args=(watched,), daemon=True).start()


def _wait(watched: Connection) -> None:
    watched.poll(None)
    os._exit(1)


def _call(batch: Any) -> Any:
    return _work()(batch)


@cache
def _work() -> Callable[[Any], Any]:
    """Made at the first batch, so that what fails is said in words."""
    work = _build()
    collect_seldom()
    return work


def collect_seldom() -> None:
    """What this process holds now stays, so Python's collector never walks it again; and it comes less often. Else it takes a
    tenth of a process's start and a quarter of the time of a run: numba keeps two hundred thousand objects. Not for a library's caller:
    the setting is the process's.
    """
    gc.freeze()
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])
