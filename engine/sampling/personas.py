"""Who: personas and ages at diagnosis of the persons who get the diagnosis, conditioned on traits, risk factors and age.

The population is joint: axes are independent of each other, risk factors are independent given the axis their shares are
published by (race), and a share of 1 given a value of another axis ties the two (`education:low` and less education).
Exposure among the diagnosed is an output: a person x and an age a at diagnosis have density

    P(x) * rate(a, x) * exp(-integral of the rate up to a) * survival(a | x)

drawn exactly: everything but the exponential is a product and is drawn directly, the exponential by one acceptance test.
"""

from __future__ import annotations

import math
from difflib import get_close_matches
from typing import TYPE_CHECKING

import numpy as np

from engine.sampling.criteria import Criteria
from engine.sampling.figures import survival
from engine.sampling.tables import Persons
from graph_loaders.facts import needs_of
from graph_loaders.trajectory import Persona
from ontology.errors import ConfigError, Infeasible
from ontology.issue import Issue, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy.typing as npt

    from engine.sampling.model import ProgressionModel
    from ontology.pack import Pack, Stage

__all__ = ["OLDEST", "YOUNGEST", "PersonaOf", "persons"]

YOUNGEST, OLDEST = 40.0, 110.0
"""Ages the model covers, in years; the life table of the shipped pack begins and ends there."""

_STEP = 0.25
_RATIOS = 65
_GUIDE = 1024


def persons(model: ProgressionModel, criteria: Criteria) -> Persons:
    """The tables to draw from. ConfigError for an unknown trait or risk factor (all of them, nearest names given);
    Infeasible where the traits and risk factors exclude each other or no age is left.
    """
    pack = model.pack
    refuse_unknown(pack, criteria)
    axes, ties = axes_of(pack), ties_of(pack)
    forced = _forced(pack, criteria, ties)
    given_axis, shares = _shares(pack, axes)
    ratio = {f: model.value(pack.diagnosis, f) for f in model.features if not f.startswith("after:")}
    groups = [f"{list(axes)[given_axis]}:{v}" for v in list(axes.values())[given_axis]] if given_axis >= 0 else [""]
    risk_log = np.array(
        [[ratio[f"risk:{r.id}"] + ratio.get(f"risk:{r.id}*{g}", 0.0) for r in pack.risk_factors] for g in groups]
    ).reshape(len(groups), len(pack.risk_factors))
    tilt = shares * np.exp(risk_log)
    norm = 1 - shares + tilt
    exposure, weight = tilt / norm, norm
    for k, risk in enumerate(pack.risk_factors):
        if risk.id in forced:
            weight[:, k] = tilt[:, k] if forced[risk.id] else 1 - shares[:, k]
            exposure[:, k] = float(forced[risk.id])
    ages = np.arange(YOUNGEST, OLDEST + _STEP / 2, _STEP)
    slope = max(ratio["age10"] / 10, 1e-6)
    moving = _moving(model)
    death_axis, cumulative, mass, alive = _ages(pack, axes, ages, slope, Criteria() if moving else criteria)
    start, all_weights, all_logs = [0], [], []
    tied = {axis: risk for axis, risk, _, _ in ties}
    for a, (axis, values) in enumerate(axes.items()):
        logs = np.array([ratio.get(f"{axis}:{v}", 0.0) for v in values])
        prior = np.array(list(values.values()))
        w = prior / prior.sum() * np.exp(logs)
        if a == given_axis:
            w = w * weight.prod(axis=1)
        if a == death_axis:
            w = w * mass
        wanted = criteria.traits.get(axis)
        if wanted is not None and axis not in tied:
            w = np.where(np.array(list(values)) == wanted, w, 0.0)
        if not w.sum() > 0:
            raise Infeasible(
                f"nobody in the population of {pack.id} has the traits and age that are asked for", "traits"
            )
        all_weights.append(np.cumsum(w) / w.sum())
        all_logs.append(np.zeros_like(logs) if axis in tied else logs)
        start.append(start[-1] + len(values))
    order = list(axes)
    names = [r.id for r in pack.risk_factors]
    rows = [
        (order.index(axis), names.index(risk), list(axes[axis]).index(yes), list(axes[axis]).index(no))
        for axis, risk, yes, no in ties
    ]
    before = np.array([s.years or 0.0 for s in stages_before(pack)])
    reach = [abs(ratio.get(f"{axis}:{v}", 0.0)) for axis, values in axes.items() for v in values]
    logs = _log_grid(risk_log, sum(reach)) if moving else np.zeros(2)
    left = _left(ages, alive, slope, ratio["intercept"], logs, before)
    return Persons(
        np.array(start, np.int64),
        np.concatenate(all_weights),
        np.concatenate(all_logs),
        given_axis,
        np.ascontiguousarray(exposure),
        risk_log,
        np.array(rows, np.int64).reshape(-1, 4),
        death_axis,
        ages,
        np.ascontiguousarray(cumulative),
        _guide(cumulative),
        np.ascontiguousarray(alive),
        ratio["intercept"],
        slope,
        YOUNGEST,
        before,
        left,
        float(logs[0]),
        max(float(logs[1] - logs[0]), 1e-9),
        -1e9 if not moving or criteria.age[0] is None else float(criteria.age[0]),
        1e9 if not moving or criteria.age[1] is None else float(criteria.age[1]),
        YOUNGEST if criteria.age[0] is None else float(criteria.age[0]),
        OLDEST if criteria.age[1] is None else float(criteria.age[1]),
    )


