"""Figures of a pack, asked for by kind, event and group; a missing one is a ConfigError that names the table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ontology.errors import ConfigError
from ontology.issue import Issue, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from ontology.pack import Fact, Pack

    Floats = npt.NDArray[np.float64]

__all__ = ["assumed", "fitting", "gompertz", "joint_scale", "references", "survival"]

_NORMAL_95 = 1.959964


def fitting(pack: Pack, kind: str, event: str, why: str) -> list[Fact]:
    """The rows that drive the model (`use` is fit); ConfigError with `why` they are needed when there is none."""
    rows = [f for f in pack.facts if f.kind == kind and f.event == event and f.use == "fit"]
    if not rows:
        hint = f"add rows of kind {kind} for {event!r} with use fit"
        issue = Issue(Severity.ERROR, "missing-fact", f"no {kind} of {event!r}: {why}", "facts.csv", hint)
        raise ConfigError(f"the pack {pack.id} cannot drive the progression model", [issue])
    return rows


def assumed(pack: Pack, identifier: str, otherwise: float | None = None) -> float:
    """The value of a declared assumption; `otherwise` where it is not declared, ConfigError where that is None."""
    for row in pack.assumptions:
        if row.id == identifier and row.value is not None:
            return row.value
    if otherwise is not None:
        return otherwise
    issue = Issue(Severity.ERROR, "missing-assumption", f"no value of {identifier!r}", "assumptions.csv", "add the row")
    raise ConfigError(f"the pack {pack.id} cannot drive the progression model", [issue])


def references(pack: Pack) -> dict[str, str]:
    """The first value of each axis, the reference of its ratios."""
    first: dict[str, str] = {}
    for row in pack.demographics:
        first.setdefault(row.axis, row.value)
    return first


def gompertz(pack: Pack) -> tuple[Floats, Floats, str]:
    """Log incidence of the diagnosis at 80 and its slope per ten years, their covariance, and the source.

    Weighted least squares on the log scale, weights 1/se^2 from the intervals (rows without one: se 0.5, declared here).
    An open age band is placed at the assumption `mid-age-85-plus`.
    """
    rows = fitting(pack, "incidence", pack.diagnosis, "it gives the age at diagnosis")
    ages, logs, errors = [], [], []
    for row in rows:
        if row.value is None or row.age_from is None:
            continue
        middle = assumed(pack, "mid-age-85-plus") if row.age_to is None else (row.age_from + row.age_to) / 2
        ages.append((middle - 80) / 10)
        logs.append(math.log(row.value / 100 if row.unit.startswith("percent") else row.value))
        known = row.low is not None and row.high is not None
        errors.append(math.log(row.high / row.low) / (2 * _NORMAL_95) if known else 0.5)  # type: ignore[operator]
    design = np.column_stack([np.ones(len(ages)), ages])
    weights = np.asarray(errors) ** -2.0
    information = design.T @ (design * weights[:, None])
    if len(ages) < 2 or np.linalg.matrix_rank(information) < 2:  # noqa: PLR2004 - a line has two parameters
        issue = Issue(
            Severity.ERROR, "missing-fact", "a slope needs incidence at two ages", "facts.csv", "add another age band"
        )
        raise ConfigError(f"the pack {pack.id} cannot drive the progression model", [issue])
    covariance = np.linalg.inv(information)
    return covariance @ design.T @ (weights * np.asarray(logs)), covariance, rows[0].source


def survival(pack: Pack, ages: Floats) -> tuple[str, dict[str, Floats], str]:
    """Background survival from the youngest age on, by value of one axis: (axis or "", value -> survival, source).

    From yearly probabilities of death at given ages; between them the log of the hazard is interpolated.
    """
    rows = fitting(pack, "incidence", "death", "persons without the disease die too")
    groups: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row.value is not None and row.age_from is not None:
            groups.setdefault(row.group, []).append((row.age_from, -math.log1p(-row.value)))
    axis = next(iter(groups)).partition(":")[0]
    found = {}
    for group, points in groups.items():
        points.sort()
        hazard = np.exp(np.interp(ages, [a for a, _ in points], [math.log(h) for _, h in points]))
        cumulative = np.concatenate([[0.0], np.cumsum((hazard[1:] + hazard[:-1]) / 2 * np.diff(ages))])
        found[group.partition(":")[2]] = np.exp(-cumulative)
    return axis, found, rows[0].source


def joint_scale(pack: Pack, log_ratios: Mapping[str, float]) -> tuple[float, str]:
    """What log ratios of risk factors are multiplied by, so that together they give the published attributable fraction.

    Exposures independent: 1 - 1 / prod(1 - p + p RR^s). Without such a row the assumption `joint-exposure-scale`, else 1.
    """
    from scipy.optimize import brentq

    rows = [
        f
        for f in pack.facts
        if f.kind == "share" and f.event == pack.diagnosis and f.use == "fit" and not f.group and f.value is not None
    ]
    shares = {x.risk_factor: x.share for x in pack.exposures if not x.given}
    usable = [(shares[risk], value) for risk, value in log_ratios.items() if risk in shares]
    if not rows or not usable:
        return assumed(pack, "joint-exposure-scale", 1.0), "joint-exposure-scale"
    target = (rows[0].value or 0.0) / 100

    def short(scale: float) -> float:
        return 1 - math.exp(-sum(math.log1p(p * math.expm1(scale * b)) for p, b in usable)) - target

    if short(1.0) <= 0:
        return 1.0, rows[0].source
    return float(brentq(short, 0.0, 1.0)), rows[0].source
