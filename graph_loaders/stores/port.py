"""The `GraphStore` port: what every store does, in the words of the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Self

    from graph_loaders.elements import Edge, GraphElements, Node

__all__ = ["GraphStore"]


class GraphStore(Protocol):
    """A graph that is kept. Stores are context managers; `close` may be called twice."""

    def write(self, elements: Iterable[Node | Edge], *, replace: str = "") -> None:
        """Adds or replaces elements by identity; idempotent; Cohort nodes last, as the commit.

        `replace` names a cohort that is dropped in the same transaction: a failing write leaves the old one as it was.
        A write is one transaction; on a server a large one is several, and its cohorts come with the last.
        """
        ...

    def read(self, *, private: bool = False) -> GraphElements:
        """Everything, in canonical order; what belongs to a cohort without its Cohort node is invisible."""
        ...

    def query(
        self, cypher: str, /, *, timeout: float = 30.0, limit: int = 10_000, **params: Any
    ) -> list[dict[str, Any]]:
        """Read-only Cypher from outside, guarded; QueryRefused when it is not allowed, too slow (seconds) or too large (rows).

        Answers are JSON: a node is its `id` (key), `labels` and `properties`; an edge its `start` and `end` (keys), `type` and
        `properties`; a path its `nodes` and `relationships`.
        """
        ...

    def drop(self, cohort: str) -> None:
        """Removes one cohort: its node and every element that carries its id."""
        ...

    def close(self) -> None:
        """Gives back files and processes."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
