"""Dates to ages: the last place at which an exact date is seen."""

from __future__ import annotations

from datetime import date

__all__ = ["EPOCH", "OLDEST", "age_between", "birth_day", "day_of"]

OLDEST = 130.0
"""Years; an older age is a mistake."""

EPOCH = date(1970, 1, 1)

_YEAR = 365.25
_FIRST = EPOCH.toordinal()


def day_of(day: date) -> int:
    """Days since 1970-01-01."""
    return day.toordinal() - _FIRST


def birth_day(year: int, month: int | None = None, day: int | None = None) -> int:
    """The day of birth, in days since 1970-01-01; the middle of what is known where month or day are missing.

    >>> birth_day(1940, 7, 2) == birth_day(1940)
    True
    """
    if month is None:
        return day_of(date(year, 7, 2))
    return day_of(date(year, month, 15 if day is None else day))


def age_between(birth: int, day: int) -> float:
    """Age in years, to the thousandth (about nine hours), of days since 1970-01-01.

    >>> age_between(birth_day(1940, 1, 1), day_of(date(2015, 1, 1)))
    75.001
    """
    return round((day - birth) / _YEAR, 3)
