"""The fit where the truth is known: coverage of its intervals, a planted hazard ratio of 2, and time and memory of a large cohort.

    python benchmarks/estimate.py [--persons 1000000] [--worlds 25]

Persons are drawn from random rates (nine events, one nested in another, sex and education), live ten unseen years, and are
seen at visits some 2.5 years apart. The last line is JSON. Peak memory is that of the process; the persons are made one by one.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import time

import numpy as np

from graph_loaders.estimate import Estimator
from graph_loaders.estimation.fit import Ridge
from graph_loaders.estimation.simulate import onset_ages
from graph_loaders.trajectory import Onset, Persona, Trajectory
from ontology.concept import Cui
from ontology.pack import load_pack

EVENTS = tuple(Cui(f"C000010{i}") for i in range(9))
REQUIRES = {EVENTS[1]: EVENTS[0]}
PLANTED = 4
RIDGE = Ridge(history=0.4, fixed=0.4)


def world(rng):
    """Columns: intercept, age, male, low education, history."""
    theta = np.zeros((9, 13))
    theta[:, 0], theta[:, 1] = rng.normal(-3.0, 0.5, 9), rng.normal(0.6, 0.3, 9)
    theta[:, 2:4], theta[:, 4:] = rng.normal(0, 0.4, (9, 2)), rng.normal(0, 0.4, (9, 9))
    theta[PLANTED, 2] = math.log(2)
    needs = np.zeros((9, 9), np.bool_)
    needs[1, 0] = True
    return theta, needs


def people(n, rng, theta, needs, *, visits=5, block=20_000):
    done = 0
    while done < n:
        size = min(block, n - done)
        fixed = rng.random((size, 2)) < [0.45, 0.3]
        entry = rng.uniform(65, 85, size)
        gaps = rng.uniform(1.0, 4.0, (size, visits - 1)).cumsum(axis=1)
        calendar = np.concatenate([entry[:, None], entry[:, None] + gaps], axis=1)
        none = np.zeros((size, 9), np.bool_)
        begun = onset_ages(theta, needs, entry - 10, entry, fixed, none, int(rng.integers(2**31))) < np.inf
        ages = onset_ages(theta, needs, entry, calendar[:, -1], fixed, begun, int(rng.integers(2**31)))
        for i in range(size):
            seen = calendar[i].tolist()
            places = np.searchsorted(seen, ages[i])
            onsets = [
                Onset(EVENTS[j], seen[k], seen[k - 1] if k else None)
                for j, k in enumerate(places.tolist())
                if k < visits
            ]
            onsets.sort(key=lambda o: o.age)
            traits = {"sex": "male" if fixed[i, 0] else "female", "education": "low" if fixed[i, 1] else "high"}
            yield Trajectory(
                f"p{done + i}", Persona(traits), seen[0], seen[-1], visits=tuple(seen), onsets=tuple(onsets)
            )
        done += size


def judged(found, theta, needs, sd):
    """z of every free parameter against the truth, posterior sd from information and prior."""
    column = {
        "intercept": 0,
        "age10": 1,
        "sex:male": 2,
        "education:low": 3,
        **{f"after:{e}": 4 + i for i, e in enumerate(EVENTS)},
    }
    names = ["intercept", "age10", *found.fixed, *(f"after:{e}" for e in found.events)]
    z = {}
    for j in range(9):
        at = np.flatnonzero(found.free[j])
        truth = np.array([theta[j, column[names[c]]] for c in at])
        truth[0] += theta[j, 4 + np.flatnonzero(needs[j])].sum()  # what it needs has always begun
        prior = np.array([sd.get(names[c].partition(":")[0], sd["fixed"]) for c in at])
        covariance = np.linalg.inv(found.information[j][np.ix_(at, at)] + np.diag(prior**-2))
        se = np.sqrt(np.diag(covariance))
        for k, c in enumerate(at):
            z[j, names[c]] = ((found.theta[j, c] - truth[k]) / se[k], se[k], found.theta[j, c])
    return z


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--persons", type=int, default=1_000_000)
    parser.add_argument("--worlds", type=int, default=25)
    parser.add_argument("--each", type=int, default=1000, help="Persons a world.")
    asked = parser.parse_args()
    pack = load_pack()
    sd = {"intercept": RIDGE.intercept, "age10": RIDGE.age10, "fixed": RIDGE.fixed, "after": RIDGE.history}
    z, ratios = [], []
    for seed in range(asked.worlds):
        rng = np.random.default_rng(seed)
        theta, needs = world(rng)
        with Estimator(pack, EVENTS, REQUIRES, ridge=RIDGE) as estimator:
            for person in people(asked.each, rng, theta, needs):
                estimator.add(person)
            found = judged(estimator.fit(), theta, np.pad(needs, (0, 1)), sd)
        z += [v[0] for v in found.values()]
        ratios.append(math.exp(found[PLANTED, "sex:male"][2]))
    covered = float(np.mean(np.abs(z) < 1.96))
    print(f"{asked.worlds} worlds of {asked.each} persons: 95 % intervals hold {covered:.1%} of {len(z)} parameters")
    low, high = np.quantile(ratios, [0.25, 0.75])
    print(f"planted hazard ratio 2: median {np.median(ratios):.2f}, middle half {low:.2f}-{high:.2f}")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rng = np.random.default_rng(1)
    theta, needs = world(rng)
    with Estimator(pack, EVENTS, REQUIRES, ridge=RIDGE) as estimator:
        wall, cpu = time.perf_counter(), time.process_time()
        for person in people(asked.persons, rng, theta, needs):
            estimator.add(person)
        added = time.perf_counter() - wall, time.process_time() - cpu
        print(f"{asked.persons:,} persons made and added, {estimator.panel.intervals:,} intervals: {added[0]:.0f} s")
        wall, cpu = time.perf_counter(), time.process_time()
        fit = estimator.fit(print)
        fitted = time.perf_counter() - wall, time.process_time() - cpu
    large = judged(fit, theta, np.pad(needs, (0, 1)), sd)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    _, se, value = large[PLANTED, "sex:male"]
    summary = {
        "coverage": round(covered, 4),
        "parameters": len(z),
        "planted_ratio_median": round(float(np.median(ratios)), 3),
        "persons": asked.persons,
        "add_s": [round(v, 1) for v in added],
        "fit_s": [round(v, 1) for v in fitted],
        "rounds": fit.rounds,
        "large_coverage": round(float(np.mean([abs(v[0]) < 1.96 for v in large.values()])), 4),
        "large_planted_ratio": [round(math.exp(value), 4), round(se, 4)],
        "peak_mb": round(peak),
        "peak_mb_before_large": round(before),
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
