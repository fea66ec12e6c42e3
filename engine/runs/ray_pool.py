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
_LOSSES = 20  # actors lost in a row, without a batch between, before the cluster is held to be unusable


class _Remote:
    """A worker, made at its first batch, so that what fails is said in words."""

    def __init__(self, build: Callable[[], Work]) -> None:
        self._build = build
        self._work: Work | None = None

    def call(self, slots: Sequence[Slot]) -> list[Outcome]:
        if self._work is None:
            self._work = self._build()
            collect_seldom()
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

    An actor that is lost, with its node or alone, loses nothing: what it had is sent to another one, and a new actor is asked for.
    MissingExtra without ray; ConfigError for a cluster that is not there; WorkerLost when actors are lost again and again.
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
                raise _nowhere(address, type(error).__name__) from None
        count = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        self._build = ray.put(build)
        self._kind = ray.remote(num_cpus=1)(_Remote)
        self._idle: deque[Any] = deque(self._actors(count) * _AHEAD)
        self._waiting: deque[Sequence[Slot]] = deque()
        self._flying: dict[Any, tuple[Any, Sequence[Slot]]] = {}
        self._losses = 0
        self.capacity = _AHEAD * count

    def _actors(self, count: int) -> list[Any]:
        return [self._kind.remote(self._build) for _ in range(count)]

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
            (done,), _ = self._ray.wait(list(self._flying), num_returns=1)
            actor, slots = self._flying.pop(done)
            try:
                found: list[Outcome] = self._ray.get(done)
            except self._ray.exceptions.RayActorError:
                self._replace(actor, slots)
                continue
            except self._ray.exceptions.RayTaskError as error:
                raise error.cause from None
            self._losses = 0
            self._idle.append(actor)
            self._send()
            return found

    def _replace(self, lost: Any, slots: Sequence[Slot]) -> None:
        self._losses += 1
        if self._losses >= _LOSSES:
            raise WorkerLost(
                f"{self._losses} Ray actors in a row ended before their work was done (killed, or out of memory); what is committed is "
                "kept: look at the cluster with `ray status` and give the same command again"
            )
        again = [slots]
        for task, (actor, batch) in list(self._flying.items()):
            if actor == lost:
                again.append(batch)
                del self._flying[task]
        places = len(again) + sum(actor == lost for actor in self._idle)
        (fresh,) = self._actors(1)
        self._idle = deque([*(actor for actor in self._idle if actor != lost), *[fresh] * places])
        self._waiting.extendleft(reversed(again))
        self._send()

    def close(self) -> None:
        """Ends the actors; what they still hold is dropped (it is made again on resume)."""
        for actor in {
            id(actor): actor for actor in (*self._idle, *(actor for actor, _ in self._flying.values()))
        }.values():
            self._ray.kill(actor)
        self._idle.clear()
        self._flying.clear()
        if self._began:
            self._ray.shutdown()
