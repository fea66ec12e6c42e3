"""What the cues that reach a concept say together: `assertion_of` and `speaker_of`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ontology.mention import Assertion, Informant

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PEOPLE", "Pronoun", "assertion_of", "is_the_patient", "speaker_of"]

_PRIORITY = (
    Assertion.FAMILY,
    Assertion.HYPOTHETICAL,
    Assertion.POSSIBLE,
    Assertion.ABSENT,
    Assertion.HISTORICAL,
)  # the order of i2b2 2010: whose it is, then whether it is real, then whether it is there
PEOPLE = frozenset(
    f"<{kind}{s}>"
    for kind in ("mate", "offspring", "grandchild", "sibling", "elder", "other", "patient", "clinician")
    for s in ("", "'s")
)
_DESCENDANTS = frozenset(("<offspring>", "<offspring's>", "<grandchild>", "<grandchild's>"))
_ELDERS = frozenset(("<elder>", "<elder's>"))
_FARTHER = ("grand", "great", "aunt", "uncle", "cousin", "niece", "nephew")
_PRONOUNS = frozenset(("he", "she", "they"))


class Pronoun(NamedTuple):
    """A speaker that only "he", "she" or "they" names, and which of them in the sentence it is ("": nothing does)."""

    word: str
    nth: int


def is_the_patient(speaker: str, cue: Sequence[str], names: Sequence[str]) -> bool:
    """Whether the relative that a cue names is the patient: "Son says that his mother wanders", "Mother reports the child ..."."""
    people = {token for token in cue if token in PEOPLE}
    if not people or cue[0] in {"maternal", "paternal"}:
        return False
    if any(name.startswith(_FARTHER) for name in names) and speaker not in {"<grandchild>", "<grandchild's>"}:
        return False  # a son's uncle or grandfather is not his parent
    return (speaker in _DESCENDANTS and people <= _ELDERS) or (speaker in _ELDERS and people <= _DESCENDANTS)


def assertion_of(cues: Sequence[tuple[str, int, int]], *, told: Informant | Pronoun) -> Assertion:
    """What the cues (category and place) say of a concept that `told` reports."""
    said = {category.lower() for category, _, _ in cues}
    if "dated" in said and "onset" not in said:
        said.add(Assertion.HISTORICAL.value)
    if "disputed" in said and not (isinstance(told, Informant) and told.kind == "other"):
        said.add(Assertion.ABSENT.value)  # what another person tells, the patient's denial leaves as it is
    if "settled" in said:
        said -= {Assertion.POSSIBLE.value}
        said.add(Assertion.ABSENT.value)
    if "unnegated" in said:
        said.discard(Assertion.ABSENT.value)
    return next((one for one in _PRIORITY if one.value in said), Assertion.PRESENT)


def speaker_of(
    place: int, cues: Sequence[tuple[str, int, int]], tokens: Sequence[str], names: Sequence[str]
) -> int | Informant | Pronoun:
    """Where the nearest speaker is named. "She says" alone is a pronoun, but after "Daughter reports that" the daughter."""
    if not cues:
        return Informant.CLINICIAN
    named = [cue for cue in cues if cue[0] not in {"PRONOUN", "TURN", "CONFIRMED"}]
    if not named and all(cue[0] == "CONFIRMED" for cue in cues):
        named = list(cues)
    category, start, end = min(
        named or [cue for cue in cues if cue[0] != "CONFIRMED"],
        key=lambda cue: (cue[1] - place if cue[1] > place else place - cue[2], cue[1]),
    )
    people = [at for at in range(start, end) if tokens[at] in PEOPLE]
    if named:
        return people[0] if category in {"PERSON", "CONFIRMED"} and people else Informant.CLINICIAN
    if any(tokens[at] in {"<patient>", "<patient's>"} for at in people):
        return Informant.PATIENT
    subject = (*range(start, end), *range(start - 1, -1, -1))  # "He reports apathy and denies falls"
    at = next((at for at in subject if names[at] in _PRONOUNS), None)
    return Pronoun("", 0) if at is None else Pronoun(names[at], names[:at].count(names[at]))
