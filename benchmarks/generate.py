"""Template sentences a second through planning, linking, validation and commit, on one core; and where the time goes.

python benchmarks/generate.py [SENTENCES]      last line: JSON
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from engine import generate, open_graph
from engine.plan import plan_for_label
from engine.verbalization.port import Request
from engine.verbalization.template import TemplateVerbalizer


def main(count: int) -> None:
    with open_graph() as graph, tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        list(generate(graph, 20, seed=1))
        warm = time.perf_counter() - started
        started = time.perf_counter()
        run = generate(graph, count, seed=7)
        made = len(list(run))
        memory = time.perf_counter() - started
        started = time.perf_counter()
        with generate(graph, count, seed=7, out=Path(folder) / "run") as durable:
            list(durable)
        disk = time.perf_counter() - started
        parts = stages(graph, min(count, 2000))
    print(
        f"opening and warming up: {warm:.1f} s; acceptance {run.report.acceptance:.4f}; {run.report.as_data()['by_code']}"
    )
    for name, rate in parts.items():
        print(f"  {name:<12} {rate:>10,.0f} /s")
    result = {
        "sentences_per_s": round(made / memory),
        "durable_per_s": round(made / disk),
        "durability_cost": round(disk / memory, 3),
        "acceptance": round(run.report.acceptance, 4),
        **{f"{name}_per_s": round(rate) for name, rate in parts.items()},
    }
    print(json.dumps(result))


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
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
