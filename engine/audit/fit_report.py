"""How good the fit of a cohort is: held-out scores beside baselines, calibration, fidelity, every parameter with its source."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.audit.fidelity import Fidelity, fidelity
from engine.audit.plausibility import beside_published
from engine.audit.published import Order, Published
from engine.html import table
from engine.sampling.model import Parameter
from graph_loaders.estimation.scores import HeldOut
from graph_loaders.estimation.zeros import Candidate
from graph_loaders.trajectory import Trajectory
from ontology.concept import Cui
from ontology.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from engine.graph import TrajectoryGraph

__all__ = ["Calibration", "CohortSource", "FitReport", "fit_report", "kept_cohort", "table_cohort", "trajectory_cohort"]

_BINS = 10
_SILENT = 0.97
"""Above this share of the prior's standard deviation the data say nothing, and their estimate is not shown."""


@dataclass(frozen=True, slots=True)
class CohortSource:
    """The persons of a cohort, its events with their names, and what they require; `ids` fills as persons are read."""

    name: str
    people: Callable[[], Iterator[Trajectory]]
    events: tuple[Cui, ...]
    names: Mapping[str, str]
    requires: Mapping[Cui, Cui]
    ids: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Held-out onsets by tenth of expected probability: mean expected, share seen, its 95 % interval (Wilson), how many."""

    event: str
    expected: tuple[float, ...]
    seen: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    count: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class FitReport:
    """See `fit_report`. `parameters`: event -> its parameters. Scores, calibration and candidates need persons."""

    graph: str
    cohort: str
    names: Mapping[str, str]
    parameters: Mapping[str, tuple[Parameter, ...]]
    scores: HeldOut | None = None
    calibration: tuple[Calibration, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    fidelity: Fidelity | None = None
    ids: tuple[str, ...] = ()
    published: tuple[Published, ...] = ()
    orders: tuple[Order, ...] = ()

    def score_rows(self) -> list[dict[str, Any]]:
        """A row a model: P a person, the fitted model's gain over it, both with standard errors; T where it is defined."""
        from graph_loaders.estimation.scores import FITTED

        if self.scores is None:
            return []
        rows = []
        for name in self.scores.panel:
            (mean, se), (gain, gain_se) = self.scores.mean(name), self.scores.above(FITTED, name)
            t = self.scores.next_event.get(name)
            row: dict[str, Any] = {"model": name, "P": mean, "P_se": se, "gain": gain, "gain_se": gain_se}
            rows.append({**row, "T": None if t is None else float(t.mean())})
        return rows

    def as_data(self) -> dict[str, Any]:
        """Plain values for JSON."""
        scores = self.scores
        held_out = None
        if scores is not None:
            held_out = {
                "folds": scores.folds,
                "seed": scores.seed,
                "persons": len(scores.persons),
                "intervals": len(scores.intervals),
                "models": self.score_rows(),
            }
        return {
            "graph": self.graph,
            "cohort": self.cohort,
            "held_out": held_out,
            "calibration": [asdict(c) for c in self.calibration],
            "requires_candidates": [asdict(c) for c in self.candidates],
            "published": [
                {**asdict(p), "low": _finite(p.low), "high": _finite(p.high), "error": round(p.error, 2)}
                for p in self.published
            ],
            "orders": [asdict(o) for o in self.orders],
            "fidelity": None if self.fidelity is None else self.fidelity.as_data(),
            "parameters": [
                {"event": event, "name": self.names.get(event, event), **asdict(p)}
                for event, rows in self.parameters.items()
                for p in rows
            ],
        }

    def tables(self) -> list[tuple[str, list[str], list[Sequence[Any]]]]:
        """(title, head, rows) for the terminal."""
        shown: list[tuple[str, list[str], list[Sequence[Any]]]] = []
        if self.scores is not None:
            title = (
                f"held-out log probability a person: {len(self.scores.persons)} persons, "
                f"{len(self.scores.intervals)} intervals, {self.scores.folds} folds"
            )
            rows: list[Sequence[Any]] = [
                (r["model"], f"{r['P']:.3f} ({r['P_se']:.3f})", f"{r['gain']:+.3f} ({r['gain_se']:.3f})",
                 "" if r["T"] is None else f"{r['T']:.3f}")
                for r in self.score_rows()
            ]  # fmt: skip
            shown.append((title, ["model", "P (SE)", "fitted minus it (SE)", "T"], rows))
        if self.fidelity is not None:
            title = f"fidelity: {self.fidelity.passed} of 9 figures within the noise floor"
            figures: list[Sequence[Any]] = [
                (f.name, f"{f.floor:.3f}", f"{f.floor_95:.3f}", f"{f.model:.3f}", "yes" if f.passed else "no")
                for f in self.fidelity.figures
            ]
            shown.append((title, ["figure", "floor", "floor 95th", "model", "passes"], figures))
        overall = [c for c in self.calibration if not c.event]
        if overall:
            c = overall[0]
            rows = [
                (f"{e:.3f}", f"{s:.3f}", f"{lo:.3f}-{hi:.3f}", n)
                for e, s, lo, hi, n in zip(c.expected, c.seen, c.low, c.high, c.count, strict=True)
            ]
            shown.append(("calibration, all events", ["expected", "seen", "95 %", "at risk"], rows))
        if self.candidates:
            rows = [(self._name(c.event), self._name(c.needs), c.onsets, c.expected) for c in self.candidates]
            head = ["event", "never without", "onsets", "expected without it"]
            shown.append(("REQUIRES candidates (shown, not applied)", head, rows))
        shown += self._published()
        for event, parameters in self.parameters.items():
            shown.append((self._name(event), list(_PARAMETERS), [self._parameter(p) for p in parameters]))
        return shown

    def _published(self) -> list[tuple[str, list[str], list[Sequence[Any]]]]:
        if not self.published:
            return []
        rows: list[Sequence[Any]] = [
            (p.fact, p.source, f"{p.published:g}" if p.low == p.high else f"{p.low:g} to {p.high:g}", p.model,
             f"{p.error:+.2f}", p.unit, "drives the model" if p.used else "")
            for p in self.published
        ]  # fmt: skip
        ranked: list[Sequence[Any]] = [
            (o.series, o.pairs, o.in_order, o.kendall_tau, "drives the model" if o.use == "fit" else "")
            for o in self.orders
        ]
        return [
            ("published figures", ["fact", "source", "published", "model", "error", "unit", ""], rows),
            ("published orders", ["series", "pairs", "in order", "Kendall tau", ""], ranked),
        ]

    def _name(self, event: str) -> str:
        return self.names.get(event, event)

    def _parameter(self, p: Parameter) -> tuple[str, str, str, str, str]:
        kind, _, rest = p.feature.partition(":")
        feature = f"after {self._name(rest)}" if kind == "after" else p.feature
        silent = p.data is None or p.posterior_sd > _SILENT * p.prior_sd
        data = "" if silent else f"{p.data:.2f}"
        prior, posterior = f"{p.prior:.2f} ({p.prior_sd:.2f})", f"{p.posterior:.2f} ({p.posterior_sd:.2f})"
        return feature, prior, data, posterior, p.source

    def write_csv(self, path: str | Path) -> None:
        """fold, person, interval, start, end, log_p, then the log probability by each baseline; it names persons: keep it safe."""
        from engine.writers._whole import whole
        from graph_loaders.estimation.scores import FITTED

        if self.scores is None:
            raise ConfigError("scores by person need persons; give --table with --mapping, or --trajectories")
        others = [name for name in self.scores.panel if name != FITTED]
        with whole(path) as part, part.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["fold", "person", "interval", "start", "end", "log_p", *others])
            for i in self.scores.intervals:
                values = [f"{i.log_p[name]:.6f}" for name in (FITTED, *others)]
                rows.writerow([i.fold, self.ids[i.person], i.interval, i.start, i.end, *values])

    def to_html(self) -> str:
        """One page, no script, nothing from elsewhere; every value is escaped."""
        from html import escape

        parts = [f"<h1>Fit of {escape(self.cohort or self.graph)}</h1>"]
        for title, head, rows in self.tables():
            parts += [f"<h2>{escape(title)}</h2>", table(head, [[str(c) for c in row] for row in rows])]
            if title == "calibration, all events":
                parts.append("<div class=plots>" + "".join(self._plot(c) for c in self.calibration) + "</div>")
        return _PAGE.format(style=_STYLE, title=escape(f"DualAlign fit of {self.cohort}"), body="\n".join(parts))

    def _plot(self, c: Calibration) -> str:
        from html import escape

        top = max([*c.high, *c.expected, 0.05])
        points = []
        for e, s, lo, hi in zip(c.expected, c.seen, c.low, c.high, strict=True):
            x, y, y0, y1 = (20 + 160 * e / top, *(180 - 160 * v / top for v in (s, lo, hi)))
            points.append(f"<path d='M{x:.1f} {y0:.1f}V{y1:.1f}'/><circle cx='{x:.1f}' cy='{y:.1f}' r='3'/>")
        name = escape(self._name(c.event) if c.event else "All events")
        axis = f"<text x='20' y='196'>0</text><text x='160' y='196'>{top:.2f}</text>"
        drawing = f"<path class=even d='M20 180L180 20'/>{''.join(points)}{axis}"
        return f"<figure><svg viewBox='0 0 200 200' role='img' aria-label='{name}'>{drawing}</svg><figcaption>{name}</figcaption></figure>"


