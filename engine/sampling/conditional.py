"""How criteria are met: by rejection where that is likely, else steered by an exact backward pass or by particles.

`strategy` decides once for a model and criteria: 4,000 plain draws first; above 1 % of them, rejection is exact and cheap.
Otherwise a pilot of independent particle runs gives the probability with its standard error, the effective share of the
particles and of the runs, and the share of distinct ancestors. Particles that all miss a kind of path (those who meet "at most
15 onsets" by an early death, say) agree with each other and are wrong: 36,000 more plain draws must not meet the criteria more
often than the particles allow. Where they do, or where the effective share is below 0.2, rejection is used if ten plain draws
met the criteria; otherwise the criteria are refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from engine.sampling.backward import carried_back, closure, lattice, probability_of_person, state_rates
from engine.sampling.kernel import run
from engine.sampling.particles import STEP_YEARS, Twist, run_particles
from engine.sampling.tables import Paths, Wanted
from ontology.errors import Infeasible

if TYPE_CHECKING:
    import numpy.typing as npt

    from engine.sampling.backward import Lattice
    from engine.sampling.model import ProgressionModel
    from engine.sampling.tables import Flags, Floats, Ints, Persons, Rates

__all__ = ["Probability", "Strategy", "conditions", "exact_probability", "strategy"]

LEAST_ESS = 0.2
"""Effective share below which conditional samples are refused."""

LIKELY = 0.01
"""Share of plain draws from which on rejection is used."""

_PILOT = 4000
_LONG_PILOT = 36_000
_ENOUGH_HITS = 10
_TOO_UNLIKELY = 1e-3
_PILOT_KEY = np.array([0x5EED, 0xC0DE], np.uint64)
_RUNS = 24
_SIZES = (64, 256, 1024)
_HORIZON_YEARS = 60.0
_MOST_CLASSES = 32
_MANY_STATES = 4000
_RUNS_A_SLOT = 1 << 20
_YES, _NO = True, False


@dataclass(frozen=True, slots=True)
class Probability:
    """How probable the criteria are among persons with the traits, risk factors and age asked for.

    `method`: none (nothing to condition), rejection, pass (particles steered by the exact backward pass) or particles (steered by
    the rates of the moment). `worst`, `end`: effective share of a run's particles at the worst resampling and at the end;
    `runs`: effective share of the runs; `ancestors`: share of a run's particles that still have descendants. All 1 for rejection.
    """

    probability: float
    se: float
    method: str
    worst: float = 1.0
    end: float = 1.0
    runs: float = 1.0
    ancestors: float = 1.0
    draws: int = 0

    @property
    def ess(self) -> float:
        """The smaller of `end` and `runs`."""
        return min(self.end, self.runs)


@dataclass(frozen=True, slots=True, eq=False)
class Strategy:
    """What `strategy` decided; `paths` draws by it."""

    figures: Probability
    particles: int = 0
    twist: Twist | None = None

    def paths(
        self,
        key: npt.NDArray[np.uint64],
        first: int,
        count: int,
        max_tries: int,
        who: Persons,
        rates: Rates,
        wanted: Wanted,
        out: Paths,
    ) -> tuple[int, bool]:
        """As `kernel.run`, where `steered`: one path of one run of particles for each trajectory."""
        assert self.twist is not None  # the caller asks `steered`
        position = 0
        for i in range(count):
            met, tries = False, 0
            while not met:
                if tries >= max_tries:
                    out.tried[i] = tries
                    return i, False
                index = (first + i) * _RUNS_A_SLOT + tries
                _, position, met = run_particles(
                    key, index, self.particles, who, rates, wanted, self.twist, out, i, position
                )
                tries += 1
            out.tried[i] = tries
        return count, True

    @property
    def steered(self) -> bool:
        """Whether particles draw."""
        return self.twist is not None


def conditions(rates: Rates, wanted: Wanted) -> bool:
    """Whether the path itself must meet anything."""
    return bool(
        wanted.includes
        or wanted.exclude.any()
        or wanted.start >= 0
        or wanted.stage >= 0
        or wanted.least
        or wanted.most < rates.concepts
    )


def strategy(
    model: ProgressionModel, who: Persons, rates: Rates, wanted: Wanted, *, likely: float = LIKELY
) -> Strategy:
    """How to meet these criteria, from a pilot with a fixed seed. Infeasible below an effective share of 0.2, see above.

    Cost: some 20 milliseconds where they are likely, else a second or two.
    """
    if not conditions(rates, wanted) and not (rates.moves and (who.low > 0 or who.high < 1e9)):  # noqa: PLR2004 - open ages
        return Strategy(Probability(1.0, 0.0, "none"))
    pilot = _plain(rates, who, wanted, _PILOT)
    met = _meets(pilot, rates, who, wanted)
    share = float(met.mean())
    if share >= likely:
        return Strategy(Probability(share, math.sqrt(share * (1 - share) / _PILOT), "rejection", draws=_PILOT))
    twist = _exact_twist(model, who, rates, wanted, float(np.median(pilot.entry))) or _quick_twist(model, rates, wanted)
    found = Strategy(_pilot(who, rates, wanted, twist, _SIZES[0]), _SIZES[0], twist)
    for size in _SIZES[1:]:
        if found.figures.ess < LEAST_ESS:
            found = Strategy(_pilot(who, rates, wanted, twist, size), size, twist)
    hits, draws = int(met.sum()) + _more_hits(rates, who, wanted), _PILOT + _LONG_PILOT
    missed = _missed(found.figures, hits, draws)
    if found.figures.ess >= LEAST_ESS and not missed:
        return found
    if hits >= _ENOUGH_HITS:
        share = hits / draws
        return Strategy(Probability(share, math.sqrt(share * (1 - share) / draws), "rejection", draws=draws))
    raise _too_rare(found.figures, hits if missed else 0, draws)


def _more_hits(rates: Rates, who: Persons, wanted: Wanted) -> int:
    """How many of 36,000 more plain draws meet the criteria."""
    found = 0
    for part in range(1, _LONG_PILOT // _PILOT + 1):
        found += int(_meets(_plain(rates, who, wanted, _PILOT, first=part * _PILOT), rates, who, wanted).sum())
    return found


def _missed(figures: Probability, hits: int, draws: int) -> bool:
    """Whether plain draws met the criteria more often than chance allows at three standard errors above the particles' estimate."""
    from scipy.stats import poisson

    most = (figures.probability + 3 * figures.se) * draws
    return hits > 0 and float(poisson.sf(hits - 1, most)) < _TOO_UNLIKELY


