"""Events to trajectories: code to concept, first onset, what was absent before, the window of observation."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from graph_loaders.codes import NO_CONCEPT, Codes, Meaning
from graph_loaders.tally import Tally
from graph_loaders.trajectory import Absence, Onset, Persona, Presence, Trajectory
from ontology.concept import Cui
from ontology.mention import Assertion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from graph_loaders.event import ClinicalEvent, Patient
    from ontology.concept import Coding

__all__ = ["Tally", "trajectories"]

OUTSIDE_FOLLOW_UP = "outside the person's follow-up"


@dataclass(slots=True)
class _Evidence:
    """Ages at which each concept was present and absent, from entry to exit; present before entry counts as at entry."""

    entry: float
    leaves: float
    present: dict[Cui, list[float]] = field(default_factory=dict)
    absent: dict[Cui, list[float]] = field(default_factory=dict)
    spells: dict[Cui, list[tuple[float, float]]] = field(default_factory=dict)

    def add(self, cui: Cui, age: float, *, holds: bool) -> str:
        """Keeps it; or says why not."""
        if age > self.leaves or (age < self.entry and not holds):
            return OUTSIDE_FOLLOW_UP
        ages = (self.present if holds else self.absent).setdefault(cui, [])
        ages.append(max(age, self.entry))
        return ""

    def limit(self, cui: Cui, event: ClinicalEvent) -> None:
        """Keeps between which ages it began, and how long it lasted."""
        if event.until is not None:
            self.spells.setdefault(cui, []).append((event.age, event.until))
        if event.after is not None and event.after < event.age:
            self.add(cui, event.after, holds=False)

    def end(self) -> None:
        """Absent where a spell ended, but where another of the same concept holds then."""
        for cui, spells in self.spells.items():
            for start, end in spells:
                if start <= end < math.inf and not any(first <= end < last for first, last in spells):
                    self.add(cui, end, holds=False)


def trajectories(
    patients: Iterable[tuple[Patient, Sequence[ClinicalEvent]]],
    tally: Tally,
    codes: Codes | None = None,
    risks: Mapping[Cui, str] | None = None,
    identify: Callable[[str], str] | None = None,
) -> Iterator[Trajectory]:
    """One trajectory a person, lazily; the person's id is replaced by a running number, or by what `identify` makes of it.

    A sign first seen present at a visit began after the last age it was seen absent; one that was never recorded before
    counts as not yet seen at the visit before (as in the PAQUID protocol). Where there are no visits the source dates its
    events, and `after` is the age itself unless an absence is recorded. What is present at entry or recorded before it was
    already there (`after` is None). What is said after the end of follow-up, or absent before entry, is skipped.
    `risks`: concepts that are risk factors of the pack, by id: a person who had one by entry carries it, and they are no onsets
    (what is recorded later would be known only of those who live to be seen). Codings are looked up in
    `codes`; what has no concept is counted by code. What ended is absent from then on.
    """
    codes = codes or Codes(())
    for number, (patient, events) in enumerate(patients):
        tally.persons += 1
        if not patient.visits and patient.window is None:
            tally.skip("person without a visit", count=len(events))
            continue
        entry, leaves = patient.window or (patient.visits[0], patient.visits[-1])
        if patient.died is not None:
            leaves = patient.died
        if leaves < entry:
            tally.skip("follow-up ends before it begins", count=len(events))
            continue
        found = _evidence(events, entry, leaves, tally, codes)
        onsets = [
            _onset(cui, ages, found.absent.get(cui, ()), patient, entry)
            for cui, ages in found.present.items()
            if not (risks and cui in risks)
        ]
        had = [risk for cui, risk in (risks or {}).items() if cui in found.present and min(found.present[cui]) <= entry]
        again = sorted(
            {
                (age, cui)
                for cui, ages in found.present.items()
                if len(ages) > 1 and (patient.visits or cui in found.absent)
                for age in ages
                if age > min(ages)
            }
        )
        yield Trajectory(
            id=identify(patient.id) if identify else f"p{number:07d}",
            persona=Persona(dict(patient.traits), tuple(sorted({*patient.risk_factors, *had}))),
            entry_age=entry,
            exit_age=leaves,
            died=patient.died is not None,
            visits=patient.visits,
            onsets=tuple(sorted(onsets, key=lambda onset: (onset.age, onset.cui))),
            absences=tuple(
                Absence(cui, age)
                for age, cui in sorted({(age, cui) for cui, ages in found.absent.items() for age in ages})
            ),
            presences=tuple(Presence(cui, age) for age, cui in again),
        )


def _evidence(events: Sequence[ClinicalEvent], entry: float, leaves: float, tally: Tally, codes: Codes) -> _Evidence:
    found, used, present, skipped = _Evidence(entry, leaves), 0, Assertion.PRESENT, tally.skipped
    ages, meaning_of = found.present, codes.meaning
    for event in events:
        coding = event.coding
        if coding is not None and event.cui is None and event.assertion is present:  # the common case, quickly
            meaning = meaning_of(coding)
            cui, age = meaning.cui, event.age
            if cui is None and not meaning.thresholds and not event.also:
                skipped[_unknown(coding, meaning, tally)] += 1
                continue
            if cui is not None and age <= leaves:
                if cui in ages:
                    ages[cui].append(max(entry, age))
                else:
                    ages[cui] = [max(entry, age)]
                if event.until is not None or event.after is not None:
                    found.limit(cui, event)
                used += 1
                continue
        why = _use(event, found, codes, tally)
        if why:
            skipped[why] += 1
        else:
            used += 1
    if found.spells:
        found.end()
    tally.read += len(events)
    tally.used += used
    return found


def _use(event: ClinicalEvent, found: _Evidence, codes: Codes, tally: Tally) -> str:
    """Keeps what the event says; or the reason why it is skipped."""
    cui, coding, said = event.cui, event.coding, event.assertion
    if said is not Assertion.PRESENT and said is not Assertion.ABSENT:
        return f"assertion {said.value}"
    if cui is None:
        if coding is None:
            return "no concept and no code"
        meaning = _meaning(coding, event.also, codes)
        if meaning.thresholds:
            return _measured(event, meaning, found)
        cui = meaning.cui
        if cui is None:
            return _unknown(coding, meaning, tally)
    why = found.add(cui, event.age, holds=said is Assertion.PRESENT)
    if not why and said is Assertion.PRESENT:
        found.limit(cui, event)
    return why


def _meaning(coding: Coding, also: Sequence[Coding], codes: Codes) -> Meaning:
    """Of the first code that has one; else why the first that is known of has none."""
    first = codes.meaning(coding)
    for meaning in (first, *map(codes.meaning, also)):
        if meaning.cui is not None or meaning.thresholds:
            return meaning
        if first.reason == NO_CONCEPT:
            first = meaning
    return first


def _unknown(coding: Coding, meaning: Meaning, tally: Tally) -> str:
    if meaning.reason == NO_CONCEPT:
        tally.unmapped[f"{coding.system}:{coding.code}"] += 1
    else:
        tally.outside[meaning.outside] += 1
    return meaning.reason


def _measured(event: ClinicalEvent, meaning: Meaning, found: _Evidence) -> str:
    """Each threshold on the value is a presence or an absence; a measurement tells nothing of the time before it."""
    if event.value is None or not math.isfinite(event.value):
        return "measurement without a number"
    if not found.entry <= event.age <= found.leaves:
        return OUTSIDE_FOLLOW_UP
    for threshold in meaning.thresholds:
        found.add(threshold.cui, event.age, holds=threshold.holds(event.value))
    return ""


def _onset(cui: Cui, present: list[float], absent: Sequence[float], patient: Patient, entry: float) -> Onset:
    first = min(present)
    if first <= entry:
        return Onset(cui, first, None)
    before = [age for age in absent if age < first] or [age for age in patient.visits if age < first]
    return Onset(cui, first, max(before) if before else first)
