"""Then what and when: trajectories from a progression model, exactly, by criteria.

Trajectory i depends on (model, criteria, seed, i) alone: the order and size of the chunks it is made in change nothing.
Traits, risk factors and the age at diagnosis are conditioned exactly; the other criteria are met by rejection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from engine.sampling.criteria import Criteria, check_criteria, outside
from engine.sampling.kernel import Paths, Persons, Rates, Wanted, run
from engine.sampling.personas import OLDEST, YOUNGEST, axes_of, persona_of, persons, stages_before
from graph_loaders.facts import needs_of
from graph_loaders.trajectory import Onset, StageEntry, Trajectory
from ontology.concept import Cui
from ontology.errors import Infeasible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.sampling.model import ProgressionModel

Floats = npt.NDArray[np.float64]

__all__ = ["Columns", "SampleReport", "Samples", "draw", "sample", "sample_arrays"]

MAX_TRIES = 100_000
"""Draws for one trajectory before its criteria are held to be too rare for rejection."""

_CHUNK = 256
_BLOCK = 8192


@dataclass(slots=True)
class SampleReport:
    """How many draws it took: `accepted` of `tried` met the criteria."""

    accepted: int = 0
    tried: int = 0

    @property
    def acceptance(self) -> float:
        """Share of draws that met the criteria; 1 before any."""
        return self.accepted / self.tried if self.tried else 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Trajectories as columns. `person`, `event` and `age` have a row an event; the others a row a person.

    `event` indexes `events`: concepts, `stage:ID` and death. Exposures and values of traits are indices into the pack.
    """

    events: tuple[str, ...]
    person: npt.NDArray[np.int64]
    event: npt.NDArray[np.int32]
    age: Floats
    entry: Floats
    diagnosis: Floats
    exit: Floats
    died: npt.NDArray[np.bool_]
    values: npt.NDArray[np.int8]
    exposed: npt.NDArray[np.bool_]
    report: SampleReport

    def first(self, event: str) -> Floats:
        """Age at an event for every person, nan where it did not happen."""
        ages = np.full(len(self.entry), np.nan)
        rows = self.event == self.events.index(event)
        ages[self.person[rows]] = self.age[rows]
        return ages


class _Sampler:
    """A model and criteria as tables."""

    def __init__(self, model: ProgressionModel, criteria: Criteria) -> None:
        check_criteria(model, criteria)
        self.model, self.criteria = model, criteria
        self.who: Persons = persons(model, criteria)
        self.rates: Rates = model.kept.setdefault("rates", None) or _keep_rates(model)
        self.wanted = _wanted(model, criteria)

    @classmethod
    def of(cls, model: ProgressionModel, criteria: Criteria) -> Self:
        """The last one is kept with its model, since a run asks for the same criteria again and again."""
        found = model.kept.get("sampler")
        if found is None or found.criteria != criteria:
            found = model.kept["sampler"] = cls(model, criteria)
        kept: Self = found
        return kept

    def paths(self, key: npt.NDArray[np.uint64], first: int, count: int, report: SampleReport, tries: int) -> Paths:
        pack = self.model.pack
        paths = Paths.empty(count, len(self.model.events), len(axes_of(pack)), len(pack.risk_factors))
        made, complete = run(key, first, count, tries, self.who, self.rates, self.wanted, paths)
        report.tried += int(paths.tried.sum())
        report.accepted += made
        if not complete:
            raise Infeasible(
                f"{report.accepted} of {report.tried} draws met the criteria and {tries} draws in a row did not; ask for "
                "fewer concepts to include or exclude, more onsets or a longer window",
                "acceptance",
            )
        return paths


def _key(seed: int | np.random.Generator) -> npt.NDArray[np.uint64]:
    if isinstance(seed, np.random.Generator):
        return seed.integers(0, 2**64, size=2, dtype=np.uint64)
    return np.random.SeedSequence(seed).generate_state(2, np.uint64).astype(np.uint64)


