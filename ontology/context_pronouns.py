"""`Pronouns`: who "she says" is, and whose word a sentence without a subject is, from the persons named before.

"He came with his wife. She reports wandering." is the wife's word: the patient is a man, and she is the woman named last.
The words that tell (persons by sex, what shows the patient's, what an interview looks like) are data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ontology.mention import Informant

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Pronouns"]

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

    def speaker(
        self, pronoun: str, head: str, before: str, sentence: str, at: int, section: Informant | None
    ) -> Informant:
        """Whose word `pronoun` ("" where there is no subject) at character `at` of `sentence` introduces.

        `head` is the beginning of the text, `before` what stands before the sentence, all in lower case; `section` is the informant
        that a heading names. Without a better reason it is the patient.
        """
        sex = _SEXES.get(pronoun, "")
        told = self.sexes.get(section.value, "") if section else ""
        if section and (not sex or not told or told == sex):
            return section
        if not pronoun:
            return self._interviewed(before)
        near = before + sentence[:at]
        named = [match["word"] for match in self.persons.finditer(near)]
        if not sex:
            return self._together(named)
        patient = self._sex(head, before + sentence)
        if not patient and _PRONOUN[_OTHER[sex]].search(sentence, at) and sex in map(self.sexes.get, named):
            patient = _OTHER[sex]  # "He says that she ...", after "Call from son."
        if patient == sex:
            return Informant.PATIENT
        if not patient:  # the one who spoke last, or was spoken with
            begin = max((match.end() for match in _LAST.finditer(before.rstrip(" .!?\n"))), default=0)
            asked = list(self.interview.finditer(before))
            begin = min([begin, *(match.start() for match in asked[-1:])])
            named = [match["word"] for match in self.persons.finditer(near, begin)]
        fitting = [one for one in named if self.sexes.get(one) == sex]
        if not fitting and patient:
            fitting = [one for one in named if one not in self.sexes and one not in self.many]
        return self.informants[fitting[-1]] if fitting else Informant.PATIENT

    def _together(self, named: Sequence[str]) -> Informant:
        """Who "they" are: those last named by a word for several, or the family where two relatives are named."""
        many = next((self.informants[one] for one in reversed(named) if one in self.many), None)
        if many is None and len({self.informants[one] for one in named}) > 1:
            return Informant.FAMILY
        return many or Informant.PATIENT

    def _interviewed(self, before: str) -> Informant:
        """Who is named in the sentence before, where it is about an interview ("Spoke with his wife. Reports apathy.")."""
        stripped = before.rstrip(" .!?\n:")
        begin = max((match.end() for match in _LAST.finditer(stripped)), default=0)
        if self.interview.search(stripped, begin):
            named = [match["word"] for match in self.persons.finditer(stripped, begin)]
            if named:
                return self.informants[named[-1]]
        return Informant.PATIENT

    def _sex(self, head: str, near: str) -> str:
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