def _guide(cumulative: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    quantiles = np.arange(_GUIDE) / _GUIDE
    rows = [np.searchsorted(row, quantiles, side="right") - 1 for row in cumulative]
    return np.clip(np.array(rows, np.int64), 0, cumulative.shape[1] - 2)


def _moving(model: ProgressionModel) -> bool:
    from engine.sampling.rates import rates_of

    return rates_of(model).moves


def _log_grid(risk_log: npt.NDArray[np.float64], reach: float) -> npt.NDArray[np.float64]:
    low, high = np.minimum(risk_log, 0).sum(1).min() - reach, np.maximum(risk_log, 0).sum(1).max() + reach
    grid: npt.NDArray[np.float64] = np.linspace(low, high, _RATIOS)
    return grid


def _left(
    ages: npt.NDArray[np.float64],
    alive: npt.NDArray[np.float64],
    slope: float,
    level: float,
    logs: npt.NDArray[np.float64],
    before: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Share not yet diagnosed by age, by row of mortality and log ratio, of persons in the last stage before the diagnosis.

    The age at diagnosis d has density f(d), and the last stage before began an exponential time (mean m) earlier. Given
    when it began, the rate of the diagnosis at d is f(d) exp(-d/m) / integral of the same from d on, whenever that was:
    the process is Markov forwards too, and this is the survivor function of that rate.
    """
    mean = float(before[-1]) if len(before) and before[-1] > 0 else 1e9
    bottom = math.exp(slope * (YOUNGEST - 80.0))
    hazard = np.exp(level + logs)[:, None] * (np.exp(slope * (ages - 80.0)) - bottom) / slope
    density = np.exp(slope * (ages - 80.0) - (ages - YOUNGEST) / mean)
    found = np.empty((len(alive), len(logs), len(ages)))
    for row, one in enumerate(alive):
        f = density * one * np.exp(-hazard)
        pieces = (f[:, 1:] + f[:, :-1]) / 2
        rest = np.concatenate([np.cumsum(pieces[:, ::-1], axis=1)[:, ::-1], np.zeros((len(logs), 1))], axis=1)
        found[row] = rest / np.maximum(rest[:, :1], 1e-300)
    return found


def stages_before(pack: Pack) -> list[Stage]:
    """The stages that do not need the diagnosis, in order."""
    needs = needs_of(pack)
    ordered = sorted(pack.stages, key=lambda s: s.ordinal)
    return [s for s in ordered if pack.diagnosis not in needs.get(f"stage:{s.id}", frozenset())]


def axes_of(pack: Pack) -> dict[str, dict[str, float]]:
    """Axis -> value -> share, in the order of the pack."""
    axes: dict[str, dict[str, float]] = {}
    for row in pack.demographics:
        axes.setdefault(row.axis, {})[row.value] = row.share
    return axes


def ties_of(pack: Pack) -> list[tuple[str, str, str, str]]:
    """(axis, risk factor, value if exposed, value if not): exposures with a share of 1 given a value of a trait."""
    axes, found = axes_of(pack), []
    for row in pack.exposures:
        axis, _, value = row.given.partition(":")
        if row.share == 1.0 and value in axes.get(axis, {}):
            other = next((v for v in axes[axis] if v != value), value)
            found.append((axis, row.risk_factor, value, other))
    return found


def _shares(pack: Pack, axes: Mapping[str, Mapping[str, float]]) -> tuple[int, npt.NDArray[np.float64]]:
    """The axis that exposures are published by (-1: none) and the share of each risk factor in each of its values."""
    tied = {axis for axis, *_ in ties_of(pack)}
    by = {x.given.partition(":")[0] for x in pack.exposures if x.given} - tied
    if len(by) > 1:
        message = f"exposures are given by {', '.join(sorted(by))}"
        issue = Issue(Severity.ERROR, "two-given-axes", message, "exposures.csv", "give shares by one axis")
        raise ConfigError(f"the pack {pack.id} has no joint table of exposures", [issue])
    axis = next(iter(by), "")
    table = {(x.risk_factor, x.given): x.share for x in pack.exposures}
    missing = [
        Issue(Severity.ERROR, "missing-exposure", f"{r.id} has no share", "exposures.csv", "add a row given nobody")
        for r in pack.risk_factors
        if (r.id, "") not in table
    ]
    if missing:
        raise ConfigError(f"the pack {pack.id} cannot draw persons", missing)
    rows = [
        [table.get((r.id, f"{axis}:{v}"), table[r.id, ""]) for r in pack.risk_factors]
        for v in axes.get(axis, {"": 1.0})
    ]
    index = list(axes).index(axis) if axis in axes else -1
    return index, np.array(rows, dtype=np.float64).reshape(len(rows), len(pack.risk_factors))


def _forced(pack: Pack, criteria: Criteria, ties: Iterable[tuple[str, str, str, str]]) -> dict[str, bool]:
    forced = dict.fromkeys(criteria.risk_factors, True)
    for axis, risk, yes, _ in ties:
        if axis in criteria.traits:
            exposed = criteria.traits[axis] == yes
            if forced.get(risk, exposed) != exposed:
                raise Infeasible(
                    f"{axis}:{criteria.traits[axis]} and the risk factor {risk} exclude each other in {pack.id}",
                    "traits",
                )
            forced[risk] = exposed
    return forced


def _ages(
    pack: Pack,
    axes: Mapping[str, Mapping[str, float]],
    ages: npt.NDArray[np.float64],
    slope: float,
    criteria: Criteria,
) -> tuple[int, npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Axis of background mortality, cumulative distribution of rate times survival within the age range, its mass, survival."""
    low, high = (
        (YOUNGEST if criteria.age[0] is None else criteria.age[0]),
        (OLDEST if criteria.age[1] is None else criteria.age[1]),
    )
    axis, tables, _ = survival(pack, ages)
    values = list(axes.get(axis, {"": 1.0}))
    rows, mass = [], []
    for value in values:
        if value not in tables:
            issue = Issue(
                Severity.ERROR, "missing-fact", f"no mortality of {axis}:{value}", "facts.csv", "add its rows"
            )
            raise ConfigError(f"the pack {pack.id} cannot draw persons", [issue])
        density = np.exp(slope * (ages - 80)) * tables[value]
        total = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(ages))])
        bounds = np.interp([low, high], ages, total)
        rows.append(np.clip((total - bounds[0]) / max(bounds[1] - bounds[0], 1e-300), 0.0, 1.0))
        mass.append(bounds[1] - bounds[0])
    grid = np.array(rows)
    alive = np.array([tables[value] for value in values])
    return (list(axes).index(axis) if axis in axes else -1), grid, np.array(mass), alive


