"""Trajectories a second, at the pack's size and at 60 concepts, beside a bare loop of random numbers in the same run.

python benchmarks/sample.py [N]
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.sampling import kernel
from engine.sampling.model import combine
from engine.sampling.sampler import sample, sample_arrays
from graph_loaders.facts import facts_to_elements
from ontology.pack import load_pack

if TYPE_CHECKING:
    from engine.sampling.model import ProgressionModel
    from ontology.pack import Pack


def smaller(pack: Pack, concepts: int) -> Pack:
    """The pack's first concepts and the diagnosis; every fifth, so that all kinds are in it."""
    step = max(1, len(pack.concepts) // concepts)
    kept = {c.cui for c in pack.concepts[::step][:concepts]} | {pack.diagnosis}
    chosen = tuple(c for c in pack.concepts if c.cui in kept)[:concepts]
    names = {c.cui for c in chosen}
    return replace(
        pack,
        concepts=chosen,
        requirements=tuple(r for r in pack.requirements if all(":" in x or x in names for x in (r.event, r.needs))),
        modifiers=tuple(m for m in pack.modifiers if m.exposure in names or ":" in m.exposure),
    )


def bare(numbers: int) -> float:
    """Seconds for so many random numbers with a logarithm each, in a compiled loop."""
    import math

    import numba
    import numpy as np

    kernel._compiled()  # noqa: SLF001 - makes the generator a compiled function
    step = kernel._next  # noqa: SLF001

    @numba.njit
    def loop(count):
        state, total = np.uint64(1), 0.0
        for _ in range(count):
            state, u = step(state)
            total -= math.log(u)
        return total

    loop(10)
    start = time.perf_counter()
    loop(numbers)
    return time.perf_counter() - start


def measure(model: ProgressionModel, n: int) -> tuple[float, float, float]:
    """Trajectories a second, events a trajectory, seconds."""
    sample_arrays(model, 1000, 0)
    best, events = float("inf"), 0
    for seed in range(3):
        start = time.perf_counter()
        found = sample_arrays(model, n, seed)
        best, events = min(best, time.perf_counter() - start), len(found.event)
    return n / best, events / n, best


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    pack, out = load_pack(), {}
    for name, chosen in (("pack", pack), ("60", smaller(pack, 60))):
        start = time.perf_counter()
        model = combine(chosen, facts_to_elements(chosen))
        combined = time.perf_counter() - start
        rate, events, seconds = measure(model, n)
        same = bare(int(2 * events * n))  # two numbers an event
        print(
            f"{model.concepts} concepts: {rate:,.0f} trajectories/s, {events:.1f} events each; "
            f"as many bare random numbers {n / same:,.0f}/s; combine {combined:.1f} s"
        )
        out[name] = {
            "concepts": model.concepts,
            "per_second": round(rate),
            "events": events,
            "seconds": seconds,
            "bare_seconds": same,
            "combine_seconds": combined,
        }
    start, count = time.perf_counter(), 2000
    for _ in sample(model, n=count, seed=1):
        pass
    out["objects_per_second"] = round(count / (time.perf_counter() - start))
    print(f"as Trajectory objects: {out['objects_per_second']:,}/s at {model.concepts} concepts")
    print(json.dumps(out))


if __name__ == "__main__":
    main()