class Samples:
    """A lazy iterator of trajectories; `report` says how many draws they took so far."""

    def __init__(self, model: ProgressionModel, criteria: Criteria, n: int | None, seed: int, max_tries: int) -> None:
        self.report = SampleReport()
        self._sampler, self._n, self._seed, self._tries = _Sampler.of(model, criteria), n, seed, max_tries
        self._rows = self._make()

    def __iter__(self) -> Iterator[Trajectory]:
        return self

    def __next__(self) -> Trajectory:
        return next(self._rows)

    def _make(self) -> Iterator[Trajectory]:
        key, first, size = _key(self._seed), 0, 1
        while self._n is None or first < self._n:
            count = size if self._n is None else min(size, self._n - first)
            paths = self._sampler.paths(key, first, count, self.report, self._tries)
            for i in range(count):
                yield _trajectory(self._sampler.model, paths, i, f"s{self._seed}-{first + i}")
            first, size = first + count, min(2 * size, _CHUNK)


def sample(
    model: ProgressionModel,
    criteria: Criteria | None = None,
    *,
    n: int | None,
    seed: int = 0,
    max_tries: int = MAX_TRIES,
) -> Samples:
    """Trajectories that meet the criteria, lazily; endless for n=None. They are persons who get the pack's diagnosis.

    A person is followed from the first stage before the diagnosis to death, the end of the window, or age 110. Onset
    times are exact (`after` = `age`). Raises ConfigError for an unknown concept, trait or risk factor (before any draw), and Infeasible for
    criteria that exclude each other (before any draw) or that `max_tries` draws in a row did not meet. Cost: some 100
    microseconds a trajectory, more by 1 / acceptance; `sample_arrays` is faster by far.

    >>> from graph_loaders.facts import facts_to_elements
    >>> from ontology.pack import load_pack
    >>> from engine.sampling.model import combine
    >>> pack = load_pack()
    >>> model = combine(pack, facts_to_elements(pack))
    >>> [t.persona.traits["sex"] for t in sample(model, Criteria(traits={"sex": "female"}), n=2, seed=7)]
    ['female', 'female']
    """
    return Samples(model, criteria or Criteria(), n, seed, max_tries)


def draw(
    model: ProgressionModel,
    criteria: Criteria | None = None,
    rng_or_seed: np.random.Generator | int = 0,
    index: int = 0,
    *,
    max_tries: int = MAX_TRIES,
) -> Trajectory:
    """One trajectory: the one that `sample` gives at `index` for this seed, or a new one from a generator. Raises as `sample`."""
    paths = _Sampler.of(model, criteria or Criteria()).paths(_key(rng_or_seed), index, 1, SampleReport(), max_tries)
    name = f"s{rng_or_seed}-{index}" if isinstance(rng_or_seed, int) else f"g{int(_bits(paths)):016x}"
    return _trajectory(model, paths, 0, name)


def _bits(paths: Paths) -> np.uint64:
    return paths.diagnosis[:1].view(np.uint64)[0]  # type: ignore[no-any-return]


def sample_arrays(
    model: ProgressionModel, n: int, seed: int = 0, criteria: Criteria | None = None, *, max_tries: int = MAX_TRIES
) -> Columns:
    """The same trajectories as `sample`, as columns. Raises as `sample`. Memory: some 12 bytes an event."""
    sampler, report, key = _Sampler.of(model, criteria or Criteria()), SampleReport(), _key(seed)
    parts = []
    for first in range(0, n, _BLOCK):
        count = min(_BLOCK, n - first)
        p = sampler.paths(key, first, count, report, max_tries)
        used = p.start[count]
        owner = first + np.repeat(np.arange(count), np.diff(p.start))
        parts.append((owner, p.event[:used].copy(), p.age[:used].copy(), *_per_person(p)))
    if not parts:
        p = Paths.empty(0, 0, len(axes_of(model.pack)), len(model.pack.risk_factors))
        parts.append((np.zeros(0, np.int64), p.event, p.age, *_per_person(p)))
    columns: list[Any] = [np.concatenate([part[i] for part in parts]) for i in range(9)]
    person, event, age, entry, diagnosis, left, died, values, exposed = columns
    return Columns(model.events, person, event, age, entry, diagnosis, left, died, values, exposed, report)


