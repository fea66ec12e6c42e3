"""How a model writes: `python benchmarks/verbalize.py [--model local] [-n 200] [--show 30]`; the last line is JSON.

Counts, over plans spread evenly over the labels, how many sentences hold the planned words once, are whole, name the
informant, keep the sex and the assertion (a comparison of words, not the validator), and how fast they come.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from contextlib import closing
from dataclasses import replace

import numpy as np

from engine.settings import Settings
from engine.verbalization import open_verbalizer
from engine.verbalization.answers import faults
from engine.verbalization.port import Request
from ontology.errors import ModelError
from ontology.pack import load_pack


def plans(pack, count, seed):
    """Plans drawn as a run draws them, even over the labels."""
    from engine.graph import open_graph
    from engine.plan import plan_for_label
    from engine.sampling.criteria import Criteria
    from engine.sampling.sampler import draw

    rng = np.random.default_rng(seed)
    labels = [label.id for label in pack.labels]
    with open_graph(catalog="pack") as graph:
        while count:
            made = plan_for_label(draw(graph.model, Criteria(), rng), labels[count % len(labels)], pack, rng)
            if made is not None:
                count -= 1
                yield made


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="local")
    parser.add_argument("-n", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=30)
    asked = parser.parse_args()
    pack = load_pack()
    requests = [Request(plan, seed=place) for place, plan in enumerate(plans(pack, asked.n, asked.seed))]
    with closing(open_verbalizer(asked.model, pack, Settings.load(), cache=False)) as verbalizer:
        verbalizer.write(requests[:1])  # the start of a server is not its speed
        begun = time.perf_counter()
        answers = verbalizer.write(requests)
        seconds = time.perf_counter() - begun
        again = verbalizer.write([replace(request) for request in requests[:40]])
    codes = Counter()
    clean = 0
    for request, answer in zip(requests, answers, strict=True):
        wrong = (f"error:{answer.code}",) if isinstance(answer, ModelError) else faults(request, answer, pack)
        codes.update(wrong)
        clean += not wrong
    texts = [answer for answer in answers if isinstance(answer, str)]
    for request, answer in list(zip(requests, answers, strict=True))[: asked.show]:
        plan = request.plan
        sex = plan.persona.traits.get("sex", "")
        print(f"{plan.label} | {plan.phrase} | {plan.assertion} | {plan.informant} | {sex}\n    {answer}")
    print(
        json.dumps(
            {
                "model": verbalizer.name,
                "sentences": len(texts),
                "of": len(requests),
                "clean": round(clean / len(requests), 4),
                "faults": dict(codes.most_common()),
                "distinct": round(len(set(texts)) / max(1, len(texts)), 4),
                "per_second": round(len(requests) / seconds, 2),
                "same_again": sum(str(a) == str(b) for a, b in zip(answers, again, strict=False)) / max(1, len(again)),
            }
        )
    )


if __name__ == "__main__":
    main()
