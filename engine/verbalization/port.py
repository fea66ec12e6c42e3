"""The `Verbalizer` port: plans in, sentences out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from engine.plan import Plan
from ontology.issue import Issue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ontology.errors import ModelError

__all__ = ["Request", "Verbalizer"]


@dataclass(frozen=True, slots=True)
class Request:
    """A sentence to write. In a repair, `previous` is the text that was refused and `issues` say why. `seed` settles every choice."""

    plan: Plan
    seed: int = 0
    previous: str = ""
    issues: tuple[Issue, ...] = ()


class Verbalizer(Protocol):
    """Writes sentences."""

    name: str
    """Goes into each record's `model`: `template`, `local`, `vllm:NAME` ..."""

    def write(self, requests: Sequence[Request]) -> list[str | ModelError]:
        """One sentence, or the reason for none, a request, in order. A failed one does not lose the others."""
        ...

    def close(self) -> None:
        """Gives back servers and connections; may be called twice."""
        ...
