"""Tables: a mapping with mistakes names all of them; rows that cannot be used are counted and explained."""

from __future__ import annotations

from datetime import date

import pytest

from graph_loaders.onset import Tally, trajectories
from graph_loaders.readers import table
from ontology.errors import ConfigError, SourceError
from ontology.mention import Assertion
from ontology.pack import load_pack

MAPPING = """
cohort = "clinic"
source = "visits of a memory clinic"
[person]
id = "id"
age = "age"
[traits.sex]
column = "sex"
values = { "M" = "male", "F" = "female" }
[risk_factors.less-education]
column = "school"
when = "== 0"
[[events]]
cui = "C0234985"
column = "mmse"
when = "< 24"
[[events]]
cui = "C0011581"
column = "cesd"
when = ">= 17"
where = [{ column = "male", when = "== 1" }]
[[events]]
cui = "C0011581"
column = "cesd"
when = ">= 23"
"""
HEAD = "id,age,sex,male,school,mmse,cesd\n"


@pytest.fixture(scope="module")
def pack():
    return load_pack()


def load(tmp_path, pack, rows: str, mapping: str = MAPPING):
    (tmp_path / "m.toml").write_text(mapping)
    (tmp_path / "t.csv").write_text(HEAD + rows)
    tally = Tally()
    chosen = table.read_mapping(tmp_path / "m.toml", pack)
    return list(table.read(tmp_path / "t.csv", chosen, tally)), tally.issues


def test_a_row_is_present_absent_or_not_measured(tmp_path, pack):
    people, issues = load(tmp_path, pack, "a,70,F,0,1,28,\na,72,F,0,1,20,5\na,74,F,0,1,NA,30\n")
    ((patient, events),) = people
    assert issues == []
    assert patient.visits == (70.0, 72.0, 74.0)
    assert patient.traits == {"sex": "female"}
    assert [(e.age, e.cui, e.assertion) for e in events] == [
        (70.0, "C0234985", Assertion.ABSENT),
        (72.0, "C0234985", Assertion.PRESENT),
        (72.0, "C0011581", Assertion.ABSENT),
        (74.0, "C0011581", Assertion.PRESENT),
    ]


def test_a_threshold_may_depend_on_the_row(tmp_path, pack):
    people, _ = load(tmp_path, pack, "a,70,M,1,0,28,18\nb,70,F,0,1,28,18\n")
    depressed = {patient.id: [e.assertion.value for e in events if e.cui == "C0011581"] for patient, events in people}
    assert depressed == {"a": ["present"], "b": ["absent"]}
    assert people[0][0].risk_factors == ("less-education",)


def test_an_onset_keeps_the_last_age_without_it_and_one_at_entry_has_none(tmp_path, pack):
    people, _ = load(tmp_path, pack, "a,70,F,0,1,28,30\na,72,F,0,1,26,3\na,75,F,0,1,20,3\n")
    (found,) = trajectories(people, Tally())
    onsets = {onset.cui: onset for onset in found.onsets}
    assert (onsets["C0234985"].after, onsets["C0234985"].age) == (72.0, 75.0)
    assert onsets["C0011581"].after is None
    assert (found.entry_age, found.exit_age, found.died) == (70.0, 75.0, False)
    assert found.id != "a"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("a,old,F,0,1,28,3", "age is 'old', not a number"),
        ("a,,F,0,1,28,3", "ages are 0 to 130"),
        ("a,-3,F,0,1,28,3", "ages are 0 to 130"),
        ("a,inf,F,0,1,28,3", "not a number of years"),
        (",70,F,0,1,28,3", "id is empty"),
        ("a,70,F", "another number of columns"),
    ],
)
def test_a_row_that_cannot_be_used_is_skipped_with_its_line(tmp_path, pack, row, said):
    people, issues = load(tmp_path, pack, f"{row}\nb,71,F,0,1,28,3\n")
    assert [patient.id for patient, _ in people] == ["b"]
    assert len(issues) == 1
    assert said in issues[0].message
    assert issues[0].where.endswith("t.csv:2")


def test_a_value_that_is_no_number_loses_only_itself(tmp_path, pack):
    people, issues = load(tmp_path, pack, "a,70,F,0,1,twenty,3\n")
    assert [event.cui for event in people[0][1]] == ["C0011581"]
    assert "twenty" in issues[0].message


