"""Age-grouped symptom profiles, as used to predict Alzheimer's disease: a person's ages, and at each (category, sentence) pairs.

{"id": "p1", "sex": "female", "profile": {"71": [["memory", "Misplaces her keys."]], "73-75": [["mood", "Has lost interest."]]}}

JSON lines of such objects, a JSON list of them, an object of them by id, or one profile alone; also gzipped, and folders of them.
Beside `profile` an object may have `sex`, `race`, `died` (an age) and `risk_factors` (the pack's ids). A category is a code
`category:NAME` of the mapping file. The ages are visits: a sign first said at one was not yet seen at the one before.
"""

from __future__ import annotations

import json
import math
import re
from datetime import date
from typing import TYPE_CHECKING, Any

from graph_loaders.ages import OLDEST, day_of
from graph_loaders.event import ClinicalEvent, Patient
from graph_loaders.notes import Note, note_events
from graph_loaders.spill import Spill
from ontology.concept import Coding
from ontology.errors import MissingExtra, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from graph_loaders.mapping import CodeMapping
    from graph_loaders.tally import Tally
    from ontology.mention import Linker

__all__ = ["read"]

NO_PROFILE = "row that is no profile"
NO_PAIR = "entry that is no pair of category and sentence"
NO_AGE = "entry at an age that is none"
_AGE = re.compile(
    r"\s*([0-9]{1,3}(?:\.[0-9]{1,3})?)\s*(?:[-–]\s*([0-9]{1,3}(?:\.[0-9]{1,3})?)\s*|\+\s*)?(?:years?|y)?\s*"
)
_BORN = day_of(date(1700, 1, 1))
"""A profile has ages and no dates: with this day of birth the years that a sentence names are all of the future, and are not used."""
_SEX = {"f": "female", "female": "female", "woman": "female", "m": "male", "male": "male", "man": "male"}
_RACE = {"white", "black", "hispanic", "asian"}


def read(
    path: str | Path, mapping: CodeMapping, tally: Tally, *, linker: Linker | None = None
) -> Iterator[tuple[Patient, list[ClinicalEvent]]]:
    """Persons with an event for each pair, in order of their id; what is said of one may lie in several places.

    A group of ages (`73-75`) counts as its middle, `90+` as 90. Skipped and counted: rows that are no profile, entries that are no
    pair, ages above 130. With `linker` the sentences count (`graph_loaders.notes`), and not their categories.

    Raises:
        SourceError: a file that cannot be read or is not JSON.
        MissingExtra: the library that reads JSON as a stream is not installed.
    """
    with Spill() as people:
        for key, row in _profiles(path, tally):
            people.add(key, json.dumps(row).encode())
        for key, rows in people:
            yield _person(key, [json.loads(row) for row in rows], frozenset(mapping.risks.values()), tally, linker)


def _profiles(path: str | Path, tally: Tally) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each profile with the key of its person."""
    try:
        from graph_loaders.json_files import has_lines, items, json_files, lines, value_of
    except ImportError:
        raise MissingExtra("the reader of profiles", "pip install 'dualalign[fhir]'") from None
    for file in json_files(path):
        if not has_lines(file):
            for value in items(file, ""):
                yield from _several(value, file, tally)
            continue
        for where, line in lines(file):
            try:
                value = value_of(line)
            except ValueError:
                value = None
            yield from _keyed(value, where, tally)


def _several(value: Any, file: Path, tally: Tally) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, list):
        for number, one in enumerate(value, 1):
            yield from _keyed(one, f"{file.name} {number}", tally)
    elif isinstance(value, dict) and ("profile" in value or _is_profile(value)):
        yield from _keyed(value, file.name, tally)
    elif isinstance(value, dict):
        for key, one in value.items():
            plain = isinstance(one, dict) and "profile" not in one
            yield from _keyed({"id": key, "profile": one} if plain else one, f"{file.name} {key}", tally, key)
    else:
        raise SourceError("is no profile, no list of them and no object of them by person", file)


def _is_profile(value: dict[str, Any]) -> bool:
    return (
        bool(value) and all(_age(key) is not None for key in value) and all(isinstance(v, list) for v in value.values())
    )


def _keyed(value: Any, where: str, tally: Tally, key: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict) and "profile" not in value and _is_profile(value):
        value = {"profile": value}
    if not isinstance(value, dict) or not isinstance(value.get("profile"), dict):
        tally.skip(NO_PROFILE, "it has no object named profile, from ages to lists of pairs", where)
        return
    named = value.get("id", key)
    yield (str(named) if isinstance(named, str | int) and str(named) else f"row {where}"), value


def _age(text: str) -> float | None:
    match = _AGE.fullmatch(text)
    if match is None:
        return None
    age = (float(match[1]) + float(match[2])) / 2 if match[2] else float(match[1])
    return age if age <= OLDEST else None


def _person(
    key: str, rows: list[dict[str, Any]], known: frozenset[str], tally: Tally, linker: Linker | None
) -> tuple[Patient, list[ClinicalEvent]]:
    traits, risks, visits, events = dict[str, str](), set[str](), set[float](), list[ClinicalEvent]()
    died: float | None = None
    for row in rows:
        if sex := _SEX.get(str(row.get("sex", "")).casefold()):
            traits["sex"] = sex
        if (race := str(row.get("race", "")).casefold()) in _RACE:
            traits["race"] = race
        factors = row.get("risk_factors", [])
        named = {str(factor) for factor in factors} if isinstance(factors, list) else set()
        risks |= named & known
        if named - known:
            tally.warn("risk-skipped", "a risk factor is none of the pack's that have a concept")
        if isinstance(age := row.get("died"), int | float) and math.isfinite(age) and 0 <= age <= OLDEST:
            died = float(age)
        for text, pairs in row["profile"].items():
            said = _events(key, text, pairs if isinstance(pairs, list) else [pairs], tally, linker)
            if said is not None:
                visits.add(said[0])
                events += said[1]
    return Patient(key, traits, tuple(sorted(risks)), tuple(sorted(visits)), died), events


def _events(
    key: str, text: str, entries: list[Any], tally: Tally, linker: Linker | None
) -> tuple[float, list[ClinicalEvent]] | None:
    """An age and what was seen at it; None where it is no age."""
    age = _age(text)
    if age is None:
        tally.skip(NO_AGE, f"{text[:20]!r} is no age in years", count=max(1, len(entries)))
        return None
    found = [_pair(entry) for entry in entries]
    pairs = [pair for pair in found if pair is not None]
    tally.skip(NO_PAIR, count=len(found) - len(pairs))
    if linker is None:
        return age, [ClinicalEvent(key, age, None, Coding("category", category)) for category, _ in pairs]
    notes = [Note(key, _BORN, _BORN + round(age * 365.25), sentence) for _, sentence in pairs]
    events = []
    for note, said in note_events(notes, linker, tally):
        for event in said:
            event.age = (
                age if event.age == note.age else event.age
            )  # an age in whole days, back to what the profile says
            events.append(event)
    return age, events


def _pair(entry: Any) -> tuple[str, str] | None:
    """Category and sentence; None where it is no such pair."""
    if isinstance(entry, dict):
        entry = [entry.get("category"), entry.get("sentence")]
    if not isinstance(entry, list) or len(entry) != 2 or not all(isinstance(part, str) for part in entry):  # noqa: PLR2004
        return None
    return (entry[0].strip(), entry[1]) if entry[0].strip() else None
