"""The parts of GA4GH phenopackets v2 that are read, as types.

Source: https://phenopacket-schema.readthedocs.io/en/2.0.0/
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from graph_loaders.fhir.dates import When, aged, from_date

__all__ = ["Packet", "Quality", "Time", "years_of"]

_DURATION = re.compile(
    r"P(?:([0-9.]{1,6})Y)?(?:([0-9.]{1,6})M)?(?:([0-9.]{1,6})W)?(?:([0-9.]{1,6})D)?(?:T(?:[0-9.]+H)?(?:[0-9.]+M)?(?:[0-9.]+S)?)?"
)
_CLASSES = {
    "HP:0030674": (0.0, 0.0), "HP:0003577": (0.0, 0.0), "HP:0003623": (0.0, 28 / 365.25), "HP:0003593": (28 / 365.25, 1.0),
    "HP:0011463": (1.0, 5.0), "HP:0003621": (5.0, 16.0), "HP:0410280": (28 / 365.25, 16.0), "HP:0003581": (16.0, None),
    "HP:0011462": (16.0, 40.0), "HP:0025708": (16.0, 19.0), "HP:0025709": (19.0, 25.0), "HP:0025710": (25.0, 40.0),
    "HP:0003596": (40.0, 60.0), "HP:0003584": (60.0, None),
}  # fmt: skip
"""Ages in years between which HPO's classes of onset lie (HPO 2025: antenatal ... late onset)."""


def years_of(duration: str) -> float | None:
    """An ISO 8601 duration in years; None where it is none.

    >>> years_of("P70Y6M"), years_of("P0D"), years_of("70")
    (70.5, 0.0, None)
    """
    match = _DURATION.fullmatch(duration.strip())
    if match is None or not any(part is not None for part in match.groups()):
        return None
    try:
        years, months, weeks, days = (float(part) if part else 0.0 for part in match.groups())
    except ValueError:
        return None
    return years + months / 12 + weeks * 7 / 365.25 + days / 365.25


class Part(msgspec.Struct, rename="camel", frozen=True):
    """Of a phenopacket."""


class Term(Part, frozen=True):
    id: str = ""


class Age(Part, frozen=True):
    iso8601duration: str = ""


class AgeRange(Part, frozen=True):
    start: Age = Age()
    end: Age = Age()


class Interval(Part, frozen=True):
    start: str = ""
    end: str = ""


class Time(Part, frozen=True):
    """A TimeElement: one of its parts is there."""

    age: Age | None = None
    age_range: AgeRange | None = None
    ontology_class: Term | None = None
    timestamp: str | None = None
    interval: Interval | None = None
    gestational_age: Any = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said."""
        return self == Time()

    def between(self, last: float | None = None, *, end: bool = False) -> tuple[float | None, When | None]:
        """The age before which it was not, where one is said, and the time at which it was; `last`: the latest that it can be."""
        if self.age is not None:
            years = years_of(self.age.iso8601duration)
            return None, aged(years) if years is not None else None
        if self.gestational_age is not None:
            return None, aged(0.0)
        if self.timestamp is not None:
            return None, from_date(self.timestamp)
        if self.interval is not None:
            return None, from_date(self.interval.end if end else self.interval.start)
        low: float | None = None
        high: float | None = None
        if self.age_range is not None:
            low, high = years_of(self.age_range.start.iso8601duration), years_of(self.age_range.end.iso8601duration)
        elif self.ontology_class is not None:
            low, high = _CLASSES.get(self.ontology_class.id, (None, None))
        known = [age for age in (high, last if low is not None else None) if age is not None]
        return low, aged(min(known)) if known else None


class VitalStatus(Part, frozen=True):
    status: str | int = ""
    time_of_death: Time = Time()


class Subject(Part, frozen=True):
    id: str = ""
    sex: str | int = ""
    date_of_birth: str = ""
    time_at_last_encounter: Time = Time()
    vital_status: VitalStatus = VitalStatus()
    age_at_collection: Any = None


class Number(Part, frozen=True):
    value: float | None = None


class Value(Part, frozen=True):
    quantity: Number | None = None


class Quality(Part, frozen=True):
    """A feature, disease or measurement, in one form."""

    type: Term = Term()
    excluded: bool = False
    onset: Time = Time()
    resolution: Time = Time()
    number: bool = False
    value: float | None = None


class Feature(Part, frozen=True):
    type: Term = Term()
    excluded: bool = False
    onset: Time = Time()
    resolution: Time = Time()
    negated: Any = None
    class_of_onset: Any = None


class Disease(Part, frozen=True):
    term: Term = Term()
    excluded: bool = False
    onset: Time = Time()
    resolution: Time = Time()


class Measurement(Part, frozen=True):
    assay: Term = Term()
    value: Value = Value()
    time_observed: Time = Time()


class MetaData(Part, frozen=True):
    phenopacket_schema_version: str = ""


class Packet(Part, frozen=True):
    """A phenopacket."""

    id: str = ""
    subject: Subject = Subject()
    phenotypic_features: list[Feature] = []
    diseases: list[Disease] = []
    measurements: list[Measurement] = []
    interpretations: list[Any] = []
    biosamples: list[Any] = []
    medical_actions: list[Any] = []
    files: list[Any] = []
    meta_data: MetaData = MetaData()

    @property
    def qualities(self) -> list[Quality]:
        """Everything that is said of the person."""
        return [
            *(Quality(f.type, f.excluded, f.onset, f.resolution) for f in self.phenotypic_features),
            *(Quality(d.term, d.excluded, d.onset, d.resolution) for d in self.diseases),
            *(
                Quality(
                    m.assay,
                    onset=m.time_observed,
                    number=True,
                    value=m.value.quantity.value if m.value.quantity else None,
                )
                for m in self.measurements
            ),
        ]

    @property
    def is_first_version(self) -> bool:
        """Whether it has what only version 1 had."""
        old = any(f.negated is not None or f.class_of_onset is not None for f in self.phenotypic_features)
        return old or self.subject.age_at_collection is not None

    def left_out(self) -> dict[str, list[Any]]:
        """What is not read, by name."""
        return {
            "interpretations": self.interpretations,
            "biosamples": self.biosamples,
            "medical actions": self.medical_actions,
            "files": self.files,
        }
