"""`Persona`, `Onset` and `Trajectory`: what may leave of a patient, real or sampled; one type for both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO

from ontology.concept import Cui
from ontology.lines import adapter, read_lines

__all__ = [
    "Absence",
    "Onset",
    "Persona",
    "Presence",
    "Remission",
    "StageEntry",
    "Trajectory",
    "read_jsonl",
    "write_jsonl",
]


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
class Remission:
    """A concept that had begun is away from `start` up to `end` (ages in years)."""

    cui: Cui
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Presence:
    """A concept recorded as present again at an age after its onset."""

    cui: Cui
    age: float


@dataclass(frozen=True, slots=True)
class StageEntry:
    """The age at which a stage of the pack was entered."""

    stage: str
    age: float


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One persona followed from `entry_age` to `exit_age` (death if `died`, else the end of follow-up), onsets in order of age.

    `remissions`: when a concept that has begun is away. "Present at an age" (`present`) and "ever by an age" (`ever`) differ by them.
    """

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
    remissions: tuple[Remission, ...] = ()
    presences: tuple[Presence, ...] = ()

    def ever(self, cui: str, age: float) -> bool:
        """Whether the concept has begun by `age`."""
        return any(o.cui == cui and o.age <= age for o in self.onsets)

    def present(self, cui: str, age: float) -> bool:
        """Whether the concept has begun by `age` and is not in remission then: another question than `ever`.

        >>> her = Trajectory("t", Persona(), 70.0, 80.0, onsets=(Onset(Cui("C0011581"), 72.0),),
        ...                  remissions=(Remission(Cui("C0011581"), 73.0, 75.0),))
        >>> her.ever("C0011581", 74.0), her.present("C0011581", 74.0), her.present("C0011581", 76.0)
        (True, False, True)
        """
        away = any(r.cui == cui and r.start <= age < r.end for r in self.remissions)
        return self.ever(cui, age) and not away

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
