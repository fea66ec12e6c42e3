"""Notes: every one is used or skipped for a reason; who says what, of whom and since when decides what it is evidence of."""

from __future__ import annotations

import csv
import gzip
import json
from datetime import date
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph_loaders.ages import birth_day, day_of
from graph_loaders.load import load
from graph_loaders.mapping import read_code_mapping
from graph_loaders.notes import Note, note_events
from graph_loaders.onset import trajectories
from graph_loaders.readers import notes
from graph_loaders.tally import Tally
from ontology.catalog import pack_catalog
from ontology.errors import ConfigError, DualAlignError, SourceError
from ontology.linker import CatalogLinker
from ontology.mention import Mention
from ontology.pack import load_pack

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

TODAY = date(2026, 1, 1)
PACK = load_pack()
APATHY, WANDERING, MEMORY, HALLUCINATIONS, DEPRESSION = "C0085632", "C0233563", "C0751295", "C0018524", "C0011581"


@pytest.fixture(scope="module")
def linker():
    return CatalogLinker(pack_catalog(PACK), prefer=[c.cui for c in PACK.concepts])


class Words:
    """A linker of one word, for what does not depend on language."""

    def link(self, texts: Iterable[str]) -> Iterator[tuple[Mention, ...]]:
        for text in texts:
            at = text.find("apathy")
            yield (Mention(at, at + 6, "apathy", ((APATHY, 1.0),)),) if at >= 0 else ()


def said(
    linker, text: str, tally: Tally | None = None, day: date = date(2020, 6, 15)
) -> dict[str, tuple[float, str, str]]:
    note = Note("p", birth_day(1940, 6, 15), day_of(day), text)
    return {
        e.coding.code: (round(e.age, 1), e.assertion.value, e.informant.value)
        for _, events in note_events([note], linker, tally or Tally())
        for e in events
    }


def test_assertion_informant_and_date_words_of_a_note(linker):
    found = said(linker, "Wife reports apathy for two years. She denies hallucinations.")
    assert found[APATHY] == (78.0, "present", "wife")
    assert found[HALLUCINATIONS][:2] == (80.0, "absent")
    assert said(linker, "Apathy since 2018.")[APATHY][:2] == (78.0, "present")
    assert said(linker, "Apathy last month.")[APATHY][:2] == (79.9, "present")
    assert said(linker, "No apathy for two years.")[APATHY][:2] == (80.0, "absent")
    assert said(linker, "Apathy.")[APATHY] == (80.0, "present", "clinician")
    assert said(linker, "Possible apathy.")[APATHY][1] == "possible"


def test_sections_decide_whose_and_when(linker):
    text = "Family history: depression.\nPast medical history: apathy\nProblem list:\nhallucinations\nHPI: Memory loss for three years."
    found = said(linker, text)
    assert found[DEPRESSION][1] == "family"
    assert found[APATHY][1] == "historical"
    assert found[HALLUCINATIONS][1] == "present"
    assert next(v for k, v in found.items() if v[0] == 77.0)[1] == "present"
    assert said(linker, "Past medical history: apathy in 2015.")[APATHY][:2] == (75.0, "present")


ROWS = [
    ("1", "2015-03-02", "Apathy for two years. Denies hallucinations.", "1940-05-01", "F"),
    ("2", "2016-01-01", "Doing well.", "1950", "M"),
    ("1", "2017-06-01", "Hallucinations. Possible depression. Mother had apathy.", "1940-05-01", "F"),
    ("2", "20180101", "Apathy since 2017.", "1950", "M"),
    ("", "2018-01-01", "Apathy", "1950", "M"),
    ("3", "2018-13-01", "Apathy", "1950", "M"),
    ("3", "2099-01-01", "Apathy", "1950", "M"),
    ("3", "1949-01-01", "Apathy", "1950", "M"),
    ("3", "2018-01-01", "Apathy", "", "M"),
    ("3", "2018-01-01", " ", "1950", "M"),
]
HEAD = ("person_id", "date", "text", "birth", "sex")


def written(form: str, folder: Path, rows=ROWS) -> Path:
    path = folder / f"n.{form}"
    if form.startswith("jsonl"):
        text = "".join(json.dumps(dict(zip(HEAD, row, strict=True))) + "\n" for row in rows).encode()
        path.write_bytes(gzip.compress(text) if form.endswith("gz") else text)
    elif form == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table({n: list(c) for n, c in zip(HEAD, zip(*rows, strict=True), strict=True)}), path)
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([HEAD, *rows])
    return path


def read(path: Path, linker, tally: Tally):
    mapping = read_code_mapping(None, PACK, cohort="n")
    return list(
        trajectories(notes.read(path, mapping, tally, linker=linker), tally, mapping.look_up(None), mapping.risks)
    )


@pytest.mark.parametrize("form", ["csv", "parquet", "jsonl", "jsonl.gz"])
def test_every_note_of_every_form_is_accounted_for(form, linker, tmp_path):
    tally = Tally(today=TODAY)
    one, two = read(written(form, tmp_path), linker, tally)
    assert tally.notes.total() == len(ROWS)
    assert dict(tally.notes) == {
        "with concepts": 3,
        "note without a concept": 1,
        "row that is no note": 3,
        "dated in the future": 1,
        "dated before birth": 1,
        "note without text": 1,
    }
    assert tally.read == tally.used + tally.skipped.total()
    assert (tally.skipped["assertion possible"], tally.skipped["assertion family"]) == (1, 1)
    assert (round(one.entry_age, 1), round(one.exit_age, 1), one.persona.traits) == (74.8, 77.1, {"sex": "female"})
    assert {o.cui: o.after for o in one.onsets}[APATHY] is None  # there at the first note
    onset = {o.cui: o for o in one.onsets}[HALLUCINATIONS]
    assert (round(onset.after, 1), round(onset.age, 1)) == (74.8, 77.1)  # denied at one note, present at the next
    assert [(o.cui, round(o.age, 1)) for o in two.onsets] == [(APATHY, 67.0)]


