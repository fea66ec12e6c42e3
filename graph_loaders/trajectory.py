"""`Persona`, `Onset` and `Trajectory`: what may leave of a patient, real or sampled; one type for both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO

from ontology.concept import Cui
from ontology.lines import adapter, read_lines

__all__ = ["Absence", "Onset", "Persona", "StageEntry", "Trajectory", "read_jsonl", "write_jsonl"]


@dataclass(frozen=True, slots=True)
class Persona:
    """Traits by axis (`{"sex": "female", "race": "white", "education": "low"}`) and risk factor ids (`("diabetes",)`, sorted)."""

    traits: Mapping[str, str] = field(default_factory=dict)
    risk_factors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Onset:
    """The first time a concept is present. Ages in years.

    `age`: first seen present. `after`: last age it was seen absent; None when it was already there at entry; equal to
    `age` when the time is known exactly (sampled trajectories).
    """

    cui: Cui
    age: float
    after: float | None = None
    stage: str = ""
    informant: str = ""


@dataclass(frozen=True, slots=True)
class Absence:
    """A concept recorded as absent at an age."""

    cui: Cui
    age: float


@dataclass(frozen=True, slots=True)
class StageEntry:
    """The age at which a stage of the pack was entered."""

    stage: str
    age: float


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One persona followed from `entry_age` to `exit_age` (death if `died`, else the end of follow-up), onsets in order of age."""

    id: str
    persona: Persona
    entry_age: float
    exit_age: float
    died: bool = False
    visits: tuple[float, ...] = ()
    onsets: tuple[Onset, ...] = ()
    absences: tuple[Absence, ...] = ()
    stages: tuple[StageEntry, ...] = ()
    sampled: bool = False

    def stage_at(self, age: float) -> str:
        """The stage at `age`, or "" before the first one."""
        reached = [entry.stage for entry in self.stages if entry.age <= age]
        return reached[-1] if reached else ""


def read_jsonl(lines: Iterable[str | bytes], where: str = "-") -> Iterator[Trajectory]:
    """Trajectories from JSON lines, lazily; SourceError names the line that is not one."""
    return read_lines(Trajectory, lines, where)


def write_jsonl(trajectories: Iterable[Trajectory], file: IO[str]) -> int:
    """Writes one JSON object a line; returns how many."""
    count = 0
    for trajectory in trajectories:
        file.write(adapter(Trajectory).dump_json(trajectory).decode() + "\n")
        count += 1
    return count
