"""`Assembler`: the records of one person to a `Patient` and events: the latest version of each, at ages, in a window."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from graph_loaders.ages import day_of
from graph_loaders.event import ClinicalEvent, Patient
from graph_loaders.fhir.dates import NO_DATE, When, age_at
from graph_loaders.fhir.statements import Record
from graph_loaders.notes import Note, note_events
from ontology.concept import Coding
from ontology.mention import Assertion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from graph_loaders.codes import Threshold
    from graph_loaders.fhir.statements import Statement
    from graph_loaders.tally import Tally
    from ontology.mention import Linker

__all__ = ["Assembler"]

TWICE = "resource said twice"
NUMBER = "number without a threshold in the mapping"
_KNOWN_MEDICATIONS = 4096

_records = msgspec.msgpack.Decoder(Record)


@dataclass(slots=True)
class _Life:
    """What is put together of one person."""

    key: str
    birth: When | None
    encounters: dict[str, When] = field(default_factory=dict)
    seen: list[float] = field(default_factory=list)
    events: list[ClinicalEvent] = field(default_factory=list)


class Assembler:
    """Of two versions of a resource the latest counts: by `meta.lastUpdated`, `meta.versionId`, then the order of reading.

    A person's window goes from the first to the last thing recorded (encounters, dates of recording, observations, requests,
    reports), or where nothing is, of the onsets; an onset after the last record widens it, one before the first was there at
    entry; death ends it. With `visits` these times are visits: what is recorded at one began after the one before.
    """

    def __init__(
        self,
        tally: Tally,
        thresholds: Mapping[Coding, Sequence[Threshold]],
        medication: Callable[[str], bytes | None],
        linker: Linker | None = None,
        *,
        visits: bool = False,
    ) -> None:
        self.tally, self.thresholds, self.linker, self.visits = tally, thresholds, linker, visits
        self.today = day_of(tally.today) if tally.today else None
        self._medication = medication
        self._known: dict[str, list[tuple[str, str]]] = {}

    def person(self, key: str, raw: Iterable[bytes]) -> tuple[Patient, list[ClinicalEvent]] | None:
        """The person and what is stated of them; None where no Patient of that id was read (their records are counted)."""
        records = self._latest([_records.decode(one) for one in raw])
        patients = [record for record in records if record.kind == "Patient"]
        others = [record for record in records if record.kind != "Patient"]
        if not patients:
            self.tally.skip("resource of an unknown patient", count=len(others))
            return None
        patient = max(patients, key=lambda record: record.version)
        life = _Life(key, patient.when)
        if patient.when is None:
            self.tally.warn("birth-missing", "a patient has no birth date: only what is said with an age counts")
        for record in others:
            if record.kind == "Encounter" and record.when is not None:
                life.encounters |= {name: record.when for name in (record.id, record.encounter) if name}
        for record in others:
            self._add(life, record)
        window, died = _window(life), self._died(patient)
        if self.visits and window is not None:
            times = tuple(sorted({age for age in life.seen if window[0] <= age <= window[1]} or set(window)))
            return Patient(key, patient.traits, visits=times, died=died), life.events
        return Patient(key, patient.traits, died=died, window=window), life.events

    def _latest(self, records: list[Record]) -> list[Record]:
        found: dict[tuple[str, str], Record] = {}
        for number, record in enumerate(records):
            name = (record.kind, record.id or f"\0{number}")
            before = found.get(name)
            if before is not None:
                self.tally.skip(TWICE)
            if before is None or record.version >= before.version:
                found[name] = record
        return list(found.values())

    def _age(self, when: When | None, life: _Life, known: When | None = None) -> float | str:
        latest = known.last if known is not None and known.age is None else None
        return age_at(when, life.birth, known=latest, today=self.today)

    def _seen(self, life: _Life, *times: When | None) -> None:
        life.seen += [age for when in times if when is not None and isinstance(age := self._age(when, life), float)]

    def _add(self, life: _Life, record: Record) -> None:
        tally = self.tally
        if record.kind == "Encounter":
            age = self._age(record.when, life)
            self._seen(life, record.when, record.until)
            tally.skip(age if isinstance(age, str) else record.reason)
            return
        if record.reason:
            tally.skip(record.reason)
            return
        dated = record.when or record.known or life.encounters.get(record.encounter)
        age = self._age(dated, life, record.known)
        if isinstance(age, str):
            tally.skip(age, count=max(1, len(record.statements)))
            tally.notes.update([age] if record.text else [])
            return
        self._seen(life, record.known, None if record.kind == "Condition" else dated)
        if record.text and self.linker is not None and life.birth is not None and dated is not None:
            note = Note(life.key, life.birth.middle, dated.middle, record.text, f"{record.kind}/{record.id}")
            for _, found in note_events([note], self.linker, tally):
                life.events += found
        for statement in record.statements:
            self._state(life, age, record, statement)

    def _state(self, life: _Life, age: float, record: Record, statement: Statement) -> None:
        named = statement.codes or self._of_medication(record.medication)
        if not named:
            self.tally.skip("medication that is not there")
            return
        first, *also = (Coding(system, code) for system, code in named)
        if statement.number:
            measured = next((code for code in (first, *also) if code in self.thresholds), None)
            if measured is None:
                self.tally.skip(NUMBER)
                self.tally.unmapped[f"{first.system}:{first.code}"] += 1
                return
            first, also = measured, []
        end: float | str | None = self._age(record.until, life) if record.until else None
        if isinstance(end, float):
            life.seen.append(end)
        life.events.append(
            ClinicalEvent(
                life.key,
                age,
                None,
                first,
                Assertion(statement.said),
                where=f"{record.kind}/{record.id}",
                value=statement.value,
                also=tuple(also),
                until=math.inf if record.goes_on else end if isinstance(end, float) and end >= age else None,
            )
        )

    def _of_medication(self, key: str) -> list[tuple[str, str]]:
        if key not in self._known:
            if len(self._known) >= _KNOWN_MEDICATIONS:
                self._known.clear()
            raw = self._medication(key)
            self._known[key] = msgspec.msgpack.decode(raw, type=list[tuple[str, str]]) if raw else []
        return self._known[key]

    def _died(self, patient: Record) -> float | None:
        if patient.until is None:
            return None
        age = age_at(patient.until, patient.when, today=self.today)
        if isinstance(age, str):
            if age != NO_DATE:
                self.tally.warn("death-skipped", f"a death {age}")
            return None
        return age


def _window(life: _Life) -> tuple[float, float] | None:
    stated = [event.age for event in life.events]
    recorded = life.seen or stated
    return (min(recorded), max([*recorded, *stated])) if recorded else None
