"""Trajectories a second of both samplers, beside the reference script, bare random numbers and networkx, in one run.

python benchmarks/sample.py [N] [REFERENCE]   (REFERENCE: ../shared/model/speed.py where it is there)

Speeds are per second of processor time of one core. "Workload" is the reference script's: 60 concepts, its base rates, a fifth
of all pairs act on each other, rates rise 7 % a year, death competes, followed for 15 years (exact); its first-order weights
with an end (table, here without repeats and with ages). "Pack" is the shipped pack cut to 60 concepts and whole: persons from
the first stage to death. The last line is JSON.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import runpy
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.sampling import kernel
from engine.sampling.criteria import Criteria
from engine.sampling.model import combine
from engine.sampling.parallel import json_lines
from engine.sampling.sampler import sample, sample_arrays
from engine.sampling.table import table_of_weights, walk
from engine.sampling.tables import Paths, Persons, Rates, Wanted, padded
from graph_loaders.facts import facts_to_elements
from ontology.compiled import compiled
from ontology.pack import load_pack

if TYPE_CHECKING:
    from ontology.pack import Pack

K, SLOPE, DEATH, YEARS = 60, 0.07, 0.15, 15.0
KEY = np.array([1, 2], np.uint64)
NO = False


def workload() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Base rates, ratios and first-order weights of the reference script (its seed, its draws, in its order)."""
    rng = np.random.default_rng(0)
    base = rng.gamma(1, 1, K) * 0.04
    ratios = np.exp(rng.normal(0, 0.4, (K, K)) * (rng.random((K, K)) < 0.2))
    weights = np.vstack([rng.gamma(0.3, 1, (K, K)), np.ones(K)])
    return base, ratios, np.c_[weights, np.full(K + 1, 0.2 * weights.sum(1).mean())]


def exact_tables(base: np.ndarray, ratios: np.ndarray) -> tuple[Persons, Rates, Wanted]:
    """The workload as the exact loop reads it: one kind of person, entry at 40, rates by whole years."""
    room, n = padded(K + 1), K + 1
    wide = np.zeros(room)
    wide[:K], wide[K] = base, DEATH
    many = np.ones((room, room))
    many[:K, :K] = ratios
    np.fill_diagonal(many, 1.0)
    acting = [np.flatnonzero(row != 1) for row in many]
    starts = np.r_[0, np.cumsum([len(a) for a in acting])]
    none, flags = np.zeros(0, np.int64), np.zeros(room, np.bool_)
    age = np.exp(SLOPE * (np.arange(72) + 0.5))[:, None] * np.ones(room)
    rates = Rates(
        wide, np.ones((0, room)), np.zeros(0, np.bool_), np.ones((0, room)), np.zeros(0, np.bool_),
        np.array([0 if len(a) == 0 else 1 if len(a) * 8 < room else 2 for a in acting]), starts, np.concatenate(acting),
        np.concatenate([row[a] for row, a in zip(many, acting, strict=True)]), many, np.ones(room), NO, age, 2,
        np.zeros(room, np.int64), np.zeros(room + 1, np.int64), none, np.zeros(room), NO, none, n, K, K, 110.0,
    )  # fmt: skip
    who = Persons(
        np.zeros(1, np.int64), np.zeros(0), np.zeros(0), -1, np.zeros((1, 0)), np.zeros((1, 0)), np.zeros((0, 4), np.int64), -1,
        np.array([40.0, 40.0001]), np.array([[0.0, 1.0]]), np.zeros((1, 4), np.int64), np.ones((1, 2)), -50.0, 0.1, 40.0,
        np.zeros(0), np.zeros((1, 2, 2)), 0.0, 1.0, -1e9, 1e9,
    )  # fmt: skip
    return who, rates, Wanted(flags, 0, flags, -1, -1, 0, n, YEARS)


def table_tables(weights: np.ndarray):
    """The workload's first-order weights as a table: one stratum, one band, a year to the first candidate."""
    rows = np.zeros((K + 2, K + 1))
    rows[:K], rows[K + 1] = weights[:K], weights[K]
    rows /= np.maximum(rows.sum(1, keepdims=True), 1e-9)
    pool = (
        np.full(64, 70.0),
        np.zeros((64, 0)),
        np.zeros(64, np.int64),
        np.zeros((64, 0), np.int8),
        np.zeros((64, 0), bool),
    )
    none = np.zeros(0, np.int64)
    return rows, table_of_weights(rows, np.zeros((K + 1, K + 1), bool), (none, 0), (1, 200.0, 40.0, 1), K, K, 1e8, pool)


