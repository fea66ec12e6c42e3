"""`Transport`: calls of one OpenAI-compatible server, many at once, in an event loop of its own."""

from __future__ import annotations

import asyncio
import json
import math
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from engine.verbalization.transport.budget import Budget, Ledger
from engine.verbalization.transport.limits import Breaker, Concurrency, RetryBudget, pause
from engine.verbalization.transport.places import Places
from engine.verbalization.transport.replies import Reply, fault
from engine.verbalization.transport.waits import Clocks
from engine.verbalization.transport.wire import Wire
from ontology.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from concurrent.futures import Future

__all__ = ["Policy", "Transport", "TransportReport"]

T = TypeVar("T")

_OVERLOAD = frozenset({"rate-limit", "timeout"})
_DOWN = frozenset({"unreachable", "timeout", "server"})
_ALIVE = frozenset({"", "too-long", "empty"})
"""Ends of a call that only a server that completes something can bring about: a refusal may come from a proxy before it."""
_REFUSES = frozenset({"refused-key", "unknown-model"})
"""Ends of every call to a server."""
_TIMEOUTS = 3  # tries of a call that times out: the last holds a place for a minute, and another plan may do
_RENEW = 500  # answers after which another request becomes the canary
_FIRST_PATIENCE = 5.0  # a server that never answered is more likely not there than gone for a moment


def _one_token(data: bytes) -> bytes:
    return json.dumps({**json.loads(data), "max_tokens": 1, "n": 1}).encode("ascii")


def _stay() -> None:
    """The place is given back by whoever holds it."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How a server is called; none of it changes an answer. `concurrency`: most calls at once. `tries`: most sends of a call.
    `timeout`: seconds that the last try of a call waits for its answer, and the most that the others do. `patience`: seconds that calls
    wait for a server that is down. `retry_share`: retries sent at once, as a share of first tries. `seed`: of the jitter.
    """

    concurrency: int = 64
    tries: int = 5
    timeout: float = 60.0
    patience: float = 120.0
    retry_share: float = 0.1
    budget: Budget = field(default_factory=Budget)
    seed: int | None = None


@dataclass(slots=True)
class TransportReport:
    """Counts so far: `requested = answered + sum(failed) + waiting`, and `sent = requested that were sent + retries`;
    canaries come on top. `faults` counts every
    try that failed, by code, those that a retry made good included; `failed` counts calls given up.
    """

    requested: int = 0
    answered: int = 0
    sent: int = 0
    retries: int = 0
    canaries: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    prompt_tokens: int = 0
    answer_tokens: int = 0
    money: float = 0.0

    @property
    def waiting(self) -> int:
        """Calls that are neither answered nor given up."""
        return self.requested - self.answered - sum(self.failed.values())


