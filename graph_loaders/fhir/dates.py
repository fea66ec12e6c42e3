"""`When`: a time as FHIR and phenopackets say it, often only a year or an age; and where it falls in a person's life."""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from graph_loaders.ages import OLDEST, age_between, birth_day, day_of

if TYPE_CHECKING:
    from graph_loaders.fhir.r4 import Period, Quantity, Range

__all__ = ["NO_DATE", "When", "age_at", "aged", "dated", "from_age", "from_date", "from_period", "from_range"]

NO_DATE = "row without a date"
_BEFORE = "dated before birth"
_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})(?:T[0-9:.,+Zz-]*)?)?)?")
_YEARS = {
    "a": 1.0, "year": 1.0, "years": 1.0, "yr": 1.0, "mo": 1 / 12, "month": 1 / 12, "months": 1 / 12, "wk": 7 / 365.25,
    "week": 7 / 365.25, "weeks": 7 / 365.25, "d": 1 / 365.25, "day": 1 / 365.25, "days": 1 / 365.25, "h": 1 / 8766, "min": 1 / 525960,
}  # fmt: skip


class When(msgspec.Struct, frozen=True, array_like=True):
    """An age in years, or the days (since 1970-01-01) between which the time lies, with the one it counts as."""

    age: float | None = None
    first: int = 0
    middle: int = 0
    last: int = 0


@lru_cache(maxsize=16_384)
def from_date(text: str) -> When | None:
    """A date, or a year or month; the time of day and its zone are left out. None where it is no date.

    >>> from_date("2015-03").middle - from_date("2015-03-01").middle, from_date("2015-02-30")
    (14, None)
    """
    match = _DATE.fullmatch(text.strip())
    if match is None:
        return None
    year, month, day = (int(part) if part else None for part in match.groups())
    assert year is not None
    try:
        middle = birth_day(year, month, day)
        if day is not None:
            return When(None, middle, middle, middle)
        if month is not None:
            end = date(year + month // 12, month % 12 + 1, 1) if year + month // 12 < 10_000 else date(year, month, 31)  # noqa: PLR2004 - the calendar's last year
            return When(None, birth_day(year, month, 1), middle, day_of(end) - 1)
        return When(None, day_of(date(year, 1, 1)), middle, day_of(date(year, 12, 31)))
    except ValueError:
        return None


def dated(*texts: str) -> When | None:
    """The first that is a date."""
    return next((found for text in texts if text and (found := from_date(text)) is not None), None)


def from_period(period: Period | None, *, end: bool = False) -> When | None:
    """Its start, or its end (the start where there is no end)."""
    if period is None:
        return None
    return dated(period.end, period.start) if end else dated(period.start, period.end)


def from_age(quantity: Quantity | None) -> When | None:
    """An age as a quantity with a UCUM unit; years where it has none."""
    if quantity is None or quantity.value is None:
        return None
    unit = (quantity.code or quantity.unit or "a").strip().casefold()
    return aged(quantity.value * _YEARS[unit]) if unit in _YEARS else None


def from_range(ages: Range | None) -> When | None:
    """The middle of a range of ages, or the end that it has."""
    if ages is None:
        return None
    found = [age.age for end in (ages.low, ages.high) if (age := from_age(end)) is not None and age.age is not None]
    return aged(sum(found) / len(found)) if found else None


def aged(years: float) -> When:
    """An age."""
    return When(round(years, 3))


def age_at(when: When | None, birth: When | None, *, known: int | None = None, today: int | None = None) -> float | str:
    """The age in years at a time; or the reason why there is none.

    A time that is known only by its year or month counts as the middle of it, but not before birth, nor after the day it
    was written down (`known`), nor after `today`.
    """
    if when is None:
        return NO_DATE
    if when.age is not None:
        return _checked(when.age, birth.first + when.age * 365.25 if birth else None, today)
    if birth is None:
        return "person without a birth date"
    if when.last < birth.first:
        return _BEFORE
    day = when.middle
    for latest in (known, today):
        if latest is not None and when.first <= latest < day:
            day = latest
    return _checked(age_between(birth.middle, max(day, birth.middle)), day, today)


def _checked(age: float, day: float | None, today: int | None) -> float | str:
    if age < 0:
        return _BEFORE
    if day is not None and today is not None and day > today:
        return "dated in the future"
    return age if age <= OLDEST else "age above 130 years"