def _too_rare(figures: Probability, missed: int, draws: int) -> Infeasible:
    way_out = "include or exclude fewer concepts, allow more onsets or a longer window"
    if missed:
        text = (
            f"steered draws miss persons who meet the criteria, and only {missed} of {draws} plain draws do; {way_out}"
        )
        return Infeasible(text, "ess")
    if figures.probability == 0.0:
        said = f"none of {_RUNS * _SIZES[-1]} steered draws met them"
    else:
        said = (
            f"their probability is about {figures.probability:.1e} and the effective share of draws {figures.ess:.2f}"
        )
    return Infeasible(
        f"the criteria are too rare to sample without near copies: {said} (at least {LEAST_ESS} is asked); {way_out}",
        "acceptance" if figures.probability == 0.0 else "ess",
    )


def _plain(
    rates: Rates,
    who: Persons,
    wanted: Wanted,
    count: int,
    key: npt.NDArray[np.uint64] | None = None,
    first: int = 0,
) -> Paths:
    """Draws that meet nothing but the persona and the window: persons `first` and so many more of a stream."""
    none = np.zeros_like(wanted.include)
    free = Wanted(none, 0, none, -1, -1, 0, rates.size, wanted.window)
    out = Paths.empty(count, rates.size, len(who.axis_start) - 1, who.risk_log.shape[1])
    open_ages = who._replace(low=-1e9, high=1e9)
    run(_PILOT_KEY if key is None else key, first, count, 1, open_ages, rates, free, out)
    return out


