"""Severity and time expressions of a mention, out of the words around it."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

from ontology.mention import TimeKind, Timex

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Qualifiers", "is_severity", "read_qualifiers", "read_times"]

_COUNTED = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
nineteen twenty"""
_NUMBERS = {word: number for number, word in enumerate(_COUNTED.split())} | {
    "a": 1, "an": 1, "once": 1, "twice": 2, "couple of": 2, "a couple of": 2,
}  # fmt: skip
_UNITS = {
    "second": "PT{}S", "minute": "PT{}M", "min": "PT{}M", "hour": "PT{}H", "hr": "PT{}H", "day": "P{}D", "night": "P{}D", "week": "P{}W",
    "wk": "P{}W", "fortnight": "P{}W", "month": "P{}M", "mth": "P{}M", "mo": "P{}M", "year": "P{}Y", "yr": "P{}Y", "decade": "P{}Y",
}  # fmt: skip
_MULTIPLE = {"fortnight": 2, "decade": 10}
_SHORT_UNITS = {"/7": "P{}D", "/52": "P{}W", "/12": "P{}M"}
_MONTHS = {
    name: number
    for number, names in enumerate(
        ("january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul", "august aug",
         "september sept sep", "october oct", "november nov", "december dec"), start=1,
    )
    for name in names.split()
}  # fmt: skip
_SEASONS = {"spring": "SP", "summer": "SU", "autumn": "FA", "fall": "FA", "winter": "WI"}
_OFTEN = {
    "daily": "P1D", "every day": "P1D", "each day": "P1D", "most days": "P1D", "nightly": "P1D", "every night": "P1D", "each night": "P1D",
    "most nights": "P1D", "weekly": "P1W", "every week": "P1W", "each week": "P1W", "fortnightly": "P2W", "monthly": "P1M",
    "every month": "P1M", "yearly": "P1Y", "annually": "P1Y", "hourly": "PT1H", "every evening": "P1D", "most evenings": "P1D",
    "every morning": "P1D", "most mornings": "P1D", "each evening": "P1D", "each morning": "P1D",
}  # fmt: skip
_VAGUE = (
    "constantly|continuously|all the time|frequently|often|repeatedly|regularly|occasionally|sometimes|rarely|seldom|intermittently|"
    "from time to time|at times|on and off|now and then|several times|many times|off and on|constant|frequent|occasional|intermittent|"
    "rare|infrequent|episodic|sporadic|regular|once in a while|on occasion"
)
_PARTS = {
    "morning": "TMO", "mornings": "TMO", "afternoon": "TAF", "afternoons": "TAF", "evening": "TEV", "evenings": "TEV", "night": "TNI",
    "nights": "TNI", "overnight": "TNI", "night-time": "TNI", "nighttime": "TNI", "nocturnally": "TNI", "nocturnal": "TNI",
    "dusk": "TEV", "sundown": "TEV", "dawn": "TMO", "bedtime": "TNI", "daytime": "TDT", "dark": "TNI",
}  # fmt: skip


def _any(words: Iterable[str]) -> str:
    return f"(?:{'|'.join(sorted(words, key=len, reverse=True))})"


