"""What a rule is: a decorated pure function; its code, meaning and hint stand in one generated table, `ISSUE_CODES`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from ontology.issue import Issue, Severity

if TYPE_CHECKING:
    from engine.plan import Plan
    from engine.validation.context import Context
    from ontology.mention import Mention

__all__ = ["ISSUE_CODES", "NEEDS", "Check", "IssueCode", "Rule", "found", "rule", "rules"]

Check = Callable[["Plan", str, "tuple[Mention, ...]", "Context"], Iterable[Issue]]
"""A rule's function: what it sees in the text, as issues; it changes nothing and reads nothing else."""

NEEDS: Mapping[str, Callable[[Plan], bool]] = MappingProxyType(
    {
        "concept": lambda plan: plan.cui is not None,
        "none": lambda plan: plan.label == "none",
        "age": lambda plan: plan.age is not None,
        "sex": lambda plan: plan.persona.traits.get("sex") in {"female", "male"},
        "persona": lambda plan: bool(plan.persona.traits or plan.persona.risk_factors),
        "definition": lambda plan: bool(plan.definition),
    }
)
"""What a plan may have or not; a rule is skipped when the plan lacks what it needs."""


@dataclass(frozen=True, slots=True)
class IssueCode:
    """A row of the table of codes: what it means, and the hint that goes back to the model ({slots} are the plan's)."""

    code: str
    meaning: str
    hint: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A check with its code and the fields of the plan it needs (keys of `NEEDS`)."""

    code: str
    needs: tuple[str, ...]
    check: Check


_CODES: dict[str, IssueCode] = {}
_RULES: dict[str, Rule] = {}
ISSUE_CODES: Mapping[str, IssueCode] = MappingProxyType(_CODES)
"""Every issue code of the validation, in the order in which the rules run."""


def rule(*, code: str, meaning: str, hint: str, needs: tuple[str, ...] = ()) -> Callable[[Check], Check]:
    """Registers a check under its code; ValueError when the code is taken or a need is unknown."""
    if code in _CODES:
        raise ValueError(f"the issue code {code!r} is taken; each rule has its own")
    if unknown := set(needs) - set(NEEDS):
        raise ValueError(f"{sorted(unknown)} cannot be needed by rule {code!r}; known: {', '.join(NEEDS)}")
    _CODES[code] = IssueCode(code, meaning, hint)

    def register(check: Check) -> Check:
        _RULES[code] = Rule(code, needs, check)
        return check

    return register


def rules() -> tuple[Rule, ...]:
    """Every rule, in the order in which it was declared."""
    return tuple(_RULES.values())


def found(code: str, message: str, place: tuple[int, int] | None = None, **values: str) -> Issue:
    """The issue of a rule. `place`: characters of the text, end exclusive; `values` fill the slots of the code's hint."""
    where = f"text:{place[0]}-{place[1]}" if place else "text"
    return Issue(Severity.ERROR, code, message, where, _CODES[code].hint.format_map(values))
