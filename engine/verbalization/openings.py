"""The first words of a sentence, for models too small to follow instructions: they fix who reports and the assertion.

Keys: (assertion, kind of informant, group of entity types). Slots: {He} {he} the patient, {His} {his}, {who} the
informant, {man}, {age}. What follows an opening is a noun phrase, which the model writes, and how it goes on.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.plan import Plan
    from engine.verbalization.port import Request

__all__ = ["OLDEST", "group_of", "opening", "pronouns"]

OLDEST = 89
"""Ages above it identify people (HIPAA safe harbour) and are never written."""


def opening(request: Request) -> str:
    """The first words of the answer in the brief form, settled by the seed.

    "" where none fits. A repair begins with other words than the try before it.
    """
    plan = request.plan
    if not plan.phrase and plan.of is None:
        return ""
    he, his, man = pronouns(plan)
    key = (plan.assertion.value, plan.informant.kind)
    choices = _OPENINGS.get((*key, group_of(plan.entity))) or _OPENINGS.get((*key, "sign"), ())
    if not plan.phrase:
        choices = _NEGATIVES
    fill = {
        "He": he.capitalize(),
        "he": he,
        "His": his.capitalize(),
        "his": his,
        "who": plan.informant.value,
        "man": man,
    }
    if plan.age is not None and plan.age < OLDEST + 1:
        fill["age"] = str(int(plan.age))
    ready = [text.format(**fill) for text in choices if "age" in fill or "{age}" not in text]
    fresh = [text for text in ready if not request.previous.startswith(text)] or ready
    return random.Random(request.seed).choice(fresh) if fresh else ""  # noqa: S311 -- words, not secrets


def pronouns(plan: Plan) -> tuple[str, str, str]:
    """Subject, possessive and noun for the patient."""
    sex = plan.persona.traits.get("sex", "")
    return {"male": ("he", "his", "man"), "female": ("she", "her", "woman")}.get(
        sex, ("the patient", "the patient's", "person")
    )


def group_of(entity: str) -> str:
    """The group of entity types whose sentences begin alike."""
    return _GROUPS.get(entity, "sign")


_GROUPS = {
    "function": "function",
    "test": "test",
    "treatment": "treatment",
    "coping": "coping",
    "diagnosis": "diagnosis",
}
_NEGATIVES = (  # the label `none` plans no concept: these keep a small model to everyday medicine
    "Blood pressure was within",
    "Heart sounds are normal",
    "Lungs are clear",
    "The abdomen is soft",
    "Skin is warm and",
    "{He} received",
    "{He} wears glasses",
    "{His} influenza vaccine",
    "Follow-up is scheduled",
    "{He} lives",
    "{He} worked as",
    "{He} does not smoke",
    "{He} drinks",
    "Vital signs",
    "Pulse is regular",
    "Prescriptions were",
    "Medications were reviewed",
    "The visit took place in",
    "{He} arrived",
    "Allergies include",
)
_OPENINGS: dict[tuple[str, str, str], tuple[str, ...]] = {
    ("present", "clinician", "sign"): (
        "{He} now has",
        "On examination {he} shows",
        "Exam is notable for",
        "At this visit {he} has",
        "{He} presents with",
        "Clinical course is marked by",
        "Assessment today confirms",
        "{He} continues to have",
        "This {age}-year-old {man} has",
        "This {age}-year-old {man} presents with",
    ),
    ("present", "patient", "sign"): (
        "{He} reports",
        "Patient reports",
        "{He} complains of",
        "{He} describes",
        "Patient describes",
        "Patient endorses",
        "{He} endorses",
        "{He} admits to",
    ),
    ("present", "other", "sign"): (
        "{His} {who} reports",
        "{His} {who} has noticed",
        "{His} {who} describes",
        "{His} {who} is concerned about",
        "{His} {who} has observed",
        "{His} {who} notes",
    ),
    ("absent", "clinician", "sign"): (
        "There is no",
        "No evidence of",
        "Exam shows no",
        "On examination there is no",
        "At this visit there is no",
        "On interview there is no",
        "Assessment reveals no",
    ),
    ("absent", "patient", "sign"): (
        "{He} denies",
        "Patient denies",
        "{He} denies any",
        "Patient denies any",
        "{He} reports no",
    ),
    ("absent", "other", "sign"): (
        "{His} {who} denies",
        "{His} {who} denies any",
        "{His} {who} reports no",
        "{His} {who} has not noticed any",
        "{His} {who} has seen no",
    ),
    ("possible", "clinician", "sign"): (
        "Findings suggest possible",
        "There may be",
        "{He} may have",
        "There is a question of",
    ),
    ("possible", "patient", "sign"): (
        "{He} thinks {he} may have",
        "{He} wonders about possible",
        "Patient suspects possible",
    ),
    ("possible", "other", "sign"): (
        "{His} {who} suspects possible",
        "{His} {who} thinks there may be",
        "{His} {who} wonders about possible",
    ),
    ("historical", "clinician", "sign"): (
        "{He} has a past history of",
        "{He} has a history of",
        "Past history is notable for",
    ),
    ("historical", "patient", "sign"): ("{He} reports a past history of", "Patient reports a history of"),
    ("historical", "other", "sign"): ("{His} {who} reports a past history of", "{His} {who} gives a history of"),
    ("family", "clinician", "sign"): (
        "Family history is notable for",
        "Family history is positive for",
        "There is a family history of",
    ),
    ("family", "patient", "sign"): ("{He} reports a family history of", "Patient reports a family history of"),
    ("family", "other", "sign"): (
        "{His} {who} reports a family history of",
        "{His} {who} describes a family history of",
    ),
    ("hypothetical", "clinician", "sign"): (
        "Call the clinic if there is",
        "Return to clinic in case of",
        "{He} should return if there is",
    ),
    ("hypothetical", "patient", "sign"): ("{He} was told to return if there is", "Patient was told to call in case of"),
    ("hypothetical", "other", "sign"): (
        "{His} {who} was asked to call if there is",
        "{His} {who} was told to return in case of",
    ),
    ("present", "clinician", "function"): (
        "{He} now has",
        "Functional review shows",
        "At this visit there is",
        "Assessment today confirms",
        "Functional status is notable for",
        "{He} now presents with",
        "This {age}-year-old {man} has",
    ),
    ("present", "patient", "function"): ("{He} reports", "Patient reports", "{He} describes", "{He} acknowledges"),
    ("present", "clinician", "diagnosis"): (
        "{He} has a diagnosis of",
        "{He} was diagnosed with",
        "{He} is followed for",
        "{He} carries a diagnosis of",
        "This {age}-year-old {man} has",
    ),
    ("present", "patient", "diagnosis"): ("{He} reports a diagnosis of", "Patient reports being diagnosed with"),
    ("present", "other", "diagnosis"): (
        "{His} {who} reports a diagnosis of",
        "{His} {who} reports that {he} was diagnosed with",
    ),
    ("present", "clinician", "test"): (
        "{He} underwent",
        "Workup included",
        "{He} completed",
        "Evaluation included",
        "The visit included",
        "Today {he} completed",
    ),
    ("present", "patient", "test"): (
        "{He} reports having had",
        "{He} reports undergoing",
        "Patient recalls undergoing",
        "{He} says {he} had",
    ),
    ("present", "other", "test"): (
        "{His} {who} reports that {he} underwent",
        "{His} {who} reports that {he} has had",
        "{His} {who} was present for",
    ),
    ("absent", "clinician", "test"): (
        "{He} has not had",
        "{He} has not undergone",
        "Workup to date has not included",
        "There has been no",
    ),
    ("absent", "patient", "test"): ("{He} denies having had", "{He} denies undergoing", "Patient denies any prior"),
    ("absent", "other", "test"): ("{His} {who} denies any prior", "{His} {who} reports that {he} has not had"),
    ("historical", "clinician", "test"): (
        "{He} previously underwent",
        "{He} has previously had",
        "{He} previously completed",
    ),
    ("historical", "patient", "test"): ("{He} reports previously undergoing", "Patient reports previously having had"),
    ("historical", "other", "test"): (
        "{His} {who} reports that {he} previously underwent",
        "{His} {who} reports that {he} previously had",
    ),
    ("historical", "clinician", "treatment"): (
        "{He} was previously treated with",
        "{He} previously received",
        "{He} has previously tried",
    ),
    ("historical", "patient", "treatment"): ("{He} reports previously receiving", "Patient reports previously trying"),
    ("historical", "other", "treatment"): (
        "{His} {who} reports that {he} previously received",
        "{His} {who} reports that {he} previously tried",
    ),
    ("historical", "clinician", "coping"): (
        "{He} previously relied on",
        "{He} has previously tried",
        "{He} previously used",
    ),
    ("historical", "patient", "coping"): ("{He} reports previously relying on", "Patient reports previously using"),
    ("historical", "other", "coping"): (
        "{His} {who} reports that {he} previously relied on",
        "{His} {who} reports that {he} previously used",
    ),
    ("present", "clinician", "treatment"): (
        "{He} continues",
        "{He} receives",
        "Treatment includes",
        "Current treatment includes",
        "The plan is to continue",
        "{He} is currently receiving",
    ),
    ("present", "patient", "treatment"): (
        "{He} reports starting",
        "Patient reports continuing",
        "{He} reports benefit from",
        "{He} says {he} receives",
    ),
    ("present", "other", "treatment"): (
        "{His} {who} reports that {he} started",
        "{His} {who} reports that {he} receives",
        "{His} {who} says {he} continues",
    ),
    ("absent", "clinician", "treatment"): (
        "{He} has not started",
        "{He} is not receiving",
        "{He} does not receive",
        "{He} is not on",
    ),
    ("absent", "patient", "treatment"): ("{He} denies receiving", "{He} denies any use of", "Patient denies current"),
    ("absent", "other", "treatment"): (
        "{His} {who} denies any use of",
        "{His} {who} reports that {he} is not receiving",
    ),
    ("present", "clinician", "coping"): (
        "Coping strategies include",
        "{He} relies on",
        "{He} benefits from",
        "Current supports include",
        "{He} copes with the help of",
        "We discussed",
    ),
    ("present", "patient", "coping"): (
        "{He} reports relying on",
        "{He} reports benefit from",
        "Patient describes benefit from",
        "{He} credits",
    ),
    ("present", "other", "coping"): (
        "{His} {who} reports that {he} relies on",
        "{His} {who} reports benefit from",
        "{His} {who} credits",
    ),
    ("absent", "clinician", "coping"): ("{He} does not use", "{He} has not tried", "There is no", "{He} does not have"),
    ("absent", "patient", "coping"): ("{He} denies use of", "{He} denies having", "Patient denies any use of"),
    ("absent", "other", "coping"): ("{His} {who} denies any use of", "{His} {who} reports that {he} does not use"),
}
