"""The same run by 1, 2 and 8 processes and by Ray on this machine: are the bytes the same, and how fast is each?

python benchmarks/workers.py [SENTENCES] [--ray]           each line is JSON; ends with 1 where a byte differs

Rates count from the first record, when every library is loaded and the index is open: what a long run sees.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
from pathlib import Path

from engine import generate, open_graph
from engine.processes import collect_seldom

FILES = ("records.jsonl", "rejected.jsonl", "dead.jsonl", "manifest.json", "README.md", "recipe.toml")


def digest(folder: Path) -> str:
    """One digest of all that a run leaves behind."""
    return hashlib.sha256(b"\0".join((folder / name).read_bytes() for name in FILES)).hexdigest()


def main() -> None:
    """Runs them one after another."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sentences", nargs="?", type=int, default=10_000)
    parser.add_argument("--ray", action="store_true", help="Ray too (two actors, and one for each CPU).")
    asked = parser.parse_args()
    ways: list[dict[str, object]] = [{"workers": 1}, {"workers": 2}, {"workers": 8}]
    ways += [{"ray": "local", "workers": 2}, {"ray": "local"}] if asked.ray else []
    digests = set()
    with open_graph() as graph, tempfile.TemporaryDirectory() as folder:
        list(generate(graph, 20, seed=1))
        collect_seldom()
        for place, way in enumerate(ways):
            out = Path(folder) / f"run{place}"
            begun = first = time.perf_counter()
            with generate(graph, asked.sentences, seed=7, out=out, **way) as run:
                for made, _ in enumerate(run):
                    if made == 0:
                        first = time.perf_counter()
            ended = time.perf_counter()
            digests.add(digest(out))
            row = {**way, "sentences": asked.sentences, "first_after_s": round(first - begun, 1)}
            row |= {"per_second": round(asked.sentences / (ended - first)), "digest": digest(out)[:16]}
            print(json.dumps(row), flush=True)
    print(json.dumps({"identical": len(digests) == 1}))
    sys.exit(len(digests) != 1)


if __name__ == "__main__":
    main()
