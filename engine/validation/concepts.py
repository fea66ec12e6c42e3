"""Rules on what the linker found: the planned concept, said as planned, and no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.validation.reading import excerpt
from engine.validation.rule import found, rule
from ontology.mention import Assertion

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from engine.plan import Plan
    from engine.validation.context import Context
    from ontology.concept import Cui
    from ontology.issue import Issue
    from ontology.mention import Mention

__all__ = ["NEAR", "TIE", "TOP", "planned_mentions"]

TOP = 5
"""Among how many candidates the planned concept may stand."""

NEAR = 0.15
"""How far below the best candidate's score a candidate still counts."""

TIE = 0.05
"""How near to the best candidate's score a concept of the pack is held to be said."""

_OPPOSITE = {Assertion.PRESENT: Assertion.ABSENT, Assertion.ABSENT: Assertion.PRESENT}


def planned_mentions(plan: Plan, mentions: tuple[Mention, ...], context: Context) -> list[Mention]:
    """The mentions that say the planned concept, or a kind of it, among their top candidates."""
    if plan.cui is None:
        return []
    family = context.family(plan.cui)
    return [mention for mention in mentions if _says(mention, family)]


def _says(mention: Mention, family: frozenset[str]) -> bool:
    candidates = mention.candidates
    if candidates[0][0] in family:
        return True
    least = candidates[0][1] - NEAR
    return any(cui in family and score >= least for cui, score in candidates[1:TOP])


@rule(
    code="concept-missing",
    meaning="The planned concept is not linked in the text.",
    hint='Say "{phrase}" in the sentence.',
    needs=("concept",),
)
def concept_missing(plan: Plan, _text: str, mentions: tuple[Mention, ...], context: Context) -> Iterable[Issue]:
    if planned_mentions(plan, mentions, context):
        return ()
    seen = ", ".join(dict.fromkeys(context.name(mention.cui) for mention in mentions[:TOP])) or "nothing"
    return (
        found(
            "concept-missing", f"{plan.name or plan.cui} is not said; linked: {seen}", phrase=plan.phrase or plan.name
        ),
    )


_ASSERTION_HINTS = {
    Assertion.PRESENT: "is there now",
    Assertion.ABSENT: "is absent (denied, no evidence of it)",
    Assertion.POSSIBLE: "is possible (suspected, may have)",
    Assertion.HYPOTHETICAL: "may come later (if it occurs)",
    Assertion.HISTORICAL: "belongs to the past (a history of it)",
    Assertion.FAMILY: "is of a relative (family history)",
}


@rule(
    code="assertion-wrong",
    meaning="The planned concept is said with another assertion than planned, or with two that exclude each other.",
    hint='Say clearly that "{phrase}" {assertion}.',
    needs=("concept",),
)
def assertion_wrong(plan: Plan, _text: str, mentions: tuple[Mention, ...], context: Context) -> Iterable[Issue]:
    planned = planned_mentions(plan, mentions, context)
    opposite = _OPPOSITE.get(plan.assertion)
    right = [mention for mention in planned if mention.assertion == plan.assertion]
    wrong = [mention for mention in planned if (mention.assertion == opposite if right else mention not in right)]
    if not wrong:
        return ()
    mention = wrong[0]
    message = f"{excerpt(mention.text)} is {mention.assertion}, planned {plan.assertion}"
    values = {"phrase": plan.phrase or plan.name, "assertion": _ASSERTION_HINTS[plan.assertion]}
    return (found("assertion-wrong", message, (mention.start, mention.end), **values),)


@rule(
    code="informant-wrong",
    meaning="The planned concept is reported by somebody else than planned (clinician: by nobody who is named).",
    hint="Let the {informant} be the one who says it.",
    needs=("concept",),
)
def informant_wrong(plan: Plan, _text: str, mentions: tuple[Mention, ...], context: Context) -> Iterable[Issue]:
    planned = planned_mentions(plan, mentions, context)
    planned = [mention for mention in planned if mention.assertion == plan.assertion] or planned
    if not planned or any(plan.informant.covers(mention.informant) for mention in planned):
        return ()
    mention = planned[0]
    message = f"{excerpt(mention.text)} is reported by {mention.informant}, planned {plan.informant}"
    who = "clinician, with no reporter named," if plan.informant == "clinician" else str(plan.informant)
    return (found("informant-wrong", message, (mention.start, mention.end), informant=who),)


@rule(
    code="extra-concept",
    meaning="A concept of the pack, or another sign or symptom, that the plan does not have.",
    hint="Leave out the {extra}; say nothing but the planned finding.",
    needs=("concept",),
)
def extra_concept(plan: Plan, text: str, mentions: tuple[Mention, ...], context: Context) -> Iterator[Issue]:
    if plan.cui is None or not mentions:
        return
    family = context.family(plan.cui)
    others = [mention for mention in mentions if not _says(mention, family) and _finding(mention, context)]
    if not others:
        return
    allowed = _allowed(plan, context)
    covered = [(mention.start, mention.end) for mention in planned_mentions(plan, mentions, context)]
    if plan.phrase and (start := text.lower().find(plan.phrase.lower())) >= 0:
        covered.append((start, start + len(plan.phrase)))
    for mention in others:
        if _says(mention, allowed) or any(mention.start < end and start < mention.end for start, end in covered):
            continue
        if context.risk_factors.get(mention.cui) in plan.persona.risk_factors:
            continue
        name = context.name(_finding(mention, context) or mention.cui)
        place = (mention.start, mention.end)
        yield found("extra-concept", f"{excerpt(mention.text)} says {name}, which is not planned", place, extra=name)


def _allowed(plan: Plan, context: Context) -> frozenset[str]:
    if plan.cui is None:
        return frozenset()
    parts = [context.family(plan.cui), context.ancestors(plan.cui), context.free]
    parts += [part for one in plan.previous for part in (context.family(one.cui), context.ancestors(one.cui))]
    return frozenset().union(*parts)


_SYMPTOM_TYPES = frozenset({"T184", "T048"})  # Sign or Symptom; Mental or Behavioral Dysfunction


def _finding(mention: Mention, context: Context) -> Cui | None:
    """The concept of the pack, or the sign or symptom, that a mention says; among candidates as good as the best one."""
    least = mention.candidates[0][1] - TIE
    for cui, score in mention.candidates[:TOP]:
        if score < least:
            break
        if cui in context.owners:
            return cui
    cui = mention.cui
    known = context.catalog[cui].types if cui in context.catalog else ()
    return None if _SYMPTOM_TYPES.isdisjoint(known) else cui


@rule(
    code="none-concept",
    meaning="A concept of the pack in a sentence that is to hold none.",
    hint="Write about something else; leave out the {extra}.",
    needs=("none",),
)
def none_concept(_plan: Plan, _text: str, mentions: tuple[Mention, ...], context: Context) -> Iterator[Issue]:
    for mention in mentions:
        cui = _finding(mention, context)
        if cui is not None and cui in context.owners:
            name = context.name(cui)
            yield found(
                "none-concept", f"{excerpt(mention.text)} says {name}", (mention.start, mention.end), extra=name
            )
