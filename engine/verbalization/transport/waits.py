"""How long tries wait for an answer: `Wait`, and `Clocks` of those under way."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["Clocks", "Wait"]

_ANSWERS = 128  # the last ones tell how soon a server answers
_KNOWN = 16  # fewer tell nothing
_TIMES = 4
_SHORTEST = 2.0  # seconds: this process, or the server, may stand still for a part of them


class Wait:
    """How long a try that is not the last of its call waits for an answer: four times what nineteen of twenty of the last 128 answers
    took, at least two seconds (or a quarter of `most`, where that is less), at most `most`. The last try waits `most`
    in any case, so that a slow answer is never lost: taken for none, it only costs the server two tries. An
    answer that took longer tells at once of a server that slows down: from then on tries wait twice as long as it took.

    >>> wait = Wait(most=60.0)
    >>> wait.early
    60.0
    >>> for _ in range(32): wait.answered(2.0)
    >>> wait.early
    8.0
    >>> wait.answered(10.0); wait.early
    20.0
    """

    def __init__(self, most: float) -> None:
        self.most = self.early = most
        self._shortest = min(_SHORTEST, most / 4)
        self._took: deque[float] = deque(maxlen=_ANSWERS)
        self._new = 0

    def answered(self, seconds: float) -> None:
        """An answer took that long."""
        self._took.append(seconds)
        self._new += 1
        late = seconds > self.early
        if self._new < _KNOWN and not late:
            return
        self._new = 0
        usual = sorted(self._took)[len(self._took) * 19 // 20]
        self.early = min(self.most, max(self._shortest, _TIMES * usual, 2 * seconds if late else 0.0))


class Clocks:
    """Times the tries of calls. `heard`, `answered`: when (the loop's clock) anything, and when a call, was answered last."""

    def __init__(self, most: float) -> None:
        self.wait = Wait(most)
        self.heard = self.answered = -math.inf
        self._early: dict[asyncio.Timeout, float] = {}  # of tries that are not their call's last, and when each began

    @asynccontextmanager
    async def timed(self, *, early: bool) -> AsyncIterator[None]:
        """TimeoutError where a try takes too long: the last of a call `wait.most` seconds, an `early` one what `wait.early` says then."""
        async with asyncio.timeout(self.wait.early if early else self.wait.most) as clock:
            if early:
                self._early[clock] = asyncio.get_running_loop().time()
            try:
                yield
            finally:
                self._early.pop(clock, None)

    def took(self, begun: float, *, canary: bool) -> None:
        """Counts an answer; a canary's, of one token, only where it took longer than tries wait. What is under way waits as long
        as what is sent from now on.
        """
        before, self.heard = self.wait.early, asyncio.get_running_loop().time()
        seconds = self.heard - begun
        if not canary:
            self.answered = self.heard
        if not canary or seconds > before:
            self.wait.answered(seconds)
        if self.wait.early != before:
            for clock, since in self._early.items():
                if not clock.expired():
                    clock.reschedule(since + self.wait.early)
