"""Whole runs against a model server that fails: `python benchmarks/run_faults.py [-n 600] [--kind KIND ...] [--share 0.1 ...]`.

Each line of JSON is one durable run (plan, call, parse, link, judge, commit) over `tests/servers/faulty_model.py`: without faults
first, then for each kind of fault and each share of `passing` faults (a request fails, and may succeed when it is sent again), of
`lasting` ones (a prompt fails whenever it is asked: another plan may do) and of one label whose every prompt fails (`label`: the
losses stay). `--label NAME` chooses it.

What a line says: `asked` sentences; `accepted`, `lost` (given up) and `open` ones (neither: 0 unless it `stopped`); whether
`requested = accepted + rejected + dead` in the report, in `summarize` and in the files; `unnamed` losses (without a line in
`dead.jsonl` or `rejected.jsonl` that has a reason); `wrong` records, whose text is no good answer of the server; `sent` requests as the
server counted them; wall time, CPU and the 95th percentile of the time between commits, and what of the clean run's they are.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import httpx
from model_client import CONTENT, TRANSIENT, served

from engine import generate, open_graph
from engine.runs.folder import DEAD, MANIFEST, RECORDS, REJECTED
from engine.runs.recipe import even_quotas
from engine.runs.summary import summarize
from ontology.errors import DualAlignError

KINDS = (*TRANSIENT, "hang", *CONTENT)


def lines(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def on_disk(folder, count, given):
    """What the files of a run say, read without the product's code."""
    records, rejected, dead = (lines(folder / name) for name in (RECORDS, REJECTED, DEAD))
    given_up = [row for row in (*rejected, *dead) if row["given_up"]]
    kept, lost = {row["slot"] for row in records}, {row["slot"] for row in given_up}
    manifest = folder / MANIFEST
    counts = json.loads(manifest.read_bytes())["counts"] if manifest.exists() else {}
    named = {row["slot"] for row in given_up if all(issue["code"] and issue["message"] for issue in row["issues"])}
    row = {"accepted": len(records), "lost": len(lost), "open": count - len(kept | lost)}
    row |= {"rejected": len(rejected), "dead": len(dead), "unnamed": len(lost - named)}
    row |= {"reasons": dict(Counter(row["issues"][0]["code"] for row in given_up))}
    row |= {"wrong": sum(row["text"] not in given for row in records), "twice": len(records) - len(kept - lost)}
    return row, counts.get("requested")


def run_once(graph, count, options, at_once, timeout, **asked):
    """One run, and what is known of it."""
    labels = tuple(label.id for label in graph.pack.labels if label.id != "none")  # `none` has no words to obey
    with served("--obey", *options) as url, tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        graph.settings = replace(
            graph.settings, model_url=url, cache=Path(folder), model_concurrency=at_once, model_timeout=timeout
        )
        run = generate(
            graph, model="vllm:m", seed=5, out=out, quotas=even_quotas(count, labels), near_duplicate=0.0, **asked
        )
        begun, used = time.perf_counter(), time.process_time()
        stopped, commits, accepted = "", [begun], 0
        try:
            for _ in run:
                if run.report.accepted != accepted:
                    accepted = run.report.accepted
                    commits.append(time.perf_counter())
        except DualAlignError as error:
            stopped = f"{type(error).__name__}: {error}"
        wall, cpu = time.perf_counter() - begun, time.process_time() - used
        given, sent = (httpx.get(f"{url[:-3]}/{name}", trust_env=False).json() for name in ("given", "asked"))
        row, manifest = on_disk(out, count, set(given))
        report, read = run.report, summarize(out).report
    total = row["accepted"] + row["rejected"] + row["dead"]
    same = total == report.accepted + report.rejected + report.dead_lettered
    holds = same and total == report.requested == read.requested and manifest in {None, total}
    gaps = sorted(b - a for a, b in pairwise(commits))
    row = {"asked": count, **row, "requested": total, "identity": holds, "stopped": stopped, "sent": sum(sent.values())}
    return row, {"wall": wall, "cpu": cpu, "p95": gaps[int(0.95 * len(gaps))] if gaps else wall}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=600)
    parser.add_argument("--latency", type=float, default=0.05)
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--timeout", type=float, default=1.0, help="Seconds of a call, where calls hang.  [default: 1]")
    parser.add_argument("--kind", action="append", choices=KINDS, help="Only these faults.")
    parser.add_argument("--share", action="append", type=float, help="Only these shares.  [default: 0.1, 0.3, 0.5]")
    parser.add_argument("--lasts", action="append", choices=("passing", "lasting", "label"), help="Only these.")
    parser.add_argument("--label", default="neuropsychiatric")
    parser.add_argument("--rounds", type=int, help="Plans a slot, as of `dualalign generate`.")
    asked = parser.parse_args()
    shares = asked.share or [0.1, 0.3, 0.5]
    cases = []
    for kind in asked.kind or KINDS:
        cases.append(("none", 0.0, "passing"))  # anew for each kind: other work on the machine comes and goes
        for lasts in asked.lasts or ("passing", "lasting", "label"):
            cases += [(kind, share, lasts) for share in (shares if lasts != "label" else [1.0])]
    with open_graph() as graph:
        list(generate(graph, 20, seed=1))  # the linker and the model of the graph are made before the clock runs
        run_once(graph, 64, [], asked.at_once, None)  # and what calls a server is imported
        clean = {}
        for kind, share, lasts in cases:
            options = ["--latency", str(asked.latency)]
            options += [] if kind == "none" else ["--kind", kind, "--share", str(share)]
            options += {"passing": [], "lasting": ["--lasting"], "label": ["--within", f"Label: {asked.label}."]}[lasts]
            timeout = asked.timeout if kind == "hang" else None
            more = {} if asked.rounds is None else {"rounds": asked.rounds}
            row, cost = run_once(graph, asked.n, options, asked.at_once, timeout, **more)
            clean = cost if kind == "none" else clean
            row = {"kind": kind, "share": share, "lasts": lasts, **row}
            row |= {name: round(value, 3) for name, value in cost.items()}
            print(json.dumps({**row, **{f"{name}_of_clean": round(cost[name] / clean[name], 2) for name in cost}}))
            sys.stdout.flush()


if __name__ == "__main__":
    main()
