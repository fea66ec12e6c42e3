"""`Section`: the part of a note under one heading, and what its kind says of the mentions in it.

medspaCy's sectionizer asks for the whole note as a spaCy `Doc`, which costs more than all else that is done with a sentence;
headings are few and stand at the beginning of a line or sentence, so one regular expression made of `sections.toml` finds them.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

from ontology.mention import Assertion, Informant

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Section", "read_sections"]


@dataclass(frozen=True, slots=True)
class _Effect:
    kind: str
    assertion: Assertion | None
    all: bool
    informant: Informant | None


@dataclass(frozen=True, slots=True)
class Section:
    """Characters `start` to `end` (exclusive) of a text, after a heading of `kind` ("" before the first heading)."""

    start: int
    end: int
    kind: str
    assertion: Assertion | None = None
    all: bool = False
    informant: Informant | None = None

    def applied(self, assertion: Assertion, informant: Informant) -> tuple[Assertion, Informant]:
        """Assertion and informant of a mention in this section, from those that its sentence gives.

        >>> Section(0, 9, "family_history", Assertion.FAMILY).applied(Assertion.PRESENT, Informant.CLINICIAN)[0].value
        'family'
        """
        if self.assertion and (self.all or assertion == Assertion.PRESENT):
            assertion = self.assertion
        if self.informant and informant == Informant.CLINICIAN:
            informant = self.informant
        return assertion, informant


def read_sections(text: str) -> Iterator[Section]:
    """The sections of `text`, together covering it but for the space before the first; linear in its length.

    A heading is one of `sections.toml` at the beginning of a line or sentence with a colon after it, or alone on its line;
    "Source: wife." begins what she tells.
    The heading is part of a section without a kind, so that it reads like a sentence of its own.

    >>> [(s.kind, s.start) for s in read_sections("Doing well. Family history: stroke.")]
    [('', 0), ('', 12), ('family_history', 27)]
    """
    headings, effects = _read()
    start, current, line = 0, None, False
    if ":" in text or "\n" in text:
        for match in headings.finditer(text):
            named = match["colon"] or match["alone"] or "collateral"
            person = match["person"] or match["source"] or match["form"] or match["whose"]
            yield from _sections(text, start, match.start(), current, line=line)
            current = effects[" ".join(named.lower().split())]
            line = bool(match["form"] or match["whose"]) and match[0].endswith(":")
            if person:
                current = _told(current, person)
            yield Section(match.start(), match.end(), "")
            start = match.end()
    yield from _sections(text, start, len(text), current, line=line)


def _sections(text: str, start: int, end: int, effect: _Effect | None, *, line: bool) -> Iterator[Section]:
    """What a heading opens; a form that a person filled in ends with its line."""
    stop = text.find("\n", start, end) if line else -1
    if stop >= 0:
        yield _section(start, stop, effect)
        start, effect = stop, None
    yield _section(start, end, effect)


def _section(start: int, end: int, effect: _Effect | None) -> Section:
    if effect is None:
        return Section(start, end, "")
    return Section(start, end, effect.kind, effect.assertion, effect.all, effect.informant)


def _told(effect: _Effect, person: str) -> _Effect:
    """Collateral history from a person: that person's word."""
    return _Effect(effect.kind, effect.assertion, effect.all, Informant(person.lower()))


@lru_cache(maxsize=1)
def _read() -> tuple[re.Pattern[str], dict[str, _Effect]]:
    raw = tomllib.loads(resources.files("ontology").joinpath("sections.toml").read_text("utf-8"))
    effects: dict[str, _Effect] = {}
    for one in raw["section"]:
        effect = _Effect(
            one["kind"],
            Assertion(one["assertion"]) if "assertion" in one else None,
            one.get("all", False),
            Informant(one["informant"]) if "informant" in one else None,
        )
        effects |= dict.fromkeys(one["headings"].split("|"), effect)
    any_of = "|".join(re.escape(name).replace(r"\ ", r"[ \t]+") for name in sorted(effects, key=len, reverse=True))
    people = "|".join(one.value for one in Informant if one not in {Informant.CLINICIAN, Informant.PATIENT})
    begins = r"(?:^|(?<=\n)|(?<=[.;!?] )|(?<=[.;!?]  ))[ \t#*•]{0,8}(?:\d{1,2}[.)][ \t]{0,4})?"
    told = rf"(?:[ \t]{{0,4}}(?:\(|from[ \t]|by[ \t]|per[ \t]|with[ \t])(?:(?:his|her|the|patient's)[ \t])?(?P<person>{people})\)?)?"
    given = "|".join(one.replace(" ", r"[ \t]+") for one in raw["source"]["headings"].split("|"))
    source = rf"(?:{given})[ \t]*:?[ \t]*(?:(?:his|her|the|patient's)[ \t]+)?(?P<source>{people})[ \t]*(?=[.;\n])"
    by = rf"(?:(?:{raw['source']['filled']})[ \t]+by|informant:?)[ \t]+(?:(?:his|her|the|patient's)[ \t]+)?(?P<form>{people})\)?"
    whose = rf"(?:(?:his|her|the)[ \t]+)?(?P<whose>{people})(?:'s)?[ \t]+(?:{raw['source']['forms']})"
    form = rf"(?:(?:[\w/-]+[ \t]+){{0,4}}\(?{by}[ \t]*(?::|(?=\n))|{whose}[ \t]*:)"
    colon = rf"(?P<colon>{any_of})\**{told}[ \t]{{0,4}}\**:\**(?=[\s\w?*-]|$)"
    pattern = rf"{begins}(?:{source}|{form}|{colon}|(?P<alone>{any_of})\**[ \t]*(?=\n))"
    return re.compile(pattern, re.IGNORECASE), effects