def best(function, repeats: int = 4) -> float:
    """Least processor seconds."""
    found = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        function()
        found = min(found, time.process_time() - start)
    return found


def chi_square(paths: Paths, n: int, expected: np.ndarray) -> float:
    """Chi-square a degree of freedom of the second event given the first (rows), cells with at least 5 expected."""
    starts, stops = paths.start[:-1][:n], paths.start[1:][:n]
    two = stops - starts >= 2
    first, second = paths.event[starts[two]], paths.event[starts[two] + 1]
    observed = np.zeros_like(expected)
    np.add.at(observed, (first, second), 1)
    wanted = observed.sum(1, keepdims=True) * expected
    used = wanted >= 5
    rest_o = np.where(used, 0, observed).sum(1)
    rest_w = np.where(used, 0, wanted).sum(1)
    total = ((observed - wanted) ** 2 / np.where(used, wanted, 1))[used].sum()
    pooled = rest_w >= 5
    total += ((rest_o - rest_w) ** 2 / np.where(pooled, rest_w, 1))[pooled].sum()
    dof = used.sum() + pooled.sum() - (observed.sum(1) > 0).sum()
    return float(total / dof)


@compiled
def bare(numbers):
    """So many uniform numbers, added up."""
    state, total = np.uint64(1), 0.0
    for _ in range(numbers):
        state, u = kernel.uniform(state)
        total += u
    return total


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


def on_workload(n: int, out: dict) -> None:
    base, ratios, weights = workload()
    who, rates, wanted = exact_tables(base, ratios)
    paths = Paths.empty(n, K + 1, 0, 0)
    start = time.perf_counter()
    kernel.run(KEY, 0, 8, 10, who, rates, wanted, paths)
    out["exact_first_call_seconds"] = round(time.perf_counter() - start, 2)
    seconds = best(lambda: kernel.run(KEY, 0, n, 10, who, rates, wanted, paths))
    out["exact_per_second"], out["exact_events"] = round(n / seconds), paths.start[n] / n
    expected = np.zeros((K + 1, K + 1))
    for j in range(K):
        row = np.r_[base * ratios[j], DEATH]
        row[j] = 0.0
        expected[j] = row / row.sum()
    out["exact_chi_square"] = chi_square(paths, n, expected)
    print(f"exact: {n / seconds:,.0f} trajectories/s, {paths.start[n] / n:.1f} events each")

    rows, table = table_tables(weights)
    many = 8 * n
    paths = Paths.empty(many, 16, 0, 0)
    start = time.perf_counter()
    walk(KEY, 0, 8, 10, table, wanted._replace(window=1e9), paths)
    out["table_first_call_seconds"] = round(time.perf_counter() - start, 2)
    seconds = best(lambda: walk(KEY, 0, many, 10, table, wanted._replace(window=1e9), paths))
    events = paths.start[many] / many
    out["table_per_second"], out["table_events"] = round(many / seconds), events
    expected = np.zeros((K + 1, K + 1))
    for j in range(K):
        row = rows[j].copy()
        row[j] = 0.0
        expected[j] = row / row.sum()
    out["table_chi_square"] = chi_square(paths, many, expected)
    print(
        f"table: {many / seconds:,.0f} trajectories/s, {events:.2f} events each (from entry to the end, no repeats, with ages)"
    )
    # the limit: two numbers an event (which, when), nothing else done
    numbers = int(2 * paths.start[many])
    bare(10)
    own = best(lambda: bare(numbers), 2)
    rng = np.random.default_rng(1)
    theirs = best(lambda: [rng.random(1 << 16) for _ in range(numbers >> 16)], 2)
    out["limit_own_per_second"], out["limit_numpy_per_second"] = round(many / own), round(many / theirs)
    out["table_share_of_own_limit"] = own / seconds
    out["table_share_of_numpy_limit"] = theirs / seconds
    print(
        f"limit, two random numbers an event: numpy's generator {many / theirs:,.0f} trajectories/s, ours {many / own:,.0f}/s"
    )
    print(f"table is {theirs / seconds:.2f} of the first limit, {own / seconds:.3f} of the second")
    out["networkx_per_second"] = with_networkx(rows, round(events))
    out["table_over_networkx"] = out["table_per_second"] / out["networkx_per_second"]
    print(
        f"networkx generate_random_paths: {out['networkx_per_second']:,.0f} paths/s; table is {out['table_over_networkx']:,.0f} times that"
    )
    print(f"chi-square a degree of freedom: exact {out['exact_chi_square']:.3f}, table {out['table_chi_square']:.3f}")


