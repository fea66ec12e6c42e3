"""OMOP CDM 5.3 and 5.4: a DuckDB or SQLite file, a PostgreSQL server, or a folder of Parquet and CSV. A reader only reads.

The engine selects and sorts, a batch of persons at a time; nothing grows with the number of persons. A person's window is
their observation periods (first start to last end), else from the first to the last thing recorded, visits included; death
ends it. Notes are read where a linker is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from graph_loaders.ages import OLDEST, age_between, birth_day, day_of
from graph_loaders.event import ClinicalEvent, Patient
from graph_loaders.notes import Note, note_events
from graph_loaders.sql import Tables, open_sql
from ontology.concept import Coding
from ontology.errors import SourceError
from ontology.mention import Assertion

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from graph_loaders.mapping import CodeMapping
    from graph_loaders.tally import Tally
    from ontology.mention import Linker

__all__ = ["read", "survey"]

_ROWS = 100_000
"""Rows of events a batch of persons should have."""

_NOTES = 500
"""Persons whose notes are asked for at once."""

_VISIT, _VISITED = "visit_occurrence", ("person_id", "visit_start_date")
_NOTED = ("person_id", "note_date", "note_text")

_NO = (4188540, 45878245)
"""`value_as_concept_id` of an answer No (SNOMED CT, LOINC): what is asked is absent."""

_TRAITS: dict[int, tuple[str, str]] = {
    8507: ("sex", "male"),
    8532: ("sex", "female"),
    8527: ("race", "white"),
    8516: ("race", "black"),
    8515: ("race", "asian"),
    38003563: ("race", "hispanic"),
}


@dataclass(frozen=True, slots=True)
class _Domain:
    """A table of events: the columns of concept, source value and date; `valued`: it carries numbers and answers."""

    table: str
    stem: str
    date: str
    valued: bool = False

    @property
    def needed(self) -> tuple[str, ...]:
        return ("person_id", f"{self.stem}_concept_id", self.date)


_DOMAINS = (
    _Domain("condition_occurrence", "condition", "condition_start_date"),
    _Domain("observation", "observation", "observation_date", valued=True),
    _Domain("measurement", "measurement", "measurement_date", valued=True),
    _Domain("drug_exposure", "drug", "drug_exposure_start_date"),
)
_WANTED = (
    "person", "observation_period", "death", "visit_occurrence", "note", "concept", *(d.table for d in _DOMAINS),
)  # fmt: skip


def read(
    path: str | Path, mapping: CodeMapping, tally: Tally, *, linker: Linker | None = None, visits: bool = False
) -> Iterator[tuple[Patient, list[ClinicalEvent]]]:
    """Persons with their coded events, in order of person_id.

    `linker`: the table note is read too, as in `graph_loaders.notes`. `visits`: a sign is known only when the person is seen,
    so that it began after the time before (visit_occurrence and everything recorded); without, on the day that is recorded.

    Skipped and counted: rows without a date or person, dated before birth or in the future (`tally.today`), of ages above
    130, and rows of tables whose columns are not those of the CDM.
    """
    with open_sql(path, _WANTED) as tables:
        yield from _Reader(tables, mapping, tally, linker, visits=visits).people()


def survey(path: str | Path, mapping: CodeMapping) -> set[Coding]:
    """Every code that the source has; one pass inside the engine."""
    from graph_loaders.tally import Tally

    with open_sql(path, _WANTED) as tables:
        reader = _Reader(tables, mapping, Tally())
        found = set(reader.codings.values())
        for domain in reader.domains:
            found |= {Coding(f"{domain.stem}_source_value", str(v)) for v in reader.unmapped_values(domain)}
        return found


class _Reader:
    def __init__(
        self,
        tables: Tables,
        mapping: CodeMapping,
        tally: Tally,
        linker: Linker | None = None,
        *,
        visits: bool = False,
    ) -> None:
        self.tables, self.mapping, self.tally, self.linker, self.visits = tables, mapping, tally, linker, visits
        self.future = day_of(tally.today) if tally.today else None
        if not self._has("person", ("person_id", "year_of_birth")):
            raise SourceError(
                "is no OMOP database: it has no table person with person_id and year_of_birth", tables.where
            )
        self.domains = [d for d in _DOMAINS if self._has(d.table, d.needed)]
        for domain in _DOMAINS:
            if domain not in self.domains:
                why = "has other columns than the CDM" if domain.table in tables.columns else "is not there"
                tally.warn("table-missing", f"{domain.table} {why}: nothing is read from it", tables.where)
        if not self.domains:
            raise SourceError(
                f"has none of the tables {', '.join(d.table for d in _DOMAINS)} in the CDM's form", tables.where
            )
        for table, column in (("observation_period", "observation_period_start_date"), ("death", "death_date")):
            if not self._has(table, ("person_id", column)):
                tally.warn("table-missing", f"{table} is not there or has other columns than the CDM", tables.where)
        for wanted, table, columns in ((visits, _VISIT, _VISITED), (linker, "note", _NOTED)):
            if wanted and not self._has(table, columns):
                raise SourceError(f"has no table {table} with {', '.join(columns)}", tables.where)
        self.codings = self._codings()

    def _has(self, table: str, columns: tuple[str, ...]) -> bool:
        return set(columns) <= self.tables.columns.get(table, frozenset())

    def _codings(self) -> dict[int, Coding]:
        """OMOP concept ids that occur, as codes: the mapping's `OMOP:ID` first, then the table concept."""
        ids: set[int] = set()
        t = self.tables
        for d in self.domains:
            sql = f"SELECT DISTINCT {t.integer(f'{d.stem}_concept_id')} FROM {t.table(d.table)}"  # noqa: S608 - names of ours
            ids |= {row[0] for row in t.rows(sql) if row[0]}
        found = {number: Coding("OMOP", str(number)) for number in ids}
        if self._has("concept", ("concept_id", "vocabulary_id", "concept_code")):
            used = " UNION ".join(
                f"SELECT {t.integer(f'{d.stem}_concept_id')} FROM {t.table(d.table)}"  # noqa: S608
                for d in self.domains
            )
            sql = (
                f"SELECT {t.integer('concept_id')}, vocabulary_id, concept_code FROM {t.table('concept')} "  # noqa: S608
                f"WHERE {t.integer('concept_id')} IN ({used})"
            )
            for number, vocabulary, code in t.rows(sql):
                if vocabulary and code and found.get(number) not in self.mapping.codes:
                    found[number] = Coding(str(vocabulary), str(code))
        else:
            self.tally.warn(
                "table-missing", "concept is not there: only codes OMOP:ID of the mapping file count", t.where
            )
        return found

    def unmapped_values(self, domain: _Domain) -> Iterator[Any]:
        t, column = self.tables, f"{domain.stem}_source_value"
        if column in t.columns[domain.table]:
            none = f"coalesce({t.integer(f'{domain.stem}_concept_id')}, 0) = 0"
            sql = f"SELECT DISTINCT {column} FROM {t.table(domain.table)} WHERE {none} AND {column} IS NOT NULL"  # noqa: S608
            for (value,) in t.rows(sql):
                yield value

    def people(self) -> Iterator[tuple[Patient, list[ClinicalEvent]]]:
        t = self.tables
        self._left_out()
        persons = t.one(f"SELECT count(*) FROM {t.table('person')}")  # noqa: S608
        rows = sum(t.one(f"SELECT count(*) FROM {t.table(d.table)}") for d in self.domains)  # noqa: S608
        batch = max(50, min(20_000, int(_ROWS * max(persons, 1) / max(rows, 1))))
        noted = groupby(self._noted(), key=lambda pair: pair[0].person)
        writer, of_writer = next(noted, (None, iter(())))
        last: int | None = None
        while people := self._batch(last, batch):
            first, last = people[0][0], people[-1][0]
            windows, deaths = self._windows(first, last), self._deaths(first, last)
            seen = self._seen(first, last) if self.visits or len(windows) < len(people) else {}
            events = groupby(self._events(first, last), key=itemgetter(0))
            person, of_person = next(events, (None, iter(())))
            for row in people:
                mine: list[tuple[Any, ...]] = []
                if person == row[0]:
                    mine = list(of_person)
                    person, of_person = next(events, (None, iter(())))
                said: list[tuple[Note, list[ClinicalEvent]]] = []
                if writer == str(row[0]):
                    said = list(of_writer)
                    writer, of_writer = next(noted, (None, iter(())))
                yield self._person(row, mine, said, windows.get(row[0]), deaths.get(row[0]), seen.get(row[0], ()))

    def _left_out(self) -> None:
        """What no query below returns is counted here: broken lines, rows of nobody, persons said twice, free text."""
        t, id_ = self.tables, self.tables.integer("person_id")
        for name, count in t.rejected.items():
            self.tally.skip("broken line", f"{count} lines of {name} are broken", t.where, count=count)
        known = f"SELECT {id_} FROM {t.table('person')} WHERE {id_} IS NOT NULL"  # noqa: S608
        for table in [d.table for d in self.domains] + (["note"] if self.linker else []):
            sql = f"SELECT count(*) FROM {t.table(table)} WHERE {id_} IS NULL OR {id_} NOT IN ({known})"  # noqa: S608
            if count := t.one(sql):
                self.tally.skip("row of an unknown person", f"{count} rows of {table}", t.where, count=count)
                if table == "note":
                    self.tally.notes["row of an unknown person"] += count
        twice = t.one(f"SELECT count(*) - count(DISTINCT {id_}) FROM {t.table('person')}")  # noqa: S608
        if twice:
            self.tally.skip("person without an id or said twice", f"{twice} rows of person", t.where, count=twice)
        if self.linker is None and self._has("note", ("note_text",)):
            notes = t.one(f"SELECT count(*) FROM {t.table('note')}")  # noqa: S608
            self.tally.skip("free text (--notes reads it)", count=notes)

    def _batch(self, last: int | None, size: int) -> list[tuple[Any, ...]]:
        t, there = self.tables, self.tables.columns["person"]

        def column(name: str) -> str:
            return f"min({t.integer(name)})" if name in there else "NULL"

        names = (
            "year_of_birth", "month_of_birth", "day_of_birth", "gender_concept_id", "race_concept_id", "ethnicity_concept_id",
        )  # fmt: skip
        id_ = t.integer("person_id")
        after = f"AND {id_} > ?" if last is not None else ""
        sql = (
            f"SELECT {id_} AS id, {', '.join(map(column, names))} FROM {t.table('person')} "  # noqa: S608
            f"WHERE {id_} IS NOT NULL {after} GROUP BY {id_} ORDER BY {id_} LIMIT {size}"
        )
        return list(t.rows(sql, [] if last is None else [last]))

    def _windows(self, first: int, last: int) -> dict[int, tuple[int, int]]:
        start, end = "observation_period_start_date", "observation_period_end_date"
        if not self._has("observation_period", ("person_id", start, end)):
            return {}
        return {
            row[0]: (row[1], row[2])
            for row in self._by_person(
                "observation_period", f"min({self.tables.day(start)}), max({self.tables.day(end)})", first, last
            )
            if row[1] is not None and row[2] is not None
        }

    def _deaths(self, first: int, last: int) -> dict[int, int]:
        if not self._has("death", ("person_id", "death_date")):
            return {}
        rows = self._by_person("death", f"min({self.tables.day('death_date')})", first, last)
        return {row[0]: row[1] for row in rows if row[1] is not None}

    def _seen(self, first: int, last: int) -> dict[int, tuple[int, ...]]:
        """Days of visits: all of them, or the first and the last where only the window is asked for."""
        if not self._has(_VISIT, _VISITED):
            return {}
        t, id_, day = self.tables, self.tables.integer("person_id"), self.tables.day("visit_start_date")
        if not self.visits:
            return {
                row[0]: row[1:]
                for row in self._by_person(_VISIT, f"min({day}), max({day})", first, last)
                if row[1] is not None
            }
        sql = f"SELECT DISTINCT {id_} AS person, {day} AS day FROM {t.table(_VISIT)} WHERE {id_} BETWEEN ? AND ? ORDER BY person, day"  # noqa: S608
        rows = groupby(t.rows(sql, [first, last]), key=itemgetter(0))
        return {person: tuple(row[1] for row in days if row[1] is not None) for person, days in rows}

    def _noted(self) -> Iterator[tuple[Note, list[ClinicalEvent]]]:
        """Notes with their events, in order of person_id."""
        return iter(()) if self.linker is None else note_events(self._notes(), self.linker, self.tally)

    def _notes(self) -> Iterator[Note]:
        t, id_ = self.tables, self.tables.integer("person_id")
        last: int | None = None
        while people := self._batch(last, _NOTES):
            first, last = people[0][0], people[-1][0]
            births = {row[0]: _birth(*row[1:4]) for row in people}
            sql = (
                f"SELECT {id_} AS person, {t.day('note_date')} AS day, CAST(note_text AS VARCHAR) AS text "  # noqa: S608
                f"FROM {t.table('note')} WHERE {id_} BETWEEN ? AND ? ORDER BY person"
            )
            for person, day, text in t.rows(sql, [first, last]):
                birth = births.get(person)
                why = "person without a birth date" if birth is None else "row without a date" if day is None else ""
                if birth is None or why:
                    self.tally.skip(why)
                    self.tally.notes[why] += 1
                else:
                    yield Note(str(person), birth, day, text or "", f"note of {day}")

    def _by_person(self, table: str, what: str, first: int, last: int) -> Iterator[tuple[Any, ...]]:
        t, id_ = self.tables, self.tables.integer("person_id")
        sql = f"SELECT {id_}, {what} FROM {t.table(table)} WHERE {id_} BETWEEN ? AND ? GROUP BY {id_}"  # noqa: S608
        return t.rows(sql, [first, last])

    def _events(self, first: int, last: int) -> Iterator[tuple[Any, ...]]:
        """(person, concept id, source value where there is no concept, day, number, answer), by person."""
        t, id_ = self.tables, self.tables.integer("person_id")
        parts = []
        for d in self.domains:
            there, concept = t.columns[d.table], t.integer(f"{d.stem}_concept_id")
            source = f"{d.stem}_source_value"
            text = (
                f"CASE WHEN coalesce({concept}, 0) = 0 THEN CAST({source} AS VARCHAR(200)) END"
                if source in there
                else "CAST(NULL AS VARCHAR(200))"
            )
            number = (
                t.number("value_as_number")
                if d.valued and "value_as_number" in there
                else "CAST(NULL AS DOUBLE PRECISION)"
            )
            answer = (
                t.integer("value_as_concept_id")
                if d.valued and "value_as_concept_id" in there
                else "CAST(NULL AS BIGINT)"
            )
            parts.append(
                f"SELECT {id_} AS person, {concept} AS concept, {text} AS text, {t.day(d.date)} AS day, "  # noqa: S608
                f"{number} AS number, {answer} AS answer, '{d.stem}' AS stem "
                f"FROM {t.table(d.table)} WHERE {id_} BETWEEN ? AND ?"
            )
        sql = " UNION ALL ".join(parts) + " ORDER BY person"
        return t.rows(sql, [first, last] * len(parts))

    def _person(
        self,
        row: tuple[Any, ...],
        rows: list[tuple[Any, ...]],
        said: list[tuple[Note, list[ClinicalEvent]]],
        window: tuple[int, int] | None,
        death: int | None,
        seen: tuple[int, ...],
    ) -> tuple[Patient, list[ClinicalEvent]]:
        number, year, month, day, *concepts = row
        key = str(number)
        traits = dict(_TRAITS[c] for c in concepts if c in _TRAITS)
        birth = _birth(year, month, day)
        if birth is None:
            self.tally.skip(
                "person without a birth date", f"person {number}" if not rows else "", count=max(1, len(rows))
            )
            return Patient(key, traits), []
        events = self._coded(key, birth, rows)
        ages = [event.age for event in events] + [note.age for note, _ in said]
        ages += [age for age in (age_between(birth, day) for day in seen) if self._possible(birth, age)]
        events += [event for _, found in said for event in found]
        if window is not None:
            follow: tuple[float, float] | None = (
                max(0.0, age_between(birth, window[0])),
                age_between(birth, window[1]),
            )
        else:
            follow = (min(ages), max(ages)) if ages else None
        died = age_between(birth, death) if death is not None else None
        if died is not None and not 0 <= died <= OLDEST:
            self.tally.warn("death-skipped", f"a death at the age of {died:.0f} years", self.tables.where)
            died = None
        if self.visits and follow is not None:
            entry, leaves = follow
            times = tuple(sorted({age for age in ages if entry <= age <= leaves}))
            return Patient(key, traits, visits=times, died=died), events
        return Patient(key, traits, died=died, window=follow), events

    def _possible(self, birth: int, age: float) -> bool:
        return 0 <= age <= OLDEST and (self.future is None or age <= age_between(birth, self.future))

    def _coded(self, key: str, birth: int, rows: list[tuple[Any, ...]]) -> list[ClinicalEvent]:
        events, codings, future = [], self.codings, self.future
        last = birth + int(OLDEST * 365.25)
        if future is not None:
            last = min(last, future)
        present, absent = Assertion.PRESENT, Assertion.ABSENT
        for _, concept, text, day, number, answer, stem in rows:
            if day is None or not birth <= day <= last:
                self.tally.skip(_impossible(day, birth, future))
                continue
            coding = codings.get(concept)
            if coding is None:
                coding = Coding(f"{stem}_source_value", text) if text else Coding("OMOP", str(concept or 0))
            said = absent if answer in _NO else present
            age = round((day - birth) / 365.25, 3)
            events.append(ClinicalEvent(key, age, None, coding, said, None, "", number))
        return events


def _birth(year: Any, month: Any, day: Any) -> int | None:
    try:
        return birth_day(year, month or None, day or None)
    except (TypeError, ValueError, OverflowError):
        return None


def _impossible(day: int | None, birth: int, future: int | None) -> str:
    if day is None:
        return "row without a date"
    if day < birth:
        return "dated before birth"
    return "dated in the future" if future is not None and day > future else "age above 130 years"
