"""`RayPool`: the same workers as actors on a Ray cluster. The only module that knows Ray."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from engine.processes import collect_seldom
from ontology.errors import ConfigError, MissingExtra, WorkerLost

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.runs.outcome import Outcome, Slot

    Work = Callable[[Sequence[Slot]], list[Outcome]]

__all__ = ["RayPool"]

_AHEAD = 2  # batches on their way for each actor: one in work, one waiting
_STORE = 2**27  # bytes; specs and batches are small
_PATIENCE = 10.0  # seconds to reach the head of a cluster
_PLACE = 600.0  # seconds without an actor at work before the cluster is held to have no place for one
_LOSSES = 20  # actors lost in a row, without a batch between, before the cluster is held to be unusable


class _Remote:
    """A worker, made when the actor has a place to run."""

    def __init__(self, build: Callable[[], Work]) -> None:
        self._build = build
        self._work: Work | None = None

    def ready(self) -> None:
        """Makes the worker; a task of its own, so that what fails is said in words and nothing waits for an actor without a place."""
        self._work = self._build()
        collect_seldom()

    def call(self, slots: Sequence[Slot]) -> list[Outcome]:
        if self._work is None:
            raise RuntimeError("the worker was not made")
        return self._work(slots)


def _reachable(address: str) -> None:
    """ConfigError at once where nobody listens: Ray itself would try for minutes."""
    import socket

    if address in {"local", "auto"}:
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise _nowhere(address, "it is no HOST:PORT")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()
    except (OSError, OverflowError):
        raise _nowhere(address, "nobody listens there") from None


def _nowhere(address: str, why: str) -> ConfigError:
    return ConfigError(
        f"there is no Ray cluster at {address!r} ({why}); start one with `ray start --head`, or give --ray local"
    )


class RayPool:
    """Works in Ray actors of one CPU each. `address`: `local` for this machine alone, `auto`, `HOST:PORT` or `ray://HOST:PORT` of a
    cluster. `workers`: actors; 0 for as many as the cluster has CPUs.

    An actor gets work once it has a place and its worker is made: more actors than the cluster has CPUs do no harm, and as many as there
    is room for begin. One that is lost, with its node or alone, loses nothing: what it had is sent to another one, and a new actor is
    asked for. MissingExtra without ray; ConfigError for a cluster that is not there; WorkerLost when actors are lost again and again, or
    none finds a place for ten minutes.
    """

    def __init__(self, build: Callable[[], Work], address: str, workers: int = 0) -> None:
        try:
            import ray
        except ImportError:
            raise MissingExtra("ray", 'pip install "dualalign[ray]"') from None
        _reachable(address)
        self._ray, self._began = ray, not ray.is_initialized()
        if self._began:
            local: dict[str, Any] = {
                "address": "local",  # not a cluster that happens to run here
                "num_cpus": workers or None,
                "include_dashboard": False,
                "object_store_memory": _STORE,
            }
            try:
                ray.init(
                    log_to_driver=False,
                    logging_level="ERROR",
                    **(local if address == "local" else {"address": address}),
                )
            except (ConnectionError, ValueError, RuntimeError) as error:
                if "AuthenticationError" in f"{error} {error.__cause__ or error.__context__}":
                    raise ConfigError(
                        f"the Ray cluster at {address!r} asks for its token: set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH to a copy of "
                        "the token file of its head (`~/.ray/auth_token` there)"
                    ) from None
                raise _nowhere(address, type(error).__name__) from None
        count = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        self._build = ray.put(build)
        self._kind = ray.remote(num_cpus=1)(_Remote)
        self._rising: dict[Any, Any] = {}  # actors that wait for a place, or make their worker
        self._idle: deque[Any] = deque()  # an actor stands here for each batch that it may still be given
        self._waiting: deque[Sequence[Slot]] = deque()
        self._flying: dict[Any, tuple[Any, Sequence[Slot]]] = {}
        self._losses = 0
        self.capacity = _AHEAD * count
        for _ in range(count):
            self._raise()

    def _raise(self) -> None:
        """Asks for an actor."""
        actor = self._kind.remote(self._build)
        self._rising[actor.ready.remote()] = actor

    def submit(self, slots: Sequence[Slot]) -> None:
        """Sends a batch to an actor, or keeps it until one is free."""
        self._waiting.append(slots)
        self._send()

    def _send(self) -> None:
        while self._waiting and self._idle:
            actor, slots = self._idle.popleft(), self._waiting.popleft()
            self._flying[actor.call.remote(slots)] = (actor, slots)

    def next(self) -> list[Outcome]:
        """Waits for any batch; one whose actor was lost is sent again first."""
        while True:
            wait = None if self._flying else _PLACE
            found, _ = self._ray.wait([*self._flying, *self._rising], num_returns=1, timeout=wait)
            if not found:
                raise WorkerLost(
                    "no Ray actor found a place within ten minutes; look at the cluster with `ray status`, and give the same command again "
                    "once it has free CPUs: what is committed is kept"
                )
            (done,) = found
            actor, slots = (self._rising.pop(done), None) if done in self._rising else self._flying.pop(done)
            try:
                outcomes: list[Outcome] | None = self._ray.get(done)
            except self._ray.exceptions.RayActorError:
                self._replace(actor, slots)
                continue
            except self._ray.exceptions.RayTaskError as error:
                raise error.cause from None
            self._idle += [actor] * (_AHEAD if slots is None else 1)
            self._send()
            if outcomes is not None:
                self._losses = 0
                return outcomes

    def _replace(self, lost: Any, slots: Sequence[Slot] | None) -> None:
        self._losses += 1
        if self._losses >= _LOSSES:
            raise WorkerLost(
                f"{self._losses} Ray actors in a row ended before their work was done (killed, or out of memory); what is committed is "
                "kept: look at the cluster with `ray status` and give the same command again"
            )
        again = [] if slots is None else [slots]
        for task, (actor, batch) in list(self._flying.items()):
            if actor == lost:
                again.append(batch)
                del self._flying[task]
        self._idle = deque(actor for actor in self._idle if actor != lost)
        self._waiting.extendleft(reversed(again))
        self._raise()
        self._send()

    def close(self) -> None:
        """Ends the actors; what they still hold is dropped (it is made again on resume)."""
        actors = (*self._idle, *self._rising.values(), *(actor for actor, _ in self._flying.values()))
        for actor in {id(actor): actor for actor in actors}.values():
            self._ray.kill(actor)
        self._idle.clear()
        self._rising.clear()
        self._flying.clear()
        if self._began:
            self._ray.shutdown()
