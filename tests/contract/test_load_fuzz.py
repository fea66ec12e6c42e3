"""Whatever a source holds, a load accounts for it or says one clear thing; a graph is whole or not there."""

from __future__ import annotations

import datetime as dt
import gzip
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from graph_loaders.load import load
from graph_loaders.mapping import read_code_mapping
from graph_loaders.onset import trajectories
from graph_loaders.readers import meds, table
from graph_loaders.stores import open_store
from graph_loaders.tally import Tally
from graph_loaders.verify import verify
from ontology.catalog import Catalog
from ontology.concept import Coding, Concept, Cui
from ontology.errors import DualAlignError
from ontology.pack import load_pack

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CATALOG = Catalog([Concept(Cui("C0002395"), "Alzheimer's disease", codings=(Coding("ICD10CM", "G30.9"),))])
PACK = load_pack()
TODAY = dt.date(2026, 1, 1)
MAPPING = """
cohort = "clinic"
source = "visits"
[person]
id = "id"
AGE
[traits.sex]
column = "sex"
values = { "M" = "male", "F" = "female" }
[[events]]
cui = "C0234985"
column = "mmse"
when = "< 24"
"""
AGED, DATED = MAPPING.replace("AGE", 'age = "age"'), MAPPING.replace("AGE", 'date = "age"\nbirth = "born"')


def accounted(read: Callable[[Tally], object]) -> bool:
    """Whether the source could be read; then every row of it is used or skipped, and trajectories are possible ones."""
    tally = Tally(today=TODAY)
    try:
        people = list(read(tally))
    except DualAlignError:
        return False
    assert tally.read == tally.used + tally.skipped.total()
    for person in people:
        ages = [person.entry_age, *(o.age for o in person.onsets), person.exit_age]
        assert all(0 <= age <= 130 for age in ages)
        assert ages == sorted(ages)
    return True


def whole_or_absent(graph: Path, run: Callable[[], object]) -> bool:
    """Loads into a graph that is not there yet: afterwards it is sound, or it is still not there."""
    try:
        run()
    except DualAlignError:
        assert not graph.exists()
        return False
    with open_store(graph) as store:
        assert [issue for issue in verify(store.read(private=True)) if issue.severity == "error"] == []
    return True


# Tables

