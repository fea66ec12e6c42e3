"""From a plan to the messages of a chat. Pure: no model, no clock, no files.

What is constant stands first (instructions, then examples of the same kind), what varies last (the plan), so that a
server's prefix cache is of use. Two forms: the full one states the whole plan, for models that follow instructions; the
brief one is for models of some hundred million parameters, which copy a pattern much better than they follow a rule:
examples of the same assertion and kind of informant, a plan of a few lines, and the opening words of the answer.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from engine.verbalization.openings import OLDEST, group_of, opening, pronouns
from engine.verbalization.port import Request
from ontology.mention import Assertion, Informant
from ontology.pack import Example

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.plan import Plan
    from ontology.pack import Pack

__all__ = ["BRIEF", "FULL", "PromptForm", "Prompts", "prompt_id", "since"]


@dataclass(frozen=True, slots=True)
class PromptForm:
    """How plans are put to a model. `brief`: for very small models. `examples`: how many are shown."""

    brief: bool = False
    examples: int = 6


FULL = PromptForm()
BRIEF = PromptForm(brief=True, examples=3)
_REVISION = 2  # part of the prompt's id: raise it when the words below change meaning

_SYSTEM = (
    "You write synthetic clinical notes. Write exactly one sentence, as a clinician would write it in a progress note. "
    "Say only what the plan says."
)
_RULES = (
    "Use the given words for the finding exactly as they stand. Keep the given status (present, denied, possible, past, "
    "in the family, or only if it should happen) and name the person who reports. Mention no other symptom, test, "
    "treatment or diagnosis. Write no names, dates, places or numbers that identify anyone. Answer with the sentence alone."
)
_TOGETHER = (
    "Write the sentences of these {count} plans: one sentence a plan, each on a line of its own that begins with the number "
    "of its plan and a full stop, as in `1. ...`. No sentence says anything of another plan. Write nothing else."
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
_GAPS = (183, 365, 61, 730)
_TIMED = {"sign", "physiology", "function"}  # what has begun within a time; a test or a drug has not
_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_TIME = re.compile(
    r"\b(?:over|for|in|during|within) (?:about )?the (?:past|last) (?:(?:\d+|[a-z]+) )?(?:day|week|month|year)s?\b"
    r"|\bsince the (?:last|previous) visit\b",
    re.IGNORECASE,
)


# ---- plan to words


class Prompts:
    """The chats of one pack in one form. What plans of one kind share is written once and kept.

    >>> from engine.plan import Plan
    >>> from ontology.pack import Pack
    >>> chat = Prompts(Pack("p", "P", "1", "C0002395", "", *[()] * 14)).messages(Request(Plan("mood", "Mood.", phrase="apathy")))
    >>> [role for role, _ in chat]
    ['system', 'user']
    """

    def __init__(self, pack: Pack, form: PromptForm = FULL) -> None:
        self.pack, self.form = pack, form
        self._cuis = {example.cui for example in pack.examples}
        self._kept: dict[tuple[object, ...], tuple[tuple[str, str], ...]] = {}

    def messages(self, request: Request) -> list[tuple[str, str]]:
        """The chat as (role, text); roles are `system`, `user` and `assistant`. Constant text first, the plan last.

        In the brief form the last message is the assistant's own beginning (`opening`), for the model to go on from.
        A plan without a concept (the unguided baseline) gets the label's definition and no example.
        """
        plan, brief = request.plan, self.form.brief
        chat = list(self.head(plan))
        chat.append(("user", _brief(plan) if brief else _full(plan)))
        if brief:
            start = opening(request)
            return [*chat, ("assistant", start)] if start else chat
        if request.previous:
            chat += [("assistant", _clean(request.previous, 400)), ("user", _repair(request))]
        return chat

    def together(self, requests: Sequence[Request]) -> list[tuple[str, str]]:
        """One chat for several plans of one head, to be answered by a numbered sentence each. In the full form only."""
        plans = "\n\n".join(
            f"Plan {number}\n{_full(request.plan, ask=False)}" for number, request in enumerate(requests, 1)
        )
        return [*self.head(requests[0].plan), ("user", f"{plans}\n\n{_TOGETHER.format(count=len(requests))}")]

    def head(self, plan: Plan) -> tuple[tuple[str, str], ...]:
        """What stands before the plan: the instructions and the examples."""
        if self.form.brief and plan.phrase:
            return self._written(plan)  # its patterns follow more of the plan
        own = plan.cui if plan.cui in self._cuis else None
        kind = (
            plan.assertion,
            plan.informant.kind,
            group_of(plan.entity),
            plan.label,
            plan.of is None,
            bool(plan.phrase),
            own,
        )
        kept = self._kept.get(kind)
        if kept is None:
            kept = self._kept[kind] = self._written(plan)
        return kept

    def _written(self, plan: Plan) -> tuple[tuple[str, str], ...]:
        pack, form = self.pack, self.form
        chat = [("system", _system(pack, form))]
        for example in (_patterns if form.brief and plan.phrase else _examples)(plan, pack, form.examples):
            chat += [("user", _example_plan(example, pack, form)), ("assistant", _clean(example.text, 300))]
        return tuple(chat)


def prompt_id(pack: Pack, form: PromptForm = FULL) -> str:
    """Twelve hexadecimal digits that change when the prompt's words or the pack's examples do; kept in `Record.prompt`."""
    parts = [_REVISION, form.brief, form.examples, _system(pack, form), [[e.text, e.phrase] for e in pack.examples]]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


def _system(pack: Pack, form: PromptForm) -> str:
    if form.brief:
        return _BRIEF
    return f"{pack.system_prompt.strip() or _SYSTEM}\n{_RULES}"


def _full(plan: Plan, *, ask: bool = True) -> str:
    he, his, man = pronouns(plan)
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
        lines.append(f"Age: {f'{plan.age:.0f}' if plan.age <= OLDEST else 'older; write no age'}")
    if plan.stage:
        lines.append(f"Stage: {_clean(plan.stage, 60)}")
    if time := since(plan):
        lines.append(f"Time: {time}")
    return "\n".join([*lines, "Write the sentence."] if ask else lines)


def _brief(plan: Plan) -> str:
    if not plan.phrase:
        return _about(plan.definition)
    time = "" if plan.entity not in _TIMED else since(plan)
    return _lines(plan.phrase, plan.assertion, plan.informant.value, pronouns(plan)[0], time)


def _about(definition: str) -> str:
    return f"Write one sentence of a clinic note about this: {_clean(definition, 300)}"


def _lines(phrase: str, assertion: Assertion, informant: str, pronoun: str, time: str) -> str:
    lines = [f"Words: {_clean(phrase, 120)}", f"Status: {_STATUS[assertion]}", f"Reporter: {informant}"]
    if pronoun in {"he", "she"}:
        lines.append(f"Patient: {pronoun}")
    return "\n".join([*lines, f"Time: {time}"] if time else lines)


def _example_plan(example: Example, pack: Pack, form: PromptForm) -> str:
    text = example.text
    if not example.phrase:
        label = next((label for label in pack.labels if label.id == example.label), None)
        return _about(label.definition if label else example.label)
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
    kind alone and not on its words, so that plans of one kind share a cached prefix. The unguided baseline gets none.
    """
    if not plan.phrase:
        rows = [] if plan.of is None else [row for row in pack.examples if row.label == plan.label]
        return rows[:count]
    entities: dict[str, str] = {concept.cui: concept.entity for concept in pack.concepts}
    group = group_of(plan.entity)

    def distance(place: int) -> tuple[int, int]:
        row = pack.examples[place]
        same_kind = Informant(row.informant).kind == plan.informant.kind
        near = (
            8 * (row.assertion == plan.assertion)
            + 7 * same_kind
            + 3 * (group_of(entities.get(row.cui, "")) == group)
            + 2 * (row.label == plan.label)
        )
        return -near, place

    known = [i for i, row in enumerate(pack.examples) if row.phrase and row.cui != plan.cui]
    return [pack.examples[i] for i in sorted(known, key=distance)[:count]][::-1]


