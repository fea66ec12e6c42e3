"""Differentially private counts of a cohort, with OpenDP's discrete noise. The unit is a person: one more, or one less.

A person adds at most `most_onsets` onsets over `most_years` (bounded when loaded), so each group of counts has a known
sensitivity. What comes after the noise (rounding to what is not negative, counts made to agree, pooling, leaving out what
noise swamps) only sees noisy values. Coefficients, their information and person-years of pairs do not leave.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from graph_loaders.elements import Edge, Value
from graph_loaders.margins import Counts
from graph_loaders.partition import CELLS, boxes, grouped, pool_bins
from graph_loaders.schema import DEATH, END, GAP_BINS_DAYS, START, EdgeType, NodeType
from ontology.errors import ConfigError, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from graph_loaders.elements import GraphElements, Node
    from graph_loaders.partition import Box

    Ints = npt.NDArray[np.int64]

__all__ = ["GAUSSIAN", "LAPLACE", "Noise", "Noisy", "noisy"]

LAPLACE, GAUSSIAN = "discrete Laplace", "discrete Gaussian"

_SHARES = {"persons": 0.05, "pairs": 0.25, "gaps": 0.15, "events": 0.3, "years": 0.25}
"""Of the budget, by group of counts."""

_UNIT = 10_000
"""Person-years are counted in ten-thousandths, as they are stored."""

_PATH = CELLS[0] + CELLS[2] - 1
"""Most cells that a person passes through: age and onsets only grow."""

_CLEAR = 3.0
"""A count is shown where it is this many standard deviations of its noise."""


@dataclass(frozen=True, slots=True)
class Noise:
    """A mechanism for one group of counts: `l1` and `l2` sensitivity to one person, its share of the budget, its scale."""

    l1: int
    l2: float
    delta: float
    budget: float

    @classmethod
    def of(cls, l1: int, l2: float, epsilon: float, delta: float, share: float) -> Noise:
        """With delta 0, `share` of epsilon; else `share` of the rho of zero-concentrated privacy that gives (epsilon, delta):
        epsilon = rho + 2 sqrt(rho log(1/delta)) (Bun and Steinke, TCC 2016, proposition 1.3).
        """
        if not delta:
            return cls(l1, l2, 0.0, epsilon * share)
        root = math.sqrt(math.log(1 / delta))
        return cls(l1, l2, delta, (math.sqrt(root * root + epsilon) - root) ** 2 * share)

    @property
    def scale(self) -> float:
        """Of the noise: of Laplace, or the standard deviation."""
        exact = self.l1 / self.budget if not self.delta else self.l2 / math.sqrt(2 * self.budget)
        return exact * (1 + 1e-9)  # so that rounding cannot pass the budget

    @property
    def sd(self) -> float:
        """Standard deviation of the noise."""
        return self.scale if self.delta else math.sqrt(2) * self.scale

    def add(self, values: Sequence[int] | Ints) -> Ints:
        """Noise on each; from OpenDP's own source of randomness, which no seed repeats.

        Raises:
            MissingExtra: OpenDP is not installed.
        """
        try:
            import opendp.prelude as dp
        except ImportError:
            raise MissingExtra("OpenDP", "pip install 'dualalign[privacy]'") from None
        dp.enable_features("contrib")
        domain = dp.vector_domain(dp.atom_domain(T="i64"))
        measurement: Any
        if self.delta:
            measurement = dp.m.make_gaussian(domain, dp.l2_distance(T="f64"), scale=self.scale)
            loss = measurement.map(self.l2)
        else:
            measurement = dp.m.make_laplace(domain, dp.l1_distance(T="i64"), scale=self.scale)
            loss = measurement.map(self.l1)
        if loss > self.budget:
            raise ConfigError(f"the noise would cost {loss:g}, not {self.budget:g}; nothing was released")
        return np.asarray(measurement([int(v) for v in values]), np.int64)


@dataclass(slots=True)
class Noisy:
    """The edges that may leave, the Cohort's properties, and the standard deviation of the noise by group."""

    mechanism: str
    edges: list[Edge] = field(default_factory=list)
    properties: dict[str, Value] = field(default_factory=dict)
    sds: dict[str, float] = field(default_factory=dict)

    def figures(self) -> dict[str, Any]:
        """For a report."""
        kinds = [edge.type for edge in self.edges]
        return {
            "mechanism": self.mechanism,
            "epsilon": self.properties["epsilon"],
            "delta": self.properties["delta"],
            "persons_noisy": self.properties["persons"],
            "pairs_shown": kinds.count(EdgeType.PRECEDES),
            "events_shown": kinds.count(EdgeType.OBSERVED),
            **{f"sd_of_{name}": round(sd, 2) for name, sd in self.sds.items()},
        }


