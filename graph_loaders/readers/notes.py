"""Notes: free text with person and date, a row each, in CSV, TSV, Parquet, Excel or JSON lines (`.jsonl`, also gzipped).

| column | what |
|---|---|
| person_id | the person |
| date | of the note: YYYY-MM-DD or YYYYMMDD, perhaps with a time |
| text | the note |
| birth, or age | the date or year of birth; or the age at the note, in years |
| sex, race, died | of the person, where known; died is a date |

Common other names are understood (OMOP's note_date and note_text, MIMIC's subject_id and charttime). Texts are linked as they are read
and never stored: what waits for its person in a temporary file is concepts at ages.
"""

from __future__ import annotations

import datetime as dt
import gzip
import json
import re
import zlib
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING

from graph_loaders.ages import OLDEST, age_between, birth_day, day_of
from graph_loaders.event import ClinicalEvent, Patient
from graph_loaders.notes import Note, note_events
from graph_loaders.sheets import Grouped, Sheet, open_sheet
from graph_loaders.traits import RACE, SEX
from ontology.concept import Coding
from ontology.errors import ConfigError, SourceError
from ontology.mention import Assertion, Informant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graph_loaders.mapping import CodeMapping
    from graph_loaders.tally import Tally
    from ontology.mention import Linker

__all__ = ["read"]

_NAMES = {
    "person": ("person_id", "person", "patient_id", "patient", "subject_id", "subject"),
    "date": ("date", "note_date", "charttime", "chartdate", "note_datetime", "time"),
    "text": ("text", "note_text", "note"),
    "birth": ("birth", "birth_date", "date_of_birth", "dob", "year_of_birth", "birthdate"),
    "age": ("age",),
    "sex": ("sex", "gender"),
    "race": ("race", "ethnicity"),
    "died": ("died", "death_date", "date_of_death"),
}
_YEAR = re.compile(r"[12][0-9]{3}")
_DATE = re.compile(r"([12][0-9]{3})-?([01][0-9])-?([0-3][0-9])(?![0-9])")
_BROKEN = 1000
"""Lines without an object at the beginning, after which a file is none of JSON lines."""

NO_NOTE = "row that is no note"
_LINES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")


def read(
    path: str | Path,
    mapping: CodeMapping,  # noqa: ARG001 - what every reader takes
    tally: Tally,
    *,
    linker: Linker,
) -> Iterator[tuple[Patient, list[ClinicalEvent]]]:
    """Persons with what their notes say, in the order in which they first come; notes of one person may lie anywhere.

    The window of a person goes from the first to the last note; death ends it. Skipped and counted: rows that are no note (no
    person, date, birth or text; not an object of JSON), and what `note_events` skips. Memory does not grow with the notes.

    Raises:
        ConfigError: a column that is needed is not there.
        SourceError: the file cannot be read.
    """
    path = Path(path)
    with _opened(path) as sheet, Grouped() as people:
        columns = _columns(sheet.columns, path)
        for number, (note, events) in enumerate(note_events(_notes(sheet, columns, tally, path), linker, tally)):
            said = [
                (e.coding.code if e.coding else "", e.age, e.assertion.value, e.informant.value if e.informant else "")
                for e in events
            ]
            kept = {**note.about, "birth": str(note.birth), "where": note.where, "said": json.dumps(said)}
            people.add(note.person, note.age, number, kept)
        for person, rows in people:
            yield _patient(person, rows), [event for _, _, row in rows for event in _events(person, row)]


def _notes(sheet: Sheet, columns: dict[str, str], tally: Tally, path: Path) -> Iterator[Note]:
    for line, row in sheet.rows:
        found = (
            "it is no object of JSON, or has another number of columns than the header"
            if row is None
            else _note({name: row.get(column, "").strip() for name, column in columns.items()}, f"{path.name}:{line}")
        )
        if isinstance(found, str):
            tally.skip(NO_NOTE, found, f"{path}:{line}")
            tally.notes[NO_NOTE] += 1
        else:
            yield found


