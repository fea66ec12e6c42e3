"""Memory and speed of `dualalign link` over files of growing length, in one process and in two; the last line is JSON.

    python benchmarks/link_files.py [--lines 10000 100000] [--catalog pack] [--processes 1 2]

Each run is a process of its own; memory is the peak of the largest process, CPU is user + system of all of them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

OPENINGS = ("Daughter reports", "Patient denies", "No evidence of", "History of", "Possible", "On examination there is")
ENDINGS = ("since the spring.", "at this visit.", "over the past two years.", "on most days, he says.")


def run(source: Path, out: Path, catalog: str, processes: int, to: str) -> dict[str, float]:
    """One linking in a child of its own; its figures."""
    start = time.perf_counter()
    child = os.fork()
    if child == 0:
        from engine.linking.run import Vocabulary, link_file

        report = link_file(
            str(source), out, vocabulary=Vocabulary(catalog, fuzzy=False), processes=processes, to_format=to
        )
        out.with_suffix(".count").write_text(str(report.mentions), encoding="utf-8")
        os._exit(0)
    _, status, used = os.wait4(child, 0)
    if status:
        raise SystemExit(f"linking failed with status {status}")
    return {
        "wall_s": round(time.perf_counter() - start, 1),
        "cpu_s": round(used.ru_utime + used.ru_stime, 1),
        "largest_mb": used.ru_maxrss // 1024,
        "mentions": int(out.with_suffix(".count").read_text(encoding="utf-8")),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--catalog", default="pack")
    parser.add_argument("--to", default="jsonl")
    asked = parser.parse_args()
    from ontology.pack import load_pack

    phrases = [phrase.text for phrase in load_pack().phrases]
    draw = random.Random(7)  # noqa: S311 - which sentences, not a secret
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for count in asked.lines:
            source = Path(folder) / f"{count}.txt"
            with source.open("w", encoding="utf-8") as file:
                for number in range(count):
                    file.write(f"{draw.choice(OPENINGS)} {draw.choice(phrases)} {draw.choice(ENDINGS)} ({number})\n")
            for processes in asked.processes:
                out = Path(folder) / f"{count}-{processes}.out"
                figures = run(source, out, asked.catalog, processes, asked.to)
                digest = hashlib.sha256(out.read_bytes()).hexdigest()[:12] if out.is_file() else ""
                rows.append({"lines": count, "processes": processes, **figures, "sha256": digest})
                print(json.dumps(rows[-1]))
    print(json.dumps({"runs": rows}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