def table_cohort(path: str | Path, mapping: str | Path, graph: TrajectoryGraph) -> CohortSource:
    """A table of visits with its mapping file; persons keep the ids of the table. Raises as `load_table`."""
    from graph_loaders.onset import Tally, trajectories
    from graph_loaders.readers import table as reader
    from ontology.concept import Cui

    pack = graph.pack
    chosen = reader.read_mapping(mapping, pack)
    events = tuple(rule.cui for rule in chosen.events)
    pairs = ((Cui(r.event), Cui(r.needs)) for r in pack.requirements)
    requires = {event: needed for event, needed in pairs if event in events and needed in events} | chosen.requires
    ids: list[str] = []

    def people() -> Iterator[Trajectory]:
        ids.clear()

        def named() -> Iterator[Any]:
            for patient, found in reader.read(path, chosen, Tally()):
                if patient.visits:
                    ids.append(patient.id)
                yield patient, found

        yield from trajectories(named(), Tally())

    return CohortSource(chosen.cohort, people, events, {r.cui: r.name for r in chosen.events}, requires, ids)


def kept_cohort(cohort: str, graph: TrajectoryGraph) -> CohortSource:
    """The persons that the graph keeps of a cohort (`load --keep-persons`). ConfigError where it keeps none."""
    from graph_loaders.persons import kept

    elements = graph.store.read(private=True)
    people = list(kept(elements, cohort))
    if not people:
        raise ConfigError(f"{graph.name} keeps no persons of {cohort!r}; load them with --keep-persons")
    return _cohort_of(cohort, lambda: iter(people), graph, [person.id for person in people])


