"""A pack is read whole or refused with every fault at its line."""

from __future__ import annotations

import dataclasses
import pickle
import shutil
from pathlib import Path

import pytest

from ontology.errors import ConfigError, UnknownConcept
from ontology.issue import Severity
from ontology.pack import check_pack, load_pack, main
from ontology.pack_tables import LIMIT_BYTES

TINY = Path(__file__).resolve().parents[1] / "packs" / "tiny"

FAULTS = [
    ("concepts.csv", "C0085632,Apathy", "C85632,Apathy", "malformed-cui", ":3", "seven digits"),
    ("concepts.csv", ",sign,", ",sing,", "unknown-entity", ":3", "sign"),
    ("concepts.csv", "Apathy,signs", "Apathy,sings", "unknown-label", ":3", "signs"),
    ("concepts.csv", "book,patient", "boook,patient", "unknown-source", ":3", "book"),
    ("concepts.csv", "patient|other", "patient|cousin", "unknown-reporters", ":3", "other"),
    ("concepts.csv", "cui,name,label", "cui,nam,label", "missing-column", ":1", "name"),
    ("concepts.csv", "types", "typs", "unknown-column", ":1", "types"),
    ("concepts.csv", "types", "stage", "unknown-column", ":1", "course.csv"),
    ("phrases.csv", "C0085632,lay", "C0085633,lay", "unknown-concept", ":4", "C0085632"),
    ("phrases.csv", "lay,third", "lay,thrid", "unknown-form", ":4", "third"),
    ("phrases.csv", "sits all day", "ALZHEIMER'S  disease", "ambiguous-phrase", ":4", ":2"),
    ("phrases.csv", "sits all day", "sits\x07day", "control-character", ":4", "remove"),
    ("phrases.csv", "lay,third,sits all day,book", "lay,third,sits", "ragged-row", ":4", "comma"),
    ("course.csv", "C0085632,early", "C0085632,erly", "unknown-stage", ":3", "early"),
    ("course.csv", "0.5", "50", "not-a-share", ":3", "percent"),
    ("course.csv", "0.5", "half", "bad-value", ":3", ""),
    ("course.csv", "0.5", "nan", "bad-value", ":3", ""),
    ("course.csv", "C0085632", "C0002395", "duplicate-key", ":3", ":2"),
    ("frames.csv", "{noun}", "{nuon}", "unknown-slot", ":2", "noun"),
    ("frames.csv", "{noun}", "{noun.__class__}", "unknown-slot", ":2", ""),
    ("frames.csv", "{noun}", "{noun", "bad-frame", ":2", ""),
    ("examples.csv", "Apathy is", "Nothing is", "phrase-not-in-text", ":2", ""),
    ("demographics.csv", "0.6", "1.6", "not-a-share", ":2", ""),
    ("exposures.csv", "diabetes,,", "diabets,,", "unknown-risk-factor", ":2", "diabetes"),
    ("exposures.csv", "sex:male", "sex:mail", "unknown-demographic", ":3", "sex:male"),
    ("modifiers.csv", "1.5", "0", "not-positive", ":2", ""),
    ("modifiers.csv", "1.5", "9", "outside-interval", ":2", ""),
    ("modifiers.csv", "1.2,1.9", ",", "no-uncertainty", ":2", "se_log"),
    ("modifiers.csv", "RR", "OR", "no-baseline", ":2", ""),
    ("modifiers.csv", ",book,", ",,", "no-source", ":2", ""),
    ("requirements.csv", "stage:early", "stage:late", "cyclic-requirement", ":2", ""),
    ("facts.csv", "sex:male", "sex:mail", "unknown-demographic", ":2", "sex:male"),
    ("facts.csv", ",40,", ",140,", "outside-unit", ":2", ""),
    ("facts.csv", "prevalence", "prevalance", "unknown-kind", ":2", "prevalence"),
    ("stages.csv", "late,Late,2", "late,Late,1", "duplicate-ordinal", ":3", ""),
    ("pack.toml", "diagnosis =", "diagnoses =", "unknown-field", "", "diagnosis"),
    ("pack.toml", "C0002395", "C0002396", "unknown-concept", "", "C0002395"),
    ("pack.toml", '"1.0"', "1.0 2", "bad-toml", "", ""),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TINY, tmp_path / "tiny"))


