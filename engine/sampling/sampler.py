"""Then what and when: trajectories from a progression model, exactly, by criteria.

Trajectory i depends on (model, criteria, seed, i) alone: the order and size of the chunks it is made in change nothing.
Traits, risk factors and the age at diagnosis are conditioned exactly; the other criteria are met by rejection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from engine.sampling.conditional import Probability, Strategy, exact_probability, strategy
from engine.sampling.criteria import Criteria, check_criteria
from engine.sampling.kernel import run, run_streams, streams
from engine.sampling.personas import PersonaOf, persons
from engine.sampling.rates import rates_of, wanted_of
from engine.sampling.remission import remissions
from engine.sampling.table import Table, learn, walk
from engine.sampling.tables import Paths, Persons, Rates, Wanted
from graph_loaders.trajectory import Onset, StageEntry, Trajectory
from ontology.concept import Cui
from ontology.errors import ConfigError, Infeasible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.sampling.model import ProgressionModel

Floats = npt.NDArray[np.float64]

__all__ = [
    "MODES",
    "Columns",
    "SampleReport",
    "Sampler",
    "Samples",
    "draw",
    "draw_each",
    "probability",
    "sample",
    "sample_arrays",
    "trajectories",
]

MAX_TRIES = 100_000
"""Draws for one trajectory before its criteria are held to be too rare for rejection."""

MODES = ("exact", "table")
"""exact: all rates follow the whole history. table: weights by stratum, age band, stage and last event; fast, approximate."""

_CHUNK = 256
_KEPT = 64  # samplers kept with a model
_BLOCK = 16384
_TABLE_SEED = 7130


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


class Sampler:
    """A model and criteria as tables; `paths` makes any part of a stream."""

    def __init__(self, model: ProgressionModel, criteria: Criteria, mode: str = "exact") -> None:
        if mode not in MODES:
            raise ConfigError(f"mode {mode!r} is not one of {', '.join(MODES)}")
        check_criteria(model, criteria)
        self.model, self.criteria, self.mode = model, criteria, mode
        self.who: Persons = persons(model, criteria)
        self.persona_of = PersonaOf(model.pack)
        self.rates: Rates = rates_of(model)
        self.wanted: Wanted = wanted_of(model, criteria)
        self.table: Table | None = _table(model, self.who, criteria) if mode == "table" else None
        self.strategy: Strategy | None = None if self.table else strategy(model, self.who, self.rates, self.wanted)

    @classmethod
    def of(cls, model: ProgressionModel, criteria: Criteria, mode: str = "exact") -> Self:
        """The last ones of each mode are kept with their model, since a run asks for the same criteria again and again, and one with
        quotas of traits for a few of them by turns.
        """
        made: list[Self] = model.kept.setdefault(f"sampler:{mode}", [])
        found = next((one for one in made if one.criteria == criteria), None)
        if found is None:
            found = cls(model, criteria, mode)
            made.append(found)
            del made[:-_KEPT]
        return found

    def paths(self, key: npt.NDArray[np.uint64], first: int, count: int, report: SampleReport, tries: int) -> Paths:
        """Trajectories `first` ... of the stream; Infeasible when one of them needs more than `tries` draws."""
        paths = self.empty(count)
        if self.table is not None:
            made, complete = walk(key, first, count, tries, self.table, self.wanted, paths)
        elif self.strategy is not None and self.strategy.steered:
            made, complete = self.strategy.paths(
                key.astype(np.uint64), first, count, tries, self.who, self.rates, self.wanted, paths
            )
        else:
            made, complete = run(key, first, count, tries, self.who, self.rates, self.wanted, paths)
        return self._checked(paths, made, complete, report, tries)

    def each(self, keys: Sequence[npt.NDArray[np.uint64]], report: SampleReport, tries: int) -> list[tuple[Paths, int]]:
        """The first trajectory of each stream, as a row of `Paths`; in one go where the criteria are met by rejection."""
        if self.table is not None or self.strategy is None or self.strategy.steered:
            return [(self.paths(key, 0, 1, report, tries), 0) for key in keys]
        paths = self.empty(len(keys))
        of = np.concatenate([streams(key, 0, 1) for key in keys])
        made, complete = run_streams(of, tries, self.who, self.rates, self.wanted, paths)
        self._checked(paths, made, complete, report, tries)
        return [(paths, row) for row in range(len(keys))]

    def empty(self, count: int) -> Paths:
        """Room for so many trajectories."""
        return Paths.empty(count, len(self.model.events), len(self.who.axis_start) - 1, self.who.risk_log.shape[1])

    @staticmethod
    def _checked(paths: Paths, made: int, complete: bool, report: SampleReport, tries: int) -> Paths:
        report.tried += int(paths.tried.sum())
        report.accepted += made
        if not complete:
            raise Infeasible(
                f"{report.accepted} of {report.tried} draws met the criteria and {tries} draws in a row did not; ask for "
                "fewer concepts to include or exclude, more onsets or a longer window",
                "acceptance",
            )
        return paths

    def trajectory(self, paths: Paths, i: int, name: str, rng: np.random.Generator) -> Trajectory:
        """Row `i` of `paths`; `rng` draws when what has begun is away."""
        onsets, stages, stage = [], [], ""
        events, concepts = self.model.events, self.rates.concepts
        begin, end = paths.start[i], paths.start[i + 1]
        for event, age in zip(paths.event[begin:end].tolist(), paths.age[begin:end].tolist(), strict=True):
            if event < concepts:
                onsets.append(Onset(Cui(events[event]), age, age, stage))
            elif (named := events[event]) != "death":
                stage = named.removeprefix("stage:")
                stages.append(StageEntry(stage, age))
        left = float(paths.exit[i])
        return Trajectory(
            name, self.persona_of(paths.values[i].tolist(), paths.exposed[i].tolist()),
            float(paths.entry[i]), left, bool(paths.died[i]),
            onsets=tuple(onsets), stages=tuple(stages), sampled=True,
            remissions=remissions(self.model, onsets, left, rng),
        )  # fmt: skip


def _table(model: ProgressionModel, who: Persons, criteria: Criteria) -> Table:
    """The table for persons with these traits, risk factors and ages; the last one is kept with the model."""
    asked = (tuple(sorted(criteria.traits.items())), tuple(sorted(criteria.risk_factors)), criteria.age)
    found = model.kept.get("table")
    if found is None or found[0] != asked:
        found = model.kept["table"] = (asked, learn(_key(_TABLE_SEED), who, rates_of(model), model.needs))
    kept: Table = found[1]
    return kept


def _key(seed: int | np.random.Generator) -> npt.NDArray[np.uint64]:
    if isinstance(seed, np.random.Generator):
        return seed.integers(0, 2**64, size=2, dtype=np.uint64)
    return np.random.SeedSequence(seed).generate_state(2, np.uint64).astype(np.uint64)


class Samples:
    """A lazy iterator of trajectories; `report` says how many draws they took so far."""

    def __init__(
        self, model: ProgressionModel, criteria: Criteria, n: int | None, seed: int, max_tries: int, mode: str = "exact"
    ) -> None:
        self.report = SampleReport()
        self._sampler, self._n, self._seed, self._tries = Sampler.of(model, criteria, mode), n, seed, max_tries
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
                yield self._sampler.trajectory(paths, i, f"s{self._seed}-{first + i}", _away(key, first + i))
            first, size = first + count, min(2 * size, _CHUNK)


def sample(
    model: ProgressionModel,
    criteria: Criteria | None = None,
    *,
    n: int | None,
    seed: int = 0,
    mode: str = "exact",
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
    return Samples(model, criteria or Criteria(), n, seed, max_tries, mode)


def trajectories(
    model: ProgressionModel, criteria: Criteria, seed: int, first: int, count: int, *, mode: str = "exact"
) -> tuple[list[Trajectory], SampleReport]:
    """Trajectories `first` ... of the stream that `sample` gives for this seed, with the draws they took."""
    sampler, report, key = Sampler.of(model, criteria, mode), SampleReport(), _key(seed)
    paths = sampler.paths(key, first, count, report, MAX_TRIES)
    made = [sampler.trajectory(paths, i, f"s{seed}-{first + i}", _away(key, first + i)) for i in range(count)]
    return made, report


def draw(
    model: ProgressionModel,
    criteria: Criteria | None = None,
    rng_or_seed: np.random.Generator | int = 0,
    index: int = 0,
    *,
    max_tries: int = MAX_TRIES,
) -> Trajectory:
    """One trajectory: the one that `sample` gives at `index` for this seed, or a new one from a generator. Raises as `sample`."""
    key = _key(rng_or_seed)
    sampler = Sampler.of(model, criteria or Criteria())
    paths = sampler.paths(key, index, 1, SampleReport(), max_tries)
    name = f"s{rng_or_seed}-{index}" if isinstance(rng_or_seed, int) else _named(paths, 0)
    return sampler.trajectory(paths, 0, name, _away(key, index))


def draw_each(
    model: ProgressionModel,
    criteria: Criteria | None,
    rngs: Sequence[np.random.Generator],
    *,
    max_tries: int = MAX_TRIES,
) -> list[Trajectory]:
    """What `draw` gives for each generator, in one call of the compiled loop where it can. Raises as `sample`."""
    if not rngs:
        return []
    keys = [_key(rng) for rng in rngs]
    sampler = Sampler.of(model, criteria or Criteria())
    rows = sampler.each(keys, SampleReport(), max_tries)
    return [
        sampler.trajectory(paths, row, _named(paths, row), _away(key, 0))
        for key, (paths, row) in zip(keys, rows, strict=True)
    ]


def _away(key: npt.NDArray[np.uint64], index: int) -> np.random.Generator:
    """The generator of a trajectory's remissions: a stream of its own."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence((int(key[0]), int(key[1]), index))))


