"""`TemplateVerbalizer`: sentences from the pack's frames; no model, no server, and the same bytes for the same seed.

A frame (a row of `frames.csv`) is a sentence with `{slots}` and `[this|or that]` alternatives. It fits a plan of its label,
assertion and kind of informant (`any`: all) and, where it names one, its entity type. Slots:

    {noun} {third} {base} {gerund}   the concept, in that grammatical form (a frame whose form the concept lacks is left out)
    {phrase}     {noun} with the article that a singular countable one takes: an EEG is bare, a sleep study is not
    {subject}    the patient, opening a sentence: Patient, Pt, She, This 82-year-old woman
    {patient}    the patient as speaker: Patient, Pt, She
    {relation}   the informant, opening a sentence: Her daughter, Daughter, Patient's daughter
    {informant}  the informant inside a sentence: her daughter
    {pronoun} {possessive} {object}   she, her, her
    {time}       over the past three months (from the gap; left out with its alternative or frame where there is none)
    {stage}      the stage's word: mild, very severe (likewise)
"""

from __future__ import annotations

import itertools
import math
import random
import re
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from ontology.errors import ConfigError, ModelError
from ontology.issue import Issue, Severity
from ontology.mention import Informant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from engine.plan import Plan
    from engine.verbalization.port import Request
    from ontology.pack import Frame, Pack, PackConcept

__all__ = ["SLOTS", "TemplateVerbalizer", "time_in_words"]

FORMS = frozenset({"noun", "third", "base", "gerund"})
_SAYS = FORMS | {"phrase"}
SLOTS = _SAYS | {"subject", "patient", "relation", "informant", "pronoun", "possessive", "object", "time", "stage"}
"""What a frame may hold between braces."""

_OLDEST = 89  # ages above it identify people (HIPAA safe harbour) and are never written
_TRIES = 24
_MONTH, _YEAR, _LONGEST_YEARS = 30.44, 365.25, 5
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_PRONOUNS = {"male": ("he", "his", "him"), "female": ("she", "her", "her")}
_NEUTRAL = ("the patient", "the patient's", "the patient")
_MAN = {"male": "man", "female": "woman"}
_SPEAKERS: Mapping[Informant, tuple[str, ...]] = {
    Informant.CAREGIVER: ("caregiver", "caregiver", "aide", "care partner"),
    Informant.FAMILY: ("family", "family member"),
    Informant.SPOUSE: ("spouse", "partner"),
}