class Transport:
    """Sends chat completions. A call ends in a `Reply` or in a `ModelError` that names why; it never raises for what a server does.

    Overload (429, 503, time-outs) lowers the concurrency; a retry waits as long as the server asks, else with full jitter;
    retries beyond a tenth of the first tries wait behind these. A try that takes far longer than the last answers did is ended and
    sent again; the last try of a call waits `policy.timeout` seconds, whatever others are answered meanwhile. After twenty
    failures in a row only a canary, one real completion that succeeded before, is asked for until it succeeds again: the others
    wait, at most `policy.patience` seconds. A budget that is spent ends every further call with the code `budget`. Of a call that
    is given up the error says whether the server lives (`alive`): the canary is asked for once more then. The key is in no error
    and in no report.
    """

    def __init__(
        self, model: str, url: str, key: str = "", policy: Policy | None = None, *, loopback: bool = False
    ) -> None:
        self.model, self.policy = model, policy or Policy()
        self.report = TransportReport()
        self._wire = Wire(model, url, key, loopback=loopback)
        self.ledger = Ledger(self.policy.budget)
        self.concurrency = Concurrency(self.policy.concurrency)
        self._places = Places(self.concurrency)
        self._retries, self.breaker = RetryBudget(self.policy.retry_share), Breaker()
        self._clocks = Clocks(self.policy.timeout)
        self._rng = random.Random(self.policy.seed)  # noqa: S311 -- jitter
        self._spent = False
        self._good = b""
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._guard = threading.Lock()

    @property
    def address(self) -> str:
        """Where calls go."""
        return self._wire.url

    # ---- from other threads

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs `work` in the transport's event loop and waits for it; an interrupt cancels it."""
        future = self.submit(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Starts `work` in the transport's event loop; ModelError once the transport is closed."""
        try:
            return asyncio.run_coroutine_threadsafe(work, self._running())
        except ModelError:
            work.close()
            raise

    def is_current(self) -> bool:
        """Whether the caller runs in the transport's event loop."""
        return threading.current_thread() is self._thread

    def close(self) -> None:
        """Ends connections and the loop; may be called twice."""
        with self._guard:
            self._closed = True
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._end(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._guard:
            if self._closed:
                raise fault("unreachable", "was asked after its connections were closed", self.model)
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="model-calls", daemon=True)
                self._thread.start()
            return self._loop

    async def _end(self) -> None:
        own = asyncio.current_task()
        for task in asyncio.all_tasks():
            if task is not own:
                task.cancel()
        await self._wire.close()

    # ---- in the loop

    async def send(self, body: Mapping[str, Any], hold: list[Callable[[], None]] | None = None) -> Reply | ModelError:
        """One chat completion: `body` as in OpenAI's API (`messages`, `max_tokens` ...); the model's name is added.

        With `hold` an answered call keeps its place until the function put there is called (once): so no more answers than
        `policy.concurrency` are ever on their way to where they are kept.
        """
        self.report.requested += 1
        data = json.dumps({"model": self.model, **body}, ensure_ascii=True).encode("ascii")
        most = int(body.get("max_tokens", 1024)) * int(body.get("n", 1))
        try:
            answer = await self._persist(data, most, hold)
        except BaseException:
            self.report.failed["cancelled"] += 1
            raise
        if isinstance(answer, Reply):
            self.report.answered += 1
        else:
            self.report.failed[answer.code] += 1
        return answer

    async def _persist(self, data: bytes, most: int, hold: list[Callable[[], None]] | None) -> Reply | ModelError:
        urgent, tries = False, 0
        begun = time.monotonic()
        while True:
            leave = self._places.leave
            await self._places.enter(urgent=urgent, late=tries > 0 and not urgent)
            try:
                stop = await self._may_go(begun, len(data), most)
                if isinstance(stop, ModelError):
                    return stop
                tries += 1
                self.report.sent += 1
                self.report.retries += tries > 1
                if tries == 1:
                    self._retries.first_try()
                answer, asked = await self._try(data, stop, tries)
                if isinstance(answer, ModelError) and self._is_last(answer, tries):
                    answer.alive = await self._lives(answer.code)
                if hold is not None and isinstance(answer, Reply):
                    hold.append(leave)
                    leave = _stay
            finally:
                leave()
            if isinstance(answer, Reply):
                self._remember(data)
                return answer
            self.report.faults[answer.code] += 1
            if answer.alive or self._is_last(answer, tries):
                return answer
            if self.breaker.open:
                tries = min(tries, self.policy.tries - 1)  # waiting for a server that is down uses up no try
                if self._impatient(begun):
                    answer.alive = False
                    return answer
            urgent = self._retries.take()
            await asyncio.sleep(pause(tries, asked, self._rng))

    async def _may_go(self, begun: float, size: int, most: int) -> tuple[int, int] | ModelError:
        """The reservation of a call that may be sent now, or why it may not."""
        while self.breaker.open:
            wait = self.breaker.wait(time.monotonic())
            if not wait and self._good:
                await self._canary()
                continue
            if not wait:
                break  # nothing was ever completed: this call is the canary
            if self._impatient(begun):
                why = "has failed every call for a while; is the server running, and is DUALALIGN_MODEL_URL right?"
                down = fault("unreachable", why, self.model)
                down.alive = False
                return down
            await asyncio.sleep(wait)
        while not self._spent:
            held = self.ledger.reserve(prompt_bytes=size, most_answer=most)
            if held is not None:
                return held
            if self.ledger.idle:
                self._spent = True
            else:
                await asyncio.sleep(0.02)  # what is in flight may cost less than is set aside for it
        why = f"may cost no more: {self.ledger.tokens} tokens ({self.ledger.money:.4f} in money) of the budget are spent; raise it to go on"
        return fault("budget", why, self.model)

    def _remember(self, data: bytes) -> None:
        if not self._good or self.report.answered % _RENEW == 0:
            self._good = _one_token(data)

    def _is_last(self, answer: ModelError, tries: int) -> bool:
        """Whether a failed call is not sent again."""
        most = self._timeouts if answer.code == "timeout" else self.policy.tries
        return not answer.retryable or (tries >= most and not self.breaker.open)

    @property
    def _timeouts(self) -> int:
        """Tries of a call that times out."""
        return min(self.policy.tries, _TIMEOUTS)

    async def _lives(self, code: str) -> bool | None:
        """Whether the server answers, though it has failed a call for good; None where that is not known."""
        if code in _ALIVE:
            return True
        if code in _REFUSES or not self._good:
            return None
        return await self._canary() or None

    async def _canary(self) -> bool:
        """Asks again for what the server completed last, and for one token of it; whether it was answered."""
        held = self.ledger.reserve(prompt_bytes=len(self._good), most_answer=1)
        if held is None:
            return False
        self.report.canaries += 1
        answer, _ = await self._try(self._good, held)
        if isinstance(answer, Reply):
            self.breaker.canary_answered()
        return isinstance(answer, Reply)

    def _impatient(self, begun: float) -> bool:
        opened = self.breaker.opened_at
        patience = self.policy.patience if self.report.answered else min(self.policy.patience, _FIRST_PATIENCE)
        return opened is not None and time.monotonic() - max(begun, opened) >= patience

    async def _try(self, data: bytes, held: tuple[int, int], tries: int = 0) -> tuple[Reply | ModelError, float | None]:
        """The end of one send, try number `tries` of its call (0: a canary), and the seconds the server asks to wait."""
        asked: float | None = None
        unsent = False
        answer: Reply | ModelError = fault("unreachable", "was not asked to the end", self.model)
        early = 0 < tries < self._timeouts
        begun = asyncio.get_running_loop().time()
        try:
            async with self._clocks.timed(early=early):
                answer, asked = await self._wire.post(data)
        except TimeoutError:  # aiohttp's are its children
            seconds = round(self._clocks.wait.early, 1) if early else self.policy.timeout
            answer = fault("timeout", f"gave no answer within {seconds:g} seconds", self.model)
        except Exception as error:  # noqa: BLE001 -- aiohttp's and the system's; their texts hold addresses
            answer, unsent = self._wire.translated(error)
        finally:
            known = isinstance(answer, Reply)
            self.ledger.settle(
                held,
                prompt_bytes=len(data),
                prompt=answer.prompt_tokens if isinstance(answer, Reply) else None,
                answer=answer.answer_tokens if isinstance(answer, Reply) else None,
                unsent=unsent or (not known and getattr(answer, "code", "") in {"rate-limit", "server", "bad-request"}),
            )
            self.report.prompt_tokens, self.report.answer_tokens = self.ledger.prompt, self.ledger.answer
            self.report.money = self.ledger.money
        if isinstance(answer, Reply):
            self._clocks.took(begun, canary=not tries)
        if tries:
            self._learn(answer, first=tries == 1, begun=begun)
        return answer, asked

    def _learn(self, answer: Reply | ModelError, *, first: bool = True, begun: float = math.inf) -> None:
        """What the end of a try says of the server. A call that fails again and again says no more of its load than it did at `first`. A
        time-out says nothing of the load of a server that meanwhile answered a canary and no call, nor that one is down that answers soon.
        """
        code = "" if isinstance(answer, Reply) else answer.code
        lives = code == "timeout" and self._clocks.heard > begun
        overload = code in _OVERLOAD or "HTTP 503" in str(answer) or "HTTP 529" in str(answer)
        if first and overload and (not lives or self._clocks.answered > begun):
            self.concurrency.overloaded()
        elif first and not code:
            self.concurrency.succeeded()
        if code in _DOWN and not (lives and self._clocks.wait.early < self.policy.timeout):
            self.breaker.failed(time.monotonic())
        elif code in _ALIVE:
            self.breaker.answered()
        self._places.wake()
