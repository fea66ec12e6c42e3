"""Phenopackets v2 (GA4GH, ISO 4454): phenopackets, families and cohorts as JSON, a file, a folder or a line each; also gzipped.

Read are phenotypic features and diseases with onset, resolution and `excluded`, measurements, sex, birth and death. What has no onset is
present (or, excluded, absent) at the last encounter. An onset between two ages, or of a class of HPO ("Late onset"), began
between them. A person's window goes from the first to the last age that is said; the relatives of a family are persons of their own.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from graph_loaders.ages import day_of
from graph_loaders.event import ClinicalEvent, Patient
from graph_loaders.spill import Spill
from ontology.errors import MissingExtra, SourceError
from ontology.mention import Assertion
from ontology.systems import parse_coding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from graph_loaders.fhir.dates import When
    from graph_loaders.mapping import CodeMapping
    from graph_loaders.phenopackets import Packet, Quality, Time
    from graph_loaders.tally import Tally
    from ontology.concept import Coding

__all__ = ["read"]

NOT_V2 = "phenopacket that is not of the form of version 2"
NUMBER = "number without a threshold in the mapping"
_SEX = {"FEMALE": "female", "MALE": "male", "1": "female", "2": "male"}
_PARTS = frozenset({"members", "proband", "subject", "phenotypicFeatures", "phenotypic_features", "diseases"})
_SNAKE = re.compile(r"_([a-z0-9])")


def read(path: str | Path, mapping: CodeMapping, tally: Tally) -> Iterator[tuple[Patient, list[ClinicalEvent]]]:
    """Persons with their features, in order of their id; several packets of one subject are taken together.

    Skipped and counted: packets that are not of version 2's form, those said twice, what has no age, is dated before birth or
    in the future, and parts that are not read (interpretations, biosamples, medical actions, files).

    Raises:
        SourceError: a file that cannot be read, is not JSON, or holds phenopackets of version 1.
        MissingExtra: the libraries that read JSON are not installed.
    """
    _needed()
    import msgspec

    from graph_loaders.phenopackets import Packet

    decode = msgspec.msgpack.Decoder(Packet).decode
    with Spill() as people:
        for packet, raw in _packets(path, tally):
            for name, part in packet.left_out().items():
                tally.skip(f"{name} are not read", count=len(part))
            person = packet.subject.id or (packet.id and f"packet {packet.id}")
            if person:
                people.add(person, raw)
            else:
                tally.skip("packet without a subject", count=max(1, len(packet.qualities)))
        for person, packets in people:
            distinct = list(dict.fromkeys(packets))
            for raw in packets[len(distinct) :]:
                tally.skip("packet said twice", count=max(1, len(decode(raw).qualities)))
            yield _person(person, [decode(raw) for raw in distinct], mapping, tally)


def _needed() -> None:
    try:
        import ijson
        import msgspec
    except ImportError:
        raise MissingExtra("the reader of phenopackets", "pip install 'dualalign[fhir]'") from None
    del ijson, msgspec


def _packets(path: str | Path, tally: Tally) -> Iterator[tuple[Packet, bytes]]:
    import msgspec

    from graph_loaders.phenopackets import Packet

    encode = msgspec.msgpack.Encoder().encode
    for value, where in _values(path, tally):
        try:
            packet = msgspec.convert(_camel(value), Packet, strict=True)
        except (msgspec.ValidationError, RecursionError) as error:
            tally.skip(NOT_V2, f"{error}", where)
            continue
        version = packet.meta_data.phenopacket_schema_version
        if version.startswith("1") or packet.is_first_version:
            raise SourceError(f"is a phenopacket of version 1 at {where}; version 2 is read, so convert it first", path)
        yield packet, encode(packet)


def _values(path: str | Path, tally: Tally) -> Iterator[tuple[Any, str]]:
    """Each phenopacket, of whatever holds it."""
    from graph_loaders.json_files import has_lines, items, json_files, lines, top_key, value_of

    for file in json_files(path):
        if has_lines(file):
            for where, line in lines(file):
                try:
                    value = value_of(line)
                except ValueError as error:
                    tally.skip(NOT_V2, f"{error}", where)
                    continue
                yield from _unpacked(value, where)
        elif top_key(file, _PARTS) == "members":
            for number, member in enumerate(items(file, "members.item"), 1):
                yield member, f"{file.name} member {number}"
        else:
            for value in items(file, ""):
                yield from _unpacked(value, file.name)


def _unpacked(value: Any, where: str) -> Iterator[tuple[Any, str]]:
    """A phenopacket, or those of a family (each relative is a person of their own) or cohort."""
    if isinstance(value, dict) and ("proband" in value or "members" in value):
        for name in ("proband", "relatives", "members"):
            inner = value.get(name, [])
            for number, one in enumerate(inner if isinstance(inner, list) else [inner], 1):
                yield one, f"{where} {name} {number}"
    else:
        yield value, where


def _camel(value: Any) -> Any:
    """Names as protobuf's JSON writes them; it reads those of the schema (`time_at_last_encounter`) too."""
    if isinstance(value, dict):
        return {_SNAKE.sub(lambda m: m[1].upper(), name): _camel(inner) for name, inner in value.items()}
    return [_camel(inner) for inner in value] if isinstance(value, list) else value


