"""Why an onset came when it did: what raised or lowered its rate, factor by factor."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.sampling.model import ProgressionModel
    from graph_loaders.trajectory import Trajectory

__all__ = ["Contribution", "contributions", "explain_onset"]

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Contribution:
    """One factor of the rate of an onset: its feature, the logarithm of what it multiplies the rate by, and the source."""

    feature: str
    log_ratio: float
    source: str


def contributions(model: ProgressionModel, trajectory: Trajectory, step: int) -> tuple[Contribution, ...]:
    """Everything that acted on the rate of onset `step` when it began; the first is the level (log rate a year).

    The others come by falling strength. IndexError where there is no such step. The unseen propensity is not among them.
    """
    onset = trajectory.onsets[step]
    row = model.index(onset.cui)
    earlier = [o.cui for o in trajectory.onsets[:step]]
    begun = [*earlier, *(f"stage:{s.stage}" for s in trajectory.stages if s.age <= onset.age)]
    factors = {"age10": (int(onset.age) + 0.5 - 80) / 10, "count4": len(earlier) / 4}
    persona = trajectory.persona
    active = [
        *(f"{axis}:{value}" for axis, value in persona.traits.items()),
        *(f"risk:{r}" for r in persona.risk_factors),
    ]
    active += [f"risk:{r}*{axis}:{value}" for r in persona.risk_factors for axis, value in persona.traits.items()]
    factors.update(dict.fromkeys([*active, *(f"after:{event}" for event in begun)], 1.0))
    found = []
    for j, feature in enumerate(model.features):
        value = float(model.mean[row, j]) * factors.get(feature, 0.0) if feature in factors else 0.0
        if value and math.isfinite(value):
            found.append(Contribution(feature, value, model.sources.get((onset.cui, feature), "")))
    found.sort(key=lambda c: -abs(c.log_ratio))
    level = Contribution("intercept", float(model.mean[row, 0]), model.sources.get((onset.cui, "intercept"), ""))
    return (level, *found)


def explain_onset(model: ProgressionModel, trajectory: Trajectory, step: int) -> str:
    """The same in words: the rate and the strongest reasons, each with its source; for the diagnosis, its rate at that age.

    >>> from graph_loaders.facts import facts_to_elements
    >>> from ontology.pack import load_pack
    >>> from engine.sampling.model import combine
    >>> from engine.sampling.sampler import draw
    >>> pack = load_pack()
    >>> model = combine(pack, facts_to_elements(pack))
    >>> explain_onset(model, draw(model, rng_or_seed=1), 0).startswith("its rate is")
    True
    """
    level, *others = contributions(model, trajectory, step)
    rate = math.exp(level.log_ratio + sum(c.log_ratio for c in others))
    reasons = [
        f"x{math.exp(c.log_ratio):.2g} {_in_words(model, c.feature)}" + (f" ({c.source})" if c.source else "")
        for c in others[:_SHOWN]
    ]
    text = f"its rate is {rate:.2g} a year"
    return f"{text}: {', '.join(reasons)}" if reasons else f"{text} ({level.source})" if level.source else text


def _in_words(model: ProgressionModel, feature: str) -> str:
    kind, _, rest = feature.partition(":")
    words = {"age10": "for age", "count4": "for earlier onsets"}
    if feature in words:
        return words[feature]
    if kind == "risk" and "*" in feature:
        risk, _, group = feature.partition("*")
        return f"{_in_words(model, risk)}, {_in_words(model, group).removeprefix('for ')}"
    if kind != "after":
        name = next((r.name for r in model.pack.risk_factors if feature == f"risk:{r.id}"), "")
        return f"for {name or next((d.name for d in model.pack.demographics if d.id == feature), feature)}".lower()
    stage = next((s.name for s in model.pack.stages if rest == f"stage:{s.id}"), "")
    return f"since {stage or next((c.name for c in model.pack.concepts if c.cui == rest), rest)}".lower()
