"""The stop at the attempt budget: which quota, why, and what to change."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ontology.errors import BudgetExhausted

if TYPE_CHECKING:
    from engine.runs.outcome import Outcome, Slot
    from engine.runs.recipe import Recipe

__all__ = ["exhausted"]

_SHOWN = 3
_CHANGE = {
    "near-duplicate": "there is little more to be said here: ask for fewer, widen the criteria, choose a model that varies its words, "
    "or take near-duplicates with --near-duplicate 0",
    "length": "the model does not come to an end: choose another one",
    "refusal": "the model refuses this content: choose another one",
    "empty": "the model says nothing: choose another one",
}
_OTHERWISE = (
    "choose a stronger model, raise --attempts (repairs of a plan) or --rounds (plans of a slot), or ask for fewer"
)


def exhausted(recipe: Recipe, slot: Slot, lost: Outcome, kept: int) -> BudgetExhausted:
    """The error of a slot that lost all of its rounds: issue codes with counts, three last texts, and what to change."""
    attempts = (*lost.rejected, *lost.dead)
    counts = Counter(issue.code for attempt in attempts for issue in attempt.issues)
    why = ", ".join(f"{code} {count}" for code, count in counts.most_common(5)) or "nothing was written"
    shown = list(dict.fromkeys(attempt.text for attempt in reversed(lost.rejected) if attempt.text))[:_SHOWN]
    first = counts.most_common(1)[0][0] if counts else ""
    quota = f"the quota of {slot.cell}" if slot.cell.values else "this trajectory"
    return BudgetExhausted(
        f"{quota} cannot be met: slot {slot.index} lost {slot.round} plans ({len(attempts)} requests) to {why}; "
        f"last texts: {shown}; {_CHANGE.get(first, _OTHERWISE)} (--attempts {recipe.attempts}, --rounds {recipe.rounds} now). "
        f"{kept} records are kept and the same command goes on from there",
        counts,
    )