def _coding(curie: str) -> Coding | None:
    try:
        return parse_coding(curie)
    except ValueError:
        return None


def _person(
    person: str, packets: list[Packet], mapping: CodeMapping, tally: Tally
) -> tuple[Patient, list[ClinicalEvent]]:
    from graph_loaders.fhir.dates import from_date

    today = day_of(tally.today) if tally.today else None
    traits, ages, events = dict[str, str](), list[float](), list[ClinicalEvent]()
    died: float | None = None
    for packet in packets:
        subject = packet.subject
        clock = _Clock(from_date(subject.date_of_birth), today)
        _, last = clock.at(subject.time_at_last_encounter, end=True)
        if isinstance(last, float):
            ages.append(last)
        if sex := _SEX.get(str(subject.sex)):
            traits["sex"] = sex
        if str(subject.vital_status.status) in {"DECEASED", "2"}:
            _, age = clock.at(subject.vital_status.time_of_death)
            died = age if isinstance(age, float) else died
            if died is None:
                tally.warn("death-skipped", "a death without an age")
        for quality in packet.qualities:
            event = _event(person, quality, clock, last, mapping, tally)
            if isinstance(event, str):
                tally.skip(event)
                continue
            events.append(event)
            ages += [age for age in (event.age, event.after, event.until) if age is not None and age < math.inf]
    return Patient(person, traits, died=died, window=(min(ages), max(ages)) if ages else None), events


class _Clock:
    """A person's ages at times."""

    def __init__(self, birth: When | None, today: int | None) -> None:
        self.birth, self.today = birth, today

    def at(self, time: Time, *, end: bool = False, last: float | None = None) -> tuple[float | None, float | str]:
        """The age before which it was not, where one is said; the age at which it was, or why there is none."""
        from graph_loaders.fhir.dates import age_at

        after, when = time.between(last, end=end)
        return after, age_at(when, self.birth, today=self.today)


def _event(
    person: str, quality: Quality, clock: _Clock, last: float | str, mapping: CodeMapping, tally: Tally
) -> ClinicalEvent | str:
    coding = _coding(quality.type.id)
    if coding is None:
        return "feature without a code"
    if quality.number and coding not in mapping.thresholds:
        tally.unmapped[f"{coding.system}:{coding.code}"] += 1
        return NUMBER
    if quality.number and quality.value is None:
        return "measurement without a number"
    after, age = _begins(quality, clock, last)
    if isinstance(age, str):
        return age
    until: float | None = None
    if not quality.excluded and not quality.number:
        gone = math.inf if quality.resolution.is_empty else clock.at(quality.resolution)[1]
        until = gone if isinstance(gone, float) and gone >= age else None
    said = Assertion.ABSENT if quality.excluded else Assertion.PRESENT
    return ClinicalEvent(person, age, None, coding, said, value=quality.value, until=until, after=after)


def _begins(quality: Quality, clock: _Clock, last: float | str) -> tuple[float | None, float | str]:
    """What has no onset, or is excluded, is said of the last encounter."""
    if quality.excluded or quality.onset.is_empty:
        return None, last if isinstance(last, float) else "feature without an age"
    after, age = clock.at(quality.onset, last=last if isinstance(last, float) else None)
    return (after if after is not None and isinstance(age, float) and after < age else None), age