def _patterns(plan: Plan, pack: Pack, count: int) -> list[Example]:
    """Short sentences over the pack's own words, for a model that would take a rich example's story along with its form.

    They are of the plan's assertion, kind of informant and group of entity types, and the same for all such plans.
    """
    nouns = {phrase.cui: phrase.text for phrase in reversed(pack.phrases) if phrase.form == "noun"}
    group = group_of(plan.entity)
    concepts = [c for c in pack.concepts if c.cui in nouns and c.cui != plan.cui and group_of(c.entity) == group]
    others = (Informant.DAUGHTER, Informant.WIFE, Informant.SON, Informant.HUSBAND, Informant.CAREGIVER)
    shown = []
    for number, concept in enumerate(concepts[:: max(1, len(concepts) // count)][:count]):
        who = others[number % len(others)] if plan.informant.kind == "other" else plan.informant
        sex = "male" if who is Informant.WIFE or (number % 2 and who is not Informant.HUSBAND) else "female"
        timed = plan.assertion is Assertion.PRESENT and plan.entity in _TIMED and number % 3 != 1
        like = replace(
            plan,
            cui=concept.cui,
            phrase=nouns[concept.cui],
            informant=who,
            persona=replace(plan.persona, traits={"sex": sex}),
            age=70.0 + 3 * number,
            gap_days=_GAPS[number % len(_GAPS)] if timed else None,
        )
        time = f" {since(like)}" if timed else ""
        text = f"{opening(Request(like, seed=number))} {like.phrase}{time}."
        shown.append(Example(plan.label, concept.cui, like.phrase, plan.assertion.value, who.value, text))
    return shown


def since(plan: Plan) -> str:
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


@lru_cache(maxsize=8192)  # the examples and the names of a pack come again with every prompt
def _clean(text: str, limit: int) -> str:
    """`text` on one line without control characters, marks of chat templates or double quotes, cut at `limit`."""
    kept = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text[: 4 * limit])
    kept = re.sub(r"<(?![=\s]*\d)|(?<![\d=\s])>|[|{}\[\]`\\]", " ", kept).replace('"', "'")
    return " ".join(kept.split())[:limit].rstrip()
