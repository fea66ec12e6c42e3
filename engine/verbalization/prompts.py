"""From a plan to the messages of a chat, and from an answer to a sentence. Pure: no model, no clock, no files.

What is constant stands first (instructions, then examples of the same kind), what varies last (the plan), so that a
server's prefix cache is of use. Two forms: the full one states the whole plan, for models that follow instructions; the
brief one is for models of some hundred million parameters, which copy a pattern much better than they follow a rule:
examples of the same assertion and kind of informant, a plan of a few lines, and the opening words of the answer.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ontology.errors import ModelError
from ontology.mention import Assertion, Informant

if TYPE_CHECKING:
    from engine.plan import Plan
    from engine.verbalization.port import Request
    from ontology.pack import Example, Pack

__all__ = ["BRIEF", "FULL", "PromptForm", "faults", "messages", "opening", "parse", "prompt_id"]

_OLDEST = 89  # ages above it identify people (HIPAA safe harbour) and are never written


@dataclass(frozen=True, slots=True)
class PromptForm:
    """How plans are put to a model. `brief`: for very small models. `examples`: how many are shown."""

    brief: bool = False
    examples: int = 6


FULL = PromptForm()
BRIEF = PromptForm(brief=True, examples=5)
_REVISION = 1  # part of the prompt's id: raise it when the words below change meaning

_SYSTEM = (
    "You write synthetic clinical notes. Write exactly one sentence, as a clinician would write it in a progress note. "
    "Say only what the plan says."
)
_RULES = (
    "Use the given words for the finding exactly as they stand. Keep the given status (present, denied, possible, past, "
    "in the family, or only if it should happen) and name the person who reports. Mention no other symptom, test, "
    "treatment or diagnosis. Write no names, dates, places or numbers that identify anyone. Answer with the sentence alone."
)
_BRIEF = "You write one sentence of a clinic note from a plan. Use the given words exactly."

_STATUS = {
    Assertion.PRESENT: "present",
    Assertion.ABSENT: "absent (denied or not found)",
    Assertion.POSSIBLE: "possible, not certain",
    Assertion.HYPOTHETICAL: "not now, only if it should happen",
    Assertion.HISTORICAL: "in the past, not now",
    Assertion.FAMILY: "in a relative, not in the patient",
}
_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_TIME = re.compile(
    r"\b(?:over|for|in|during|within) (?:about )?the (?:past|last) (?:(?:\d+|[a-z]+) )?(?:day|week|month|year)s?\b"
    r"|\bsince the (?:last|previous) visit\b",
    re.IGNORECASE,
)


# ---- plan to words


def messages(request: Request, pack: Pack, form: PromptForm = FULL) -> list[tuple[str, str]]:
    """The chat as (role, text); roles are `system`, `user` and `assistant`. Constant text first, the plan last.

    In the brief form the last message is the assistant's own beginning (`opening`), for the model to go on from.
    A plan without a concept (the unguided baseline) gets the label's definition and no example.
    """
    plan = request.plan
    chat = [("system", _system(pack, form))]
    for example in _examples(plan, pack, form.examples) if plan.phrase else ():
        chat += [("user", _example_plan(example, pack, form)), ("assistant", _clean(example.text, 300))]
    chat.append(("user", _brief(plan) if form.brief else _full(plan)))
    if form.brief:
        start = opening(request)
        return [*chat, ("assistant", start)] if start else chat
    if request.previous:
        chat += [("assistant", _clean(request.previous, 400)), ("user", _repair(request))]
    return chat


def prompt_id(pack: Pack, form: PromptForm = FULL) -> str:
    """Twelve hexadecimal digits that change when the prompt's words or the pack's examples do; kept in `Record.prompt`."""
    parts = [_REVISION, form.brief, form.examples, _system(pack, form), [[e.text, e.phrase] for e in pack.examples]]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


def opening(request: Request) -> str:
    """The first words of the answer in the brief form, settled by the seed: they fix who reports and the assertion.

    "" where none fits. A repair begins with other words than the try before it.
    """
    plan = request.plan
    if not plan.phrase:
        return ""
    he, his, man = _pronouns(plan)
    key = (plan.assertion.value, plan.informant.kind)
    choices = _OPENINGS.get((*key, _GROUPS.get(plan.entity, "sign"))) or _OPENINGS.get((*key, "sign"), ())
    fill = {
        "He": he.capitalize(),
        "he": he,
        "His": his.capitalize(),
        "his": his,
        "who": plan.informant.value,
        "man": man,
    }
    if plan.age is not None and plan.age < _OLDEST + 1:
        fill["age"] = str(int(plan.age))
    ready = [text.format(**fill) for text in choices if "age" in fill or "{age}" not in text]
    fresh = [text for text in ready if not request.previous.startswith(text)] or ready
    return random.Random(request.seed).choice(fresh) if fresh else ""  # noqa: S311 -- words, not secrets


def _system(pack: Pack, form: PromptForm) -> str:
    if form.brief:
        return _BRIEF
    return f"{pack.system_prompt.strip() or _SYSTEM}\n{_RULES}"


def _full(plan: Plan) -> str:
    he, his, man = _pronouns(plan)
    lines = [f"Label: {_clean(plan.label, 80)}. {_clean(plan.definition, 600)}"]
    if plan.phrase:
        lines += [
            f'Words to use exactly: "{_clean(plan.phrase, 120)}"',
            f"Status: {_STATUS[plan.assertion]}",
            f"Reported by: {'nobody named; the clinician writes' if plan.informant == 'clinician' else plan.informant}",
        ]
    if plan.persona.traits.get("sex"):
        lines.append(f"Patient: {man} ({he}/{his})")
    if plan.age is not None:
        lines.append(f"Age: {f'{plan.age:.0f}' if plan.age <= _OLDEST else 'older; write no age'}")
    if plan.stage:
        lines.append(f"Stage: {_clean(plan.stage, 60)}")
    if time := _since(plan):
        lines.append(f"Time: {time}")
    return "\n".join([*lines, "Write the sentence."])


def _brief(plan: Plan) -> str:
    if not plan.phrase:
        return f"Write one sentence of a clinic note about this: {_clean(plan.definition, 300)}"
    time = "" if _GROUPS.get(plan.entity, "function") != "function" else _since(plan)
    return _lines(plan.phrase, plan.assertion, plan.informant.value, _pronouns(plan)[0], time)


def _lines(phrase: str, assertion: Assertion, informant: str, pronoun: str, time: str) -> str:
    lines = [f"Words: {_clean(phrase, 120)}", f"Status: {_STATUS[assertion]}", f"Reporter: {informant}"]
    if pronoun in {"he", "she"}:
        lines.append(f"Patient: {pronoun}")
    return "\n".join([*lines, f"Time: {time}"] if time else lines)


def _example_plan(example: Example, pack: Pack, form: PromptForm) -> str:
    text = example.text
    sexes = {w for w in re.findall(r"\b(he|she|his|her)\b", text.lower()) if w}
    pronoun = "he" if sexes and sexes <= {"he", "his"} else "she" if sexes and sexes <= {"she", "her"} else ""
    found = _TIME.search(text)
    lines = _lines(example.phrase, Assertion(example.assertion), example.informant, pronoun, found[0] if found else "")
    if form.brief:
        return lines
    names = {label.id: label.name for label in pack.labels}
    return f"Label: {_clean(names.get(example.label, example.label), 80)}\n{lines}\nWrite the sentence."


def _repair(request: Request) -> str:
    reasons = "\n".join(f"- {_clean(issue.message, 200)}" for issue in request.issues[:6])
    return f"That sentence was refused:\n{reasons}\nWrite one new sentence for the same plan. Answer with the sentence alone."


def _examples(plan: Plan, pack: Pack, count: int) -> list[Example]:
    """The nearest examples, best last, because a model leans on what it read last; the choice depends on the plan's
    kind alone and not on its words, so that plans of one kind share a cached prefix.
    """
    entities: dict[str, str] = {concept.cui: concept.entity for concept in pack.concepts}
    group = _GROUPS.get(plan.entity, "sign")

    def distance(place: int) -> tuple[int, int]:
        row = pack.examples[place]
        same_kind = Informant(row.informant).kind == plan.informant.kind
        near = (
            8 * (row.assertion == plan.assertion)
            + 7 * same_kind
            + 3 * (_GROUPS.get(entities.get(row.cui, ""), "sign") == group)
            + 2 * (row.label == plan.label)
        )
        return -near, place

    known = [i for i, row in enumerate(pack.examples) if row.phrase and row.cui != plan.cui]
    return [pack.examples[i] for i in sorted(known, key=distance)[:count]][::-1]


def _pronouns(plan: Plan) -> tuple[str, str, str]:
    sex = plan.persona.traits.get("sex", "")
    return {"male": ("he", "his", "man"), "female": ("she", "her", "woman")}.get(sex, ("the patient", "the", "person"))


def _since(plan: Plan) -> str:
    """The time since the previous onset in words: within it this one began."""
    if plan.gap_days is None or plan.assertion is not Assertion.PRESENT:
        return ""
    months = round(plan.gap_days / 30.44)
    if months < 1:
        return "since the last visit"
    if months < 12:  # noqa: PLR2004 -- months of a year
        return "over the past month" if months == 1 else f"over the past {_NUMBERS[months]} months"
    years = min(round(plan.gap_days / 365.25), 12)
    return "over the past year" if years == 1 else f"over the past {_NUMBERS[years]} years"


def _clean(text: str, limit: int) -> str:
    """`text` on one line without control characters, marks of chat templates or double quotes, cut at `limit`."""
    kept = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text[: 4 * limit])
    kept = re.sub(r"<(?![=\s]*\d)|(?<![\d=\s])>|[|{}\[\]`\\]", " ", kept).replace('"', "'")
    return " ".join(kept.split())[:limit].rstrip()


# ---- answer to sentence

_LONGEST_ANSWER = 20_000
_LONGEST = 400
_PREFIX = re.compile(
    r"^(?:(?:clinical |progress |synthetic |clinic )?(?:sentence|answer|note|output|text|response)\s*(?:\d+)?\s*[:\-]\s*)+",
    re.IGNORECASE,
)
_BULLET = re.compile(r"^\s*(?:[-*•>#]+|\d{1,2}[.)])\s+")
_REFUSAL = re.compile(
    r"^(?:i'?m sorry|sorry\b|i cannot|i can'?t|i am unable|i'?m unable|as an ai|as a language model)", re.IGNORECASE
)
_PREAMBLE = re.compile(r"^(?:sure|certainly|of course|okay|ok|here(?:'s| is| are))\b", re.IGNORECASE)
_ABBREVIATION = re.compile(
    r"(?:\b(?:dr|mr|mrs|ms|pt|vs|st|no|approx|e\.g|i\.e|etc|yr|yrs|mo|wk|hx|hr)|\b[a-z])\.$", re.IGNORECASE
)
_QUOTES = "\"'“”‘’`*_ "


def parse(text: str) -> str | ModelError:  # noqa: PLR0911 -- one return for each thing that can be wrong
    """The first sentence of an answer without quotes, markdown and prefixes, or why there is none.

    Codes: `empty`, `too-long`, `control-characters`, `refusal`, `format`.

    >>> parse('Sentence: "Patient denies apathy." I hope this helps!')
    'Patient denies apathy.'
    >>> parse("").code
    'empty'
    """
    if len(text) > _LONGEST_ANSWER:
        return ModelError(f"the answer has {len(text)} characters; a sentence was asked for", code="too-long")
    if any(unicodedata.category(c) in {"Cc", "Cf", "Co", "Cs"} and c not in "\n\r\t" for c in text):
        return ModelError("the answer holds control or direction characters", code="control-characters")
    line = _line(re.sub(r"<think>.*?(?:</think>|$)", "", text, flags=re.DOTALL))
    if isinstance(line, ModelError):
        return line
    line = _PREFIX.sub("", _BULLET.sub("", line).strip(_QUOTES)).strip()
    if _REFUSAL.match(line):
        return ModelError("the model refused to write the sentence", code="refusal")
    sentence = _first_sentence(" ".join(line.replace("**", "").replace("__", "").split())).strip(_QUOTES)
    if len(re.findall(r"\w+", sentence)) < 2:  # noqa: PLR2004 -- one word is no sentence
        return ModelError("the answer holds no sentence", code="empty")
    if len(sentence) > _LONGEST:
        return ModelError(f"the sentence has {len(sentence)} characters; at most {_LONGEST} are taken", code="too-long")
    return sentence


def _line(text: str) -> str | ModelError:
    """The line that holds the sentence."""
    text = text.strip()
    if text.startswith(("{", "[")):
        return _from_json(text)
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("```")]
    if len(lines) > 1 and (lines[0].endswith(":") or _PREAMBLE.match(lines[0])):
        lines = lines[1:]
    return lines[0] if lines else ModelError("the answer is empty", code="empty")


def _from_json(text: str) -> str | ModelError:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    found = [v for v in value.values() if isinstance(v, str)] if isinstance(value, dict) else []
    if len(found) == 1 and len(found) == len(value):
        return " ".join(found[0].split()) or ModelError("the answer is empty", code="empty")
    return ModelError("the answer is data and not a sentence", code="format")


def _first_sentence(text: str) -> str:
    for end in re.finditer(r"[.!?][\"'”’)]?(?=\s+[\"'“(]?[A-Z0-9])", text):
        head = text[: end.end()]
        if not _ABBREVIATION.search(head):
            return head
    return text


# ---- a cheap look, to ask again before anyone else is bothered

_NEGATION = re.compile(
    r"\b(?:no|not|nor|never|none|without|denies|denied|deny|denying|negative|absent)\b|n't\b", re.IGNORECASE
)
_MALE, _FEMALE = frozenset({"he", "his", "him", "himself"}), frozenset({"she", "her", "hers", "herself"})
_STRANGE = frozenset({"i", "my", "me", "our", "they", "their", "them", "those", "your", "you"})
_SPAN = re.compile(r"\b(\w+)[ -](day|week|month|year)s?\b")
_ONE = {"a": "one", "an": "one", "past": "one", "last": "one", "the": "one", "1": "one"}
_WORDS, _TAIL = 26, 10


def faults(request: Request, text: str, pack: Pack) -> tuple[str, ...]:
    """What is plainly wrong with a sentence, by comparing words. It chooses among the candidates of a small model and
    replaces no validation. Codes: `phrase`, `end`, `long`, `tail`, `far`, `verb`, `sex`, `strange`, `assertion`, `informant`,
    `digits`, `time`, `example`, `loop`, `same`.
    """
    plan, lower = request.plan, text.lower()
    if not plan.phrase:
        return () if text.endswith((".", "!", "?")) else ("end",)
    phrase = plan.phrase.lower()
    words = re.findall(r"[a-z'-]+", lower)
    before, found, after = lower.partition(phrase)
    start = opening(request).lower()
    between = before.removeprefix(start) if before.startswith(start) else ""
    rest = f"{before} {after}"
    negated = bool(_NEGATION.search(rest))
    wrong_sex = {"male": _FEMALE, "female": _MALE}.get(plan.persona.traits.get("sex", ""), frozenset())
    trigrams = [tuple(words[i : i + 3]) for i in range(len(words) - 2)]
    planned = {_span(m) for m in _SPAN.finditer(_since(plan))}
    leaked = any(e.phrase and e.phrase.lower() in rest and e.phrase.lower() not in phrase for e in pack.examples)
    checks = {
        "phrase": not found or phrase in after or bool(re.match(r"\w", after)),
        "end": not text.endswith("."),
        "long": len(words) > _WORDS,
        "tail": len(after.split()) > _TAIL,
        "far": len(between.split()) > 2,  # noqa: PLR2004 -- an article and an adjective
        "verb": not between.strip() and bool(re.match(r" (?:is|are|was|were|has|have)\b", after)) and bool(start),
        "sex": bool(wrong_sex & set(words)),
        "strange": bool(_STRANGE & set(words)),
        "assertion": (plan.assertion is Assertion.ABSENT) != negated and plan.assertion in {"present", "absent"},
        "informant": plan.informant.kind == "other" and plan.informant.value not in words,
        "digits": bool(re.search(r"\d", rest.removeprefix(start))),
        "time": not {_span(m) for m in _SPAN.finditer(rest.removeprefix(start))} <= planned,
        "example": leaked or any(text == e.text for e in pack.examples),
        "loop": len(set(trigrams)) < len(trigrams),
        "same": text == request.previous,
    }
    return tuple(code for code, wrong in checks.items() if wrong)


def _span(match: re.Match[str]) -> tuple[str, str]:
    return _ONE.get(match[1], match[1]), match[2]


# ---- opening words: (assertion, kind of informant, group of entity types)

_GROUPS = {
    "function": "function",
    "test": "test",
    "treatment": "treatment",
    "coping": "coping",
    "diagnosis": "diagnosis",
}
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
        "{He} was referred for",
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
