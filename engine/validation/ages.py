"""Ages as a note says them: figures, words, decades."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from engine.validation.reading import has_figure, vocabulary

__all__ = ["StatedAge", "stated_ages"]

_TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
_UNITS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9}
_DECADES = {"sexagenarian": 60, "septuagenarian": 70, "octogenarian": 80, "nonagenarian": 90, "centenarian": 100} | {
    f"{word[:-1]}ies": value for word, value in _TENS.items()
}
_WORDS = rf"(?:{'|'.join(_TENS)})(?:[- ](?:{'|'.join(_UNITS)}))?|(?:one|a) hundred(?:[- ]and)?(?:[- ](?:{'|'.join(_UNITS)}))?"
_NUMBER = rf"(?:1[01]\d|[2-9]\d|{_WORDS})"
_CUE = re.compile(
    r"old\b|\by/?\.?o\b|\d\s?y\.?/?o|\bage|aged|arian\b|(?:\d0['’]?s|ies)\b|birthday|turn(?:ed|ing)"
    r"|(?:patient|pt|he|she) (?:is|was) (?:now )?\d|\d\s?[mf]\b|years of",
    re.IGNORECASE,
)
_AGE = re.compile(
    rf"(?P<than>\b(?:over|above|older than|past|at least|more than|under|nearly|almost|about|approximately|around)\s+)?"
    rf"\b(?P<number>{_NUMBER})"
    r"(?:(?P<old>[- ]?(?:years?|yrs?\.?)[- ](?:old|of age)\b|[- ]?y[./]?o\b\.?|[- ]?y\.o\.|[- ]?yo?(?=[mf]\b)"
    r"|\s?(?-i:(?=[MF]\b))| or older)|(?P<birthday>(?:th|st|nd|rd)? birthday))"
    rf"|\b(?:patient|pt|he|she)\.? (?:is|was) (?:now )?(?P<bare>{_NUMBER})(?=[.,;]| and\b| with\b)"
    r"|\b(?P<cue>(?:at|since|before|by|until|from|around)\s+(?:the\s+)?)?(?:age[ds]?|turned|turning)"
    rf"(?:\s+(?:of|about|around|over))?:?\s+(?P<after>{_NUMBER})"
    r"(?P<more>\s+or (?:older|above)|\+)?\b"
    rf"|\b(?P<part>early|mid|middle|late)?[- ]?(?:to )?(?P<decade>(?:[2-9]0['’]?s)\b|{'|'.join(_DECADES)})\b",
    re.IGNORECASE,
)
_OTHER = re.compile(
    r"[\s,]*(?:[a-z-]+\s+){0,2}(?:daughter|son|wife|husband|spouse|partner|brother|sister|sibling|child|grand\w+|great-grand\w+|friend|"
    r"niece|nephew|caregiver|aide|neighbou?r|dog|cat|house|home|car|mother|father|cousin|history|marriage|photo\w*|hip|knee)s?\b",
    re.IGNORECASE,
)
_OTHER_BEFORE = re.compile(
    r"\b(?:mother|father|parents?|brothers?|sisters?|aunt|uncle|grand\w+|husband|wife|son|daughter),?\s+(?:who\s+)?"
    r"(?:lived|died|passed|developed|had|was diagnosed|retired|is|was)\b[^,;]*$",
    re.IGNORECASE,
)
_PARTS = {"early": (0, 4), "mid": (3, 7), "middle": (3, 7), "late": (6, 9)}
_AGE_WORDS = frozenset([*_TENS, *_DECADES, "hundred"])
_LATE_LIFE = 50  # a decade of life before this is the patient's past ("depression in her thirties")
_BOUND = {"over", "above", "older than", "past", "at least", "more than"}


@dataclass(frozen=True, slots=True)
class StatedAge:
    """An age or a range of ages in years; `exact`: one figure; `then`: of an earlier time ("at age 70")."""

    low: int
    high: int
    text: str
    place: tuple[int, int]
    exact: bool
    then: bool = False


def _value(text: str) -> int:
    if text.isdecimal():
        return int(text)
    parts = re.split(r"[- ]", text.lower())
    if "hundred" in parts:
        return 100 + _UNITS.get(parts[-1], 0)
    return _TENS[parts[0]] + (_UNITS[parts[1]] if len(parts) > 1 else 0)


@lru_cache(maxsize=256)
def stated_ages(text: str) -> tuple[StatedAge, ...]:
    """The ages of the patient that a text states; the ages of relatives and things are left out.

    >>> [(age.low, age.high) for age in stated_ages("The 82-year-old lives with her 60-year-old daughter.")]
    [(82, 82)]
    """
    if not (has_figure(text) or not _AGE_WORDS.isdisjoint(vocabulary(text))) or not _CUE.search(text):
        return ()
    found = []
    for match in _AGE.finditer(text):
        if _OTHER.match(text, match.end()) or _OTHER_BEFORE.search(text, 0, match.start()):
            continue
        if decade := match["decade"]:
            start = _DECADES.get(decade.lower()) or int(decade[:2])
            low, high = _PARTS.get((match["part"] or "").lower(), (0, 9))
            if re.search(r"\bthe\s+(?:early |late |mid[- ]?)?$", text[: match.start("decade")], re.IGNORECASE):
                continue  # "music of the 60s" is a time, not an age
            then = start < _LATE_LIFE
            found.append(StatedAge(start + low, start + high, match[0], match.span(), exact=False, then=then))
            continue
        value = _value(match["number"] or match["bare"] or match["after"])
        bound = (
            (match["than"] or "").strip().lower() in _BOUND
            or bool(match["more"])
            or (match["old"] or "") == " or older"
        )
        found.append(
            StatedAge(
                value,
                120 if bound else value,
                match[0],
                match.span(),
                exact=not bound,
                then=bool(match["cue"] or match["birthday"]),
            )
        )
    return tuple(found)
