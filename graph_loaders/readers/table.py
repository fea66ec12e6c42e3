"""Tables: CSV, Parquet or Excel a row a visit or a value, and a mapping file (TOML) to concepts.

cohort = "memory-clinic"
source = "visits of the memory clinic, 2010-2020"

[person]
id = "ID"
age = "age"                     # in years, at the visit; or date = "visit", birth = "born", date_format = "%d/%m/%Y"

[long]                          # only where a row is one value: the columns of the variable's name and of its value
name = "variable"
value = "value"

[traits.sex]
column = "male"
values = { "1" = "male", "0" = "female" }
[risk_factors.less-education]
column = "CEP"
when = "== 0"

[[events]]                      # absent where measured and not met, present where met
cui = "C0234985"
column = "MMSE"
when = "< 24"

[[events]]                      # nested: cannot begin before the other; a name is needed where the pack has none
cui = "C0497327"
column = "MMSE"
when = "< 18"
requires = "C0234985"

[[events]]                      # two columns, and a threshold that depends on the row
cui = "C0011581"
all = [{ column = "CESD", when = ">= 17" }]
where = [{ column = "male", when = "== 1" }]
"""

from __future__ import annotations

import math
import operator
import re
import tomllib
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graph_loaders.ages import OLDEST, age_between, birth_day, day_of
from graph_loaders.event import ClinicalEvent, Patient
from graph_loaders.sheets import Grouped, open_sheet
from ontology.concept import Cui, parse_cui
from ontology.errors import ConfigError, SourceError
from ontology.issue import Issue, Severity
from ontology.mention import Assertion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from graph_loaders.tally import Tally
    from ontology.pack import Pack

__all__ = ["EventRule", "Mapping", "Test", "read", "read_mapping"]

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_WHEN = re.compile(r"\s*(<=|>=|==|!=|<|>)\s*(-?[0-9]+(?:\.[0-9]+)?|[A-Za-z_][A-Za-z0-9_]*)\s*")
_MISSING = {"", "na", "nan", "null", "none", "."}


@dataclass(frozen=True, slots=True)
class Test:
    """A condition on a column: against a number, or against another column of the same row (`>= agedem`)."""

    column: str
    sign: str
    number: float | None = None
    other: str = ""

    def holds(self, row: dict[str, str]) -> bool | None:
        """Whether the row meets it; None where a value is missing. ValueError when one is no number."""
        left = _number(row.get(self.column, ""))
        right = self.number if self.number is not None else _number(row.get(self.other, ""))
        return None if left is None or right is None else _OPERATORS[self.sign](left, right)