def _per_person(p: Paths) -> tuple[Any, ...]:
    return p.entry, p.diagnosis, p.exit, p.died, p.values, p.exposed


def _trajectory(model: ProgressionModel, paths: Paths, i: int, name: str) -> Trajectory:
    onsets, stages, stage = [], [], ""
    for row in range(paths.start[i], paths.start[i + 1]):
        event, age = model.events[paths.event[row]], float(paths.age[row])
        if event.startswith("stage:"):
            stage = event[6:]
            stages.append(StageEntry(stage, age))
        elif event != "death":
            onsets.append(Onset(Cui(event), age, age, stage))
    persona = persona_of(model.pack, paths.values[i].tolist(), paths.exposed[i].tolist())
    return Trajectory(
        name, persona, float(paths.entry[i]), float(paths.exit[i]), bool(paths.died[i]),
        onsets=tuple(onsets), stages=tuple(stages), sampled=True,
    )  # fmt: skip


def _keep_rates(model: ProgressionModel) -> Rates:
    rates = model.kept["rates"] = compile_rates(model)
    return rates


def compile_rates(model: ProgressionModel) -> Rates:
    """The model's parameters as the multipliers that the inner loop needs."""
    pack, events = model.pack, model.events
    size = len(events)
    column = {feature: i for i, feature in enumerate(model.features)}
    at = {event: i for i, event in enumerate(events)}
    before = [f"stage:{s.id}" for s in stages_before(pack)]
    needs = needs_of(pack)
    later = [f"stage:{s.id}" for s in sorted(pack.stages, key=lambda s: s.ordinal) if f"stage:{s.id}" not in before]
    with_it = [s for s in later[:1] if needs.get(s, frozenset()) <= {pack.diagnosis, *before}]
    scheduled = [at[e] for e in (*before, str(pack.diagnosis), *with_it)]
    base = np.exp(np.minimum(model.mean[:, 0], 20.0))
    base[scheduled] = 0.0
    base[[at[e] for e in outside(model)]] = 0.0
    axes = axes_of(pack)
    flat = [f"{axis}:{value}" for axis, values in axes.items() for value in values]
    axis_factor = np.array([np.exp(model.mean[:, column[f]]) if f in column else np.ones(size) for f in flat])
    risk_factor = np.array([np.exp(model.mean[:, column[f"risk:{r.id}"]]) for r in pack.risk_factors])
    starts, others, factors = [0], [], []
    for v, event in enumerate(events):
        factor = np.exp(model.mean[:, column[f"after:{event}"]])
        factor[~model.steps[v]] = 0.0
        factor[model.needs[v]] = 1.0  # has begun by then
        factor[v] = 1.0
        acts = np.flatnonzero((factor != 1.0) & (base > 0))
        others.append(acts)
        factors.append(factor[acts])
        starts.append(starts[-1] + len(acts))
    opens = [np.flatnonzero(model.needs[:, v]) for v in range(size)]
    years = np.arange(int(OLDEST - YOUNGEST) + 2) + YOUNGEST + 0.5
    slope = model.mean[:, column["age10"]].copy()
    slope[scheduled] = 0.0
    count = np.exp(model.mean[:, column["count4"]] / 4)
    return Rates(
        base, axis_factor, (axis_factor != 1.0).any(axis=1),
        risk_factor.reshape(len(pack.risk_factors), size), (risk_factor != 1.0).any(axis=1),
        np.array(starts, np.int64), np.concatenate(others).astype(np.int64), np.concatenate(factors),
        count, bool((count != 1.0).any()), np.exp(np.outer((years - 80) / 10, slope)), bool(slope.any()),
        model.needs.sum(axis=1).astype(np.int64),
        np.concatenate([[0], np.cumsum([len(o) for o in opens])]).astype(np.int64), np.concatenate(opens).astype(np.int64),
        model.propensity.copy(), np.array(scheduled, np.int64), model.concepts, at["death"], OLDEST,
    )  # fmt: skip


def _wanted(model: ProgressionModel, criteria: Criteria) -> Wanted:
    include, exclude = np.zeros(len(model.events), np.bool_), np.zeros(len(model.events), np.bool_)
    include[[model.index(c) for c in criteria.include]] = True
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