_COUNT = rf"(?:\d{{1,3}}(?:\.\d)?|{_any(_NUMBERS)})"
_UNIT = _any(_UNITS)
_SEASON = _any(_SEASONS)
_MONTH = _any(_MONTHS)
_ABOUT = r"(?:about\s|around\s|approximately\s|some\s|nearly\s|almost\s|at least\s|more than\s|over\s|up to\s|was\s|in\s){0,8}"
_SPAN = rf"{_COUNT}(?:\s?(?:-|to|or)\s?{_COUNT})?[\s-]?{_UNIT}s?\b"
_LOOSE = (
    rf"(?:{_SPAN}|(?:several|many|some|a few|few|a number of|recent|the past few)\s{_UNIT}s\b|\d{{1,3}}/(?:7|52|12)\b)"
)
_YEAR = r"(?:19|20)\d\d"
_WHEN = (
    rf"(?:(?:early|mid|late)[\s-])?(?:{_MONTH}\.?\s(?:of\s)?{_YEAR}|{_YEAR}(?:-\d\d(?:-\d\d)?)?(?!\d)|{_SEASON}\s(?:of\s)?{_YEAR}|"
    rf"{_MONTH}\b(?!\s(?:be|have|not|need|also|reflect|represent)))"
)
_LAST = (
    rf"(?:last|this|the previous|previous|next|the past)\s(?:week|month|year|night|{_SEASON}|{_MONTH}|christmas|easter|"
    r"monday|tuesday|wednesday|thursday|friday|saturday|sunday)"
)
_EVENT = (
    r"(?:the\s|his\s|her\s|their\s)?(?:\w+'s\s)?(?:(?:death|loss|birth)\b(?:\sof\s\w+(?:\s\w+)?)?|retirement|surgery|operation|fall|stroke|"
    r"admission|move|bereavement|discharge|diagnosis|christmas|easter|covid|lockdown|childhood|adolescence|menopause|"
    r"(?:last|previous) (?:visit|review|appointment|assessment))"
)
_PERIOD = r"(?:day|night|week|month|year|hour|fortnight)"
_EXPRESSIONS = {
    TimeKind.SINCE: (
        rf"(?:ever\s)?since\s{_ABOUT}(?:{_LAST}|the\s{_SEASON}|{_WHEN}|{_EVENT}|age\s\d\d?|yesterday)",
        rf"(?:began|started|onset|first noticed|noticed|starting|beginning)\s{_ABOUT}(?:{_LOOSE}\sago|{_LAST}|{_WHEN})",
    ),
    TimeKind.DATE: (
        rf"{_ABOUT}{_LOOSE}\s(?:ago|earlier|previously|prior)\b",
        rf"yesterday|{_LAST}\b|\b(?:in|during|on)\s(?:the\s)?{_WHEN}|\b{_YEAR}\b|\btoday\b|\btonight\b",
    ),
    TimeKind.FREQUENCY: (
        rf"\b(?:{_COUNT}|several|many)\s?(?:times|x|episodes)?\s?(?:(?:-|to|or)\s?{_COUNT}\s?times\s)?(?:a|an|per|each|every|/)\s?{_PERIOD}\b",
        rf"\b(?:once|twice)\s(?:daily|weekly|monthly|nightly|yearly)\b|\bevery\s(?:{_COUNT}|few|other|second)\s{_PERIOD}s?\b",
        rf"\b{_any(_OFTEN)}\b|\b(?:{_VAGUE})\b",
    ),
    TimeKind.DURATION: (
        rf"\b(?:for|over|during|within|x|lasting|of|in)\s?(?:the\s(?:past|last|previous)\s)?{_ABOUT}{_LOOSE}",
        rf"\b(?:for|over|in|during)\sthe\s(?:past|last|previous)\s{_PERIOD}\b",
        rf"\b{_COUNT}[\s-]{_UNIT}s?'?\s(?:history|duration)(?:\sof)?|\bfor\s(?:years|months|weeks|days|some\stime|decades)\b",
    ),
    TimeKind.DAYTIME: (
        rf"(?:\b(?:at|(?:in|during|through|throughout)\sthe|after|every|on\s(?:his|her)|before|around|towards)\s)?\b{_any(_PARTS)}\b",
    ),
}
_TIME = re.compile("|".join(f"(?P<{kind.value}>{'|'.join(said)})" for kind, said in _EXPRESSIONS.items()))
_MAYBE_TIME = re.compile(
    rf"\d|since|ago\b|yesterday|today|tonight|last|this\s|next|ly\b|every|each|most|once|twice|time|year|month|week|day|night|morning|"
    rf"afternoon|evening|dusk|dawn|constant|frequent|often|rare|occasion|intermittent|episodic|sporadic|regular|{_SEASON}|"
    rf"decade|hour|fortnight|sundown|dark|on and off|now and then|seldom|\b{_MONTH}\b|onset|noctur|bedtime"
)
_BREAK = re.compile(
    r";|\b(?:but|however|although|though|while|whereas|denies|denied|reports|reported|has|had|is|was)\b|[.!?]\s"
)
_TURN = re.compile(r";|\b(?:but|however|although|whereas)\b")
_LISTED = re.compile(
    r"(?:[\s,/&+-]|\band\b|\bor\b|\b(?:the|a|an|his|her|some|more|mild|moderate|severe|marked|new|poor)\b)*"
)
_NEAR = 60  # characters before a concept that may hold its severity
_FAR = 2000  # characters from a time expression to the last concept after it that it may be said of
_SMALL = {ord("İ"): "i", ord("ı"): "i", ord("ſ"): "s"}  # patterns are in lower case: each letter must stay in its place


@dataclass(frozen=True, slots=True)
class Qualifiers:
    """Severity (value and words) and time expressions of one mention."""

    severity: str = ""
    severity_text: str = ""
    times: tuple[Timex, ...] = ()


_NONE = Qualifiers()


def read_qualifiers(sentence: str, spans: Sequence[tuple[int, int]]) -> list[Qualifiers]:
    """Severity and times of each span (characters, in order, not overlapping) of one sentence; linear in its length.

    A severity word belongs to the concept right after it ("severe apathy"), or right before it ("apathy is severe",
    "apathy: severe", "apathy (severe)"). A time expression belongs to the concept it stands right before ("nightly
    wandering"), else to those listed right before it, else to those after it, no further than 2,000 characters.

    >>> read_qualifiers("Mild to moderate apathy, worse at night.", [(17, 23)])[0].severity
    'mild-moderate'
    """
    lower = _lower(sentence)
    severe = _severities(sentence, lower, spans)
    times = _times(sentence, lower, spans) if _MAYBE_TIME.search(lower) else {}
    if not times and not severe:
        return [_NONE] * len(spans)
    return [Qualifiers(*severe.get(at, ("", "")), tuple(times.get(at, ()))) for at in range(len(spans))]