@dataclass(frozen=True, slots=True)
class EventRule:
    """A concept and its cases, (`where`, `tests`): the first case whose `where` holds says that the concept is present
    when all its tests hold, and absent when they are measured and do not.
    """

    cui: Cui
    name: str
    cases: tuple[tuple[tuple[Test, ...], tuple[Test, ...]], ...]


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping file, checked."""

    cohort: str
    source: str
    person: str
    age: str
    traits: dict[str, tuple[str, dict[str, str]]]
    risk_factors: dict[str, Test]
    events: tuple[EventRule, ...]
    requires: dict[Cui, Cui]
    date: str = ""
    birth: str = ""
    date_format: str = ""
    long: tuple[str, str] | None = None

    @property
    def names(self) -> dict[Cui, str]:
        """The events, by name."""
        return {rule.cui: rule.name for rule in self.events}

    @property
    def columns(self) -> set[str]:
        """Every column that is read."""
        tests = [t for rule in self.events for case in rule.cases for part in case for t in part]
        tests += self.risk_factors.values()
        named = {t.column for t in tests} | {t.other for t in tests if t.other}
        return named | self.needed | {column for column, _ in self.traits.values()}

    @property
    def needed(self) -> set[str]:
        """The columns that a long table must have; a wide one needs all of `columns`."""
        when = {self.age} if self.age else {self.date, self.birth}
        return {self.person, *when, *(self.long or ())}


class _Checker:
    """Collects every mistake of a mapping file, then builds it."""

    def __init__(self, path: Path, pack: Pack) -> None:
        self.path, self.pack = path, pack
        self.issues: list[Issue] = []
        self.needs: dict[Cui, Cui] = {}
        try:
            self.data = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise SourceError(f"cannot be read: {error.strerror}", path) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SourceError(f"is not TOML: {error}", path) from None

    def wrong(self, code: str, message: str, where: str, hint: str = "") -> None:
        self.issues.append(Issue(Severity.ERROR, code, message, f"{self.path}: {where}", hint))

    def text(self, table: dict[str, Any], key: str, where: str) -> str:
        value = table.get(key)
        if not isinstance(value, str) or not value:
            self.wrong("mapping", f"{key!r} is missing", where, f'add {key} = "..."')
            return ""
        return value

    def test(self, table: dict[str, Any], where: str) -> Test:
        column = self.text(table, "column", where)
        when = self.text(table, "when", where)
        match = _WHEN.fullmatch(when)
        if when and match is None:
            self.wrong("mapping", f"when = {when!r} is no comparison", where, 'write it as when = "< 24"')
        if match is None:
            return Test(column, "==", 0.0)
        sign, right = match.groups()
        number = re.fullmatch(r"-?[0-9.]+", right)
        return Test(column, sign, float(right) if number else None, "" if number else right)

    def long(self) -> tuple[str, str] | None:
        table = self.data.get("long")
        if table is None:
            return None
        if not isinstance(table, dict):
            self.wrong(
                "mapping", f"long is {table!r}, not a table", "long", 'write [long] with name = "..." and value = "..."'
            )
            return None
        return self.text(table, "name", "long"), self.text(table, "value", "long")

    def near(self, word: str, known: Sequence[str]) -> str:
        from difflib import get_close_matches

        return f"nearest: {', '.join(get_close_matches(word, known, 1, 0))}; all: {', '.join(known)}"

    def traits(self) -> dict[str, tuple[str, dict[str, str]]]:
        found: dict[str, tuple[str, dict[str, str]]] = {}
        axes = sorted({d.axis for d in self.pack.demographics})
        for axis, table in self.data.get("traits", {}).items():
            if axis not in axes:
                self.wrong("unknown-trait", f"{axis!r} is no axis of the pack", f"traits.{axis}", self.near(axis, axes))
            values = {str(k): str(v) for k, v in table.get("values", {}).items()}
            known = [d.value for d in self.pack.demographics if d.axis == axis]
            for value in values.values():
                if axis in axes and value not in known:
                    self.wrong(
                        "unknown-trait",
                        f"{value!r} is no {axis} of the pack",
                        f"traits.{axis}",
                        self.near(value, known),
                    )
            found[axis] = (self.text(table, "column", f"traits.{axis}"), values)
        return found

    def risk_factors(self) -> dict[str, Test]:
        found: dict[str, Test] = {}
        known = [factor.id for factor in self.pack.risk_factors]
        for name, table in self.data.get("risk_factors", {}).items():
            if name not in known:
                self.wrong(
                    "unknown-risk-factor",
                    f"{name!r} is not in the pack",
                    f"risk_factors.{name}",
                    self.near(name, known),
                )
            found[name] = self.test(table, f"risk_factors.{name}")
        return found

    def requires(self, cui: Cui, needed: object, where: str) -> None:
        if needed is None:
            return
        try:
            self.needs[cui] = parse_cui(str(needed))
        except ValueError as error:
            self.wrong("malformed-cui", f"requires: {error}", where)

    def events(self) -> tuple[EventRule, ...]:
        found = dict[Cui, EventRule]()
        names = {concept.cui: concept.name for concept in self.pack.concepts}
        for number, table in enumerate(self.data.get("events", ()), 1):
            where = f"events {number}"
            try:
                cui = parse_cui(self.text(table, "cui", where))
            except ValueError as error:
                self.wrong("malformed-cui", str(error), where)
                continue
            name = table.get("name") or names.get(cui, "")
            if not name:
                self.wrong(
                    "unknown-cui", f"{cui} is not in the pack", where, 'give it a name = "..." to load it all the same'
                )
            several = table.get("all")
            tests = tuple(self.test(t, where) for t in several) if several else (self.test(table, where),)
            condition = tuple(self.test(t, where) for t in table.get("where", ()))
            before = found[cui].cases if cui in found else ()
            if before and not before[-1][0]:
                self.wrong("duplicate", f"{cui} has a rule for every row already", where, "give the first rule a where")
            found[cui] = EventRule(cui, name, (*before, (condition, tests)))
            self.requires(cui, table.get("requires"), where)
        if not found:
            self.wrong("mapping", "no event is mapped", "events", "add [[events]] with cui, column and when")
        return tuple(found.values())


def read_mapping(path: str | Path, pack: Pack) -> Mapping:
    """A mapping file, checked against the pack; ConfigError lists every mistake at once."""
    check = _Checker(Path(path), pack)
    person = check.data.get("person", {})
    mapping = Mapping(
        cohort=check.text(check.data, "cohort", "top"),
        source=check.text(check.data, "source", "top"),
        person=check.text(person, "id", "person"),
        age="" if "date" in person else check.text(person, "age", "person"),
        date=check.text(person, "date", "person") if "date" in person else "",
        birth=check.text(person, "birth", "person") if "date" in person else "",
        date_format=str(person.get("date_format", "")),
        long=check.long(),
        traits=check.traits(),
        risk_factors=check.risk_factors(),
        events=check.events(),
        requires=check.needs,
    )
    for needed in set(mapping.requires.values()) - {rule.cui for rule in mapping.events}:
        check.wrong("unknown-cui", f"requires {needed}, which no event of this mapping is", "events")
    if check.issues:
        raise ConfigError(f"{path} cannot be used", check.issues)
    return mapping


def read(path: str | Path, mapping: Mapping, tally: Tally) -> Iterator[tuple[Patient, list[ClinicalEvent]]]:
    """Patients with their events, in the order in which they first come; rows of one person may lie anywhere.

    CSV, TSV, Parquet and Excel. Rows are gathered by person in a temporary file, so that memory does not grow with the table. A row
    without an age, with one outside 0-130, or dated in the future is skipped and counted in `tally`; so is a value that is no number.
    """
    path = Path(path)
    with open_sheet(path) as sheet, Grouped() as people:
        missing = sorted((mapping.needed if mapping.long else mapping.columns) - set(sheet.columns))
        if missing:
            there = ", ".join(sheet.columns)
            raise ConfigError(f"{path} has no column {', '.join(missing)}; its columns are {there}")
        wanted = [column for column in sheet.columns if column in mapping.columns]
        for line, row in sheet.rows:
            found = (
                "the row has another number of columns than the header" if row is None else _placed(row, mapping, tally)
            )
            if isinstance(found, str):
                tally.skip("row that cannot be used", found, f"{path}:{line}")
            elif row is not None:
                people.add(*found, line, {column: row[column] for column in wanted})
        for person, visits in people:
            if mapping.long:
                visits = _widened(visits, *mapping.long)  # noqa: PLW2901 - the same visits, in the other form
            yield (
                _patient(person, visits, mapping),
                [event for age, line, row in visits for event in _events(person, age, line, row, mapping, tally, path)],
            )


def _widened(
    visits: list[tuple[float, int, dict[str, str]]], name: str, value: str
) -> list[tuple[float, int, dict[str, str]]]:
    """Rows of one age as one row, a column for each variable."""
    found: dict[float, tuple[float, int, dict[str, str]]] = {}
    for age, line, row in visits:
        _, _, wide = found.setdefault(age, (age, line, {}))
        wide |= row
        wide[row[name].strip()] = row[value]
    return list(found.values())


def _placed(row: dict[str, str], mapping: Mapping, tally: Tally) -> tuple[str, float] | str:
    """Person and age; or why the row cannot be used."""
    person = row[mapping.person].strip()
    if not person:
        return f"{mapping.person} is empty"
    if mapping.date:
        return _dated(person, row, mapping, tally)
    try:
        age = _number(row[mapping.age])
    except ValueError:
        return f"{mapping.age} is {row[mapping.age]!r}, not a number of years"
    if age is None or not 0 <= age <= OLDEST:
        return f"{mapping.age} is {row[mapping.age]!r}; ages are 0 to 130 years"
    return person, age


def _dated(person: str, row: dict[str, str], mapping: Mapping, tally: Tally) -> tuple[str, float] | str:
    days = []
    for column in (mapping.birth, mapping.date):
        try:
            days.append(_day(row[column].strip(), mapping.date_format))
        except ValueError:
            hint = (
                mapping.date_format
                or "a year, YYYY-MM-DD or YYYYMMDD; give date_format under [person] for another form"
            )
            return f"{column} is not a date ({hint})"
    birth, day = days
    if tally.today is not None and day > day_of(tally.today):
        return f"{mapping.date} is in the future"
    age = age_between(birth, day)
    return (person, age) if 0 <= age <= OLDEST else f"{mapping.date} is not within 130 years after {mapping.birth}"


def _day(text: str, form: str) -> int:
    if form:
        return day_of(datetime.strptime(text, form).date())  # noqa: DTZ007 - a day has no zone
    if re.fullmatch(r"[12][0-9]{3}", text):
        return birth_day(int(text))
    return day_of(date.fromisoformat(text[:10]))


def _patient(person: str, visits: list[tuple[float, int, dict[str, str]]], mapping: Mapping) -> Patient:
    first = visits[0][2]
    traits = {
        axis: values[first.get(column, "").strip()]
        for axis, (column, values) in mapping.traits.items()
        if first.get(column, "").strip() in values
    }
    return Patient(
        id=person,
        traits=traits,
        risk_factors=tuple(name for name, test in mapping.risk_factors.items() if _holds(test, first)),
        visits=tuple(sorted({age for age, _, _ in visits})),
    )


def _holds(test: Test, row: dict[str, str]) -> bool | None:
    try:
        return test.holds(row)
    except ValueError:
        return None


def _events(
    person: str, age: float, line: int, row: dict[str, str], mapping: Mapping, tally: Tally, path: Path
) -> Iterator[ClinicalEvent]:
    for rule in mapping.events:
        try:
            tests = next((tests for where, tests in rule.cases if all(t.holds(row) for t in where)), ())
            held = [test.holds(row) for test in tests]
        except ValueError as error:
            tally.skip("value that is no number")
            tally.warn("value-skipped", f"{rule.cui}: {error}", f"{path}:{line}")
            continue
        if not held or None in held:
            continue
        assertion = Assertion.PRESENT if all(held) else Assertion.ABSENT
        yield ClinicalEvent(person, age, rule.cui, assertion=assertion, where=f"{path.name}:{line}")


def _number(text: str) -> float | None:
    text = text.strip()
    if text.casefold() in _MISSING:
        return None
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not a finite number")
    return value