@pytest.mark.parametrize(("file", "old", "new", "code", "line", "hint"), FAULTS)
def test_a_fault_is_found_at_its_line(
    folder: Path, file: str, old: str, new: str, code: str, line: str, hint: str
) -> None:
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new), encoding="utf-8")
    pack, issues = check_pack(folder)
    assert pack is None
    assert any(i.code == code and i.where == f"{file}{line}" and hint in i.hint for i in issues), issues


def test_all_faults_are_reported_at_once(folder: Path) -> None:
    (folder / "facts.csv").unlink()
    (folder / "prompts" / "system.txt").unlink()
    (folder / "labels.csv").write_bytes(b"id,name,definition,source\nx,\xff,y,book\n")
    with pytest.raises(ConfigError) as caught:
        load_pack(folder)
    codes = {(issue.code, issue.where) for issue in caught.value.issues}
    assert codes >= {
        ("missing-file", "facts.csv"),
        ("missing-file", "prompts/system.txt"),
        ("not-utf-8", "labels.csv:2"),
        ("unknown-label", "concepts.csv:2"),
    }


def test_a_long_circle_of_requirements_is_named(folder: Path) -> None:
    with (folder / "requirements.csv").open("a", encoding="utf-8") as file:
        file.write("C0085632,stage:late,book\nstage:early,C0085632,book\n")
    _, issues = check_pack(folder)
    assert [issue.code for issue in issues] == ["cyclic-requirement"]


def test_hostile_files_are_not_read(folder: Path, tmp_path: Path) -> None:
    (folder / "facts.csv").write_bytes(b"x" * (LIMIT_BYTES + 1))
    outside = tmp_path / "outside.csv"
    outside.write_text("id,name,definition,source\n", encoding="utf-8")
    (folder / "labels.csv").unlink()
    (folder / "labels.csv").symlink_to(outside)
    codes = {issue.code for issue in check_pack(folder)[1]}
    assert {"too-large", "path-escape"} <= codes


def test_shares_that_do_not_make_up_one_are_a_warning(folder: Path) -> None:
    file = folder / "demographics.csv"
    file.write_text(file.read_text(encoding="utf-8").replace("0.6", "0.5"), encoding="utf-8")
    pack, issues = check_pack(folder)
    assert pack is not None
    assert [(issue.severity, issue.code) for issue in issues] == [(Severity.WARNING, "shares-sum")]


def test_the_fingerprint_is_of_the_content_whatever_the_line_ends(folder: Path) -> None:
    first = load_pack(folder).fingerprint
    file = folder / "facts.csv"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert load_pack(folder).facts == load_pack(TINY).facts
    file.write_bytes(file.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    assert load_pack(folder).fingerprint == first
    file.write_bytes(file.read_bytes().replace(b"40", b"41"))
    assert load_pack(folder).fingerprint != first


def test_rows_are_found_by_id_and_the_course_is_merged() -> None:
    pack = load_pack(TINY)
    apathy = pack.concept("C0085632")
    assert (apathy.stage, apathy.ever, apathy.remits, apathy.source) == ("early", 0.5, True, "guess")
    assert [p.text for p in pack.phrases_of("C0085632", form="third", register="lay")] == ["sits all day"]
    assert pack.label("signs").name == "Signs"
    assert pack.demographic("sex:male").share == 0.4
    assert (pack.source("book").id, pack.source("guess").id) == ("book", "guess")
    with pytest.raises(UnknownConcept, match="C0085632"):
        pack.concept("C0085633")
    with pytest.raises(KeyError):
        pack.stage("earl")
    with pytest.raises(ValueError, match="seven digits"):
        pack.concept("apathy")


def test_a_replaced_table_and_a_copy_have_their_own_index() -> None:
    pack = load_pack(TINY)
    assert pack.concept("C0085632")
    fewer = dataclasses.replace(pack, concepts=pack.concepts[:1])
    with pytest.raises(UnknownConcept):
        fewer.concept("C0085632")
    copied = pickle.loads(pickle.dumps(pack))  # noqa: S301 - made one line above; worker processes copy a pack so
    assert copied == pack
    assert copied.concept("C0085632") == pack.concept("C0085632")


def test_the_shipped_pack_has_no_fault() -> None:
    pack, issues = check_pack()
    assert pack is not None, issues
    assert not issues


def test_the_command_says_whether_a_pack_is_usable(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder)]) == 0
    (folder / "facts.csv").unlink()
    assert main([str(folder)]) == 1
    assert "facts.csv" in capsys.readouterr().out