def with_networkx(rows: np.ndarray, length: int) -> float:
    """Paths a second of networkx on the same weights (the end leads back to the start, so that no walk is stuck)."""
    import networkx as nx

    graph = nx.DiGraph()
    for i in range(K):
        graph.add_weighted_edges_from((i, j, float(rows[i, j])) for j in range(K) if rows[i, j] > 0)
    count = 300
    return round(count / best(lambda: list(nx.generate_random_paths(graph, count, path_length=length, seed=1)), 2), 1)


def on_pack(name: str, pack: Pack, n: int, out: dict) -> None:
    start = time.perf_counter()
    model = combine(pack, facts_to_elements(pack))
    out["combine_seconds"] = round(time.perf_counter() - start, 1)
    out["concepts"] = model.concepts
    for mode in ("exact", "table"):
        sample_arrays(model, 100, 0, mode=mode)
        found = sample_arrays(model, n, 1, mode=mode)
        seconds = best(lambda mode=mode: sample_arrays(model, n, 1, mode=mode), 3)
        out[f"{mode}_per_second"], out[f"{mode}_events"] = round(n / seconds), len(found.event) / n
        print(f"{name}, {mode}: {n / seconds:,.0f} trajectories/s, {len(found.event) / n:.1f} events each")
        digests = {
            workers: hashlib.sha256(
                sample_arrays(model, 20_000, 1, mode=mode, workers=workers).age.tobytes()
            ).hexdigest()
            for workers in (1, 2, 8)
        }
        out[f"{mode}_same_bytes_1_2_8"] = len(set(digests.values())) == 1
    start = time.process_time()
    for _ in sample(model, n=1000, seed=1):
        pass
    out["objects_per_second"] = round(1000 / (time.process_time() - start))
    if name == "60 concepts":
        lines = {
            p: hashlib.sha256(
                b"".join(part for part, *_ in json_lines(model, Criteria(), 600, 3, processes=p))
            ).hexdigest()
            for p in (1, 2, 8)
        }
        out["lines_same_bytes_1_2_8"] = len(set(lines.values())) == 1
    print(f"{name}: Trajectory objects {out['objects_per_second']:,}/s; same bytes from 1, 2, 8 workers: "
          f"{out['exact_same_bytes_1_2_8'] and out['table_same_bytes_1_2_8'] and out.get('lines_same_bytes_1_2_8', True)}")  # fmt: skip


def reference(path: Path, out: dict) -> None:
    """The reference script's own lines, in this run."""
    if not path.exists():
        print(f"no reference script at {path}")
        return
    argv, sys.argv = sys.argv, [str(path), str(K)]
    try:
        with contextlib.redirect_stdout(io.StringIO()) as said:
            found = runpy.run_path(str(path))
    finally:
        sys.argv = argv
    print(said.getvalue().rstrip())
    walk_a, walk_c = found["walkA"], found["walkC"]
    seconds = best(lambda: walk_c(found["base"], found["EG"], found["slope"], found["mu"], 100_000, K))
    out["reference_exact_per_second"] = round(100_000 / seconds)
    seconds = best(lambda: walk_a(found["Q"], found["AL"], 500_000, 10**6, K))
    out["reference_first_order_per_second"] = round(500_000 / seconds)
    print(f"reference in processor time: hazards {out['reference_exact_per_second']:,}/s (no output kept), first order to its end "
          f"{out['reference_first_order_per_second']:,}/s (repeats allowed, no ages, no output)")  # fmt: skip


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    path = Path(sys.argv[2]) if len(sys.argv) > 2 else Path("../shared/model/speed.py")
    out: dict = {"workload": {}, "60": {}, "pack": {}}
    on_workload(n, out["workload"])
    reference(path, out["workload"])
    pack = load_pack()
    on_pack("60 concepts", smaller(pack, 60), n, out["60"])
    on_pack("whole pack", pack, n // 4, out["pack"])
    print(json.dumps(out))


if __name__ == "__main__":
    main()
