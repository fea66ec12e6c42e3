"""OMOP to a graph: events a second and peak memory at 10,000 and 100,000 persons of 30 events, in DuckDB.

python benchmarks/load_omop.py [PERSONS ...]
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CODES = [
    "26929004",
    "52448006",
    "386807006",
    "61261009",
    "48694002",
    "35489007",
    "80711002",
    "247592009",
    "7011001",
    "2073000",
    "49049000",
    "247640004",
    "225624000",
    "20602000",
    "285231000",
    "25702006",
    "53888004",
    "55929007",
    "193462001",
    "267036007",
    "44054006",
    "38341003",
    "444814009",
    "195662009",
    "10509002",
]


def make(path: Path, persons: int) -> None:
    import duckdb

    with duckdb.connect(str(path)) as db:
        db.execute("SELECT setseed(0.5)")
        db.execute(
            "CREATE TABLE concept AS SELECT (1000 + i) AS concept_id, 'SNOMED' AS vocabulary_id, code AS concept_code "
            "FROM (SELECT unnest(range(?)) AS i, unnest(?) AS code)",
            [len(CODES), CODES],
        )
        db.execute(
            "CREATE TABLE person AS SELECT i AS person_id, 1930 + (random() * 20)::INT AS year_of_birth, 8507 + 25 * (i % 2) "
            "AS gender_concept_id FROM range(?) t(i)",
            [persons],
        )
        db.execute(
            "CREATE TABLE observation_period AS SELECT person_id, DATE '2000-01-01' AS observation_period_start_date, "
            "DATE '2020-12-31' AS observation_period_end_date FROM person"
        )
        for table, stem, date, each in (
            ("condition_occurrence", "condition", "condition_start_date", 20),
            ("observation", "observation", "observation_date", 10),
        ):
            db.execute(
                f"CREATE TABLE {table} AS SELECT p.person_id, 1000 + (random() * ?)::INT % ? AS {stem}_concept_id, "  # noqa: S608
                f"DATE '2000-01-01' + (random() * 7600)::INT AS {date} FROM person p, range(?) ORDER BY p.person_id",
                [len(CODES), len(CODES), each],
            )
        db.execute(
            "CREATE TABLE death AS SELECT person_id, DATE '2021-01-01' AS death_date FROM person WHERE person_id % 10 = 0"
        )


def measure(path: Path, graph: Path) -> None:
    from graph_loaders.load import load
    from ontology.catalog import open_catalog
    from ontology.pack import load_pack

    pack, catalog = load_pack(), open_catalog("hpo", cache=graph.parent)
    catalog.lookup(next(iter(catalog.values())).codings[0]) if len(catalog) else None
    start, cpu = time.perf_counter(), time.process_time()
    report = load("omop", path, pack, graph, catalog=catalog, cohort="bench")
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{report.persons:>8,} persons {report.read:>10,} events ({report.used:,} used, {len(report.onsets)} concepts): "
        f"{wall:.1f} s wall, {cpu:.1f} s user+sys, {report.read / wall:,.0f} events/s wall, {report.read / cpu:,.0f} events/s CPU, "
        f"peak {peak:.0f} MB, fingerprint {report.fingerprint[:12]}",
        flush=True,
    )


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        measure(Path(sys.argv[2]), Path(sys.argv[3]))
        return
    sizes = [int(a) for a in sys.argv[1:]] or [10_000, 100_000]
    with tempfile.TemporaryDirectory() as folder:
        for persons in sizes:
            path = Path(folder) / f"{persons}.duckdb"
            make(path, persons)
            command = [sys.executable, __file__, "--one", str(path), f"{folder}/{persons}.graph"]
            subprocess.run(command, check=True)
            path.unlink()


if __name__ == "__main__":
    main()
