"""`Patient` and `ClinicalEvent`: what every reader yields.

A reader is a module `graph_loaders/readers/NAME.py` with `read(path, mapping, tally, **options)`, which yields
`(Patient, events)` person by person and holds no more than a batch of them. Dates become ages inside the reader
(`graph_loaders.ages`), so that no exact date goes further. Rows that a reader leaves out are counted in its `Tally`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ontology.concept import Coding, Cui
from ontology.mention import Assertion, Informant

__all__ = ["ClinicalEvent", "Patient"]


@dataclass(frozen=True, slots=True)
class Patient:
    """A person as a source has them. `id` lives only while loading; it never reaches a graph. Ages in years.

    `visits`: ages at which signs were looked for, in order, where a sign is known only at visits (a cohort study): the first is
    entry, the last the end of follow-up. `window`: entry and exit where a source says them (an observation period); a
    person with a window and no visits has dated events (a health record). `died`: the age at death; ends either.
    """

    id: str
    traits: Mapping[str, str] = field(default_factory=dict)
    risk_factors: tuple[str, ...] = ()
    visits: tuple[float, ...] = ()
    died: float | None = None
    window: tuple[float, float] | None = None


@dataclass(slots=True)
class ClinicalEvent:
    """Something said of a patient at an age: a concept (`cui`), or a `coding` still to be looked up, perhaps with a `value`.

    `also`: other codes of the same thing; the first that has a concept counts, `coding` before them. `after`: an age at which it
    was not there yet, where a source says between which ages it began. `until`: the age at which what is present ended, infinity
    where it goes on; None where a source says only that it was there.
    `assertion` present or absent is evidence; anything else is counted and left out. `where` names its place in the source.
    """

    patient: str
    age: float
    cui: Cui | None = None
    coding: Coding | None = None
    assertion: Assertion = Assertion.PRESENT
    informant: Informant | None = None
    where: str = ""
    value: float | None = None
    also: tuple[Coding, ...] = ()
    until: float | None = None
    after: float | None = None