def noisy(elements: GraphElements, cohort: Node, epsilon: float, delta: float) -> Noisy:
    """One cohort's counts with noise, (epsilon, delta)-differentially private for a person; see the module.

    The events (the list that the mapping names) are taken as public; every pair of them gets noise, seen or not.

    Raises:
        ConfigError: the cohort was loaded without bounds on what a person adds.
        MissingExtra: OpenDP is not installed.
    """
    onsets, years = cohort.properties.get("most_onsets"), cohort.properties.get("most_years")
    listed: Any = cohort.properties.get("looked_for")
    if not isinstance(onsets, int) or not isinstance(years, int | float) or not listed:
        raise ConfigError(
            f"the cohort {cohort.key} was loaded without bounds on what one person adds, so no noise can hide a person; "
            "load it again with --most-onsets 8 --most-years 20 (or other numbers)"
        )
    noise = _noise(onsets, float(years), len(listed), epsilon, delta)
    counts = Counts.of(elements, cohort.key, listed)
    edges = {(e.type, e.start[1], e.end[1]): e for e in elements.edges if e.properties.get("cohort") == cohort.key}
    found = Noisy(
        GAUSSIAN if delta else LAPLACE,
        sds={name: n.sd / (_UNIT if name == "years" else 1) for name, n in noise.items()},
    )
    events = sorted(str(e) for e in listed)
    persons = int(noise["persons"].add([counts.persons])[0])
    cells = list(Counts(0, tuple(events)).cells())
    drawn = noise["pairs"].add([counts.values.get(c, 0) for c in cells])
    drawn[drawn < _CLEAR * noise["pairs"].sd] = 0
    persons, drawn = _agreeing(persons, noise["persons"].sd, drawn, noise["pairs"].sd)
    shown = dict(zip(cells, drawn.tolist(), strict=True))
    pairs = [(a, b) for kind, a, b in cells if kind == "before"]
    bins = len(GAP_BINS_DAYS)
    gaps = [v for a, b in pairs for v in _values(edges.get((EdgeType.PRECEDES, a, b)), "gap_days", bins)]
    histograms = noise["gaps"].add([int(v) for v in gaps]).reshape(-1, bins)
    for (a, b), histogram in zip(pairs, histograms, strict=True):
        edge = _pair(cohort.key, a, b, shown, histogram, noise)
        found.edges += [edge] if edge else []
    every = [*events, DEATH[1]]
    size = int(np.prod(CELLS))
    observed = [edges.get((EdgeType.OBSERVED, cohort.key, event)) for event in every]
    happened = noise["events"].add([int(v) for e in observed for v in _values(e, "events_by_cell", size)])
    exposure = noise["years"].add([round(v * _UNIT) for e in observed for v in _values(e, "years_by_cell", size)])
    for event, some, time in zip(every, happened.reshape(-1, *CELLS), exposure.reshape(-1, *CELLS), strict=True):
        edge = _observed(cohort.key, event, some, time, noise)
        found.edges += [edge] if edge else []
    found.properties = {
        "persons": persons,
        "epsilon": epsilon,
        "delta": delta,
        "released": "differential privacy",
        "mechanism": found.mechanism,
        "most_onsets": onsets,
        "most_years": float(years),
        "looked_for": events,
    }
    return found