def read_times(text: str) -> Iterator[tuple[int, int, Timex]]:
    """The time expressions of `text` with their characters, in order.

    >>> [(one.kind.value, one.text, one.value) for _, _, one in read_times("Since 2019 he wakes twice a night.")]
    [('since', 'Since 2019', '2019'), ('frequency', 'twice a night', 'P1D')]
    """
    return _read_times(text, _lower(text))


def _lower(text: str) -> str:
    """The text in small letters, character by character."""
    return (text if text.isascii() else text.translate(_SMALL)).lower()


def _read_times(text: str, lower: str) -> Iterator[tuple[int, int, Timex]]:
    for match in _TIME.finditer(lower):
        kind = TimeKind(match.lastgroup or "")
        words = match[0].strip()
        start = match.start() + len(match[0]) - len(match[0].lstrip())
        end = start + len(words)
        yield start, end, Timex(kind, text[start:end], _value(kind, words))


def _severities(sentence: str, lower: str, spans: Sequence[tuple[int, int]]) -> dict[int, tuple[str, str]]:
    """Severity and its words of each span that has one."""
    severe = _severity()
    if not severe.word.search(lower):
        return {}
    words = [match.start() for match in severe.anywhere.finditer(lower)]
    found: dict[int, tuple[str, str]] = {}
    for at, (start, end) in enumerate(spans):
        first = max(spans[at - 1][1] if at else 0, start - _NEAR)
        last = min(spans[at + 1][0] if at + 1 < len(spans) else len(sentence), end + _NEAR)
        if bisect_left(words, last) > bisect_left(words, first):
            value, a, b = severe.beside(lower, (first, start), (end, last))
            if value:
                found[at] = value, sentence[a:b]
    return found


def _times(sentence: str, lower: str, spans: Sequence[tuple[int, int]]) -> dict[int, list[Timex]]:
    found: dict[int, list[Timex]] = {}
    owners = None
    for start, end, time in _read_times(sentence, lower):
        owners = owners or _Owners(sentence, lower, spans)
        for at in owners.of(start, end, time.kind):
            found.setdefault(at, []).append(time)
    return found


class _Owners:
    """Which spans of a sentence a time expression is said of. What parts a sentence is looked up once."""

    def __init__(self, sentence: str, lower: str, spans: Sequence[tuple[int, int]]) -> None:
        self._lower, self._spans = lower, spans
        self._starts, self._ends = [start for start, _ in spans], [end for _, end in spans]
        breaks = [match.span() for match in _BREAK.finditer(lower)]
        self._breaks, self._break_ends = [start for start, _ in breaks], [end for _, end in breaks]
        turns = [match.span() for match in _TURN.finditer(sentence)]
        self._turns, self._turn_ends = [start for start, _ in turns], [end for _, end in turns]

    def of(self, start: int, end: int, kind: TimeKind) -> list[int]:
        """The spans of a time expression from `start` to `end`; none where it is part of one."""
        spans, lower = self._spans, self._lower
        before = bisect_right(self._ends, start)  # so many spans end before it
        if before < len(spans) and spans[before][0] < end:
            return []
        after = bisect_left(self._starts, end)
        often = after < len(spans) and kind in {TimeKind.FREQUENCY, TimeKind.DAYTIME}
        if often and lower.find(" ", start, spans[after][0] - 1) < 0:
            return [after]  # "nightly wandering"
        if before == 0 or self._parted(before - 1, start):
            turn = bisect_left(self._turns, end)
            last = self._turn_ends[turn] - 1 if turn < len(self._turns) else len(lower)
            return list(range(after, bisect_right(self._starts, min(last, end + _FAR))))
        owners = [before - 1]
        for at in range(before - 2, -1, -1):
            far = start - self._ends[at] > _FAR
            if far or self._parted(at, start) or not _LISTED.fullmatch(lower, self._ends[at], self._starts[at + 1]):
                break
            owners.append(at)
        return owners

    def _parted(self, at: int, start: int) -> bool:
        """Whether something ends what is said between span `at` and `start`; "is" right after it does not."""
        first = self._ends[at]
        if self._lower.startswith(" is", first):
            first += len(" is")
        place = bisect_left(self._breaks, first)
        return place < len(self._breaks) and self._break_ends[place] <= start


