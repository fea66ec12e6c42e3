"""Bulk FHIR NDJSON to a graph: resources a second and peak memory, by number of patients; and `--kill 20`: killed at random moments.

python benchmarks/load_fhir.py [PATIENTS ...] | --kill KILLS
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))
from load_omop import CODES

if TYPE_CHECKING:
    from collections.abc import Iterator

SNOMED, LOINC = "http://snomed.info/sct", "http://loinc.org"
EACH = 20
"""Resources of a patient, in the order of a bulk export: by type, and within a type not by patient."""


def make(folder: Path, patients: int) -> None:
    rng = random.Random(7)  # noqa: S311 - data of a benchmark
    folder.mkdir()
    for name, rows in (
        ("Patient", (patient(i, rng) for i in range(patients))),
        ("Encounter", (encounter(i, end) for end in (2001, 2020) for i in range(patients))),
        ("Condition", (condition(round_, i, rng) for round_ in range(10) for i in range(patients))),
        ("Observation", (observation(round_, i, rng) for round_ in range(7) for i in range(patients))),
    ):
        with (folder / f"{name}.ndjson").open("w") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)


def patient(number: int, rng: random.Random) -> dict[str, Any]:
    sex = ("male", "female")[number % 2]
    return {
        "resourceType": "Patient",
        "id": f"p{number:07d}",
        "gender": sex,
        "birthDate": f"{rng.randrange(1930, 1950)}-03-01",
    }


def common(kind: str, key: str, number: int) -> dict[str, Any]:
    return {"resourceType": kind, "id": f"{key}-{number}", "subject": {"reference": f"Patient/p{number:07d}"}}


def encounter(number: int, year: int) -> dict[str, Any]:
    return common("Encounter", f"e{year}", number) | {"status": "finished", "period": {"start": f"{year}-01-02"}}


def condition(round_: int, number: int, rng: random.Random) -> dict[str, Any]:
    status = "confirmed" if rng.random() < 0.9 else rng.choice(["refuted", "provisional", "entered-in-error"])
    return common("Condition", f"c{round_}", number) | {
        "code": {"coding": [{"system": SNOMED, "code": rng.choice(CODES)}]},
        "verificationStatus": {"coding": [{"code": status}]},
        "onsetDateTime": day(rng),
    }


def observation(round_: int, number: int, rng: random.Random) -> dict[str, Any]:
    return common("Observation", f"o{round_}", number) | {
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "72106-8"}]},
        "effectiveDateTime": day(rng),
        "valueQuantity": {"value": rng.randrange(10, 31)},
    }


def day(rng: random.Random) -> str:
    return f"{rng.randrange(2001, 2020)}-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}"


def load(folder: Path, graph: Path) -> Any:
    from graph_loaders.load import load as loaded
    from ontology.catalog import open_catalog
    from ontology.pack import load_pack

    mapping = folder.parent / f"{graph.name}.toml"
    mapping.write_text('cohort = "bench"\n[[thresholds]]\ncode = "LNC:72106-8"\nwhen = "< 24"\ncui = "C0234985"\n')
    catalog = open_catalog("hpo", cache=folder.parent)
    start, cpu = time.perf_counter(), time.process_time()
    report = loaded("fhir", folder, load_pack(), graph, mapping=mapping, catalog=catalog)
    return report, time.perf_counter() - start, time.process_time() - cpu


def measure(folder: Path, graph: Path) -> None:
    report, wall, cpu = load(folder, graph)
    peak, resources = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, report.persons * EACH
    print(
        f"{report.persons:>8,} patients {resources:>10,} resources ({report.used:,} used, {report.skipped.total():,} skipped): "
        f"{wall:.1f} s wall, {cpu:.1f} s user+sys, {resources / cpu:,.0f} resources/s CPU, peak {peak:.0f} MB, "
        f"fingerprint {report.fingerprint[:12]}",
        flush=True,
    )


def kill(kills: int) -> Iterator[str]:
    from graph_loaders.stores import open_store

    def fingerprint(graph: Path) -> str:
        with open_store(graph) as store:
            return store.read().fingerprint

    rng = random.Random(7)  # noqa: S311 - moments to kill at
    with tempfile.TemporaryDirectory() as name:
        folder, spills = Path(name), Path(name) / "spills"
        make(folder / "bulk", 1000)
        spills.mkdir()
        environment = {**os.environ, "SQLITE_TMPDIR": str(spills)}

        def command(graph: str) -> list[str]:
            return [sys.executable, __file__, "--one", str(folder / "bulk"), str(folder / graph)]

        subprocess.run(command("whole.graph"), check=True, stdout=subprocess.DEVNULL)
        start = time.perf_counter()
        subprocess.run(command("whole.graph"), check=True, stdout=subprocess.DEVNULL)
        length, expected, states = (
            time.perf_counter() - start,
            fingerprint(folder / "whole.graph"),
            {"none": 0, "whole": 0},
        )
        graph, hurt, left = folder / "killed.graph", 0, 0
        for _ in range(kills):
            graph.unlink(missing_ok=True)
            process = subprocess.Popen(command(graph.name), env=environment, stdout=subprocess.DEVNULL)
            time.sleep(rng.uniform(0.3, 1.1) * length)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                hurt += 1
            process.wait()
            left += len(list(spills.iterdir()))
            whole = graph.exists() and fingerprint(graph) == expected
            if graph.exists() and not whole:
                with open_store(graph) as store:
                    assert not store.read().nodes, "a half-loaded graph"
            states["whole" if whole else "none"] += 1
        subprocess.run(command(graph.name), check=True, stdout=subprocess.DEVNULL)
        yield f"{kills} runs of about {length:.1f} s, {hurt} killed; after them the graph was {states}; {left} temporary files were left"
        yield f"the last load: same fingerprint {fingerprint(graph) == expected}"


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        measure(Path(sys.argv[2]), Path(sys.argv[3]))
        return
    if sys.argv[1:2] == ["--kill"]:
        for line in kill(int(sys.argv[2])):
            print(line)
        return
    for patients in [int(a) for a in sys.argv[1:]] or [10_000, 100_000]:
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder) / "bulk", patients)
            subprocess.run([sys.executable, __file__, "--one", f"{folder}/bulk", f"{folder}/bench.graph"], check=True)


if __name__ == "__main__":
    main()
