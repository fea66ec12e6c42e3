"""Small cells are withheld, and so many others with them that none follows from what is shown.

Every released count of persons is at least the least cell; a count that is absent is 0 or withheld, and nothing says which.
Primary suppression: cells of 1 to `least` - 1. Complementary: as long as the attack (`disclosure.bounds`) pins a cell
that is not shown to a range narrower than 0 to `least` - 1, a neighbour of it goes as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from graph_loaders.disclosure import bin_bounds, bounds
from graph_loaders.elements import Edge
from graph_loaders.margins import Counts
from graph_loaders.partition import CELLS, boxes, grouped, pool_bins, widest_years
from graph_loaders.schema import GAP_BINS_DAYS, EdgeType
from ontology.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

    from graph_loaders.elements import GraphElements, Value
    from graph_loaders.margins import Cell
    from graph_loaders.partition import Box

    Array = npt.NDArray[np.float64]

__all__ = ["Suppressed", "suppress"]

_DIGITS = 6


@dataclass(slots=True)
class Suppressed:
    """The edges that may leave; how many counts were too small, how many went with them, what else was coarsened."""

    edges: list[Edge] = field(default_factory=list)
    small: int = 0
    complementary: int = 0
    histograms_pooled: int = 0
    histograms_withheld: int = 0
    estimates_kept: int = 0
    estimates_withheld: int = 0
    features_kept: int = 0
    features_withheld: int = 0
    cell_groups_shown: int = 0


def suppress(
    elements: GraphElements, cohort: str, least: int, *, progress: Callable[[str], None] | None = None
) -> Suppressed:
    """The edges of one cohort as they may leave; `least`: fewest persons of a count.

    Raises:
        ConfigError: the cohort has fewer persons than that, or nothing of it may be shown.
    """
    truth = Counts.of(elements, cohort)
    if truth.persons < least:
        raise ConfigError(
            f"the cohort {cohort} has fewer than {least} persons, so nothing of it may leave; merge it with others where they are"
        )
    edges = [e for e in elements.edges if e.properties.get("cohort") == cohort]
    observed = {e.end[1]: o for e in edges if e.type == EdgeType.OBSERVED and (o := _observed(e, least)) is not None}
    _fitting(truth, observed)
    shown, small = _protected(truth, least, observed, progress)
    found = Suppressed(small=small, complementary=len(truth.values) - small - len(shown))
    found.cell_groups_shown = sum(len(set(_list(e, "cell_groups"))) for e in observed.values())
    for edge in edges:
        known = ("before", "start", edge.end[1]) in shown or edge.end[1] == "death"
        if edge.type == EdgeType.PRECEDES:
            _precedes(edge, shown, least, found)
        elif edge.type == EdgeType.OBSERVED and known and edge.end[1] in observed:
            found.edges.append(observed[edge.end[1]])
        elif edge.type == EdgeType.ESTIMATES:
            kept = _estimates(edge, shown, least) if known and edge.end[1] in observed else None
            whole = len(_list(edge, "features"))
            features = 0 if kept is None else len(_list(kept, "features"))
            found.features_kept += features
            found.features_withheld += whole - features
            found.estimates_kept += kept is not None
            found.estimates_withheld += kept is None
            found.edges += [kept] if kept is not None else []
    return found


def _fitting(truth: Counts, observed: dict[str, Edge]) -> None:
    """Cells that do not fit the counts by pairs (dates that no visit explains) are withheld."""
    for event in [e for e in observed if e in truth.events]:
        counts = Counts(truth.persons, truth.events)
        counts.take(observed[event])
        low, high = counts.earlier[event]
        before = sum(truth.values.get(("before", other, event), 0) for other in truth.events)
        if counts.seen[event] != truth.values.get(("before", "start", event), 0) or not low <= before <= high:
            del observed[event]


def _protected(
    truth: Counts, least: int, observed: dict[str, Edge], progress: Callable[[str], None] | None
) -> tuple[dict[Cell, int], int]:
    """The cells that are shown, and how many were withheld for being small."""
    shown = {cell: value for cell, value in truth.values.items() if value >= least}
    small = len(truth.values) - len(shown)
    while True:
        counts = Counts(truth.persons, truth.events, shown)
        for event, edge in observed.items():
            if ("before", "start", event) in shown:
                counts.take(edge)
        found = bounds(counts, wide=least - 1)
        narrow = [cell for cell, (low, high) in found.items() if high - low < least - 1]
        if not narrow:
            return shown, small
        going = {_neighbour(cell, shown, counts.events) for cell in narrow} - {None}
        if not going:
            raise ConfigError(
                f"no release of this cohort can hide its small counts ({len(narrow)} follow from the number of persons); "
                "count fewer events, or release it with --epsilon"
            )
        for cell in going:
            if cell is not None:
                del shown[cell]
                if progress:
                    progress(f"{cell[1]} {cell[2]}")


def _neighbour(cell: Cell, shown: dict[Cell, int], events: Sequence[str]) -> Cell | None:
    """The smallest shown cell that stands in one sum with `cell`; the nearest sums first."""
    kind, a, b = cell
    pair: list[Cell] = [("before", a, b), ("before", b, a), Counts.together(a, b)]
    column: list[Cell] = [("before", other, b) for other in events]
    row: list[Cell] = [("before", a, other) for other in events] + [Counts.together(a, o) for o in events if o != a]
    starts: list[Cell] = [(k, "start", e) for e in (a, b) for k in ("before", "with")]
    rings = {
        "end": [[("before", other, "end") for other in ("start", *events)], row, starts],
        "start": [starts, column, [("before", b, "end"), ("before", "start", "end")]],
    }.get("end" if b == "end" else a, [pair, column if kind == "before" else row, [*row, ("before", a, "end")], starts])
    for ring in [*rings, list(shown)]:
        there = sorted((shown[c], c) for c in set(ring) if c in shown and c != cell)
        if there:
            return there[0][1]
    return None


def _precedes(edge: Edge, shown: dict[Cell, int], least: int, found: Suppressed) -> None:
    a, b = edge.start[1], edge.end[1]
    properties: dict[str, Value] = {"cohort": edge.key, "basis": "counted"}
    if Counts.together(a, b) in shown and b != "end":
        properties["same_visit"] = shown[Counts.together(a, b)]
    if ("before", a, b) in shown:
        years = round(_number(edge, "person_years"))
        properties |= {"persons": shown["before", a, b], "person_years": float(years)}
        gaps = _list(edge, "gap_days")
        lefts = [int(v) for v in edge.properties.get("gap_bins", GAP_BINS_DAYS)]  # type: ignore[union-attr]  # a list
        bins, edges = pool_bins(gaps, lefts, least)
        if bins:
            limits = bin_bounds(bins, edges, lefts, years)
            pool = [max(e for e in edges if e <= left) for left in lefts]
            hidden = [high - low for at, (low, high) in zip(pool, limits, strict=True) if pool.count(at) > 1]
            if any(width < least - 1 for width in hidden):
                bins, edges = [], []
        if bins:
            properties |= {"gap_days": bins} if edges == lefts else {"gap_days": bins, "gap_bins": edges}
            found.histograms_pooled += edges != lefts
        else:
            found.histograms_withheld += 1
    if len(properties) > 2:  # noqa: PLR2004 -- more than whose it is
        found.edges.append(replace(edge, properties=properties))


def _observed(edge: Edge, least: int) -> Edge | None:
    """Cells pooled until each has no onset, or `least`, and surely `least` persons at risk; None where the whole has less."""
    events = np.asarray(_list(edge, "events_by_cell"), np.float64).reshape(CELLS)
    years = np.asarray(_list(edge, "years_by_cell"), np.float64).reshape(CELLS)

    def fine(box: Box) -> bool:
        happened, at_risk = events[box].sum(), years[box].sum()
        return bool(happened >= least or (not happened and (not at_risk or at_risk >= least * widest_years(box))))

    found = boxes(fine)
    if not found or events.sum() < least:
        return None
    pooled, groups = grouped(events, found)
    exposure, _ = grouped(years, found)
    properties: dict[str, Value] = {
        "cohort": edge.key,
        "events_by_cell": [int(v) for v in pooled.ravel()],
        "years_by_cell": [float(round(v)) for v in exposure.ravel()],
        "cell_groups": groups,
    }
    return replace(edge, properties=properties)


def _estimates(edge: Edge, shown: dict[Cell, int], least: int) -> Edge | None:
    """Coefficients of features with support, the others held at no effect; None where nothing is left.

    The information of 0/1 features is made of expected counts: I[0, k] of the onsets with k, I[k, l] of those with both. A
    feature stays where all four counts of it with each other feature are at least `least`, and `after:a` where the count of
    a before the event is shown. Holding the rest at 0 keeps I of the kept ones and changes c by I_kk^-1 I_kd c_d.
    """
    names = [str(n) for n in _list(edge, "features")]
    size = len(names)
    information = np.asarray(_list(edge, "information"), np.float64).reshape(size, size)
    coefficients = np.asarray(_list(edge, "coefficients"), np.float64)
    if not size or names[0] != "intercept" or information[0, 0] < least:
        return None
    event = edge.end[1]
    allowed = [
        i for i, name in enumerate(names)
        if ":" not in name or not name.startswith("after:") or ("before", name[6:], event) in shown
    ]  # fmt: skip
    kept = _supported(information, allowed, names, least)
    gone = [i for i in range(size) if i not in kept]
    inner = information[np.ix_(kept, kept)]
    shift = np.linalg.pinv(inner, rcond=1e-10, hermitian=True) @ information[np.ix_(kept, gone)] @ coefficients[gone]
    properties: dict[str, Value] = {
        "cohort": edge.key,
        "features": [names[i] for i in kept],
        "coefficients": [float(f"{v:.{_DIGITS}g}") for v in coefficients[kept] + shift],
        "information": [float(f"{v:.{_DIGITS}g}") for v in inner.ravel()],
        "basis": str(edge.properties.get("basis", "persons")),
    }
    return replace(edge, properties=properties)


def _supported(information: Array, allowed: Sequence[int], names: Sequence[str], least: int) -> list[int]:
    """The features that may stay: the one with the most small counts goes first, until there is none."""
    kept = list(allowed)
    while True:
        binary = [i for i in kept if ":" in names[i]]
        faults = {i: sum(1 for _ in _faults(information, i, binary, least)) for i in binary}
        worst = max(binary, key=lambda i: (faults[i], i), default=None)
        if worst is None or not faults[worst]:
            return kept
        kept.remove(worst)


def _faults(information: Array, i: int, binary: Sequence[int], least: int) -> Iterator[int]:
    total, one = information[0, 0], information[0, i]
    if min(one, information[i, i], total - one) < least:
        yield i
    for j in binary:
        if j != i:
            both, other = information[i, j], information[0, j]
            if any(count < least for count in (both, one - both, other - both, total - one - other + both)):
                yield j


def _list(edge: Edge, name: str) -> list[Any]:
    value = edge.properties.get(name, [])
    return value if isinstance(value, list) else []


def _number(edge: Edge, name: str) -> float:
    value = edge.properties.get(name, 0.0)
    return float(value) if isinstance(value, int | float) else 0.0