def trajectory_cohort(path: str | Path, graph: TrajectoryGraph) -> CohortSource:
    """Trajectories as JSON lines (`dualalign sample` writes them, observed at visits or exact)."""
    from pathlib import Path

    from graph_loaders.trajectory import read_jsonl
    from ontology.errors import SourceError

    ids: list[str] = []

    def people() -> Iterator[Trajectory]:
        ids.clear()
        try:
            with Path(path).open(encoding="utf-8") as file:
                for person in read_jsonl(file, str(path)):
                    ids.append(person.id)
                    yield person
        except OSError as error:
            raise SourceError(f"cannot be read: {error.strerror}", path) from None

    return _cohort_of(str(path), people, graph, ids)


def _cohort_of(
    name: str, people: Callable[[], Iterator[Trajectory]], graph: TrajectoryGraph, ids: list[str]
) -> CohortSource:
    events = tuple(dict.fromkeys(onset.cui for person in people() for onset in person.onsets))
    pairs = ((Cui(r.event), Cui(r.needs)) for r in graph.pack.requirements)
    requires = {event: needed for event, needed in pairs if event in events and needed in events}
    known = {str(c.cui): c.name for c in graph.pack.concepts}
    return CohortSource(name, people, events, {c: known.get(c, c) for c in events}, requires, ids)