def test_a_load_in_two_processes_is_the_load_in_one_and_its_graph_has_no_text(linker, tmp_path):
    from engine.linking.pooled import PooledLinker

    path, one, two = written("csv", tmp_path), tmp_path / "1.graph", tmp_path / "2.graph"
    report = load("notes", path, PACK, one, cohort="n", linker=linker, today=TODAY)
    assert load("notes", path, PACK, one, cohort="n", linker=linker, today=TODAY).fingerprint == report.fingerprint
    assert (
        load("notes", path, PACK, two, cohort="n", linker=PooledLinker(2), today=TODAY).fingerprint
        == report.fingerprint
    )
    assert report.as_data()["notes"]["read"] == len(ROWS)
    assert not any(word in one.read_bytes() for word in (b"Denies", b"Doing well", b"2015-03-02", b"1940-05-01"))


def test_what_is_missing_is_said_at_once(linker, tmp_path):
    path = tmp_path / "n.csv"
    path.write_text("person,words\n1,apathy\n")
    with pytest.raises(
        ConfigError, match=r"no column for date: .*; text: .*; birth or age: .*its columns are person, words"
    ):
        read(path, linker, Tally())
    (tmp_path / "n.jsonl").write_text("no json\n[1]\n")
    with pytest.raises(SourceError, match="none in its first 2 lines"):
        read(tmp_path / "n.jsonl", linker, Tally())
    with pytest.raises(ConfigError, match="load meds does not read notes"):
        load("meds", tmp_path, PACK, tmp_path / "g", cohort="n", notes=True)


def test_notes_of_any_number_wait_outside_memory(tmp_path):
    """What is kept of 8,000 notes of 3 kB is concepts at ages, in a file."""
    import tracemalloc

    path = tmp_path / "n.jsonl"
    with path.open("w") as file:
        for k in range(8_000):
            row = {"person_id": k % 1500, "date": "2015-03-02", "age": 70, "text": "apathy " + "x" * 3000}
            file.write(json.dumps(row) + "\n")
    mapping, tally = read_code_mapping(None, PACK, cohort="n"), Tally()
    tracemalloc.start()
    persons = sum(1 for _ in notes.read(path, mapping, tally, linker=Words()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (persons, tally.notes["with concepts"]) == (1500, 8_000)
    assert peak < 5e6


CELL = st.one_of(
    st.sampled_from(
        [
            "1",
            "2",
            "",
            "2015-03-02",
            "20150302",
            "2015-02-30",
            "1800-01-01",
            "9999-12-31",
            "2099-01-01",
            "1940",
            "70",
            "-1",
        ]
    ),
    st.sampled_from(
        [
            "apathy for two years",
            "no apathy",
            "\x00",
            "a\x00pathy",
            "apathy since 0000",
            '"',
            "ü",
            "two\nlines apathy",
            "nan",
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers(-(2**70), 2**70) | CELL,
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=150)
@given(st.lists(st.dictionaries(st.sampled_from([*HEAD, "age", "died", "race"]), CELL | JSON, max_size=8), max_size=6),
       st.lists(st.binary(max_size=20).filter(lambda b: b"\n" not in b), max_size=2), st.booleans())  # fmt: skip
def test_lines_of_any_kind_are_counted_skips_or_one_clear_error(tmp_path_factory, rows, broken, twice):
    path = tmp_path_factory.mktemp("notes") / "n.jsonl"
    whole = {"person_id": "7", "date": "2015-03-02", "text": "apathy", "birth": "1940", "age": ""}
    lines = [json.dumps(row).encode() for row in [whole, *rows]] + broken
    path.write_bytes(b"\n".join([*lines, *lines] if twice else lines))
    tally = Tally(today=TODAY)
    people = read(path, Words(), tally)
    assert people
    assert tally.read == tally.used + tally.skipped.total()
    assert tally.notes.total() == sum(bool(line.strip()) for line in lines) * (1 + twice)
    assert all(0 <= p.entry_age <= p.exit_age <= 130 for p in people)


@settings(max_examples=60)
@given(
    st.lists(st.lists(CELL, min_size=5, max_size=5), max_size=6),
    st.sampled_from([b"", b"1,2015", b"\xff\xfe\n", b'1,"2015\n']),
)
def test_rows_of_any_kind_are_counted_skips_or_one_clear_error(tmp_path_factory, rows, tail):
    path = written("csv", tmp_path_factory.mktemp("notes"), rows)
    path.write_bytes(path.read_bytes() + tail)
    tally = Tally(today=TODAY)
    try:
        read(path, Words(), tally)
    except DualAlignError:
        assert tail
        return
    assert tally.read == tally.used + tally.skipped.total()
    assert (
        tally.notes.total()
        == tally.skipped.total() - tally.skipped["assertion possible"] + tally.notes["with concepts"]
    )