def _meets(paths: Paths, rates: Rates, who: Persons, wanted: Wanted) -> Flags:
    """Which of the paths meet the criteria."""
    count = len(paths.entry)
    owner = np.repeat(np.arange(count), np.diff(paths.start))
    event = paths.event[: paths.start[count]]
    seen = np.zeros((count, len(wanted.include)), np.bool_)
    seen[owner, event] = True
    onset = event < rates.concepts
    onsets = np.bincount(owner[onset], minlength=count)
    met = seen[:, wanted.include].all(1) & ~seen[:, wanted.exclude].any(1)
    met &= (onsets >= wanted.least) & (onsets <= wanted.most)
    if wanted.stage >= 0:
        met &= seen[:, wanted.stage]
    if wanted.start >= 0:
        first = np.full(count, -1)
        first[owner[onset][::-1]] = event[onset][::-1]
        met &= first == wanted.start
    found: Flags = met & (paths.diagnosis >= who.low) & (paths.diagnosis <= who.high)
    return found


def _pilot(who: Persons, rates: Rates, wanted: Wanted, twist: Twist, size: int) -> Probability:
    out = Paths.empty(1, rates.size, len(who.axis_start) - 1, who.risk_log.shape[1])
    figures = [run_particles(_PILOT_KEY, r, size, who, rates, wanted, twist, out, 0, 0)[0] for r in range(_RUNS)]
    z = np.exp([f.log_probability for f in figures])
    mean = float(z.mean())
    runs = float(mean**2 / np.mean(z**2)) if mean > 0 else 0.0
    return Probability(
        mean,
        float(z.std(ddof=1) / math.sqrt(_RUNS)),
        "pass" if twist.exact else "particles",
        float(np.mean([f.worst for f in figures])),
        float(np.mean([f.end for f in figures])),
        runs,
        float(np.mean([f.ancestors for f in figures])),
        _RUNS * size,
    )


def _required(model: ProgressionModel, wanted: Wanted) -> Flags:
    """What must begin: the included, the stage, the start, and all they require."""
    must = wanted.include.copy()
    for j in (wanted.stage, wanted.start):
        if j >= 0:
            must[j] = True
    todo = [int(j) for j in np.flatnonzero(must)]
    while todo:
        for v in np.flatnonzero(model.needs[todo.pop()]):
            if not must[v]:
                must[v] = True
                todo.append(int(v))
    return must


def _quick_twist(model: ProgressionModel, rates: Rates, wanted: Wanted) -> Twist:
    none = np.zeros(0, np.int64)
    return Twist(
        _NO, none, np.zeros((1, 1), np.int64), np.ones((1, 2, 1)), 0, np.zeros(len(rates.axis_acts), np.int64), np.zeros(0),
        _required(model, wanted), wanted.exclude, wanted.start, wanted.least, wanted.most, wanted.stage,
    )  # fmt: skip


def _exact_twist(model: ProgressionModel, who: Persons, rates: Rates, wanted: Wanted, entry: float) -> Twist | None:
    """H from the backward pass for classes of persons: traits that act on the closure, and the propensity in bins."""
    followed = closure(model, rates, wanted)
    if followed is None:
        return None
    grid = lattice(model, rates, wanted, followed)
    stratum, personals = _classes(who, rates, grid)
    bounds, levels = _propensity(rates, len(grid.sets))
    times = min(wanted.window, _HORIZON_YEARS)
    steps = max(2, math.ceil(times / STEP_YEARS) + 1)
    planned = [int(j) for j in rates.scheduled]
    timed = {planned[k + 1]: 1.0 / max(float(y), 1e-6) for k, y in enumerate(who.before) if k + 1 < len(planned)}
    h = np.empty((len(personals) * len(levels), steps, len(grid.sets)))
    for kind, (personal, z) in enumerate(product(personals, levels)):
        fixed = state_rates(grid, rates, personal * np.exp(rates.propensity * z), timed)
        h[kind, -1] = grid.met
        for k in range(steps - 2, -1, -1):
            now = fixed
            if rates.ages:
                piece = min(max(int(entry + (k + 0.5) * STEP_YEARS - who.youngest), 0), len(rates.age_factor) - 1)
                scale = rates.age_factor[piece][grid.events].copy()
                scale[[c for c, j in enumerate(grid.events) if int(j) in timed]] = 1.0
                now = fixed * scale
            h[kind, k] = carried_back(grid, h[kind, k + 1], now, min(STEP_YEARS, times / (steps - 1)))
    return Twist(
        _YES, grid.events, grid.after, h, grid.start, stratum, bounds, _required(model, wanted), wanted.exclude, wanted.start,
        wanted.least, wanted.most, wanted.stage,
    )  # fmt: skip


