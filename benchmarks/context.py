"""Assertion and informant on the sentences of `tests/context`, each class, and sentences a CPU second; the last line is JSON.

    python benchmarks/context.py [SET.csv ...]
    python benchmarks/context.py --long MB [MB ...]
    python benchmarks/context.py --answers

The first: speed is of first readings (no shape remembered), with and without the skipping of passes that cannot find anything.

The second links texts that are one sentence without a full stop, each in a process of its own: CPU seconds a MB with context
and without, mentions, peak memory. `words` are phrases of the pack among words that say nothing, `notes` the sentences of
`tests/context` joined by "and", where every fourth word is part of a cue.

The third says what is linked and said, all fields of all mentions, as one digest a set: long sentences, `tests/context`, the
validator's set, template sentences. Two versions with the same digests give the same answers.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import random
import resource
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ontology.linker import CatalogLinker

TESTS = Path(__file__).resolve().parents[1] / "tests"
SETS = TESTS / "context"
_FILLERS = """
the a his her patient seems more with for in at home morning today care walks garden talks sleeps tea sister house week slowly
again appears after before old new
"""
FILLERS = _FILLERS.split()


def rows(path: Path) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found[row["text"]].append(row)
    for wanted in found.values():
        wanted.sort(key=place)
    return found


def place(row: dict[str, str]) -> int:
    """Where the concept of a row begins: at its first occurrence, or the one that the row numbers from 0."""
    found = -1
    for _ in range(int(row.get("occurrence") or 0) + 1):
        found = row["text"].index(row["concept"], found + 1)
    return found


def words(letters: int, seed: int = 7) -> str:
    """So many letters: every seventh word a phrase of the pack."""
    from ontology.pack import load_pack

    draw = random.Random(seed)  # noqa: S311 - which words, not a secret
    phrases = [phrase.text for phrase in load_pack().phrases if "." not in phrase.text]
    said: list[str] = []
    size = 0
    while size < letters:
        said.append(draw.choice(phrases) if draw.random() < 1 / 7 else draw.choice(FILLERS))
        size += len(said[-1]) + 1
    return " ".join(said)[:letters]


def notes(letters: int, seed: int = 7) -> str:
    """So many letters: the sentences of `tests/context` in small letters, without what ends them."""
    draw = random.Random(seed)  # noqa: S311 - which sentences, not a secret
    ends = str.maketrans({"\n": " ", ".": "", "?": "", "!": "", ";": ","})
    texts = sorted({text.translate(ends).lower() for path in SETS.glob("assertions*.csv") for text in rows(path)})
    said: list[str] = []
    size = 0
    while size < letters:
        said.append(draw.choice(texts))
        size += len(said[-1]) + len(" and ")
    return " and ".join(said)[:letters]


LONG = {"words": words, "notes": notes}


def linkers() -> tuple[CatalogLinker, CatalogLinker]:
    """With context and without, warm."""
    from ontology.catalog import open_catalog, pack_catalog
    from ontology.linker import CatalogLinker
    from ontology.pack import load_pack

    catalog = pack_catalog(load_pack(), base=open_catalog("hpo"))
    both = CatalogLinker(catalog), CatalogLinker(catalog, context=False)
    for linker in both:
        next(linker.link(["warm up, wanderring (WU)"]))
    next(both[0].link([notes(2_000)]))
    return both


def long_sentence(kind: str, megabytes: float) -> dict[str, float]:
    """One text, linked in a child."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        linker, without = linkers()
        text = LONG[kind](round(megabytes * 1e6))
        start_s = time.process_time()
        found = next(without.link([text]))
        plain_s = time.process_time() - start_s
        del found
        start_s = time.process_time()
        found = next(linker.link([text]))
        spent_s = time.process_time() - start_s
        figures = {
            "mb": megabytes,
            "mentions": len(found),
            "cpu_s": round(spent_s, 1),
            "cpu_s_a_mb": round(spent_s / megabytes, 2),
            "without_context_cpu_s_a_mb": round(plain_s / megabytes, 2),
            "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
        os.write(write, json.dumps(figures).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, encoding="utf-8") as pipe:
        said = pipe.read()
    if os.waitpid(child, 0)[1]:
        raise SystemExit("linking failed")
    return dict(json.loads(said))


def answers() -> dict[str, str]:
    """Of each set a digest of all that is linked and said."""
    from engine import generate, open_graph

    with open_graph() as graph:
        template = [one.text for one in generate(graph, 5_000, seed=7)]
    texts = {f"0.2 MB of {kind}": [make(200_000)] for kind, make in LONG.items()}
    texts |= {f"40 of 3 kB of {kind}": [make(3_000, seed) for seed in range(40)] for kind, make in LONG.items()}
    texts |= {path.name: list(rows(path)) for path in sorted(SETS.glob("assertions*.csv"))}
    with (TESTS / "validator" / "sentences.csv").open(encoding="utf-8", newline="") as file:
        texts["the validator's set"] = [row["text"] for row in csv.DictReader(file)]
    texts["5,000 template sentences"] = template
    linker, _ = linkers()
    found = {}
    for name, some in texts.items():
        linked = list(linker.link(some))
        digest = hashlib.sha256(repr(linked).encode()).hexdigest()[:16]
        found[name] = digest
        print(f"{name}: {sum(map(len, linked))} mentions, {digest}", flush=True)
    return found


def measured(paths: list[Path]) -> dict[str, float]:
    """Shares that are right, and speed; prints them as it goes."""
    from ontology.context import Context

    seen: Counter[tuple[str, str]] = Counter()
    right: Counter[tuple[str, str]] = Counter()
    figures: dict[str, float] = {}
    per_second = {}
    for skip in (False, True):
        context = Context(skip=skip)
        context.judge("Denies wandering.", [(7, 16)])  # loads the compiled loops
        spent, count = 0.0, 0
        for path in paths:
            good: Counter[str] = Counter()
            total = 0
            for text, wanted in rows(path).items():
                spans = [(place(row), place(row) + len(row["concept"])) for row in wanted]
                start_s = time.process_time()
                judged = context.judge(text, spans)
                spent += time.process_time() - start_s
                count += 1
                for row, (assertion, informant) in zip(wanted, judged, strict=True):
                    total += 1
                    for kind, got in (("assertion", assertion.value), ("informant", informant.value)):
                        seen[kind, row[kind]] += skip
                        right[kind, row[kind]] += skip and row[kind] == got
                        good[kind] += row[kind] == got
            if skip:
                print(f"{path.name}: assertion {good['assertion']}/{total}, informant {good['informant']}/{total}")
        per_second[skip] = count / spent
    for kind, name in sorted(seen):
        print(f"{kind} {name}: {right[kind, name]}/{seen[kind, name]}")
        figures[f"{kind}_{name}"] = round(right[kind, name] / seen[kind, name], 3)
    figures |= {
        "sentences_per_cpu_s": round(per_second[True]),
        "skipping_speeds_up": round(per_second[True] / per_second[False], 2),
    }
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", type=Path, nargs="*", metavar="SET.csv")
    parser.add_argument("--long", type=float, nargs="+", metavar="MB")
    parser.add_argument("--answers", action="store_true")
    asked = parser.parse_args()
    if asked.answers:
        print(json.dumps(answers()))
    elif asked.long:
        figures = []
        for kind in LONG:
            for megabytes in asked.long:
                figures.append({"text": kind, **long_sentence(kind, megabytes)})
                print(json.dumps(figures[-1]), flush=True)
        print(json.dumps({"long": figures}))
    else:
        print(json.dumps(measured(asked.sets or sorted(SETS.glob("assertions*.csv")))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
