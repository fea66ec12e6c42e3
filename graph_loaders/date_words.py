"""`said_day`: the day that a note's date words mean ("for two years", "last spring", "since 2019"), counted from the note's own day.

`ontology.qualifiers` finds the words and writes plain ones as TIMEX3; dateutil does the calendar. dateparser and parsedatetime were
tried on 28 such phrases: alone they take 0.65 and 0.27 ms each, know no season and no "for two years" (or put it into the
future), and give a year without a month a day of their own.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

from ontology.mention import TimeKind
from ontology.qualifiers import read_times

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ontology.mention import Timex

__all__ = ["said_day"]

_LENGTH = re.compile(r"-?P(\d+(?:\.\d+)?)([YMWD])")
_DATE = re.compile(r"(\d{4}|XXXX)(?:-(\d\d|SP|SU|FA|WI))?(?:-(\d\d))?")
_SEASONS = {"SP": 4, "SU": 7, "FA": 10, "WI": 1}  # the month in the middle, in the north
_LAST = re.compile(
    r"\b(?:last|previous|past)\s(night|week|month|year|christmas|easter|(?:mon|tues|wednes|thurs|fri|satur|sun)day)\b"
)
_NOT_PAST = re.compile(r"\bnext\b|^in\s(?!the\s(?:past|last|previous))")
_BEFORE = re.compile(r"\s(?:earlier|previously|prior)\b")
_RANGE = re.compile(r"\b(\d{1,2})\s?(?:-|–|to|or)\s?(\d{1,2})(?=[\s-]?[a-z])")
_AGE = re.compile(r"\bage\s(\d\d?)\b")
_WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_YEAR = dt.timedelta(days=365.25)


def said_day(times: Iterable[Timex], note: dt.date, birth: dt.date) -> tuple[dt.date, TimeKind] | None:
    """The first time that has a day, with its kind: since then, or for so long up to the note (`duration`), or then (`date`).

    The middle of what is said: 2019 is 2 July 2019, spring is 15 April; a month or season without a year is the latest that
    began before the note. None where nothing is said, or only vaguely ("for years"), or of the future, or before birth.

    >>> from ontology.mention import Timex
    >>> day, kind = said_day([Timex(TimeKind.DURATION, "for two years", "P2Y")], dt.date(2020, 2, 29), dt.date(1940, 1, 1))
    >>> str(day), kind.value
    ('2018-02-28', 'duration')
    """
    for time in times:
        if time.kind in {TimeKind.SINCE, TimeKind.DURATION, TimeKind.DATE}:
            try:
                day = _day(time, note, birth)
            except (ValueError, OverflowError):  # the 30th of February; more years than the calendar has
                continue
            if day is not None and birth <= day <= note:
                return day, time.kind
    return None


def _day(time: Timex, note: dt.date, birth: dt.date) -> dt.date | None:
    words = " ".join(time.text.lower().split())
    value = time.value
    if not value:
        plain = _RANGE.sub(lambda m: f"{(int(m[1]) + int(m[2])) / 2:.1f}", _BEFORE.sub(" ago", words))
        value = next((one.value for *_, one in read_times(plain)), "") if plain != words else ""
    if length := _LENGTH.fullmatch(value):
        return (
            None
            if _NOT_PAST.search(words) and time.kind == TimeKind.DURATION
            else _back(note, float(length[1]), length[2])
        )
    if value.startswith(("PT", "-PT")) or value == "PRESENT_REF":
        return note
    if date := _DATE.fullmatch(value):
        return None if _NOT_PAST.search(words) and time.kind == TimeKind.DURATION else _named(date, words, note)
    return _worded(words, note, birth)


def _back(note: dt.date, number: float, unit: str) -> dt.date:
    from dateutil.relativedelta import relativedelta

    if unit in {"Y", "M"}:
        months = round(number * (12 if unit == "Y" else 1))
        back: dt.date = note - relativedelta(months=months)
        return back
    return note - dt.timedelta(days=round(number * (7 if unit == "W" else 1)))


def _named(date: re.Match[str], words: str, note: dt.date) -> dt.date | None:
    """A year, a month or season of it, or a day."""
    year, part, day = date.groups()
    if "next" in words:
        return None
    month = 7 if part is None else _SEASONS.get(part) or int(part)
    if year == "XXXX":
        found = dt.date(note.year, month, 15)
        if found > note and (part in _SEASONS or found.month != note.month):
            found = found.replace(year=note.year - 1)
        return min(found, note)
    if part is None:
        middle = {"early": dt.date(int(year), 3, 1), "late": dt.date(int(year), 11, 1)}
        begun = dt.date(int(year), 1, 1)
        found = next((d for word, d in middle.items() if word in words), dt.date(int(year), 7, 2))
        return begun + (note - begun) // 2 if begun <= note < found else found
    found = dt.date(int(year), month, int(day) if day else 15)
    if part == "WI" and found.replace(year=found.year + 1) <= note:
        return found.replace(year=found.year + 1)  # the winter of 2018 begins in December 2018
    return note if not day and found > note and (found.year, found.month) == (note.year, note.month) else found


def _worded(words: str, note: dt.date, birth: dt.date) -> dt.date | None:
    if "yesterday" in words:
        return note - dt.timedelta(days=1)
    if age := _AGE.search(words):
        return min(birth + _YEAR * (int(age[1]) + 0.5), note)
    if last := _LAST.search(words):
        return _last(last[1], note)
    return note if re.search(r"\bthis\s(?:week|month)\b", words) else None


def _last(what: str, note: dt.date) -> dt.date:
    from dateutil.easter import easter
    from dateutil.relativedelta import relativedelta

    if what in {"christmas", "easter"}:
        days = [easter(y) if what == "easter" else dt.date(y, 12, 25) for y in (note.year - 1, note.year)]
        return max(day for day in days if day <= note)
    if what in _WEEK:
        return note - dt.timedelta(days=(note.weekday() - _WEEK.index(what) - 1) % 7 + 1)
    back = {"night": relativedelta(days=1), "week": relativedelta(weeks=1), "month": relativedelta(months=1)}
    found: dt.date = note - back.get(what, relativedelta(years=1))
    return found
