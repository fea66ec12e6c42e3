"""`dualalign catalog`: several vocabularies in, one file, looked into and written out again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from engine.cli import cli
from ontology.catalog import Catalog, open_catalog
from ontology.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from pathlib import Path

TABLE = """cui,name,aliases,types,codings,parents
C9000001,Zorbism,zorb|zorbing,T047,SNOMED CT:77|MeSH:D1,
C9000002,"Zorbism, acute",,T047,SNOMED CT:78,C9000001
"""


def run(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(cli, ["catalog", *map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.stdout


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "t.csv").write_text(TABLE, encoding="utf-8")
    return tmp_path / "t.csv"


@pytest.fixture
def built(table: Path, tmp_path: Path) -> Path:
    run("build", "csv", table, "--out", tmp_path / "t.catalog")
    return tmp_path / "t.catalog"


def test_sources_come_in_pairs_and_the_report_is_json(table: Path, tmp_path: Path) -> None:
    (tmp_path / "more.jsonl").write_text(
        '{"concept_id": "C9000001", "canonical_name": "Zorb disease", "aliases": []}\n{\n', encoding="utf-8"
    )
    out = tmp_path / "m.catalog"
    said = json.loads(run("build", "csv", table, "jsonl", tmp_path / "more.jsonl", "--out", out, "--json"))
    assert said["counts"] == {"concepts": 2, "strings": 5, "codings": 3, "relations": 1, "definitions": 0}
    assert [(s["name"], s["format"], s["left_out"], len(s["sha256"])) for s in said["sources"]] == [
        ("t.csv", "csv", 0, 64),
        ("more.jsonl", "jsonl", 1, 64),
    ]
    assert [(f["code"], f["count"], f["examples"][0][0]) for f in said["findings"]] == [
        ("malformed-row", 1, "more.jsonl:2")
    ]
    shown = json.loads(run("show", "--catalog", out, "--json"))
    assert {name: shown[name] for name in ("concepts", "fingerprint", "sources", "findings")} == {
        "concepts": 2,
        "fingerprint": said["fingerprint"],
        "sources": said["sources"],
        "findings": said["findings"],
    }


def test_a_dry_run_needs_no_file_and_writes_none(table: Path, tmp_path: Path) -> None:
    assert "Zorbism" not in run("build", "csv", table, "--dry-run")
    assert [one.name for one in tmp_path.iterdir()] == ["t.csv"]


def test_a_concept_is_shown_by_cui_and_by_any_of_its_codes(built: Path) -> None:
    row = json.loads(run("show", "C9000001", "--catalog", built, "--json"))
    assert (row["name"], row["type_names"], row["descendants"]) == ("Zorbism", ["Disease or Syndrome"], 1)
    for text in ("SNOMEDCT_US:77", "http://snomed.info/sct|77", "mesh:D1"):
        assert json.loads(run("show", text, "--catalog", built, "--json"))["cui"] == "C9000001"
        assert json.loads(run("search", text, "--catalog", built, "--json"))[0]["cui"] == "C9000001"
    assert "SNOMED CT:77" in run("show", "C9000001", "--catalog", built)


def test_search_finds_and_says_how_like(built: Path) -> None:
    rows = json.loads(run("search", "acute zorbsm", "--catalog", built, "--json"))
    assert [row["cui"] for row in rows] == ["C9000002", "C9000001"]
    assert "Disease or Syndrome" in run("search", "zorbing", "--catalog", built, "--limit", 1)


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv", "a.ttl", "a.jsonld"])
def test_an_export_opens_as_the_same_catalog(built: Path, tmp_path: Path, name: str) -> None:
    run("export", tmp_path / name, "--catalog", built)
    assert open_catalog(tmp_path / name).fingerprint == open_catalog(built).fingerprint
    run("build", name[2:], tmp_path / name, "--out", tmp_path / "again.catalog")
    assert open_catalog(tmp_path / "again.catalog").fingerprint == open_catalog(built).fingerprint


def test_a_build_may_go_straight_to_another_form(table: Path, tmp_path: Path) -> None:
    run("build", "csv", table, "--out", tmp_path / "a.jsonl")
    assert type(open_catalog(tmp_path / "a.jsonl")) is Catalog
    assert len(open_catalog(tmp_path / "a.jsonl")) == 2


@pytest.mark.parametrize(
    ("arguments", "error", "parts"),
    [
        (["build", "csv", "--out", "x"], ConfigError, ["pairs of FORMAT and PATH"]),
        (["build", "csv", "{table}"], ConfigError, ["--out", "--dry-run"]),
        (["build", "ulms", "{table}", "--out", "x"], ConfigError, ["'ulms'", "'umls'"]),
        (["build", "umls", "{table}", "--out", "x"], SourceError, ["MRCONSO.RRF"]),
        (["build", "umls", "{folder}", "--type", "Findin", "--out", "x"], ConfigError, ["'Findin'", "'Finding'"]),
        (["build", "csv", "none.csv", "--out", "x"], SourceError, ["none.csv", "not there"]),
        (["build", "csv", "{table}", "--out", "{table}.txt"], ConfigError, ["no catalog"]),
        (["show", "zorbism", "--catalog", "{table}"], ConfigError, ["catalog search 'zorbism'"]),
        (["export", "a.docx", "--catalog", "{table}"], ConfigError, [".jsonl", ".ttl"]),
    ],
)
def test_a_mistake_is_one_sentence_with_the_way_out(arguments, error, parts, table: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(error) as caught:
        run(*(part.format(table=table, folder=tmp_path) for part in arguments))
    assert all(part in str(caught.value) for part in parts), caught.value
    assert (tmp_path / "t.csv.txt").read_text(encoding="utf-8") == "mine"
