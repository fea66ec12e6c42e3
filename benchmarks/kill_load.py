"""Kills `load omop` at 20 random moments (SIGKILL): the graph is whole each time, and the load that is let through gives the same bytes.

python benchmarks/kill_load.py [KILLS]
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from load_omop import make

from graph_loaders.stores import open_store

LOAD = """
import sys
from graph_loaders.load import load
from ontology.catalog import open_catalog
from ontology.pack import load_pack
from pathlib import Path
folder = Path(sys.argv[1])
load("omop", folder / "cdm.duckdb", load_pack(), sys.argv[2], catalog=open_catalog("hpo", cache=folder), cohort="kill")
"""


def fingerprint(graph: Path) -> str:
    with open_store(graph) as store:
        return store.read().fingerprint


def main() -> None:
    kills, rng = int(sys.argv[1]) if len(sys.argv) > 1 else 20, random.Random(7)  # noqa: S311 - moments to kill at
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder / "cdm.duckdb", 1000)
        command = [sys.executable, "-c", LOAD, name]
        subprocess.run([*command, str(folder / "whole.graph")], check=True)
        start = time.perf_counter()
        subprocess.run([*command, str(folder / "whole.graph")], check=True)
        length = time.perf_counter() - start
        expected, hurt, graph, states = (
            fingerprint(folder / "whole.graph"),
            0,
            folder / "killed.graph",
            {"none": 0, "whole": 0},
        )
        for _ in range(kills):
            process = subprocess.Popen([*command, str(graph)])
            time.sleep(rng.uniform(0.3, 1.1) * length)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                hurt += 1
            process.wait()
            if graph.exists() and fingerprint(graph) != expected:
                with open_store(graph) as store:
                    assert not store.read().nodes, "a half-loaded graph"
            states["whole" if graph.exists() and fingerprint(graph) == expected else "none"] += 1
        subprocess.run([*command, str(graph)], check=True)
        same = fingerprint(graph) == expected
        print(f"{kills} runs of about {length:.1f} s, {hurt} killed; after them the graph was {states}")
        print(f"the last load: same fingerprint {same}")
        sys.exit(not same)


if __name__ == "__main__":
    main()