def test_every_mistake_of_a_mapping_is_named_at_once(tmp_path, pack):
    wrong = (
        MAPPING.replace('cohort = "clinic"', "")
        .replace("traits.sex", "traits.sexx")
        .replace("less-education", "less-educaton")
        .replace("C0234985", "C12")
        .replace('">= 23"', '"about 23"')
    )
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, pack, "", wrong)
    text = str(caught.value)
    for part in ("'cohort' is missing", "'sexx'", "nearest: sex", "nearest: less-education", "'C12'", "about 23"):
        assert part in text


def test_a_missing_column_is_named_with_those_there(tmp_path, pack):
    with pytest.raises(ConfigError, match="has no column mmsee; its columns are id, age"):
        load(tmp_path, pack, "", MAPPING.replace('"mmse"', '"mmsee"'))


def test_a_concept_outside_the_pack_needs_a_name(tmp_path, pack):
    with pytest.raises(ConfigError, match="C9999999 is not in the pack"):
        load(tmp_path, pack, "", MAPPING.replace("C0234985", "C9999999"))
    load(tmp_path, pack, "", MAPPING.replace('cui = "C0234985"', 'cui = "C9999999"\nname = "Something"'))


def test_a_file_that_is_no_text_is_one_clear_error(tmp_path, pack):
    (tmp_path / "m.toml").write_text(MAPPING)
    (tmp_path / "t.csv").write_bytes(HEAD.encode() + b"\xff\xfe,70")
    with pytest.raises(SourceError, match="not UTF-8"):
        list(table.read(tmp_path / "t.csv", table.read_mapping(tmp_path / "m.toml", pack), Tally()))
    with pytest.raises(SourceError, match="cannot be read"):
        list(table.read(tmp_path / "no.csv", table.read_mapping(tmp_path / "m.toml", pack), Tally()))


LONG = """
cohort = "clinic"
source = "visits"
[person]
id = "id"
date = "seen"
birth = "born"
[long]
name = "what"
value = "value"
[[events]]
cui = "C0234985"
column = "mmse"
when = "< 24"
[[events]]
cui = "C0011581"
column = "cesd"
when = ">= 17"
"""


def test_one_value_a_row_with_dates_is_the_same_as_one_visit_a_row(tmp_path, pack):
    (tmp_path / "m.toml").write_text(LONG)
    (tmp_path / "t.csv").write_text(
        "id,born,seen,what,value\na,1940-01-01,2010-01-01,mmse,28\nb,1930,20120702,cesd,20\na,1940-01-01,2012-01-01,mmse,20\n"
        "a,1940-01-01,2010-01-01,cesd,3\na,1940-01-01,1939-01-01,mmse,1\na,1940-01-01,soon,mmse,1\na,1940-01-01,2099-01-01,mmse,1\n"
    )
    tally = Tally(today=date(2026, 1, 1))
    a, b = table.read(tmp_path / "t.csv", table.read_mapping(tmp_path / "m.toml", pack), tally)
    assert a[0].visits == (70.001, 72.0)
    assert [(e.cui, e.age, e.assertion) for e in a[1]] == [
        ("C0234985", 70.001, Assertion.ABSENT),
        ("C0011581", 70.001, Assertion.ABSENT),
        ("C0234985", 72.0, Assertion.PRESENT),
    ]
    assert b[0].visits == (82.001,)
    assert tally.skipped["row that cannot be used"] == 3


def test_parquet_and_excel_are_read_like_csv(tmp_path, pack):
    import openpyxl
    import pyarrow as pa
    import pyarrow.parquet as pq

    (tmp_path / "m.toml").write_text(MAPPING)
    rows = [["a", 70, "F", 0, 1, 28, None], ["a", 72.5, "F", 0, 1, 20, 5], ["b", 80, "M", 1, 0, None, 30]]
    names = HEAD.strip().split(",")
    book = openpyxl.Workbook()
    for row in (names, *rows):
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    pq.write_table(
        pa.table({n: list(c) for n, c in zip(names, zip(*rows, strict=True), strict=True)}), tmp_path / "t.parquet"
    )
    text = "".join(",".join("" if v is None else str(v) for v in row) + "\n" for row in rows)
    expected, _ = load(tmp_path, pack, text)
    mapping = table.read_mapping(tmp_path / "m.toml", pack)
    for name in ("t.xlsx", "t.parquet"):
        found = list(table.read(tmp_path / name, mapping, Tally()))
        assert [p for p, _ in found] == [p for p, _ in expected]
        assert [[(e.cui, e.age, e.assertion) for e in es] for _, es in found] == [
            [(e.cui, e.age, e.assertion) for e in es] for _, es in expected
        ]
    for name in ("t.xlsx", "t.parquet"):
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:200])
        with pytest.raises(SourceError):
            list(table.read(tmp_path / name, mapping, Tally()))
