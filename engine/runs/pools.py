"""`LocalPool`: slots worked on in this process or in several; the order of answers is the run's business."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future, ProcessPoolExecutor

    from engine.runs.outcome import Outcome, Slot

    Work = Callable[[Sequence[Slot]], list[Outcome]]

__all__ = ["InlinePool", "Pool", "ProcessPool"]


class Pool(Protocol):
    """Works on batches of slots."""

    capacity: int
    """Batches that may wait at once."""

    def submit(self, slots: Sequence[Slot]) -> None:
        """Hands over a batch."""
        ...

    def next(self) -> list[Outcome]:
        """The outcomes of some batch that was handed over."""
        ...

    def close(self) -> None:
        """Ends the workers."""
        ...


class InlinePool:
    """Works in this process, when asked for the next outcome."""

    capacity = 1

    def __init__(self, work: Work, close: Callable[[], None] | None = None) -> None:
        self._work, self._close = work, close
        self._waiting: deque[Sequence[Slot]] = deque()

    def submit(self, slots: Sequence[Slot]) -> None:
        """Keeps a batch for `next`."""
        self._waiting.append(slots)

    def next(self) -> list[Outcome]:
        """Works on the oldest batch."""
        return self._work(self._waiting.popleft())

    def close(self) -> None:
        """Closes what the worker held."""
        if self._close is not None:
            self._close()


_work: Work | None = None


def _start(build: Callable[[], Work]) -> None:
    global _work  # noqa: PLW0603 - one worker a process, made once when the process starts
    _work = build()


def _call(slots: Sequence[Slot]) -> list[Outcome]:
    if _work is None:
        raise RuntimeError("the worker process was not started")
    return _work(slots)


class ProcessPool:
    """Works in `workers` processes. `build` makes the worker there: a picklable function of plain data."""

    def __init__(self, build: Callable[[], Work], workers: int) -> None:
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        context = multiprocessing.get_context("spawn")  # fork would copy threads of the linker's libraries
        self._pool: ProcessPoolExecutor = ProcessPoolExecutor(workers, context, _start, (build,))
        self._futures: set[Future[list[Outcome]]] = set()
        self.capacity = 2 * workers

    def submit(self, slots: Sequence[Slot]) -> None:
        """Sends a batch to a process."""
        self._futures.add(self._pool.submit(_call, slots))

    def next(self) -> list[Outcome]:
        """Waits for any batch."""
        from concurrent.futures import FIRST_COMPLETED, wait

        done, self._futures = wait(self._futures, return_when=FIRST_COMPLETED)
        first = done.pop()
        self._futures |= done
        return first.result()

    def close(self) -> None:
        """Ends the processes; what they still hold is dropped (it is made again on resume)."""
        self._pool.shutdown(wait=True, cancel_futures=True)
