"""Severity and time expressions of a mention, out of the words around it."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

from ontology.mention import TimeKind, Timex

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Qualifiers", "read_qualifiers", "read_times"]

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
_ABOUT = (
    r"(?:about\s|around\s|approximately\s|some\s|nearly\s|almost\s|at least\s|more than\s|over\s|up to\s|was\s|in\s)*"
)
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
_TIME = re.compile(
    "|".join(f"(?P<{kind.value}>{'|'.join(said)})" for kind, said in _EXPRESSIONS.items()), re.IGNORECASE
)
_MAYBE_TIME = re.compile(
    rf"\d|since|ago\b|yesterday|today|tonight|last|this\s|next|ly\b|every|each|most|once|twice|time|year|month|week|day|night|morning|"
    rf"afternoon|evening|dusk|dawn|constant|frequent|often|rare|occasion|intermittent|episodic|sporadic|regular|{_SEASON}|"
    rf"decade|hour|fortnight|sundown|dark|on and off|now and then|seldom|\b{_MONTH}\b|onset|noctur|bedtime",
    re.IGNORECASE,
)
_BREAK = re.compile(
    r";|\b(?:but|however|although|though|while|whereas|denies|denied|reports|reported|has|had|is|was)\b|[.!?]\s",
    re.IGNORECASE,
)
_LISTED = re.compile(
    r"(?:[\s,/&+-]|\band\b|\bor\b|\b(?:the|a|an|his|her|some|more|mild|moderate|severe|marked|new|poor)\b)*",
    re.IGNORECASE,
)
_NEAR = 60  # characters before a concept that may hold its severity


@dataclass(frozen=True, slots=True)
class Qualifiers:
    """Severity (value and words) and time expressions of one mention."""

    severity: str = ""
    severity_text: str = ""
    times: tuple[Timex, ...] = ()


_NONE = Qualifiers()


def read_qualifiers(sentence: str, spans: Sequence[tuple[int, int]]) -> list[Qualifiers]:
    """Severity and times of each span (characters, in order, not overlapping) of one sentence.

    A severity word belongs to the concept right after it ("severe apathy"), or right before it ("apathy is severe",
    "apathy: severe", "apathy (severe)"). A time expression belongs to the concept it stands right before ("nightly
    wandering"), else to those listed right before it, else to all after it.

    >>> read_qualifiers("Mild to moderate apathy, worse at night.", [(17, 23)])[0].severity
    'mild-moderate'
    """
    severe = _severity()
    found: list[tuple[str, str]] = [("", "")] * len(spans)
    if severe.any.search(sentence):
        for at, (start, end) in enumerate(spans):
            previous = spans[at - 1][1] if at else 0
            following = spans[at + 1][0] if at + 1 < len(spans) else len(sentence)
            found[at] = severe.beside(
                sentence[max(previous, start - _NEAR) : start], sentence[end : min(following, end + _NEAR)]
            )
    times = _times(sentence, spans) if _MAYBE_TIME.search(sentence) else {}
    if not times and not any(value for value, _ in found):
        return [_NONE] * len(spans)
    return [Qualifiers(value, text, tuple(times.get(at, ()))) for at, (value, text) in enumerate(found)]


def read_times(text: str) -> Iterator[tuple[int, int, Timex]]:
    """The time expressions of `text` with their characters, in order.

    >>> [(one.kind.value, one.text, one.value) for _, _, one in read_times("Since 2019 he wakes twice a night.")]
    [('since', 'Since 2019', '2019'), ('frequency', 'twice a night', 'P1D')]
    """
    for match in _TIME.finditer(text):
        kind = TimeKind(match.lastgroup or "")
        words = match[0].strip()
        start = match.start() + len(match[0]) - len(match[0].lstrip())
        yield start, start + len(words), Timex(kind, words, _value(kind, words.lower()))


def _times(sentence: str, spans: Sequence[tuple[int, int]]) -> dict[int, list[Timex]]:
    found: dict[int, list[Timex]] = {}
    for start, end, time in read_times(sentence):
        if any(a < end and start < b for a, b in spans):
            continue
        for at in _owners(sentence, spans, start, end, time.kind):
            found.setdefault(at, []).append(time)
    return found


def _owners(sentence: str, spans: Sequence[tuple[int, int]], start: int, end: int, kind: TimeKind) -> list[int]:
    before = [
        at
        for at, (_, last) in enumerate(spans)
        if last <= start and not _BREAK.search(sentence[last:start].removeprefix(" is"))
    ]
    after = [at for at, (first, _) in enumerate(spans) if first >= end]
    if after and kind in {TimeKind.FREQUENCY, TimeKind.DAYTIME} and " " not in sentence[start : spans[after[0]][0] - 1]:
        return after[:1]  # "nightly wandering"
    if not before:
        return [
            at for at in after if not re.search(r";|\b(?:but|however|although|whereas)\b", sentence[end : spans[at][0]])
        ]
    owners = [before[-1]]
    for at in reversed(before[:-1]):
        if not _LISTED.fullmatch(sentence[spans[at][1] : spans[at + 1][0]]):
            break
        owners.append(at)
    return owners


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


@dataclass(frozen=True, slots=True)
class _Severity:
    values: dict[str, str]
    any: re.Pattern[str]
    before: re.Pattern[str]
    after: re.Pattern[str]

    def beside(self, before: str, after: str) -> tuple[str, str]:
        match = self.before.search(before) or self.after.match(after)
        if match is None:
            return "", ""
        low, high = self.values[match["low"].lower()], self.values[(match["high"] or match["low"]).lower()]
        text = match["text"]
        return (low if low == high else f"{low}-{high}"), text


@lru_cache(maxsize=1)
def _severity() -> _Severity:
    raw = tomllib.loads(resources.files("ontology").joinpath("qualifiers.toml").read_text("utf-8"))
    values = {word: value for value, words in raw["severity"].items() for word in words.split()}
    words = "|".join(sorted(values, key=len, reverse=True))
    between = "|".join(word.strip() for word in raw["between"]["words"].split(",") if word.strip() not in {"and", "or"})
    said = rf"(?P<text>\b(?P<low>{words})(?:\s?(?:-|to|/|or)\s?(?P<high>{words}))?)\b"
    return _Severity(
        values,
        re.compile(rf"\b(?:{words})\b", re.IGNORECASE),
        re.compile(rf"{said}(?:,?\s(?:{between}|\w+ly)){{0,2}}\s*\Z", re.IGNORECASE),
        re.compile(
            r"\s*(?:\(|:|-|,|(?:is|was|are|were|remains|has been|have been|has become|became|rated|graded|scored|described)"
            rf"(?:\s(?:as|rated|now|only|quite|very|fairly|rather|still|more))*)\s*{said}(?!\s+[a-z]+(?:ia|ion|ness|ing|ment|pain)\b)",
            re.IGNORECASE,
        ),
    )