Draw = random.Random
Part = str | tuple[str]  # a literal, or the name of a slot in a tuple


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A frame with one choice of its alternatives: literals and slots in turn."""

    parts: tuple[Part, ...]
    forms: frozenset[str]
    slots: frozenset[str]

    @property
    def repeats(self) -> bool:
        """Whether the patient is said twice: without a known sex both would read "the patient"."""
        return not self.slots.isdisjoint({"patient", "subject"}) and not self.slots.isdisjoint({"pronoun", "object"})


class TemplateVerbalizer:
    """Writes any plan of the pack in about 20 microseconds. Settled by `Request.seed`; a repair gives another sentence.

    A plan without a concept (the unguided baseline) gets a concept of its label, a sentence about which is written; a
    label without concepts of its own takes any that its frames fit.
    """

    name = "template"

    def __init__(self, pack: Pack) -> None:
        """Compiles the pack's frames; ConfigError holds every frame with an unknown slot or without a way to be filled."""
        self._concepts = {concept.cui: concept for concept in pack.concepts}
        self._forms: dict[str, dict[str, list[str]]] = {concept.cui: {} for concept in pack.concepts}
        for phrase in pack.phrases:
            self._forms.setdefault(phrase.cui, {}).setdefault(phrase.form, []).append(phrase.text)
        said = {phrase.text.lower() for phrase in pack.phrases}
        words = {stage.id: stage.id.replace("_", " ") for stage in pack.stages}
        self._stages = {key: word for key, word in words.items() if word not in said}
        self._frames: dict[tuple[str, str], list[tuple[Frame, list[_Compiled]]]] = {}
        issues: list[Issue] = []
        for row, frame in enumerate(pack.frames, 2):
            issues += _faults(frame, f"frames.csv:{row}")
            compiled = [_compile(text) for text in _alternatives(frame.text)]
            self._frames.setdefault((frame.label, frame.assertion), []).append((frame, compiled))
        if issues:
            raise ConfigError(f"the pack {pack.id!r} has {len(issues)} frames that cannot be filled", issues)
        self._fitting: dict[tuple[object, ...], list[list[_Compiled]]] = {}

    def write(self, requests: Sequence[Request]) -> list[str | ModelError]:
        """One sentence a request, in order; ModelError `no-frame` where no frame of the pack fits the plan."""
        return [self._sentence(request) for request in requests]

    def close(self) -> None:
        """Nothing to give back."""

    def variants(self, plan: Plan) -> int:
        """How many frames, alternatives counted one by one, fit a plan."""
        concept = self._concepts.get(plan.cui) if plan.cui else None
        return sum(len(compiled) for compiled in self._for(plan, concept))

    def _sentence(self, request: Request) -> str | ModelError:
        plan = request.plan
        draw = random.Random(2 * request.seed + bool(request.issues))  # noqa: S311 - words, not secrets
        concept = self._concepts.get(plan.cui) if plan.cui else None
        if concept is None and plan.label != "none":
            concept, plan = self._unguided(plan, draw)
        frames = self._for(plan, concept)
        if not frames:
            return ModelError(
                f"no frame of the pack says {plan.label!r}, {plan.assertion}, by {plan.informant}, of {plan.name or 'nothing'}; "
                "add one to frames.csv",
                code="no-frame",
            )
        text = ""
        for _ in range(_TRIES):
            text = self._fill(draw.choice(self._pick(frames, draw)), plan, concept, draw)
            if text != request.previous:
                break
        return text

    @staticmethod
    def _pick(frames: list[list[_Compiled]], draw: Draw) -> list[_Compiled]:
        """A frame, those with more alternatives more often (by the root of their number), so that repeats are rare."""
        return draw.choices(frames, [math.sqrt(len(compiled)) for compiled in frames])[0]

    def _unguided(self, plan: Plan, draw: Draw) -> tuple[PackConcept | None, Plan]:
        """A concept and an informant for a plan that has neither."""
        from dataclasses import replace

        own = [concept for concept in self._concepts.values() if concept.label == plan.label]
        concept = draw.choice(own or [one for one in self._concepts.values() if one.entity == "sign"])
        kinds = sorted({frame.informant for frame, _ in self._frames.get((plan.label, plan.assertion.value), ())})
        if kinds and not {"clinician", "any"} & set(kinds):
            return concept, replace(plan, informant=draw.choice((Informant.DAUGHTER, Informant.SON, Informant.SPOUSE)))
        return concept, plan

    def _for(self, plan: Plan, concept: PackConcept | None) -> list[list[_Compiled]]:
        """The frames that fit, each with its fitting alternatives; kept, since few kinds of plan come many times."""
        timed, staged = bool(_time(plan)), plan.stage in self._stages
        sexed = plan.persona.traits.get("sex") in _PRONOUNS
        key = (plan.label, plan.assertion, plan.informant.kind, concept and concept.cui, timed, staged, sexed)
        found = self._fitting.get(key)
        if found is None:
            forms = frozenset(self._forms[concept.cui]) if concept else frozenset()
            lacking = {slot for slot, there in (("time", timed), ("stage", staged)) if not there}
            fitting = (
                [
                    one
                    for one in compiled
                    if one.forms <= forms and lacking.isdisjoint(one.slots) and (sexed or not one.repeats)
                ]
                for frame, compiled in self._frames.get((plan.label, plan.assertion.value), ())
                if frame.informant in {plan.informant.kind, "any"}
                and (not frame.entity or (concept and frame.entity == concept.entity))
            )
            found = self._fitting[key] = [compiled for compiled in fitting if compiled]
        return found

    def _fill(self, compiled: _Compiled, plan: Plan, concept: PackConcept | None, draw: Draw) -> str:
        words: dict[str, str | Callable[[], str]] = _people(plan, draw)
        words["stage"] = self._stages.get(plan.stage, "")
        words["time"] = partial(_time, plan)
        written = list[str]()
        several = False  # whether the last part is a noun in the plural
        for part in compiled.parts:
            if isinstance(part, str):
                written.append(_VERB.sub(_in_plural, part) if several else part)
            elif part[0] in _SAYS and concept is not None:
                written.append(self._say(part[0], plan, concept, draw))
                several = part[0] in {"noun", "phrase"} and is_plural(written[-1])
            else:
                word = words[part[0]]
                written.append(word if isinstance(word, str) else word())
        text = "".join(written)
        return text if text[0].isupper() else text[0].upper() + text[1:]

    def _say(self, slot: str, plan: Plan, concept: PackConcept, draw: Draw) -> str:
        own = self._forms[concept.cui]
        if slot not in {"noun", "phrase"}:
            return draw.choice(own[slot])
        noun = plan.phrase or draw.choice(own["noun"])
        return noun if slot == "noun" else with_article(noun)


