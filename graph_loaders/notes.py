"""`note_events`: what notes say of their person, as events: for every source that has notes (`load notes`, OMOP, FHIR).

A present concept begins where its date words say ("for two years"), else at the note; one of the past ("had a stroke in 2015")
counts where it has a date. What is absent is evidence at the note. Possible, hypothetical and family mentions, and those of the past
without a date, come as events too, so that they are counted; `onset.trajectories` leaves them out.
"""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from graph_loaders.ages import EPOCH, OLDEST, age_between, day_of
from graph_loaders.date_words import said_day
from graph_loaders.event import ClinicalEvent
from ontology.concept import Coding
from ontology.mention import Assertion, TimeKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from graph_loaders.tally import Tally
    from ontology.mention import Linker, Mention

__all__ = ["WITHOUT", "Note", "note_events"]

WITHOUT = "note without a concept"

_DATED = frozenset({Assertion.PRESENT, Assertion.HISTORICAL, Assertion.ABSENT})


@dataclass(frozen=True, slots=True)
class Note:
    """A text about a person; `birth` and `day` in days since 1970-01-01. It lives only while it is read.

    `about`: what else the source says of the person; it is handed back with the note.
    """

    person: str
    birth: int
    day: int
    text: str
    where: str = ""
    about: Mapping[str, str] = field(default_factory=dict)

    @property
    def age(self) -> float:
        """The person's age at the note, in years."""
        return age_between(self.birth, self.day)


def note_events(notes: Iterable[Note], linker: Linker, tally: Tally) -> Iterator[tuple[Note, list[ClinicalEvent]]]:
    """The notes that can be used, each with its events, in order and lazily: `linker` is called once, for the whole stream.

    A note dated before birth, in the future (`tally.today`), at an age above 130 or without a word is skipped and counted; one
    that says no concept is counted, and comes without events. Each mention is one event, coded `UMLS:CUI`.

    >>> from graph_loaders.ages import birth_day
    >>> from graph_loaders.tally import Tally
    >>> from ontology.concept import Concept, Cui
    >>> from ontology.linker import CatalogLinker
    >>> linker = CatalogLinker({Cui("C0085632"): Concept(Cui("C0085632"), "apathy")}, fuzzy=False)
    >>> note = Note("p", birth_day(1940), day_of(dt.date(2020, 7, 2)), "Apathy for two years. No wandering.")
    >>> [(e.coding.code, e.age, e.assertion.value) for _, found in note_events([note], linker, Tally()) for e in found]
    [('C0085632', 77.999, 'present')]
    """
    waiting: deque[Note] = deque()
    future = day_of(tally.today) if tally.today else None

    def texts() -> Iterator[str]:
        for note in notes:
            if why := _unusable(note, future):
                tally.skip(why)
                tally.notes[why] += 1
            else:
                waiting.append(note)
                yield note.text

    for mentions in linker.link(texts()):
        note = waiting.popleft()
        if mentions:
            tally.notes["with concepts"] += 1
        else:
            tally.skip(WITHOUT)
            tally.notes[WITHOUT] += 1
        yield note, [_event(note, mention) for mention in mentions]


def _unusable(note: Note, future: int | None) -> str:
    why = ""
    if not note.text.strip():
        why = "note without text"
    elif note.day < note.birth:
        why = "dated before birth"
    elif future is not None and note.day > future:
        why = "dated in the future"
    elif note.age > OLDEST:
        why = "age above 130 years"
    return why


def _event(note: Note, mention: Mention) -> ClinicalEvent:
    said, age = mention.assertion, note.age
    if mention.times and said in _DATED:
        birth, day = (EPOCH + dt.timedelta(days=number) for number in (note.birth, note.day))
        found = said_day(mention.times, day, birth)
        if found and (
            said != Assertion.ABSENT or found[1] == TimeKind.DATE
        ):  # "no falls for two years" is said of today
            age = age_between(note.birth, day_of(found[0]))
            said = Assertion.PRESENT if said == Assertion.HISTORICAL else said
    return ClinicalEvent(note.person, age, None, Coding("UMLS", mention.cui), said, mention.informant, note.where)