def refuse_unknown(pack: Pack, criteria: Criteria) -> None:
    """ConfigError with every trait and risk factor of the criteria that the pack does not have, and the nearest names."""
    axes, known = axes_of(pack), [r.id for r in pack.risk_factors]
    issues = []
    for axis, value in criteria.traits.items():
        if axis not in axes:
            issues.append(_unknown("trait", axis, list(axes)))
        elif value not in axes[axis]:
            issues.append(_unknown(axis, value, list(axes[axis])))
    issues += [_unknown("risk factor", risk, known) for risk in criteria.risk_factors if risk not in known]
    if issues:
        raise ConfigError(f"the pack {pack.id} does not have what is asked for", issues)


def _unknown(what: str, name: str, known: Sequence[str]) -> Issue:
    near = get_close_matches(name, known, n=3, cutoff=0.4) or list(known)
    return Issue(
        Severity.ERROR, "unknown-trait", f"there is no {what} {name!r}", "criteria", f"one of {', '.join(near)}"
    )


class PersonaOf:
    """The persona of one row of `Paths`: the values of its traits and its exposures, as indices into the pack."""

    def __init__(self, pack: Pack) -> None:
        self._axes = [(axis, tuple(shares)) for axis, shares in axes_of(pack).items()]
        self._risks = [risk.id for risk in pack.risk_factors]

    def __call__(self, values: Sequence[int], exposed: Sequence[bool]) -> Persona:
        """The persona of these."""
        traits = {axis: names[v] for (axis, names), v in zip(self._axes, values, strict=True)}
        return Persona(traits, tuple(sorted(risk for risk, e in zip(self._risks, exposed, strict=True) if e)))
