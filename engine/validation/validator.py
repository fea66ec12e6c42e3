"""`Validator`: the rules over a compiled pack and catalog."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from engine.validation import concepts, copying, form, identifiers, persona  # noqa: F401 - each registers its rules
from engine.validation.context import Context, Hierarchy, compile_context
from engine.validation.rule import NEEDS, Rule, rules

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.plan import Plan
    from ontology.issue import Issue
    from ontology.mention import Mention
    from ontology.pack import Example, Pack

__all__ = ["Validator", "validate"]

_HOSTILE = frozenset({"length", "characters"})
_NEEDS = tuple(NEEDS)
_TESTS = tuple(NEEDS.values())


@lru_cache(maxsize=64)
def _fitting(has: tuple[bool, ...]) -> tuple[Rule, ...]:
    there = {need for need, present in zip(_NEEDS, has, strict=True) if present}
    ordered = sorted(rules(), key=lambda one: one.code not in _HOSTILE)
    return tuple(one for one in ordered if there.issuperset(one.needs))


def validate(plan: Plan, text: str, mentions: tuple[Mention, ...], context: Context) -> tuple[Issue, ...]:
    """Every issue of a text, in the order of the rules; none means accepted.

    A rule is skipped when the plan lacks what it needs. A text too long or with characters that do not belong is not
    looked at further: so a text of any size costs no more than finding that out.
    """
    issues: list[Issue] = []
    for one in _fitting(tuple([test(plan) for test in _TESTS])):
        issues.extend(one.check(plan, text, mentions, context))
        if issues and one.code in _HOSTILE and issues[-1].code == one.code:
            break
    return tuple(issues)


class Validator:
    """Judges sentences against their plans; compiled once, then about 20,000 sentences a second and core."""

    def __init__(self, pack: Pack, catalog: Hierarchy, *, examples: Iterable[Example] | None = None) -> None:
        """`catalog`: should hold the pack's concepts (`pack_catalog`); `examples`: the prompt's (None: the pack's)."""
        self.context = compile_context(pack, catalog, examples)

    def validate(self, plan: Plan, text: str, mentions: Iterable[Mention]) -> tuple[Issue, ...]:
        """The issues of `text` as the sentence of `plan`, with what the linker found in it; an empty tuple accepts it."""
        return validate(plan, text, tuple(mentions), self.context)
