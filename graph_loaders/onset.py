"""Events to trajectories: code to concept, first onset, what was absent before, the window of observation."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from graph_loaders.trajectory import Absence, Onset, Persona, Presence, Trajectory
from ontology.mention import Assertion

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from graph_loaders.event import ClinicalEvent, Patient
    from ontology.catalog import Catalog
    from ontology.concept import Cui

__all__ = ["Tally", "trajectories"]


@dataclass(slots=True)
class Tally:
    """What became of the events: every event read is used or skipped for one reason."""

    persons: int = 0
    read: int = 0
    used: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    unmapped: Counter[str] = field(default_factory=Counter)


def trajectories(
    patients: Iterable[tuple[Patient, Sequence[ClinicalEvent]]],
    tally: Tally,
    catalog: Catalog | None = None,
) -> Iterator[Trajectory]:
    """One trajectory a person, lazily; the person's id is replaced by a running number.

    A sign first seen present at a visit began after the last age it was seen absent; one that was never recorded before
    counts as not yet seen at the visit before (as in the PAQUID protocol); one present at the first visit was already
    there (`after` is None). Codings are looked up in `catalog`; what has no concept is counted by code.
    """
    for number, (patient, events) in enumerate(patients):
        tally.persons += 1
        if not patient.visits:
            tally.read += len(events)
            tally.skipped["person without a visit"] += len(events)
            continue
        entry = patient.visits[0]
        leaves = patient.died if patient.died is not None else patient.visits[-1]
        seen, absent = _evidence(events, entry, leaves, tally, catalog)
        onsets = sorted(
            (_onset(cui, ages, absent.get(cui, []), patient.visits) for cui, ages in seen.items()),
            key=lambda onset: (onset.age, onset.cui),
        )
        absences = sorted((age, cui) for cui, ages in absent.items() for age in ages)
        again = sorted({(age, cui) for cui, ages in seen.items() for age in ages if age > min(ages)})
        yield Trajectory(
            id=f"p{number:07d}",
            persona=Persona(dict(patient.traits), tuple(sorted(patient.risk_factors))),
            entry_age=entry,
            exit_age=leaves,
            died=patient.died is not None,
            visits=patient.visits,
            onsets=tuple(onsets),
            absences=tuple(Absence(cui, age) for age, cui in absences),
            presences=tuple(Presence(cui, age) for age, cui in again),
        )


def _evidence(
    events: Sequence[ClinicalEvent], entry: float, leaves: float, tally: Tally, catalog: Catalog | None
) -> tuple[dict[Cui, list[float]], dict[Cui, list[float]]]:
    seen: dict[Cui, list[float]] = {}
    absent: dict[Cui, list[float]] = {}
    for event in events:
        tally.read += 1
        cui = event.cui
        if cui is None and event.coding is not None:
            found = catalog.lookup(event.coding) if catalog is not None else ()
            if not found:
                tally.skipped["code without a concept"] += 1
                tally.unmapped[f"{event.coding.system} {event.coding.code}"] += 1
                continue
            cui = found[0]
        if cui is None:
            tally.skipped["no concept and no code"] += 1
        elif not entry <= event.age <= leaves:
            tally.skipped["outside the person's follow-up"] += 1
        elif event.assertion is Assertion.PRESENT:
            seen.setdefault(cui, []).append(event.age)
            tally.used += 1
        elif event.assertion is Assertion.ABSENT:
            absent.setdefault(cui, []).append(event.age)
            tally.used += 1
        else:
            tally.skipped[f"assertion {event.assertion.value}"] += 1
    return seen, absent


def _onset(cui: Cui, present: list[float], absent: list[float], visits: Sequence[float]) -> Onset:
    first = min(present)
    before = [age for age in absent if age < first] or [age for age in visits if age < first]
    return Onset(cui, first, max(before) if before else None)
