"""`Mention`: a concept said in a text, with its assertion and informant; and the `Linker` port."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from ontology.concept import Cui

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Assertion", "Informant", "Linker", "Mention", "TimeKind", "Timex"]


class Assertion(StrEnum):
    """What a text says of a concept (i2b2 2010, with ConText's historical and family)."""

    PRESENT = "present"
    ABSENT = "absent"
    POSSIBLE = "possible"
    HYPOTHETICAL = "hypothetical"
    HISTORICAL = "historical"
    FAMILY = "family"


class Informant(StrEnum):
    """Who reports (the word of the NPI and NACC forms). What nobody is named for, the clinician says."""

    CLINICIAN = "clinician"
    PATIENT = "patient"
    SPOUSE = "spouse"
    HUSBAND = "husband"
    WIFE = "wife"
    DAUGHTER = "daughter"
    SON = "son"
    CHILD = "child"
    SISTER = "sister"
    BROTHER = "brother"
    SIBLING = "sibling"
    GRANDCHILD = "grandchild"
    FRIEND = "friend"
    CAREGIVER = "caregiver"
    FAMILY = "family"

    @property
    def kind(self) -> str:
        """`clinician`, `patient` or `other`: the three that decide a label."""
        return self.value if self in {Informant.CLINICIAN, Informant.PATIENT} else "other"

    def covers(self, said: Informant) -> bool:
        """Whether `said` is this informant or a more exact word for it (`spouse` covers `wife`, `family` any relative).

        >>> Informant.SPOUSE.covers(Informant.WIFE), Informant.WIFE.covers(Informant.SPOUSE)
        (True, False)
        """
        return said == self or said in _COVERS.get(self, ())


_I = Informant
_CHILDREN = (_I.DAUGHTER, _I.SON)
_SPOUSES = (_I.HUSBAND, _I.WIFE)
_SIBLINGS = (_I.SISTER, _I.BROTHER)
_COVERS: dict[Informant, tuple[Informant, ...]] = {
    _I.SPOUSE: _SPOUSES,
    _I.CHILD: _CHILDREN,
    _I.SIBLING: _SIBLINGS,
    _I.FAMILY: (_I.SPOUSE, *_SPOUSES, _I.CHILD, *_CHILDREN, _I.SIBLING, *_SIBLINGS, _I.GRANDCHILD),
    _I.CAREGIVER: (_I.SPOUSE, *_SPOUSES, _I.CHILD, *_CHILDREN),
}


class TimeKind(StrEnum):
    """What a time expression says: when (`date`), from when on (`since`), how long (`duration`), how often (`frequency`),
    at which part of the day (`daytime`).
    """

    DATE = "date"
    SINCE = "since"
    DURATION = "duration"
    FREQUENCY = "frequency"
    DAYTIME = "daytime"


@dataclass(frozen=True, slots=True)
class Timex:
    """A time expression near a concept: its kind, its words, and their value as TIMEX3 writes it (ISO 8601: `P2Y`, `2019-03`,
    `XXXX-SP`, `TNI`; "" where the words have no plain value).
    """

    kind: TimeKind
    text: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Mention:
    """A linked span of text. `start` and `end` are characters, end exclusive; `candidates` are (CUI, score in [0, 1]),
    best first and ties by CUI; `candidates` is never empty.

    `severity` is mild, moderate, severe or a range of them (mild-moderate), `severity_text` the words that say it; `section` is
    the kind of section that the text's headings put the mention in (`family_history`; "" without headings).
    """

    start: int
    end: int
    text: str
    candidates: tuple[tuple[Cui, float], ...]
    assertion: Assertion = Assertion.PRESENT
    informant: Informant = Informant.CLINICIAN
    severity: str = ""
    severity_text: str = ""
    times: tuple[Timex, ...] = ()
    section: str = ""

    @property
    def cui(self) -> Cui:
        """The best candidate."""
        return self.candidates[0][0]


class Linker(Protocol):
    """Finds concepts in texts."""

    def link(self, texts: Iterable[str]) -> Iterator[tuple[Mention, ...]]:
        """The mentions of each text in order of `start`; as many results as texts, in the same order, lazily."""
        ...
