"""What the issue of releases asks to see: the attack on random graphs, the loss of noise, a cohort split and merged.

    python benchmarks/release.py [graphs]

Figures are counts and ratios; times are wall and processor seconds of this process.
"""

# ruff: noqa: E402 -- the cohorts of the tests are found beside this folder
from __future__ import annotations

import math
import sys
import time
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1] / folder) for folder in ("tests/contract", "tests/unit")]

from test_merge import EVENTS, counted, fitted
from test_privacy import epsilon_shown

from graph_loaders.disclosure import bounds
from graph_loaders.elements import GraphElements
from graph_loaders.margins import Counts
from graph_loaders.merge import MERGED, merged
from graph_loaders.privacy import Noise
from graph_loaders.suppression import suppress
from ontology.errors import ConfigError
from random_cohorts import events_of, people, private, random_private

LEAST = 11


def attack(graphs: int) -> None:
    clock, cpu = time.perf_counter(), time.process_time()
    recovered = narrow = outside = withheld = shown_cells = naive_found = refused = complementary = 0
    for seed in range(graphs):
        graph = random_private(np.random.default_rng(10_000 + seed))
        truth = Counts.of(graph, "c")
        try:
            found = suppress(graph, "c", LEAST)
        except ConfigError:
            refused += 1
            continue
        shown = Counts.of(GraphElements.of([*graph.nodes, *found.edges]), "c", truth.events)
        complementary += found.complementary
        shown_cells += len(shown.values)
        withheld += len(truth.values) - len(shown.values)
        for cell, (low, high) in bounds(shown).items():
            value = truth.values.get(cell, 0)
            recovered += low == high
            narrow += high - low < LEAST - 1
            outside += not low <= value <= high
        naive = Counts.of(graph, "c")
        naive.values = {cell: value for cell, value in naive.values.items() if value >= LEAST}
        naive_found += sum(low == high for cell, (low, high) in bounds(naive).items() if truth.values.get(cell, 0))
    print(
        f"random graphs {graphs}, refused {refused}; counts shown {shown_cells}, withheld {withheld} ({complementary} complementary)"
    )
    print(f"recovered {recovered}; ranges narrower than 0-{LEAST - 1}: {narrow}; truths outside their range: {outside}")
    print(f"recovered where only small cells are withheld (the attack works): {naive_found}")
    print(f"wall {time.perf_counter() - clock:.1f} s, processor {time.process_time() - cpu:.1f} s")


def large() -> None:
    rng = np.random.default_rng(1)
    for count in (10, 20, 30):
        events = events_of(count)
        graph = private(people(rng, 1000, events), events)
        clock, cpu = time.perf_counter(), time.process_time()
        found = suppress(graph, "c", LEAST)
        print(
            f"1,000 persons, {count} events: small {found.small}, complementary {found.complementary}, "
            f"wall {time.perf_counter() - clock:.1f} s, processor {time.process_time() - cpu:.1f} s"
        )


def noise() -> None:
    for delta in (0.0, 1e-5):
        for epsilon in (0.5, 1.0, 2.0):
            mechanism = Noise.of(7, math.sqrt(7), epsilon, delta, 1.0)
            draws = [mechanism.add(np.full(20_000 * 7, base)).reshape(-1, 7).sum(axis=1) for base in (100, 101)]
            print(f"stated epsilon {epsilon}, delta {delta}: shown at 95 % {epsilon_shown(*draws, delta):.3f}")


def split() -> None:
    rng = np.random.default_rng(6)
    persons = people(rng, 900, EVENTS)
    part = rng.integers(0, 5, len(persons))
    whole = fitted(persons, "whole")
    sites = [(f"s{i}", fitted([p for p, at in zip(persons, part, strict=True) if at == i], f"s{i}")) for i in range(5)]
    found = merged(sites)
    left, right = counted(whole, "whole"), counted(found, MERGED)
    equal = sum(left[pair][:3] == right[pair][:3] for pair in left)
    years = max(abs(left[pair][3] - right[pair][3]) for pair in left)
    fit = {
        e.end[1]: dict(zip(e.properties["features"], e.properties["coefficients"], strict=True))
        for e in whole.edges
        if e.type == "ESTIMATES"
    }
    off = [
        (value - fit[e.end[1]][name]) / se
        for e in found.edges if e.type == "POOLED"
        for name, value, se in zip(*(e.properties[c] for c in ("features", "coefficients", "se")), strict=True)
    ]  # fmt: skip
    print(f"split in 5 and merged: {equal} of {len(left)} pairs equal in persons, same_visit and every gap bin")
    print(f"person-years off by {years:.4f} at most")
    rms, most = np.sqrt(np.mean(np.square(off))), max(map(abs, off))
    print(f"{len(off)} coefficients: off by {rms:.2f} standard errors (root mean square), {most:.2f} at most")


if __name__ == "__main__":
    attack(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
    large()
    noise()
    split()