def fit_report(
    graph: TrajectoryGraph,
    cohort: CohortSource | None = None,
    *,
    folds: int = 5,
    seed: int = 0,
    halvings: int = 0,
    chain: bool = True,
    published: int = 0,
    progress: Callable[[str], None] | None = None,
) -> FitReport:
    """The parameters of a graph's model with prior, data, posterior and source; with a cohort, how good its fit is.

    With a cohort: P and T by person-wise cross-validation beside Gompertz competing hazards without history, constant
    hazards and the first-order chain (`chain`: half of the time); calibration of held-out onsets; REQUIRES
    candidates; `halvings` > 0: the nine fidelity figures. `published` > 0: so many sampled trajectories beside published
    figures and orders. A cohort that the graph does not hold is combined with it for
    the parameters; the graph stays as it is. Cost: seconds for thousands of persons. ConfigError for too few persons.
    """
    from engine.sampling.model import combine
    from graph_loaders.elements import GraphElements
    from graph_loaders.estimate import Estimator
    from graph_loaders.estimation.scores import cross_validate
    from graph_loaders.estimation.simulate import resample
    from graph_loaders.estimation.zeros import candidates

    known = {str(c.cui): c.name for c in graph.pack.concepts} | {f"stage:{s.id}": s.name for s in graph.pack.stages}
    if cohort is None:
        told = {edge.end[1] for edge in graph.elements.edges if edge.type in {"ESTIMATES", "OBSERVED"}}
        rows = {event: graph.model.explain(event) for event in graph.model.events if event in told or not told}
        figures, orders = beside_published(graph.model, published)
        return FitReport(graph.name, "", known, rows, published=figures, orders=orders)
    with Estimator(graph.pack, cohort.events, cohort.requires) as estimator:
        for person in cohort.people():
            estimator.add(person)
        panel, needs = estimator.panel, estimator.needs
        scores = cross_validate(panel, needs, folds=folds, seed=seed, chain=chain, progress=progress)
        shown = candidates(panel, needs)
        held = {node.key for node in graph.elements.nodes if node.label == "Cohort"}
        model = graph.model
        if cohort.name not in held:
            model = combine(graph.pack, graph.elements + GraphElements.of(estimator.edges(cohort.name)))
        names = {**known, **cohort.names}
        plots = _calibrations(scores, panel.events)
    nine = None
    if halvings:

        def imitate(half: Sequence[Trajectory], other: Sequence[Trajectory], seed: int) -> Iterator[Trajectory]:
            with Estimator(graph.pack, cohort.events, cohort.requires) as part:
                for person in half:
                    part.add(person)
                return resample(part.fit(), other, seed)

        nine = fidelity(list(cohort.people()), cohort.events, imitate, halvings=halvings, progress=progress)
    parameters = {str(event): model.explain(event) for event in cohort.events if event in model.events}
    ids = tuple(cohort.ids)
    figures, orders = beside_published(model, published)
    return FitReport(graph.name, cohort.name, names, parameters, scores, plots, shown, nine, ids, figures, orders)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _calibrations(scores: HeldOut, events: Sequence[str]) -> tuple[Calibration, ...]:
    found = [_calibration("", scores.expected, scores.seen)]
    for j, event in enumerate(events):
        mine = scores.event == j
        if scores.seen[mine].any():
            found.append(_calibration(event, scores.expected[mine], scores.seen[mine]))
    return tuple(found)


def _calibration(event: str, expected: np.ndarray[Any, Any], seen: np.ndarray[Any, Any]) -> Calibration:
    order = np.argsort(expected, kind="stable")
    parts = [part for part in np.array_split(order, _BINS) if len(part)]
    count = np.array([len(part) for part in parts])
    share = np.array([seen[part].mean() for part in parts])
    z = 1.959964
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * np.sqrt(share * (1 - share) / count + z * z / (4 * count**2)) / (1 + z * z / count)
    means = [float(expected[part].mean()) for part in parts]
    mean, rate, low, high = (tuple(np.round(v, 5).tolist()) for v in (means, share, middle - half, middle + half))
    return Calibration(event, mean, rate, low, high, tuple(count.tolist()))


_PARAMETERS = ("feature", "prior (sd)", "data", "posterior (sd)", "source")

_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1c2430}
h1{font-size:1.5rem}h2{margin-top:2rem;border-bottom:1px solid #d5dbe3;font-size:1.1rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}th,td{text-align:left;padding:.15rem .8rem .15rem 0}
th{color:#5b6675;font-weight:500;font-size:.85rem}tbody tr:nth-child(odd){background:#f6f8fa}
.plots{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0;width:13rem}figcaption{font-size:.85rem;text-align:center}
svg{width:100%;background:#f6f8fa}svg path{stroke:#bcd5ee;stroke-width:2;fill:none}svg .even{stroke:#c4501b;stroke-width:1}
svg circle{fill:#2f6fb0}svg text{font-size:10px;fill:#5b6675}
"""

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>{style}</style></head><body>
{body}
</body></html>
"""
