"""How hard a server may be pressed: concurrency, pauses, retries, and when it is held to be down. Pure: time and chance come in."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

__all__ = ["Breaker", "Concurrency", "RetryBudget", "pause", "retry_after"]

_OVERLOADED = 0.2  # share of a window's calls: stray 429s of a shared server stay below
_LEAST_WINDOW = 16
_FIRST_STEP = 0.5  # seconds from one canary to the next
_LOOK = 0.05
_LEAST = 1 / 8  # of the most calls at once: what a server that refuses everything is still asked
_LONGEST_WAIT = 300.0  # seconds that a server may ask for


class Concurrency:
    """Calls at once, between an eighth of `most` and `most`: doubled while all goes well, one more a window later,
    fewer where more than a fifth of
    a window met an overloaded server (429, 503, 529, time-out), in proportion to that share (as in DCTCP, RFC 8257).

    >>> limit = Concurrency(most=64)
    >>> for _ in range(200): limit.succeeded()
    >>> int(limit.now)
    64
    >>> for _ in range(64): limit.overloaded()
    >>> 32 <= limit.now < 40
    True
    """

    def __init__(self, most: int, *, first: int = 16) -> None:
        self.most = most
        self.now = float(min(first, most))
        self._least = max(1.0, most * _LEAST)
        self._calls = self._overloads = 0
        self._ramp = True

    def succeeded(self) -> None:
        """A call was answered."""
        self.now = min(float(self.most), self.now + (1.0 if self._ramp else 1.0 / self.now))
        self._count(0)

    def overloaded(self) -> None:
        """A call met a server that has too much to do."""
        self._count(1)

    def _count(self, overloads: int) -> None:
        self._calls += 1
        self._overloads += overloads
        if self._calls < max(_LEAST_WINDOW, self.now):
            return
        share = self._overloads / self._calls
        if share > _OVERLOADED:
            self.now, self._ramp = max(self._least, self.now * (1 - share / 2)), False
        self._calls = self._overloads = 0


class RetryBudget:
    """Retries that may be sent at once: a tenth of the first tries, and a few to begin with. One beyond waits behind all first
    tries, so that a failing server is not asked more than its calls need while others wait (Google SRE book, chapter 21).

    >>> budget = RetryBudget(share=0.1, spare=1)
    >>> budget.take(), budget.take()
    (True, False)
    >>> for _ in range(10): budget.first_try()
    >>> budget.take()
    True
    """

    def __init__(self, share: float = 0.1, spare: int = 10) -> None:
        self._share, self._left, self._most = share, float(spare), max(100.0, float(spare))

    def first_try(self) -> None:
        """A call was sent for the first time."""
        self._left = min(self._most, self._left + self._share)

    def take(self) -> bool:
        """Whether a retry is within the budget; it then counts."""
        if self._left < 1 - 1e-9:
            return False
        self._left -= 1
        return True


class Breaker:
    """Opens after `failures` server failures without an answer between them. While it is open nothing is sent but a canary, one at
    a time: a real completion is the only proof of life (a health page may say 200 while the engine is dead). The first may go
    at once; the pause between them doubles up to `longest` seconds. A canary that is answered while calls fail says that
    these calls are at fault and not the server: it then takes twice as many failures to open again.

    >>> breaker = Breaker(failures=2)
    >>> breaker.failed(now=0.0); breaker.failed(now=0.0)
    >>> breaker.open, breaker.wait(now=0.0), breaker.wait(now=0.0)
    (True, 0.0, 0.05)
    >>> breaker.wait(now=0.6)
    0.0
    >>> breaker.canary_answered(); breaker.open
    False
    """

    def __init__(self, failures: int = 20, longest: float = 15.0) -> None:
        self._first = self._most = failures
        self._longest = longest
        self._failures, self._next, self._step = 0, 0.0, _FIRST_STEP
        self.opened_at: float | None = None

    @property
    def open(self) -> bool:
        """Whether the server is held to be down."""
        return self.opened_at is not None

    def answered(self) -> None:
        """The server completed a call."""
        self._close()
        self._most = self._first

    def canary_answered(self) -> None:
        """The server completed what it had completed before."""
        self._close()
        self._most = min(64 * self._first, 2 * self._most)

    def failed(self, now: float) -> None:
        """The server failed a call."""
        self._failures += 1
        if self._failures >= self._most and self.opened_at is None:
            self.opened_at = self._next = now

    def wait(self, now: float) -> float:
        """Seconds until it is worth looking again; 0: go. While open, whoever gets 0 is the one that sends a canary."""
        if self.opened_at is None:
            return 0.0
        if now < self._next:
            return min(self._next - now, _LOOK)
        self._next = now + self._step
        self._step = min(self._longest, self._step * 2)
        return 0.0

    def _close(self) -> None:
        self._failures, self.opened_at, self._step = 0, None, _FIRST_STEP


def pause(tries: int, asked: float | None, rng: random.Random, *, first: float = 0.1, longest: float = 10.0) -> float:
    """Seconds before try `tries` + 1: what the server asked for (and up to a tenth more, so that not all come back at once), else full
    jitter: uniform from 0 to `first` * 2**(tries - 1) (M. Brooker, "Exponential Backoff And Jitter", 2015).

    >>> import random
    >>> 2.0 <= pause(1, 2.0, random.Random(1)) <= 2.2 and 0 <= pause(3, None, random.Random(1)) <= 0.4
    True
    """
    if asked is not None:
        return asked * (1 + 0.1 * rng.random())
    return rng.uniform(0, min(longest, first * 2 ** (tries - 1)))


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds of a Retry-After header (RFC 9110, 10.2.3: seconds or a date; `now` is the time since 1970), at most five minutes; None
    where there is none that can be read.

    >>> retry_after("1.5", 0.0), retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 50.0), retry_after("soon", 0.0), retry_after("nan", 0.0)
    (1.5, 10.0, None, None)
    """
    if not value or len(value) > 64:  # noqa: PLR2004 -- longer is no date
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - now
        except (ValueError, OverflowError):
            return None
    return min(max(0.0, seconds), _LONGEST_WAIT) if seconds == seconds else None  # noqa: PLR0124 -- not a number
