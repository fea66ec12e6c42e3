"""Assertion and informant on the sentences of `tests/context`, each class, and sentences a CPU second; the last line is JSON.

    python benchmarks/context.py [SET.csv ...]

Speed is of first readings (no shape remembered), with and without the skipping of passes that cannot find anything.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

SETS = Path(__file__).resolve().parents[1] / "tests" / "context"


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


def main() -> int:
    from ontology.context import Context

    paths = [Path(name) for name in sys.argv[1:]] or sorted(SETS.glob("assertions*.csv"))
    seen: Counter[tuple[str, str]] = Counter()
    right: Counter[tuple[str, str]] = Counter()
    figures: dict[str, float] = {}
    per_second = {}
    for skip in (False, True):
        context = Context(skip=skip)
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
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