def _classes(who: Persons, rates: Rates, grid: Lattice) -> tuple[Ints, list[Floats]]:
    stratum, strata = np.zeros(len(rates.axis_acts), np.int64), 1
    axes: list[range] = []
    for axis in range(len(who.axis_start) - 1):
        part = range(int(who.axis_start[axis]), int(who.axis_start[axis + 1]))
        acts = (rates.axis_factor[part][:, grid.events] != 1.0).any()
        if acts and strata * len(part) <= _MOST_CLASSES // 4:
            stratum[part] = strata * np.arange(len(part))
            strata *= len(part)
            axes.append(part)
    share = who.exposure.mean(0) if who.risk_log.size else np.zeros(0)
    common = rates.base * np.exp(share @ np.log(rates.risk_factor)) if len(share) else rates.base
    personals: list[Floats] = [common] * strata
    for values in product(*axes):
        personal = common.copy()
        for j in values:
            personal = personal * rates.axis_factor[j]
        personals[sum(int(stratum[j]) for j in values)] = personal
    return stratum, personals


def _propensity(rates: Rates, states: int) -> tuple[Floats, list[float]]:
    if not rates.spread:
        return np.zeros(0), [0.0]
    from scipy.stats import norm

    bins = 2 if states > _MANY_STATES else 8
    bounds: Floats = norm.ppf(np.arange(1, bins) / bins)
    return bounds, [float(z) for z in norm.ppf((np.arange(bins) + 0.5) / bins)]


def exact_probability(
    model: ProgressionModel, who: Persons, rates: Rates, wanted: Wanted, persons: int = 400
) -> Probability | None:
    """P by the exact pass for each of so many persons drawn; the error is that of the persons. None where the closure is too
    large, the persons have a propensity that is not part of what is known of them, or earlier onsets move the diagnosis.
    """
    followed = closure(model, rates, wanted)
    if followed is None or rates.spread or rates.moves:
        return None
    grid = lattice(model, rates, wanted, followed)
    before, planned = len(who.before), [int(j) for j in rates.scheduled]
    whole = _plain(rates, who, wanted._replace(window=1e9), persons)
    found = np.empty(persons)
    for i in range(persons):
        personal = rates.base.copy()
        for axis, v in enumerate(whole.values[i]):
            personal *= rates.axis_factor[who.axis_start[axis] + v]
        for k in np.flatnonzero(whole.exposed[i]):
            personal *= rates.risk_factor[k]
        rows = slice(whole.start[i], whole.start[i + 1])
        ages = dict(zip(whole.event[rows].tolist(), whole.age[rows].tolist(), strict=True))
        schedule = {j: float(ages.get(j, whole.diagnosis[i])) for j in planned}
        entry = float(whole.entry[i])
        end = min(rates.oldest, entry + wanted.window)
        if before == 0:
            schedule = dict.fromkeys(planned, entry)
        found[i] = probability_of_person(grid, rates, personal, who.youngest, entry, end, schedule)
    mean = float(found.mean())
    return Probability(mean, float(found.std(ddof=1) / math.sqrt(persons)), "exact", draws=persons)
