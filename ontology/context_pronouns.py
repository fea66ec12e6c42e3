"""`Pronouns` and `Speakers`: who "she says" is, and whose word a sentence without a subject is, from the persons named before.

"He came with his wife. She reports wandering." is the wife's word: the patient is a man, and she is the woman named last.
The words that tell (persons by sex, what shows the patient's, what an interview looks like) are data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ontology.mention import Informant

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Pronouns", "Speakers"]

_LAST = re.compile(r"[.!?\n]\s*(?=\S)")
_SEXES = {"he": "male", "him": "male", "himself": "male", "she": "female", "herself": "female"}
_OTHER = {"male": "female", "female": "male"}
_PRONOUN = {"male": re.compile(r"\b(?:he|him|his|himself)\b"), "female": re.compile(r"\b(?:she|her|hers|herself)\b")}
_POSSESSIVE = {"his": "male", "her": "female"}


@dataclass(frozen=True, slots=True)
class Pronouns:
    """Persons by their words: informant and sex ("" where the word has none); `many` are those that "they" may be."""

    persons: re.Pattern[str]
    """A word for a person, in group `word`, with "his" or "her" before it in group `whose`."""
    informants: Mapping[str, Informant]
    sexes: Mapping[str, str]
    many: frozenset[str]
    patient: re.Pattern[str]
    """What shows the patient's sex, as group `male` or `female`."""
    interview: re.Pattern[str]

    @classmethod
    def of(cls, raw: Mapping[str, Sequence[str]], persons: Mapping[str, Mapping[str, Sequence[str]]]) -> Pronouns:
        """From the tables `pronouns` and `persons` of `context_rules.toml`."""
        people = {
            name: Informant(informant)
            for kind, named in persons.items()
            if kind not in {"patient", "clinician"}
            for informant, names in named.items()
            for name in names
        }
        words = "|".join(re.escape(name) for name in sorted(people, key=len, reverse=True))
        return cls(
            persons=re.compile(rf"(?:\b(?P<whose>his|her)\s+(?:[a-z-]+\s+)?)?\b(?P<word>{words})\b"),
            informants=people,
            sexes={name: sex for sex in _OTHER for name in raw[sex]},
            many=frozenset(raw["many"]),
            patient=re.compile("|".join(f"(?P<{sex}>{'|'.join(raw[f'{sex}_patient'])})" for sex in _OTHER)),
            interview=re.compile("|".join(raw["interview"])),
        )

    def sex(self, head: str, near: str) -> str:
        """The patient's sex: what introduces him or her, whose wife or husband is named, who is meant by "he" beside a woman."""
        for text in (head, near):
            match = self.patient.search(text)
            if match:
                return match.lastgroup or ""
        women = men = False
        for match in self.persons.finditer(near):
            sex = self.sexes.get(match["word"], "")
            if match["whose"] and not women and not men:
                return _POSSESSIVE[match["whose"]]
            women |= sex == "female"
            men |= sex == "male"
        if women != men:
            other = "male" if women else "female"
            if _PRONOUN[other].search(near):
                return other
        return ""


class Speakers:
    """Whose word the pronouns of one sentence introduce.

    `head` is the beginning of the text, `before` what stands before the sentence, all in lower case; `section` is the informant that
    a heading names. What shows the patient's sex is looked for once.
    """

    def __init__(self, rules: Pronouns, head: str, before: str, sentence: str, section: Informant | None) -> None:
        self._rules, self._head, self._before, self._sentence, self._section = rules, head, before, sentence, section

    @cached_property
    def _patient(self) -> str:
        return self._rules.sex(self._head, self._before + self._sentence)

    def speaker(self, pronoun: str, at: int) -> Informant:
        """Whose word `pronoun` ("" where there is no subject) at character `at` introduces; without a better reason, the patient's."""
        rules, section, before = self._rules, self._section, self._before
        sex = _SEXES.get(pronoun, "")
        told = rules.sexes.get(section.value, "") if section else ""
        if section and (not sex or not told or told == sex):
            return section
        if not pronoun:
            return self._interviewed()
        near = before + self._sentence[:at]
        named = [match["word"] for match in rules.persons.finditer(near)]
        if not sex:
            return self._together(named)
        patient = self._patient
        if not patient and _PRONOUN[_OTHER[sex]].search(self._sentence, at) and sex in map(rules.sexes.get, named):
            patient = _OTHER[sex]  # "He says that she ...", after "Call from son."
        if patient == sex:
            return Informant.PATIENT
        if not patient:  # the one who spoke last, or was spoken with
            begin = max((match.end() for match in _LAST.finditer(before.rstrip(" .!?\n"))), default=0)
            asked = list(rules.interview.finditer(before))
            begin = min([begin, *(match.start() for match in asked[-1:])])
            named = [match["word"] for match in rules.persons.finditer(near, begin)]
        fitting = [one for one in named if rules.sexes.get(one) == sex]
        if not fitting and patient:
            fitting = [one for one in named if one not in rules.sexes and one not in rules.many]
        return rules.informants[fitting[-1]] if fitting else Informant.PATIENT

    def _together(self, named: Sequence[str]) -> Informant:
        """Who "they" are: those last named by a word for several, or the family where two relatives are named."""
        informants = self._rules.informants
        many = next((informants[one] for one in reversed(named) if one in self._rules.many), None)
        if many is None and len({informants[one] for one in named}) > 1:
            return Informant.FAMILY
        return many or Informant.PATIENT

    def _interviewed(self) -> Informant:
        """Who is named in the sentence before, where it is about an interview ("Spoke with his wife. Reports apathy.")."""
        stripped = self._before.rstrip(" .!?\n:")
        begin = max((match.end() for match in _LAST.finditer(stripped)), default=0)
        if self._rules.interview.search(stripped, begin):
            named = [match["word"] for match in self._rules.persons.finditer(stripped, begin)]
            if named:
                return self._rules.informants[named[-1]]
        return Informant.PATIENT
