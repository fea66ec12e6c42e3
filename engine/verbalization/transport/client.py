"""`Transport`: calls of one OpenAI-compatible server, many at once, in an event loop of its own. The only module that knows aiohttp."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import math
import random
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from engine.verbalization.transport.budget import Budget, Ledger
from engine.verbalization.transport.limits import Breaker, Concurrency, RetryBudget, Wait, pause, retry_after
from engine.verbalization.transport.replies import LARGEST, Reply, fault, of_status, read_reply
from ontology.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from concurrent.futures import Future

    import aiohttp

__all__ = ["Policy", "Transport", "TransportReport"]

T = TypeVar("T")

_OVERLOAD = frozenset({"rate-limit", "timeout"})
_DOWN = frozenset({"unreachable", "timeout", "server"})
_ALIVE = frozenset({"", "too-long", "empty"})
"""Ends of a call that only a server that completes something can bring about: a refusal may come from a proxy before it."""
_REFUSES = frozenset({"refused-key", "unknown-model"})
"""Ends of every call to a server."""
_LOOPBACK = re.compile(r"127\.[0-9]+\.[0-9]+\.[0-9]+\Z|::1\Z")
_CONNECT = 10.0
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
        self._url, self._key = f"{url.rstrip('/')}/chat/completions", key
        self._proxy = None if loopback else _proxy(url)
        self.ledger = Ledger(self.policy.budget)
        self.concurrency = Concurrency(self.policy.concurrency)
        self._retries, self.breaker = RetryBudget(self.policy.retry_share), Breaker()
        self._wait = Wait(self.policy.timeout)
        self._early: dict[
            asyncio.Timeout, float
        ] = {}  # clocks of tries that are not their call's last, and when each began
        self._heard = self._answered = -math.inf  # when anything, and when a call, was answered last
        self._rng = random.Random(self.policy.seed)  # noqa: S311 -- jitter
        self._queue: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._flying = 0
        self._spent = False
        self._good = b""
        self._closed = False
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._guard = threading.Lock()

    @property
    def address(self) -> str:
        """Where calls go."""
        return self._url

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
        session, self._session = self._session, None
        if session is not None:
            await session.close()

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
            leave = self._leave
            await self._enter(urgent=urgent, late=tries > 0 and not urgent)
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
        clock = asyncio.timeout(self._wait.early if early else self.policy.timeout)
        begun = asyncio.get_running_loop().time()
        try:
            async with clock:
                if early:
                    self._early[clock] = begun
                answer, asked = await self._post(data)
        except TimeoutError:  # aiohttp's are its children
            seconds = round(self._wait.early, 1) if early else self.policy.timeout
            answer = fault("timeout", f"gave no answer within {seconds:g} seconds", self.model)
        except Exception as error:  # noqa: BLE001 -- aiohttp's and the system's; their texts hold addresses
            answer, unsent = self._translate(error)
        finally:
            self._early.pop(clock, None)
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
            self._time(begun, canary=not tries)
        if tries:
            self._learn(answer, first=tries == 1, begun=begun)
        return answer, asked

    def _time(self, begun: float, *, canary: bool) -> None:
        """Counts what an answer took; a canary's, of one token, only where it took longer than tries wait. What is under way waits as long
        as what is sent from now on.
        """
        before, self._heard = self._wait.early, asyncio.get_running_loop().time()
        took = self._heard - begun
        if not canary:
            self._answered = self._heard
        if not canary or took > before:
            self._wait.answered(took)
        if self._wait.early != before:
            for clock, since in self._early.items():
                if not clock.expired():
                    clock.reschedule(since + self._wait.early)

    async def _post(self, data: bytes) -> tuple[Reply | ModelError, float | None]:
        async with self._connected().post(self._url, data=data, allow_redirects=False, proxy=self._proxy) as response:
            asked = retry_after(response.headers.get("Retry-After"), time.time())
            if response.status != 200:  # noqa: PLR2004 -- HTTP's OK
                return of_status(response.status, self.model), asked
            if (response.content_length or 0) > LARGEST:
                return read_reply(b" " * (LARGEST + 1), self.model), None
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > LARGEST:
                    break
            return read_reply(bytes(body), self.model), None

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            import aiohttp

            headers = {"Content-Type": "application/json"}
            if self._key:
                headers["Authorization"] = f"Bearer {self._key}"
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT),
                headers=headers,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def _translate(self, error: Exception) -> tuple[ModelError, bool]:
        """A failure of the connection as ours, and whether nothing was sent."""
        import aiohttp

        if isinstance(error, aiohttp.ClientConnectorError):
            why = "cannot be reached; is the server running, and is DUALALIGN_MODEL_URL right?"
            return fault("unreachable", why, self.model), True
        if isinstance(error, aiohttp.InvalidURL):
            return fault("bad-request", "has an address that is no URL; set DUALALIGN_MODEL_URL", self.model), True
        if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError | OSError):
            return fault("unreachable", "closed the connection before its answer", self.model), False
        if isinstance(error, aiohttp.ClientPayloadError):
            return fault("malformed", "ended its answer too early", self.model), False
        if isinstance(error, aiohttp.ClientError):
            return fault("malformed", f"answered with what is no HTTP ({type(error).__name__})", self.model), False
        return fault("model-failed", f"failed with {type(error).__name__}", self.model), False

    def _learn(self, answer: Reply | ModelError, *, first: bool = True, begun: float = math.inf) -> None:
        """What the end of a try says of the server. A call that fails again and again says no more of its load than it did at `first`. A
        time-out says nothing of the load of a server that meanwhile answered a canary and no call, nor that one is down that answers soon.
        """
        code = "" if isinstance(answer, Reply) else answer.code
        lives = code == "timeout" and self._heard > begun
        overload = code in _OVERLOAD or "HTTP 503" in str(answer) or "HTTP 529" in str(answer)
        if first and overload and (not lives or self._answered > begun):
            self.concurrency.overloaded()
        elif first and not code:
            self.concurrency.succeeded()
        if code in _DOWN and not (lives and self._wait.early < self.policy.timeout):
            self.breaker.failed(time.monotonic())
        elif code in _ALIVE:
            self.breaker.answered()
        self._wake()

    # ---- places, in order: urgent retries, first tries, other retries

    async def _enter(self, *, urgent: bool, late: bool) -> None:
        if self._flying < int(self.concurrency.now) and not self._queue:
            self._flying += 1
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heappush(self._queue, (0 if urgent else 2 if late else 1, next(self._order), place))
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._leave()
            raise

    def _leave(self) -> None:
        self._flying -= 1
        self._wake()

    def _wake(self) -> None:
        while self._queue and self._flying < int(self.concurrency.now):
            place = heappop(self._queue)[2]
            if not place.done():
                self._flying += 1
                with contextlib.suppress(asyncio.InvalidStateError):
                    place.set_result(None)


def _proxy(url: str) -> str | None:
    """The proxy that the environment names for an address; none for this machine itself. aiohttp would look again at each call, in a
    thread, and would send what goes to this machine through it.
    """
    from urllib.request import getproxies, proxy_bypass

    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return None  # a call says what is wrong with it
    if host == "localhost" or _LOOPBACK.match(host) or proxy_bypass(host):
        return None
    return getproxies().get(parts.scheme)