def _columns(there: tuple[str, ...], path: Path) -> dict[str, str]:
    """The file's own names of the columns; ConfigError where one is missing."""
    plain = {re.sub(r"[^a-z]+", "_", column.casefold()).strip("_"): column for column in reversed(there)}
    found = {name: next((plain[n] for n in names if n in plain), "") for name, names in _NAMES.items()}
    missing = [name for name in ("person", "date", "text") if not found[name]]
    missing += ["birth or age"] if not found["birth"] and not found["age"] else []
    if missing:
        names = "; ".join(f"{name}: {', '.join(_NAMES.get(name, ('birth', 'age')))}" for name in missing)
        raise ConfigError(f"{path} has no column for {names}; its columns are {', '.join(there) or 'none'}")
    return {name: column for name, column in found.items() if column}


def _note(row: dict[str, str], where: str) -> Note | str:
    """A row as a note; or why it is none."""
    if not row["person"]:
        return "it has no person"
    day = _day(row["date"])
    if day is None:
        return "its date is none: YYYY-MM-DD or YYYYMMDD"
    birth = _day(row["birth"], year=True) if row.get("birth") else None
    if birth is None and row.get("age"):
        birth = _born(row["age"], day)
    if birth is None:
        return "it has neither a date of birth nor an age"
    about = {name: row[name] for name in ("sex", "race", "died") if row.get(name)}
    return Note(row["person"], birth, day, row["text"], where, about)


def _day(text: str, *, year: bool = False) -> int | None:
    if year and _YEAR.fullmatch(text):
        return birth_day(int(text))
    match = _DATE.match(text)
    try:
        return day_of(dt.date(*map(int, match.groups()))) if match else None
    except ValueError:
        return None


def _born(age: str, day: int) -> int | None:
    try:
        years = float(age)
    except ValueError:
        return None
    return day - round(years * 365.25) if 0 <= years <= OLDEST else None


def _patient(person: str, rows: list[tuple[float, int, dict[str, str]]]) -> Patient:
    about = {name: value for _, _, row in rows for name, value in row.items()}
    traits = {
        axis: values[about[axis].upper()]
        for axis, values in (("sex", SEX), ("race", RACE))
        if about.get(axis, "").upper() in values
    }
    died = _day(about["died"]) if "died" in about else None
    age = age_between(int(about["birth"]), died) if died is not None else None
    alive_at = rows[-1][0]
    return Patient(
        person,
        traits,
        died=age if age is not None and 0 <= age <= OLDEST else None,
        window=(rows[0][0], alive_at),
    )


def _events(person: str, row: dict[str, str]) -> Iterator[ClinicalEvent]:
    for cui, age, assertion, informant in json.loads(row["said"]):
        told = Informant(informant) if informant else None
        yield ClinicalEvent(person, age, None, Coding("UMLS", cui), Assertion(assertion), told, row["where"])


@contextmanager
def _opened(path: Path) -> Iterator[Sheet]:
    if not path.name.lower().endswith(_LINES):
        with open_sheet(path) as sheet:
            yield sheet
        return
    try:
        with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
            yield _sheet(file, path)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise SourceError(f"is a damaged gzip file: {error}", path) from None
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", path) from None


def _sheet(file: IO[bytes] | gzip.GzipFile, path: Path) -> Sheet:
    """Lines as rows; the columns are the keys of the first object. A line that is no object is a row of None."""
    rows = _objects(file)
    first: list[tuple[int, dict[str, str] | None]] = []
    for one in rows:
        first.append(one)
        if one[1] is not None:
            return Sheet(tuple(one[1]), chain(first, rows))
        if len(first) == _BROKEN:
            break
    raise SourceError(f"is no file of JSON objects: none in its first {len(first)} lines", path)


def _objects(file: IO[bytes] | gzip.GzipFile) -> Iterator[tuple[int, dict[str, str] | None]]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line.decode("utf-8-sig"))
        except (ValueError, RecursionError):  # also what is no UTF-8
            found = None
        yield number, {k: _plain(v) for k, v in found.items()} if isinstance(found, dict) else None


def _plain(value: object) -> str:
    """Text and numbers as text; what is nested is nothing."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")  # half of a surrogate pair is no character
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""
