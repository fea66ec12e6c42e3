"""Every writer, by its file name: what goes in comes out."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, replace

import pytest

from engine.record import Record, Span
from engine.runs import read_records
from engine.writers import formats, write
from ontology.errors import ConfigError, SourceError

RECORD = Record(
    id="r-0",
    text="Wife reports apathy, not wandering — “fine”.",
    label="neuropsychiatric",
    cui="C0085632",
    name="Apathy",
    assertion="present",
    informant="wife",
    spans=(
        Span(13, 19, "apathy", "sign", "C0085632", "Apathy", "present", 1.0, planned=True),
        Span(25, 34, "wandering", "sign", "C0233569", "Wandering", "absent", 0.98, planned=False),
    ),
    trajectory_id="t-1",
    step=1,
    of=4,
    age=81.5,
    stage="mild",
    gap_days=90,
    traits=("sex:male",),
    risk_factors=("diabetes",),
    guidance="both",
    run="abc",
    slot=0,
    round=0,
    attempts=1,
    model="template",
    prompt="p",
)
RECORDS = [RECORD, replace(RECORD, id="r-1", text="=1+1 is no formula here.", spans=(), traits=(), risk_factors=())]


@pytest.mark.parametrize("name", formats())
def test_every_format_counts_what_it_wrote_and_leaves_no_part_behind(name, tmp_path):
    target = tmp_path / "out" / "records"
    assert write(iter(RECORDS), name, target) == 2
    assert target.exists()
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("name", formats())
def test_a_source_that_fails_leaves_nothing_half_written(name, tmp_path):
    def broken():
        yield RECORD
        raise SourceError("torn", "records.jsonl", 2)

    with pytest.raises(SourceError, match="torn"):
        write(broken(), name, tmp_path / "records")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_json_lines_read_back_to_the_same_records(tmp_path):
    write(RECORDS, "jsonl", tmp_path / "r.jsonl")
    with (tmp_path / "r.jsonl").open("rb") as lines:
        assert list(read_records(lines)) == RECORDS


def test_csv_keeps_every_value_and_defuses_formulas(tmp_path):
    write(RECORDS, "csv", tmp_path / "r.csv")
    with (tmp_path / "r.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert json.loads(rows[0]["spans"]) == [asdict(span) for span in RECORD.spans]
    assert rows[0]["text"] == RECORD.text
    assert rows[1]["text"].startswith("'=")


def test_docbin_holds_entities_with_cuis_and_the_label(tmp_path):
    spacy = pytest.importorskip("spacy")
    from spacy.tokens import DocBin

    write(RECORDS, "docbin", tmp_path / "r.spacy")
    first, second = DocBin().from_disk(tmp_path / "r.spacy").get_docs(spacy.blank("en").vocab)
    assert [(e.text, e.label_, e.kb_id_) for e in first.ents] == [
        ("apathy", "sign", "C0085632"),
        ("wandering", "sign", "C0233569"),
    ]
    assert [span.text for span in first.spans["concepts"]] == ["apathy", "wandering"]
    assert first.cats == {"neuropsychiatric": 1.0}
    assert second.text == RECORDS[1].text


def test_huggingface_folders_open_with_load_dataset(tmp_path):
    datasets = pytest.importorskip("datasets", reason="the hf extra is not installed")
    write(RECORDS, "huggingface", tmp_path / "set")
    found = datasets.load_dataset(str(tmp_path / "set"), split="train")
    assert found["text"] == [record.text for record in RECORDS]
    assert found[0]["spans"] == [asdict(span) for span in RECORD.spans]
    with pytest.raises(ConfigError, match="not an empty folder"):
        write(RECORDS, "huggingface", tmp_path / "set")


def test_an_unknown_format_names_the_nearest(tmp_path):
    with pytest.raises(ConfigError, match="nearest is 'jsonl'"):
        write(RECORDS, "json", tmp_path / "x")