def _value(kind: TimeKind, words: str) -> str:
    if kind == TimeKind.DAYTIME:
        return next((value for part, value in _PARTS.items() if re.search(rf"\b{part}\b", words)), "")
    if kind == TimeKind.FREQUENCY:
        return _frequency(words)
    if kind in {TimeKind.DATE, TimeKind.SINCE}:
        date = _date(words)
        if date or "ago" not in words:
            return date
        length = _length(words)
        return f"-{length}" if length else ""
    return _length(words)


def _frequency(words: str) -> str:
    """The interval that a frequency is counted in, as TIMEX3 writes a set."""
    for often, value in _OFTEN.items():
        if often in words:
            return value
    match = re.search(rf"every\s({_COUNT}|few|other|second)\s(\w+)", words)
    if match:
        number = {"other": 2, "second": 2}.get(match[1]) or _number(match[1])
        return _unit(match[2], number) if number else ""
    match = re.search(r"(?:a|an|per|each|every|/)\s?(day|night|week|month|year|hour|fortnight)\b", words)
    return _unit(match[1], 1) if match else ""


def _date(words: str) -> str:
    if match := re.search(r"(?:19|20)\d\d-\d\d(?:-\d\d)?", words):
        return match[0]
    year = re.search(r"(?:19|20)\d\d", words)
    month = re.search(rf"\b({_MONTH})\b", words)
    season = re.search(rf"\b({_SEASON})\b", words)
    if year or month or season:
        named = f"-{_MONTHS[month[1]]:02}" if month else f"-{_SEASONS[season[1]]}" if season else ""
        return (year[0] if year else "XXXX") + named
    return "PRESENT_REF" if re.search(r"today|tonight", words) else ""


def _length(words: str) -> str:
    if match := re.search(r"(\d{1,3})(/7|/52|/12)\b", words):
        return _SHORT_UNITS[match[2]].format(int(match[1]))
    match = re.search(rf"({_COUNT})(?:\s?(?:-|to|or)\s?({_COUNT}))?[\s-]?({_UNIT})s?\b", words)
    if match is None:
        single = re.search(r"the (?:past|last|previous) (year|month|week|day|night|decade|fortnight)\b", words)
        return _unit(single[1], 1) if single else ""
    if match[2]:  # a range has no one value
        return ""
    number = _number(match[1])
    return _unit(match[3], number) if number else ""


def _number(word: str) -> float:
    return float(word) if word[0].isdigit() else _NUMBERS.get(word, 0)


def _unit(name: str, number: float) -> str:
    name = name.removesuffix("s") if name not in _UNITS else name
    return _UNITS[name].format(f"{number * _MULTIPLE.get(name, 1):g}")


def is_severity(words: str) -> bool:
    """Whether words are no more than a degree (HPO has "Severe" as a term; in a text it is another concept's severity).

    >>> is_severity("Severe"), is_severity("severe apathy")
    (True, False)
    """
    return words.lower() in _severity().values


@dataclass(frozen=True, slots=True)
class _Severity:
    values: dict[str, str]
    word: re.Pattern[str]
    anywhere: re.Pattern[str]
    before: re.Pattern[str]
    after: re.Pattern[str]

    def beside(self, lower: str, before: tuple[int, int], after: tuple[int, int]) -> tuple[str, int, int]:
        """Severity that is said in one of two places, and where."""
        place, match = before, self.before.search(lower[slice(*before)])
        if match is None:
            place, match = after, self.after.match(lower[slice(*after)])
        if match is None:
            return "", 0, 0
        low, high = self.values[match["low"]], self.values[match["high"] or match["low"]]
        start, end = match.span("text")
        return (low if low == high else f"{low}-{high}"), place[0] + start, place[0] + end


@lru_cache(maxsize=1)
def _severity() -> _Severity:
    raw = tomllib.loads(resources.files("ontology").joinpath("qualifiers.toml").read_text("utf-8"))
    values = {word: value for value, words in raw["severity"].items() for word in words.split()}
    words = "|".join(sorted(values, key=len, reverse=True))
    between = "|".join(word.strip() for word in raw["between"]["words"].split(",") if word.strip() not in {"and", "or"})
    said = rf"(?P<text>\b(?P<low>{words})(?:\s?(?:-|to|/|or)\s?(?P<high>{words}))?)\b"
    return _Severity(
        values,
        re.compile(rf"\b(?:{words})\b"),
        re.compile(words),
        re.compile(rf"{said}(?:,?\s(?:{between}|\w+ly)){{0,2}}\s*\Z"),
        re.compile(
            r"\s*(?:\(|:|-|,|(?:is|was|are|were|remains|has been|have been|has become|became|rated|graded|scored|described)"
            rf"(?:\s(?:as|rated|now|only|quite|very|fairly|rather|still|more))*)\s*{said}(?!\s+[a-z]+(?:ia|ion|ness|ing|ment|pain)\b)"
        ),
    )
