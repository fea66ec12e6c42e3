"""`Patient` and `ClinicalEvent`: what every reader yields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ontology.concept import Coding, Cui
from ontology.mention import Assertion, Informant

__all__ = ["ClinicalEvent", "Patient"]


@dataclass(frozen=True, slots=True)
class Patient:
    """A person as a source has them. `id` lives only while loading; it never reaches a graph. Ages in years.

    `visits`: ages at which the person was seen, in order; the first is entry, the last the end of follow-up unless
    `died` (age at death) says otherwise.
    """

    id: str
    traits: Mapping[str, str] = field(default_factory=dict)
    risk_factors: tuple[str, ...] = ()
    visits: tuple[float, ...] = ()
    died: float | None = None


@dataclass(frozen=True, slots=True)
class ClinicalEvent:
    """Something said of a patient at an age: a concept (`cui`), or a `coding` still to be looked up.

    `assertion` present or absent is evidence; anything else is counted and left out. `where` names its place in the source.
    """

    patient: str
    age: float
    cui: Cui | None = None
    coding: Coding | None = None
    assertion: Assertion = Assertion.PRESENT
    informant: Informant | None = None
    where: str = ""
