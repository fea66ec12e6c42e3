"""`Slot`, `Attempt` and `Outcome`: what travels between the run and its workers, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from engine.record import Record
from engine.runs.quotas import Cell
from graph_loaders.trajectory import Trajectory
from ontology.issue import Issue

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Attempt", "Outcome", "Slot", "Usage"]


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of one sentence (or one trajectory) in a run. `round` counts the plans already lost at this place; `cell` says
    what the quotas ask for here.
    """

    index: int
    cell: Cell = field(default_factory=Cell)
    round: int = 0
    trajectory: Trajectory | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request that gave no record, and why: a text that was refused, or (with no text) a model that failed for good.
    `given_up`: the last one for its sentence, which the run goes on without.
    """

    slot: int
    round: int
    attempt: int
    label: str
    name: str
    text: str
    issues: tuple[Issue, ...]
    given_up: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """What the calls of a model cost: tokens of prompts and of answers, and money."""

    prompt_tokens: int = 0
    answer_tokens: int = 0
    money: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.answer_tokens + other.answer_tokens,
            self.money + other.money,
        )

    def __sub__(self, other: Usage) -> Usage:
        return self + Usage(-other.prompt_tokens, -other.answer_tokens, -other.money)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a slot: its records, what was refused on the way, and dead letters (requests that the model failed for good).

    `requested`: requests made, each of which is one of the three. `complete`: nothing more is to be made here; otherwise the slot is
    to be planned anew. `away`: dead letters that may tell of a server that answers nothing any more. `usage`: of the batch that the
    outcome came with, on the first one.
    """

    slot: Slot
    records: tuple[Record, ...] = ()
    rejected: tuple[Attempt, ...] = ()
    dead: tuple[Attempt, ...] = ()
    requested: int = 0
    complete: bool = False
    away: int = 0
    usage: Usage = field(default_factory=Usage)

    @property
    def lost(self) -> int:
        """Planned sentences that were given up."""
        return sum(attempt.given_up for attempt in (*self.rejected, *self.dead))

    def after(self, before: Outcome | None) -> Outcome:
        """This outcome, with what an earlier round of the same slot lost."""
        if before is None:
            return self
        return replace(
            self,
            rejected=before.rejected + self.rejected,
            dead=before.dead + self.dead,
            requested=before.requested + self.requested,
        )


def silent_rounds(rejected: Iterable[Attempt], dead: Iterable[Attempt]) -> int:
    """Rounds of a slot in which the model gave no text at all."""
    return len({attempt.round for attempt in dead} - {attempt.round for attempt in rejected})
