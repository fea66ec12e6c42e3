"""The model and the criteria as the tables that the compiled loops read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.sampling.personas import OLDEST, YOUNGEST, axes_of, stages_before
from engine.sampling.tables import Floats, Rates, Wanted, padded
from graph_loaders.facts import needs_of

if TYPE_CHECKING:
    from engine.sampling.criteria import Criteria
    from engine.sampling.model import ProgressionModel

__all__ = ["rates_of", "scheduled_of", "wanted_of"]

_MANY = 8
"""An onset that acts on more than one event in this many updates all rates in vectors instead of one by one."""

_MOST_LOG = 20.0


def rates_of(model: ProgressionModel) -> Rates:
    """The model's rates as multipliers, compiled once and kept with the model."""
    found = model.kept.get("rates")
    if found is None:
        found = model.kept["rates"] = _compile(model)
    kept: Rates = found
    return kept


def scheduled_of(model: ProgressionModel) -> list[str]:
    """Events whose times are drawn with the person: stages before the diagnosis, the diagnosis, the stage that begins with it."""
    pack = model.pack
    before = [f"stage:{s.id}" for s in stages_before(pack)]
    needs = needs_of(pack)
    later = [f"stage:{s.id}" for s in sorted(pack.stages, key=lambda s: s.ordinal) if f"stage:{s.id}" not in before]
    with_it = [s for s in later[:1] if needs.get(s, frozenset()) <= {pack.diagnosis, *before}]
    return [*before, str(pack.diagnosis), *with_it]


def _compile(model: ProgressionModel) -> Rates:
    pack, events = model.pack, model.events
    size, room = len(events), padded(len(events))
    column = {feature: i for i, feature in enumerate(model.features)}
    at = {event: i for i, event in enumerate(events)}
    scheduled = [at[e] for e in scheduled_of(model)]
    base = _wide(np.exp(np.minimum(model.mean[:, 0], _MOST_LOG)), room, 0.0)
    base[scheduled] = 0.0
    flat = [f"{axis}:{value}" for axis, values in axes_of(pack).items() for value in values]
    ones = np.ones(size)
    axis_factor = np.array([_wide(np.exp(model.mean[:, column[f]]) if f in column else ones, room) for f in flat])
    risk_factor = np.array([_wide(np.exp(model.mean[:, column[f"risk:{r.id}"]]), room) for r in pack.risk_factors])
    count = np.exp(model.mean[:, column["count4"]] / 4)
    many = np.ones((room, room))
    moves = np.ones(room)
    fixed = {e: at[e] for e in scheduled_of(model)}
    here = fixed.pop(str(pack.diagnosis))
    for v, event in enumerate(events):
        factor = np.exp(model.mean[:, column[f"after:{event}"]])
        if v < model.concepts:
            factor *= count
        if v != here and v not in fixed.values() and not model.needs[v, here]:
            moves[v] = factor[here]
        factor[~model.steps[v]] = 0.0
        factor[model.needs[v]] = 1.0  # has begun by then
        factor[v] = 1.0
        factor[base[:size] == 0.0] = 1.0
        many[v, :size] = factor
    acting = [np.flatnonzero(row != 1.0) for row in many]
    opens = [np.flatnonzero(model.needs[:, v]) if v < size else np.zeros(0, np.int64) for v in range(room)]
    years = np.arange(int(OLDEST - YOUNGEST) + 2) + YOUNGEST + 0.5
    slope = _wide(model.mean[:, column["age10"]], room, 0.0)
    if (base > 0.0).any():
        slope[base == 0.0] = slope[base > 0.0][0]
    propensity = _wide(model.propensity, room, 0.0)
    return Rates(
        base, axis_factor, _acts(axis_factor, base), risk_factor.reshape(len(pack.risk_factors), room), _acts(risk_factor, base),
        np.array([0 if len(a) == 0 else 1 if len(a) * _MANY < room else 2 for a in acting], np.int64),
        np.concatenate([[0], np.cumsum([len(a) for a in acting])]).astype(np.int64),
        np.concatenate(acting).astype(np.int64), np.concatenate([row[a] for row, a in zip(many, acting, strict=True)]),
        many, moves, bool((moves != 1.0).any()),
        np.exp(np.outer((years - 80) / 10, slope)), _ages(slope, base),
        _wide(model.needs.sum(axis=1), room, 0.0).astype(np.int64),
        np.concatenate([[0], np.cumsum([len(o) for o in opens])]).astype(np.int64), np.concatenate(opens).astype(np.int64),
        propensity, bool(propensity.any()), np.array(scheduled, np.int64), size, model.concepts, at["death"], OLDEST,
    )  # fmt: skip


def _acts(factors: Floats, base: Floats) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    if not len(factors):
        return np.zeros(0, np.bool_)
    acts: np.ndarray[tuple[int], np.dtype[np.bool_]] = ((factors != 1.0) & (base > 0.0)).any(axis=1)
    return acts


def _ages(slope: Floats, base: Floats) -> int:
    acting = np.unique(slope[base > 0.0])
    return 0 if not acting.any() else 1 if len(acting) == 1 else 2


def _wide(row: Floats, room: int, rest: float = 1.0) -> Floats:
    out = np.full(room, rest)
    out[: len(row)] = row
    return out


def wanted_of(model: ProgressionModel, criteria: Criteria) -> Wanted:
    """The criteria by index."""
    room = padded(len(model.events))
    include, exclude = np.zeros(room, np.bool_), np.zeros(room, np.bool_)
    include[[model.index(c) for c in (*criteria.include, *([criteria.start] if criteria.start else []))]] = True
    exclude[[model.index(c) for c in criteria.exclude]] = True
    return Wanted(
        include,
        int(include.sum()),
        exclude,
        -1 if criteria.start is None else model.index(criteria.start),
        model.index(f"stage:{criteria.stage}") if criteria.stage else -1,
        criteria.min_onsets,
        len(model.events) if criteria.max_onsets is None else criteria.max_onsets,
        1e9 if criteria.window_years is None else float(criteria.window_years),
    )