# ---- frames


def _alternatives(text: str) -> Iterator[str]:
    """Every sentence a frame with `[this|that]` stands for.

    >>> list(_alternatives("On [exam|testing], {noun}."))
    ['On exam, {noun}.', 'On testing, {noun}.']
    """
    pieces = re.split(r"\[([^\[\]]*)\]", text)
    for chosen in itertools.product(
        *(piece.split("|") if place % 2 else [piece] for place, piece in enumerate(pieces))
    ):
        yield re.sub(r" +", " ", "".join(chosen)).replace(" .", ".").replace(" ,", ",").strip()


def _compile(text: str) -> _Compiled:
    pieces = re.split(r"\{([a-z]+)\}", text)
    parts: tuple[Part, ...] = tuple((p,) if place % 2 else p for place, p in enumerate(pieces) if place % 2 or p)
    slots = frozenset(part[0] for part in parts if isinstance(part, tuple))
    return _Compiled(parts, frozenset("noun" if slot == "phrase" else slot for slot in slots & _SAYS), slots)


def _faults(frame: Frame, where: str) -> Iterator[Issue]:
    slots = set(re.findall(r"\{([^{}]*)\}", frame.text))
    if unknown := sorted(slots - SLOTS):
        hint = f"slots: {', '.join(sorted(SLOTS))}"
        yield Issue(Severity.ERROR, "unknown-slot", f"no slot is called {', '.join(unknown)}", where, hint)
    if frame.label != "none" and len(slots & _SAYS) != 1:
        hint = "give it one of {noun}, {phrase}, {third}, {base}, {gerund}"
        yield Issue(Severity.ERROR, "concept-slot", "a frame says its concept once", where, hint)
    if frame.label == "none" and slots & _SAYS:
        yield Issue(
            Severity.ERROR, "concept-slot", "a frame of the label none says no concept", where, "take the slot out"
        )
    rest = re.sub(r"\{[^{}]*\}", "", re.sub(r"\[[^\[\]]*\]", "", frame.text))
    if re.search(r"[{}\[\]]", rest):
        yield Issue(Severity.ERROR, "open-slot", "a brace or bracket does not close", where, "close it")


# ---- words

_COUNTABLE = frozenset(
    """
    app application assessment battery change count diary discussion drop electrocardiogram electroencephalogram evaluation
    exam examination gait group index infection injury interview journal level log measure network panel patch program
    puncture questionnaire reflex scale scan state study syndrome tap temper test tremor visit will
    """.split()  # noqa: SIM905 - a list of words reads better so
)
_COUNTABLE_OPENING = frozenset(
    {"absence", "decline", "failure", "inability", "lack", "loss", "need"}
)  # "memory loss" is bare
_AFTER_HEAD = re.compile(r" (?:of|by|during|for|from|in|on|to|with) |(?<=^difficulty) |(?<=^trouble) ")
_PLURAL = {"was": "were", "is": "are", "has": "have", "helps": "help", "makes": "make", "remains": "remain"}
_VERB = re.compile(rf"^ ({'|'.join(_PLURAL)})\b")
_SPOKEN_ONSETS = frozenset({"SC", "SK", "SL", "SM", "SN", "SP", "ST", "SW", "FL", "FR"})


