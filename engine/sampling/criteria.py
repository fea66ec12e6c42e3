"""`Criteria`: what a sampled trajectory must meet."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ontology.concept import Cui
from ontology.errors import ConfigError, Infeasible
from ontology.issue import Issue, Severity

if TYPE_CHECKING:
    from engine.sampling.model import ProgressionModel

__all__ = ["Criteria", "check_criteria"]


@dataclass(frozen=True, slots=True)
class Criteria:
    """What a sample must meet; an empty one asks for nothing.

    `age`: (from, to) in years at the diagnosis, either end None for open. `traits`: axis -> value. `risk_factors`: ids
    the persona must have. `include`, `exclude`: concepts that must, must not, begin within the window. `start`: a
    concept that must be the first onset. `stage`: a stage that must be reached. `min_onsets`, `max_onsets`: how many onsets.
    `window_years`: length of follow-up from entry.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}  # a misspelt criterion in a recipe is refused

    age: tuple[float | None, float | None] = (None, None)
    traits: Mapping[str, str] = field(default_factory=dict)
    risk_factors: tuple[str, ...] = ()
    include: tuple[Cui, ...] = ()
    exclude: tuple[Cui, ...] = ()
    start: Cui | None = None
    stage: str = ""
    min_onsets: int = 0
    max_onsets: int | None = None
    window_years: float | None = None


def check_criteria(model: ProgressionModel, criteria: Criteria) -> None:
    """Refuse what no trajectory can meet, before any is drawn.

    ConfigError lists every concept or stage the model does not have, with the nearest; Infeasible names the criterion and says why:
    a window or an age range that is empty, concepts both included and excluded, an included one (or a stage) that requires an excluded
    one, directly or through others, or that has no rate, or that cannot stand beside another on any path of the graph; the diagnosis
    excluded without a window; more than `max_onsets` with all they require; a start that requires another concept or is excluded;
    more than `min_onsets` than can begin.
    """
    _refuse_unknown(model, criteria)
    _check_ages(criteria)
    needs = _needs(model)
    excluded: set[str] = set(criteria.exclude)
    wanted: set[str] = set(criteria.include)
    both = sorted(wanted & excluded)
    if both:
        raise Infeasible(f"{', '.join(both)} cannot be both included and excluded", "include")
    if model.pack.diagnosis in excluded and criteria.window_years is None:
        raise Infeasible(
            f"{model.pack.diagnosis} is the diagnosis that every person gets; exclude it within a window", "exclude"
        )
    for event in (*criteria.include, *([criteria.start] if criteria.start else []), *_stage(criteria)):
        blocked = sorted(needs[event] & excluded)
        if blocked:
            raise Infeasible(f"{event} requires {blocked[0]}, which is excluded", "exclude")
        wanted |= {event, *needs[event]}
    _check_possible(model, criteria, wanted)
    concepts = {event for event in wanted if ":" not in event}
    if criteria.window_years is None:
        concepts.add(str(model.pack.diagnosis))
    if criteria.start:
        _check_start(criteria, needs[criteria.start])
    if criteria.max_onsets is not None and len(concepts) > criteria.max_onsets:
        named = ", ".join(sorted(concepts))
        raise Infeasible(
            f"{len(concepts)} onsets are needed ({named}) and max_onsets is {criteria.max_onsets}", "max_onsets"
        )
    able = {e for e in _able(model) if ":" not in e and e != "death" and e not in excluded and not needs[e] & excluded}
    most = len(able) if criteria.max_onsets is None else min(len(able), criteria.max_onsets)
    if criteria.min_onsets > most:
        raise Infeasible(f"min_onsets is {criteria.min_onsets} and at most {most} onsets are possible", "min_onsets")


def _needs(model: ProgressionModel) -> dict[str, set[str]]:
    """What each event requires, directly or through others; kept with the model."""
    found: dict[str, set[str]] | None = model.kept.get("needs")
    if found is None:
        reach = model.needs.copy()
        for _ in range(len(model.events)):
            more = reach | (reach.astype(np.int64) @ reach.astype(np.int64) > 0)
            if (more == reach).all():
                break
            reach = more
        found = {e: {model.events[j] for j in np.flatnonzero(row)} for e, row in zip(model.events, reach, strict=True)}
        model.kept["needs"] = found
    return found


def _able(model: ProgressionModel) -> set[str]:
    """Events that can happen at all: with a rate, or drawn with the person."""
    from engine.sampling.rates import rates_of

    rates = rates_of(model)
    return {model.events[j] for j in (*np.flatnonzero(rates.base[: rates.size] > 0), *rates.scheduled)}


def _check_possible(model: ProgressionModel, criteria: Criteria, wanted: set[str]) -> None:
    able = _able(model)
    for event in sorted(wanted):
        if event not in able:
            name = "stage" if event.startswith("stage:") else "start" if event == criteria.start else "include"
            raise Infeasible(f"no fact and no cohort gives {event} a rate, so it never begins", name)
    ordered = sorted(e for e in wanted if e != str(model.pack.diagnosis) and not e.startswith("stage:"))
    for k, one in enumerate(ordered):
        for other in ordered[k + 1 :]:
            i, j = model.index(one), model.index(other)
            if not (model.steps[i, j] or model.steps[j, i] or model.needs[i, j] or model.needs[j, i]):
                raise Infeasible(f"the graph has no step between {one} and {other}, so no path holds both", "include")


def _stage(criteria: Criteria) -> tuple[str, ...]:
    return (f"stage:{criteria.stage}",) if criteria.stage else ()


def _refuse_unknown(model: ProgressionModel, criteria: Criteria) -> None:
    issues = []
    asked = [("include", c) for c in criteria.include] + [("exclude", c) for c in criteria.exclude]
    asked += [("start", criteria.start)] if criteria.start else []
    asked += [("stage", stage) for stage in _stage(criteria)]  # type: ignore[misc]
    for field_name, event in asked:
        try:
            known = model.index(event) >= 0 and (field_name == "stage" or ":" not in event) and event != "death"
            message = f"{event!r} is not a concept"
        except ConfigError as error:
            known, message = False, str(error)
        if not known:
            issues.append(Issue(Severity.ERROR, "unknown-event", message, f"criteria.{field_name}"))
    if issues:
        raise ConfigError("the criteria name what the model does not have", issues)


def _check_ages(criteria: Criteria) -> None:
    from engine.sampling.personas import OLDEST, YOUNGEST

    if criteria.window_years is not None and not criteria.window_years > 0:
        raise Infeasible(f"a window of {criteria.window_years} years holds nothing; it must be above 0", "window_years")
    low = YOUNGEST if criteria.age[0] is None else criteria.age[0]
    high = OLDEST if criteria.age[1] is None else criteria.age[1]
    if not (math.isfinite(low) and math.isfinite(high) and YOUNGEST <= low < high <= OLDEST):
        raise Infeasible(
            f"no diagnosis between age {low:g} and {high:g}: the model covers {YOUNGEST:g} to {OLDEST:g} and the range must "
            "not be empty",
            "age",
        )


def _check_start(criteria: Criteria, needed: set[str]) -> None:
    start = criteria.start
    others = sorted(event for event in needed if ":" not in event)
    if start in criteria.exclude:
        raise Infeasible(f"{start} cannot be the first onset and excluded", "start")
    if others:
        raise Infeasible(f"{start} requires {others[0]}, so it cannot be the first onset", "start")
    if criteria.max_onsets == 0:
        raise Infeasible(f"{start} cannot be the first onset where max_onsets is 0", "max_onsets")
