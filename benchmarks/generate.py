"""Template sentences a second through planning, linking, validation and commit, on one core; and where the time goes. Runs in memory
and durable runs take turns.

python benchmarks/generate.py [SENTENCES]                  last line: JSON
python benchmarks/generate.py --memory SMALL LARGE         peak memory of two durable runs, each in a process of its own
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from engine import generate, open_graph
from engine.plan import plan_for_label
from engine.processes import collect_seldom
from engine.runs.duplicates import DuplicateIndex
from engine.verbalization.port import Request
from engine.verbalization.template import TemplateVerbalizer


def main(count: int) -> None:
    with open_graph() as graph, tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        list(generate(graph, 20, seed=1))
        collect_seldom()  # as the command does
        warm = time.perf_counter() - started
        wall, cpu = {False: 0.0, True: 0.0}, {False: 0.0, True: 0.0}
        for turn, durable in enumerate((False, True, True, False)):  # what a later run pays more falls on both alike
            begun, used = time.perf_counter(), time.process_time()
            with generate(graph, count, seed=7, out=Path(folder) / f"run{turn}" if durable else None) as run:
                made = len(list(run))
            wall[durable] += (time.perf_counter() - begun) / 2
            cpu[durable] += (time.process_time() - used) / 2
        parts = stages(graph, min(count, 2000))
    print(
        f"opening and warming up: {warm:.1f} s; acceptance {run.report.acceptance:.4f}; {run.report.as_data()['by_code']}"
    )
    for name, rate in parts.items():
        print(f"  {name:<12} {rate:>10,.0f} /s")
    result = {
        "sentences_per_s": round(made / wall[False]),
        "durable_per_s": round(made / wall[True]),
        "durability_cost": round(wall[True] / wall[False], 3),
        "durability_cost_cpu": round(cpu[True] / cpu[False], 3),
        "acceptance": round(run.report.acceptance, 4),
        **{f"{name}_per_s": round(rate) for name, rate in parts.items()},
    }
    print(json.dumps(result))


def memory(counts: list[int]) -> None:
    """Peak memory by size of run. Near-duplicates are taken: templates have no million things to say; what their index would take
    on top is measured alone.
    """
    peaks = {}
    for count in counts:
        done = subprocess.run(
            [sys.executable, __file__, "--peak", str(count)], check=True, stdout=subprocess.PIPE, text=True
        )
        peaks[count] = int(done.stdout.splitlines()[-1])
        print(f"{count} sentences: {peaks[count] / 1024:.0f} MiB", flush=True)
    small, large = min(counts), max(counts)
    figures = {"peak_kib": peaks, "ratio": round(peaks[large] / peaks[small], 3)}
    print(json.dumps({**figures, "index_bytes_a_sentence": round(index_bytes(large), 1)}))


def index_bytes(count: int) -> float:
    """What the index of near-duplicates takes, by the arrays it holds, for so many different sentences."""
    index = DuplicateIndex(0.8, str)
    for number in range(count):
        index.add(" ".join("abcdefghij"[int(digit)] * 3 for digit in str(number)))
        index.settle()
    held = [value for value in vars(index).values() if isinstance(value, np.ndarray)]
    return sum(array.nbytes for array in (*held, *index._tables)) / count  # noqa: SLF001 -- what it holds is what is measured


def peak(count: int) -> None:
    """Makes a durable run and prints the most memory this process had, in KiB."""
    with (
        open_graph() as graph,
        tempfile.TemporaryDirectory() as folder,
        generate(graph, count, seed=7, out=Path(folder) / "run", near_duplicate=0.0) as run,
    ):
        for place, _ in enumerate(run):
            if place == 0:
                collect_seldom()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def stages(graph, count: int) -> dict[str, float]:
    rates = {}
    rng = np.random.default_rng(0)
    labels = [label.id for label in graph.pack.labels]

    def timed(name: str, work):
        started = time.perf_counter()
        found = work()
        rates[name] = len(found) / (time.perf_counter() - started)
        return found

    trajectories = timed("sampling", lambda: list(graph.sample(count, seed=1)))
    plans = timed(
        "planning",
        lambda: [plan_for_label(t, labels[i % len(labels)], graph.pack, rng) for i, t in enumerate(trajectories)],
    )
    plans = [plan for plan in plans if plan is not None]
    template = TemplateVerbalizer(graph.pack)
    texts = timed("templates", lambda: template.write([Request(plan, seed=i) for i, plan in enumerate(plans)]))
    mentions = timed("linking", lambda: list(graph.link([str(text) for text in texts])))
    validator = graph.validator
    timed(
        "validation", lambda: [validator.validate(p, str(t), m) for p, t, m in zip(plans, texts, mentions, strict=True)]
    )
    return rates


if __name__ == "__main__":
    if sys.argv[1:2] == ["--memory"]:
        memory([int(count) for count in sys.argv[2:]])
    elif sys.argv[1:2] == ["--peak"]:
        peak(int(sys.argv[2]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
