"""`Plan`: what one sentence must say."""

from __future__ import annotations

from dataclasses import dataclass, field

from graph_loaders.trajectory import Persona
from ontology.concept import Cui
from ontology.mention import Assertion, Informant

__all__ = ["Plan", "Previous"]


@dataclass(frozen=True, slots=True)
class Previous:
    """An earlier onset of the same trajectory, for context."""

    cui: Cui
    name: str
    age: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What one sentence must say. `cui` is None where the mode plans no concept (unguided: `of` is None too).

    `phrase`: the words proposed for the concept (noun form). `age`: years. `gap_days`: days since the previous onset (None for the first).
    `previous`: earlier onsets, oldest first. `step` of `of`: place among the trajectory's onsets, from 0.
    """

    label: str
    definition: str
    cui: Cui | None = None
    name: str = ""
    entity: str = ""
    phrase: str = ""
    assertion: Assertion = Assertion.PRESENT
    informant: Informant = Informant.CLINICIAN
    stage: str = ""
    persona: Persona = field(default_factory=Persona)
    age: float | None = None
    gap_days: int | None = None
    previous: tuple[Previous, ...] = ()
    trajectory_id: str = ""
    step: int = 0
    of: int | None = None