CELLS = st.one_of(
    st.sampled_from(
        [
            "a",
            "b",
            "",
            "70",
            "75.5",
            "-1",
            "131",
            "1e400",
            "nan",
            "2010-05-01",
            "1800-01-01",
            "2999-12-31",
            "1940",
            "20100230",
        ]
    ),
    st.sampled_from(
        ["M", "F", "12", "28", "NA", "\x00", "a\x00b", 'x"y', "two\nlines", "ü", "٣", "\u202e", "'; DROP TABLE person"]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
)
TABLE_ROWS = st.lists(st.lists(CELLS, min_size=4, max_size=6), max_size=8)
TAILS = st.sampled_from(
    [b"", b"a,70", b"\xff\xfe", b'a,"70\n', b"\x00\x00\n", b"a,70,M,20,1940\r\n\r\n", b"a,70,M,20,1940,,,,\n"]
)


def table_file(folder: Path, rows: list[list[str]], tail: bytes, *, twice: bool) -> Path:
    import csv

    path = folder / "t.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["id", "age", "sex", "mmse", "born"])
        out.writerows([*rows, *rows] if twice else rows)
    path.write_bytes(path.read_bytes() + tail)
    return path


@settings(max_examples=150)
@given(TABLE_ROWS, TAILS, st.booleans(), st.booleans())
@example([["a", "70", "M", "20", "1940"], ["a", "60", "M", "30", "1940"]], b"a,75", False, False)  # noqa: FBT003
@example([["a", "1930-01-01", "M", "20", "1940"], ["a", "2999-01-01", "M", "20", "1940"]], b"", True, True)  # noqa: FBT003
def test_rows_of_a_table_of_any_kind_are_accounted_for(tmp_path_factory, rows, tail, twice, dated):
    folder = tmp_path_factory.mktemp("table")
    path = table_file(folder, rows, tail, twice=twice)
    (folder / "m.toml").write_text(DATED if dated else AGED, encoding="utf-8")
    mapping = table.read_mapping(folder / "m.toml", PACK)
    accounted(lambda tally: trajectories(table.read(path, mapping, tally), tally))


@settings(max_examples=12)
@given(TABLE_ROWS, TAILS)
@example([["a", "70", "M", "28", ""], ["a", "72", "M", "20", ""]], b"a,75")
@example([], b"")
def test_a_graph_of_a_table_is_whole_or_not_there(tmp_path_factory, rows, tail):
    folder = tmp_path_factory.mktemp("table")
    path = table_file(folder, rows, tail, twice=False)
    (folder / "m.toml").write_text(AGED, encoding="utf-8")
    graph = folder / "g.graph"
    whole_or_absent(graph, lambda: load("table", path, PACK, graph, mapping=folder / "m.toml", today=TODAY))


@settings(max_examples=60)
@given(st.binary(max_size=300), st.sampled_from(["t.csv", "t.csv.gz", "t.tsv", "t.parquet", "t.xlsx"]))
def test_bytes_that_are_no_table_are_one_clear_error(tmp_path_factory, raw, name):
    folder = tmp_path_factory.mktemp("bytes")
    (folder / name).write_bytes(raw)
    (folder / "m.toml").write_text(AGED, encoding="utf-8")
    mapping = table.read_mapping(folder / "m.toml", PACK)
    assert not accounted(lambda tally: trajectories(table.read(folder / name, mapping, tally), tally))


def changed(data: st.DataObject, file: Path) -> None:
    """Some bytes of the file become others, and it may end early."""
    raw, part = bytearray(file.read_bytes()), st.integers(0, 9999)  # a place, in ten-thousandths of the file
    for _ in range(data.draw(st.integers(0, 4))):
        raw[len(raw) * data.draw(part) // 10_000] = data.draw(st.integers(0, 255))
    file.write_bytes(raw[: len(raw) * data.draw(part | st.just(10_000)) // 10_000])


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from(["t.xlsx", "t.parquet", "t.csv.gz", "t.csv"]))
def test_a_table_with_other_bytes_is_read_or_is_one_clear_error(tmp_path_factory, data, name):
    import duckdb
    import openpyxl

    folder = tmp_path_factory.mktemp("bytes")
    path, rows = folder / name, [["id", "age", "sex", "mmse"], ["a", "70", "M", "28"], ["a", "72", "M", "20"]]
    text = "".join(f"{','.join(row)}\n" for row in rows).encode()
    if name == "t.xlsx":
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        book.save(path)
    elif name == "t.parquet":
        duckdb.sql(f"COPY (SELECT 'a' AS id, '70' AS age, 'M' AS sex, '28' AS mmse) TO '{path}'")
    else:
        path.write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    changed(data, path)
    (folder / "m.toml").write_text(AGED, encoding="utf-8")
    mapping = table.read_mapping(folder / "m.toml", PACK)
    accounted(lambda tally: trajectories(table.read(path, mapping, tally), tally))


# MEDS

D = dt.datetime
SUBJECTS = st.sampled_from([1, 2, 3, -1, 2**63 - 1])
TIMES = st.sampled_from(
    [None, D(1930, 1, 1), D(1929, 12, 31), D(2010, 1, 1), D(2011, 6, 1), D(2030, 1, 1), D(1, 1, 1), D(9999, 12, 31)]
)
CODES = st.one_of(
    st.sampled_from(
        ["MEDS_BIRTH", "MEDS_DEATH", "ICD10CM//G30.9", "ICD10CM/G30.9", "GENDER//F", "GENDER//?", "RACE//"]
    ),
    st.sampled_from(["", "//", "/", "x//", "//x", "\x00", "a\x00//b", "é//ü", "LNC//72106-8"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)
VALUES = st.sampled_from([None, 0.0, 20.0, -1e30, float("inf"), float("nan")])
MEDS_ROWS = st.lists(st.tuples(SUBJECTS, TIMES, CODES, VALUES), max_size=14)
SOUND = [
    (1, D(1930, 1, 1), "MEDS_BIRTH", None),
    (1, D(2005, 1, 1), "VISIT//OUT", None),
    (1, D(2010, 1, 1), "ICD10CM//G30.9", None),
    (1, D(2012, 1, 1), "MEDS_DEATH", None),
]


def shard(folder: Path, rows: list[tuple], **types) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"subject_id": pa.int64(), "time": pa.timestamp("us"), "code": pa.string(), "numeric_value": pa.float32()}
    (folder / "data").mkdir(parents=True)
    columns = list(zip(*rows, strict=True)) if rows else [[]] * 4
    arrays = {n: pa.array(list(c), k) for (n, k), c in zip(kinds.items(), columns, strict=True)}
    arrays = {n: a.cast(types[n]) if types.get(n) is not None else a for n, a in arrays.items()}
    pq.write_table(
        pa.table({n: a for n, a in arrays.items() if types.get(n, "") is not None}), folder / "data" / "0.parquet"
    )
    return folder


def read_meds(path: Path) -> bool:
    mapping = read_code_mapping(None, PACK, cohort="x")
    codes = mapping.look_up(CATALOG)
    return accounted(lambda tally: trajectories(meds.read(path, mapping, tally), tally, codes))


@settings(max_examples=150)
@given(MEDS_ROWS, st.booleans())
@example([*SOUND, (1, D(1920, 1, 1), "ICD10CM//G30.9", None), (1, D(2030, 1, 1), "ICD10CM//G30.9", None)], True)  # noqa: FBT003
@example([(1, D(9999, 12, 31), "MEDS_BIRTH", None), (1, D(1, 1, 1), "MEDS_DEATH", None)], False)  # noqa: FBT003
def test_rows_of_meds_of_any_kind_are_accounted_for(tmp_path_factory, rows, twice):
    path = shard(tmp_path_factory.mktemp("meds") / "d", [*rows, *rows] if twice else rows)
    assert read_meds(path)


@settings(max_examples=12)
@given(MEDS_ROWS)
@example(SOUND)
def test_a_graph_of_meds_is_whole_or_not_there(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("meds")
    path, graph = shard(folder / "d", rows), folder / "g.graph"
    whole_or_absent(graph, lambda: load("meds", path, PACK, graph, cohort="x", catalog=CATALOG, today=TODAY))


@settings(max_examples=100)
@given(st.data())
def test_a_shard_with_other_bytes_is_read_or_is_one_clear_error(tmp_path_factory, data):
    path = shard(tmp_path_factory.mktemp("meds") / "d", SOUND)
    changed(data, path / "data" / "0.parquet")
    read_meds(path)


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        *((column, "missing") for column in ("subject_id", "time", "code")),
        *((column, "string") for column in ("subject_id", "time", "numeric_value")),
        ("subject_id", "int32"),
        ("subject_id", "double"),
        ("time", "timestamp[s]"),
        ("time", "date32"),
        ("code", "binary"),
        ("numeric_value", "int64"),
    ],
)
def test_a_column_of_another_type_or_none_is_one_clear_error(column, kind, tmp_path):
    import pyarrow as pa

    made = None if kind == "missing" else pa.timestamp("s") if kind == "timestamp[s]" else pa.type_for_alias(kind)
    path, graph = shard(tmp_path / "d", SOUND, **{column: made}), tmp_path / "g.graph"
    with pytest.raises(DualAlignError, match="MEDS"):
        load("meds", path, PACK, graph, cohort="x", catalog=CATALOG)
    assert not graph.exists()


@pytest.mark.parametrize("microseconds", [2**63 - 1, -(2**63) + 1, 253402300800000000])
def test_a_time_that_no_calendar_has_is_one_clear_error(microseconds, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = shard(tmp_path / "d", SOUND)
    found = pq.read_table(path / "data" / "0.parquet")
    pq.write_table(
        found.set_column(1, "time", pa.array([microseconds] * 4).cast(pa.timestamp("us"))), path / "data" / "0.parquet"
    )
    assert not read_meds(path)


def test_what_is_sound_is_loaded(tmp_path):
    path = table_file(tmp_path, [["a", "70", "M", "28", ""], ["a", "72", "M", "20", ""]], b"", twice=False)
    (tmp_path / "m.toml").write_text(AGED, encoding="utf-8")
    one, two = tmp_path / "1.graph", tmp_path / "2.graph"
    assert whole_or_absent(one, lambda: load("table", path, PACK, one, mapping=tmp_path / "m.toml"))
    source = shard(tmp_path / "d", SOUND)
    assert whole_or_absent(two, lambda: load("meds", source, PACK, two, cohort="x", catalog=CATALOG))