@lru_cache(maxsize=4096)
def with_article(noun: str) -> str:
    """The noun phrase with "a" or "an" if its head is a singular countable noun, else as it stands.

    >>> with_article("sleep study"), with_article("MRI scan"), with_article("apathy"), with_article("EEG")
    ('a sleep study', 'an MRI scan', 'apathy', 'EEG')
    """
    head = _AFTER_HEAD.split(noun, maxsplit=1)[0].lower()
    if head not in _COUNTABLE_OPENING and head.rsplit(" ", 1)[-1] not in _COUNTABLE:
        return noun
    return f"{'an' if _opens_with_vowel(noun.split(' ', 1)[0]) else 'a'} {noun}"


@lru_cache(maxsize=4096)
def is_plural(noun: str) -> bool:
    """Whether a verb after the noun phrase stands in the plural, by its head.

    >>> is_plural("OT sessions"), is_plural("comfort from friends"), is_plural("trouble finding words"), is_plural("mindfulness")
    (True, False, False, False)
    """
    head = _AFTER_HEAD.split(noun, maxsplit=1)[0]
    return head.endswith("s") and not head.endswith(("'s", "ss", "us", "is"))


def _in_plural(verb: re.Match[str]) -> str:
    return f" {_PLURAL[verb[1]]}"


def _opens_with_vowel(word: str) -> bool:
    if not (len(word) > 1 and word.isupper()):
        return word[0].lower() in "aeiou" and not word.lower().startswith(("uni", "eu"))
    if word[0] in "AEIO":
        return True
    spelt = word[1] not in "AEIOUY" and (word[:2] not in _SPOKEN_ONSETS or word[2:3] not in "AEIOUY")
    return spelt and word[0] in "FHLMNRSX"


def time_in_words(gap_days: int) -> str:
    """The time since the previous onset, within which this one began; "" when it is too long to be said so.

    >>> time_in_words(10), time_in_words(95), time_in_words(800)
    ('since the last visit', 'over the past three months', 'over the past two years')
    """
    months, years = round(gap_days / _MONTH), round(gap_days / _YEAR)
    if months < 1:
        return "since the last visit"
    if months < len(_NUMBERS) - 1:
        return "over the past month" if months == 1 else f"over the past {_NUMBERS[months]} months"
    if years > _LONGEST_YEARS:
        return ""
    return "over the past year" if years <= 1 else f"over the past {_NUMBERS[years]} years"


def _time(plan: Plan) -> str:
    return "" if plan.gap_days is None or plan.assertion != "present" else time_in_words(plan.gap_days)


def _people(plan: Plan, draw: Draw) -> dict[str, str | Callable[[], str]]:
    sex = plan.persona.traits.get("sex", "")
    he, his, him = _PRONOUNS.get(sex, _NEUTRAL)
    return {
        "pronoun": he,
        "possessive": his,
        "object": him,
        "subject": partial(_subject, plan, he, sex, draw),
        "patient": partial(_speaker, he, draw),
        "relation": partial(_relation, plan.informant, his, draw, opening=True),
        "informant": partial(_relation, plan.informant, his, draw, opening=False),
    }


def _speaker(he: str, draw: Draw) -> str:
    return draw.choice(("Patient", "Pt", "The patient", he.capitalize()))


def _subject(plan: Plan, he: str, sex: str, draw: Draw) -> str:
    if plan.age is None or draw.random() < 0.6:  # noqa: PLR2004 - the age stands in four of ten
        return _speaker(he, draw)
    who = _MAN.get(sex, "patient")
    old = f"{int(plan.age)}-year-old" if plan.age < _OLDEST + 1 else "older"
    return f"{draw.choice(('This', 'The'))} {old} {who}"


def _relation(informant: Informant, his: str, draw: Draw, *, opening: bool) -> str:
    word = draw.choice(_SPEAKERS.get(informant, (informant.value,)))
    if not opening:
        return f"{draw.choice((his, 'the'))} {word}"
    return draw.choice(
        (f"{his.capitalize()} {word}", word.capitalize(), f"The {word}", f"Patient's {word}", f"Pt's {word}")
    )