def _noise(onsets: int, years: float, events: int, epsilon: float, delta: float) -> dict[str, Noise]:
    """Sensitivities. Two onsets of a person fall in one cell of their pair, whichever came first, or both at one visit."""
    b, k = min(onsets, events), events + 1
    pairs = b + b * (b - 1) // 2 + 1
    at_risk = math.ceil(years * _UNIT)
    sizes = {
        "persons": (1, 1.0),
        "pairs": (pairs, math.sqrt(pairs)),
        "gaps": (pairs, math.sqrt(pairs)),
        "events": (b + 1, math.sqrt(b + 1)),
        "years": (k * (at_risk + _PATH), math.sqrt(k) * at_risk + math.sqrt(k * _PATH)),
    }
    return {name: Noise.of(l1, l2, epsilon, delta, _SHARES[name]) for name, (l1, l2) in sizes.items()}


def _agreeing(whole: int, sd: float, parts: Ints, parts_sd: float) -> tuple[int, Ints]:
    """The nearest counts in which no part is above the whole, by least squares with each count's variance (constrained
    inference: Hay et al., PVLDB 2010). Noise alone makes parts of nearly everybody larger than the cohort.
    """
    total, weight = whole / sd**2, 1 / sd**2
    for part in sorted(parts.tolist(), reverse=True):
        if part * weight <= total:
            break
        total, weight = total + part / parts_sd**2, weight + 1 / parts_sd**2
    found = max(round(total / weight), 0)
    return found, np.minimum(parts, found)


def _pair(
    cohort: str, a: str, b: str, shown: Mapping[Any, int], histogram: Ints, noise: Mapping[str, Noise]
) -> Edge | None:
    properties: dict[str, Value] = {"cohort": cohort, "basis": "counted"}
    if persons := shown["before", a, b]:
        properties["persons"] = persons
        bins, edges = pool_bins(histogram.tolist(), GAP_BINS_DAYS, math.ceil(_CLEAR * noise["gaps"].sd), empty=False)
        if bins:
            properties |= {"gap_days": _scaled(bins, persons)}
            properties |= {"gap_bins": edges} if edges != list(GAP_BINS_DAYS) else {}
    if same := shown[Counts.together(a, b)] if b != "end" else 0:
        properties["same_visit"] = same
    if len(properties) == 2:  # noqa: PLR2004 -- only whose it is
        return None
    start = START if a == START[1] else (NodeType.CONCEPT.value, a)
    end = END if b == END[1] else (NodeType.CONCEPT.value, b)
    return Edge(EdgeType.PRECEDES, start, end, cohort, properties)


def _scaled(bins: Sequence[int], total: int) -> list[int]:
    """Bins that add up to `total`, in their proportions (largest remainders)."""
    exact = [count * total / sum(bins) for count in bins]
    found = [math.floor(v) for v in exact]
    for i in sorted(range(len(bins)), key=lambda i: found[i] - exact[i])[: total - sum(found)]:
        found[i] += 1
    return found


def _observed(cohort: str, event: str, happened: Ints, exposure: Ints, noise: Mapping[str, Noise]) -> Edge | None:
    def fine(box: Box) -> bool:
        width = math.sqrt(happened[box].size) * _CLEAR
        return bool(
            happened[box].sum() >= width * noise["events"].sd and exposure[box].sum() >= width * noise["years"].sd
        )

    found = boxes(fine)
    if not found:
        return None
    events, groups = grouped(happened.astype(np.float64), found)
    years, _ = grouped(exposure / _UNIT, found)
    properties: dict[str, Value] = {
        "cohort": cohort,
        "events_by_cell": [int(v) for v in events.ravel()],
        "years_by_cell": [round(float(v), 1) for v in years.ravel()],
        "cell_groups": groups,
    }
    end = DEATH if event == DEATH[1] else (NodeType.CONCEPT.value, event)
    return Edge(EdgeType.OBSERVED, (NodeType.COHORT.value, cohort), end, cohort, properties)


def _values(edge: Edge | None, name: str, size: int) -> list[float]:
    value: Any = edge.properties.get(name) if edge else None
    return list(value) if value else [0.0] * size
