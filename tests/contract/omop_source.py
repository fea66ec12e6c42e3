"""A small OMOP CDM as plain rows, written in every form that the reader takes."""

from __future__ import annotations

import csv
import sqlite3
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

AD, SEIZURE, MMSE, OTHER = 378419, 377091, 40760571, 4112343

TABLES: dict[str, tuple[dict[str, str], list[tuple[Any, ...]]]] = {
    "person": (
        {
            "person_id": "BIGINT",
            "gender_concept_id": "INTEGER",
            "year_of_birth": "INTEGER",
            "month_of_birth": "INTEGER",
            "day_of_birth": "INTEGER",
            "race_concept_id": "INTEGER",
        },
        [
            (1, 8532, 1930, 5, 1, 8527),
            (2, 8507, 1940, None, None, 8516),
            (3, 8507, 1935, 1, 1, 0),
            (4, 8532, None, None, None, 0),
        ],
    ),
    "observation_period": (
        {"person_id": "BIGINT", "observation_period_start_date": "DATE", "observation_period_end_date": "DATE"},
        [(1, "2005-05-01", "2015-05-01"), (2, "2006-01-01", "2016-01-01"), (3, "2010-01-01", "2012-01-01")],
    ),
    "death": ({"person_id": "BIGINT", "death_date": "DATE"}, [(1, "2015-04-01")]),
    "concept": (
        {"concept_id": "INTEGER", "vocabulary_id": "VARCHAR(20)", "concept_code": "VARCHAR(50)"},
        [
            (AD, "SNOMED", "26929004"),
            (SEIZURE, "SNOMED", "91175000"),
            (MMSE, "LOINC", "72106-8"),
            (OTHER, "SNOMED", "195662009"),
        ],
    ),
    "condition_occurrence": (
        {
            "person_id": "BIGINT",
            "condition_concept_id": "INTEGER",
            "condition_start_date": "DATE",
            "condition_source_value": "VARCHAR(50)",
        },
        [
            (1, AD, "2010-05-01", "a"),
            (1, AD, "2011-05-01", "a"),
            (1, OTHER, "2011-05-01", "b"),
            (1, 0, "2011-06-01", "local-7"),
            (2, AD, "2004-01-01", "a"),  # before the window: there at entry
            (2, SEIZURE, "1930-01-01", "c"),  # before birth
            (2, SEIZURE, None, "c"),
            (3, AD, "2040-01-01", "a"),  # the future
            (3, SEIZURE, "2014-01-01", "c"),  # after the window
            (4, AD, "2010-01-01", "a"),  # nobody knows the birth
            (99, AD, "2010-01-01", "a"),  # nobody
        ],
    ),
    "measurement": (
        {
            "person_id": "BIGINT",
            "measurement_concept_id": "INTEGER",
            "measurement_date": "DATE",
            "value_as_number": "DOUBLE PRECISION",
            "value_as_concept_id": "INTEGER",
        },
        [(1, MMSE, "2006-05-01", 28.0, None), (1, MMSE, "2008-05-01", 21.0, None), (2, MMSE, "2007-01-01", None, None)],
    ),
    "observation": (
        {
            "person_id": "BIGINT",
            "observation_concept_id": "INTEGER",
            "observation_date": "DATE",
            "value_as_concept_id": "INTEGER",
        },
        [(3, SEIZURE, "2011-01-01", 4188540)],  # asked, and the answer is no
    ),
    "drug_exposure": (
        {"person_id": "BIGINT", "drug_concept_id": "INTEGER", "drug_exposure_start_date": "DATE"},
        [],
    ),
}


def statements() -> list[tuple[str, list[tuple[Any, ...]], int]]:
    """CREATE TABLE statements with their rows."""
    return [
        (f"CREATE TABLE {name} ({', '.join(f'{c} {kind}' for c, kind in columns.items())})", rows, len(columns))
        for name, (columns, rows) in TABLES.items()
    ]


def write_sqlite(path: Path) -> Path:
    db = sqlite3.connect(path)
    for (create, rows, width), name in zip(statements(), TABLES, strict=True):
        db.execute(create)
        db.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * width)})", rows)  # noqa: S608
    db.commit()
    db.close()
    return path


def write_duckdb(path: Path) -> Path:
    import duckdb

    with duckdb.connect(str(path)) as db:
        for (create, rows, width), name in zip(statements(), TABLES, strict=True):
            db.execute(create)
            if rows:
                db.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * width)})", rows)  # noqa: S608
    return path


def write_csv(folder: Path) -> Path:
    folder.mkdir()
    for name, (columns, rows) in TABLES.items():
        with (folder / f"{name.upper()}.csv").open("w", encoding="utf-8", newline="") as file:
            out = csv.writer(file)
            out.writerow(columns)
            out.writerows(rows)
    return folder


def write_parquet(folder: Path) -> Path:
    import duckdb

    folder.mkdir()
    source = write_duckdb(folder / "made.duckdb")
    with duckdb.connect(str(source)) as db:
        for name in TABLES:
            db.execute(f"COPY {name} TO '{folder}/{name}.parquet'")
    source.unlink()
    return folder