def _named(paths: Paths, row: int) -> str:
    """A name for a trajectory that is not of a numbered stream: the bits of its age at diagnosis."""
    return f"g{int(paths.diagnosis[row : row + 1].view(np.uint64)[0]):016x}"


def sample_arrays(
    model: ProgressionModel,
    n: int,
    seed: int = 0,
    criteria: Criteria | None = None,
    *,
    mode: str = "exact",
    workers: int = 1,
    max_tries: int = MAX_TRIES,
) -> Columns:
    """The same trajectories as `sample`, as columns. Raises as `sample`. Memory: some 20 bytes an event.

    `workers`: threads; the compiled loops hold no lock, and any number of workers gives the same bytes.
    """
    sampler, report, key = Sampler.of(model, criteria or Criteria(), mode), SampleReport(), _key(seed)

    def part(first: int) -> tuple[Any, ...]:
        count, own = min(_BLOCK, n - first), SampleReport()
        p = sampler.paths(key, first, count, own, max_tries)
        used = p.start[count]  # a view: what was not written of a block takes no memory
        return own, np.diff(p.start), p.event[:used], p.age[:used], *_per_person(p)

    firsts = range(0, n, _BLOCK)
    if workers > 1 and len(firsts) > 1:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(workers) as pool:
            parts = list(pool.map(part, firsts))
    else:
        parts = [part(first) for first in firsts]
    for own, *_ in parts:
        report.tried, report.accepted = report.tried + own.tried, report.accepted + own.accepted
    if not parts:
        p = sampler.empty(0)
        parts.append((report, np.zeros(0, np.int64), p.event[:0], p.age[:0], *_per_person(p)))
    columns: list[Any] = [np.concatenate([part[i] for part in parts]) for i in range(1, 10)]
    events_of, event, age, entry, diagnosis, left, died, values, exposed = columns
    person = np.repeat(np.arange(n), events_of)
    return Columns(model.events, person, event, age, entry, diagnosis, left, died, values, exposed, report)


def probability(model: ProgressionModel, criteria: Criteria, *, exact: bool = False) -> Probability:
    """How probable the criteria are, and how they are met; raises as `sample`.

    `exact`: by the backward pass for each of 400 persons instead of a pilot, so that only who they are is random. ConfigError
    where that cannot be done (`exact_probability`).
    """
    sampler = Sampler.of(model, criteria)
    assert sampler.strategy is not None  # the exact mode always has one
    if not exact or sampler.strategy.figures.method == "none":
        return sampler.strategy.figures
    found = exact_probability(model, sampler.who, sampler.rates, sampler.wanted)
    if found is None:
        raise ConfigError(
            "no exact probability: these criteria follow more than 16 events, or the model has a shared propensity, or earlier onsets "
            "move the diagnosis; leave out exact for an estimate with its error"
        )
    return found


def _per_person(p: Paths) -> tuple[Any, ...]:
    return p.entry, p.diagnosis, p.exit, p.died, p.values, p.exposed
