"""`Places`: whose turn it is to be under way, where only so many calls may be at once."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.verbalization.transport.limits import Concurrency

__all__ = ["Places"]


class Places:
    """As many places as `concurrency` has now, given in order: urgent retries, first tries, other retries."""

    def __init__(self, concurrency: Concurrency) -> None:
        self.concurrency = concurrency
        self._queue: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._flying = 0

    async def enter(self, *, urgent: bool, late: bool) -> None:
        """Waits for a place; `leave` gives it back."""
        if self._flying < int(self.concurrency.now) and not self._queue:
            self._flying += 1
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heappush(self._queue, (0 if urgent else 2 if late else 1, next(self._order), place))
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.leave()
            raise

    def leave(self) -> None:
        """Gives a place back, to whoever is next."""
        self._flying -= 1
        self.wake()

    def wake(self) -> None:
        """Gives the places that are free to those who wait."""
        while self._queue and self._flying < int(self.concurrency.now):
            place = heappop(self._queue)[2]
            if not place.done():
                self._flying += 1
                with contextlib.suppress(asyncio.InvalidStateError):
                    place.set_result(None)
