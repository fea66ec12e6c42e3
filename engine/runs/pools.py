"""`LocalPool`: slots worked on in this process or in several; the order of answers is the run's business."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

from engine.processes import WorkerProcesses

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from engine.runs.outcome import Outcome, Slot

    Work = Callable[[Sequence[Slot]], list[Outcome]]

__all__ = ["InlinePool", "Pool", "ProcessPool", "ThreadPool"]


_THREADS = 3
"""Threads for each batch of first plans that may be under way."""
_LOST = (
    "one of the worker processes ended before its work was done (killed, or out of memory); what is committed is kept: give the same "
    "command again, with fewer --workers where memory is short"
)


class Pool(Protocol):
    """Works on batches of slots."""

    capacity: int
    """Batches of first plans that may wait at once."""

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


class ThreadPool:
    """Works on several batches at once in threads of this process: while one waits for a model's last answers, others fill its place.
    `capacity` batches of first plans, and beside them those of plans made anew, which are small.
    """

    def __init__(self, work: Work, capacity: int, close: Callable[[], None] | None = None) -> None:
        from concurrent.futures import ThreadPoolExecutor

        self._work, self._close = work, close
        self._pool = ThreadPoolExecutor(_THREADS * capacity, "model-batch")
        self._futures: set[Future[list[Outcome]]] = set()
        self.capacity = capacity

    def submit(self, slots: Sequence[Slot]) -> None:
        """Gives a batch to a thread."""
        self._futures.add(self._pool.submit(self._work, slots))

    def next(self) -> list[Outcome]:
        """Waits for any batch."""
        return _first(self._futures).result()

    def close(self) -> None:
        """Closes what the worker held, which ends the calls under way, and waits for the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._close is not None:
            self._close()
        self._pool.shutdown(wait=True)


def _first(futures: set[Future[list[Outcome]]]) -> Future[list[Outcome]]:
    """Takes out the first that is done."""
    from concurrent.futures import FIRST_COMPLETED, wait

    done = wait(futures, return_when=FIRST_COMPLETED).done.pop()
    futures.remove(done)
    return done


class ProcessPool:
    """Works in `workers` processes. `build` makes the worker there: a picklable function of plain data. The processes end with this
    one, however that ends.
    """

    def __init__(self, build: Callable[[], Work], workers: int) -> None:
        self._pool = WorkerProcesses(build, workers, _LOST)
        self._futures: set[Future[list[Outcome]]] = set()
        self.capacity = 2 * workers

    def submit(self, slots: Sequence[Slot]) -> None:
        """Sends a batch to a process."""
        self._futures.add(self._pool.submit(slots))

    def next(self) -> list[Outcome]:
        """Waits for any batch. WorkerLost when a process ended before its work was done."""
        return self._pool.result(_first(self._futures))

    def close(self) -> None:
        """Ends the processes; what they still hold is dropped (it is made again on resume)."""
        self._pool.close()
