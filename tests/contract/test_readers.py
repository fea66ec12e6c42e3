"""Every reader of a vocabulary yields concepts, and says where it could not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ontology.concept import Coding, Concept, parse_cui
from ontology.errors import SourceError
from ontology.readers import kb_jsonl, obo

if TYPE_CHECKING:
    from pathlib import Path

OBO = """format-version: 1.2
synonymtypedef: layperson "layperson term"

[Term]
id: HP:1
name: Top
xref: UMLS:C0000001

[Term]
id: HP:2
name: Between
is_a: HP:1

[Term]
id: HP:3
name: Memory impairment
def: "Less memory." []
synonym: "Forgetfulness" EXACT layperson []
synonym: "Amnesia" EXACT []
synonym: "Loss of names" NARROW []
synonym: "Mind" BROAD layperson []
xref: SNOMEDCT_US:386807006
xref: UMLS:C0000002
xref: UMLS:C0000003
is_a: HP:2

[Term]
id: HP:4
name: Old
xref: UMLS:C0000004
is_obsolete: true
"""


def test_obo_keeps_what_means_the_same_and_climbs_to_parents_with_a_cui(tmp_path: Path) -> None:
    (tmp_path / "a.obo").write_text(OBO, encoding="utf-8")
    top, one, two = sorted(obo.read(tmp_path / "a.obo"), key=lambda concept: concept.cui)
    assert (top.name, top.parents) == ("Top", ())
    assert (one.cui, two.cui) == ("C0000002", "C0000003")
    for concept in (one, two):
        assert concept.strings == ("Memory impairment", "Amnesia", "Forgetfulness")
        assert concept.lay == ("Forgetfulness",)
        assert concept.parents == ("C0000001",)
        assert concept.definition == "Less memory."
        assert {Coding("HPO", "HP:3"), Coding("SNOMEDCT_US", "386807006")} <= set(concept.codings)


def test_jsonl_gives_back_what_was_written(tmp_path: Path) -> None:
    a, b = parse_cui("C0000001"), parse_cui("C0000002")
    full = Concept(a, "Naïve\n“x”", ("y",), ("T047",), "d", (Coding("HP", "HP:1"),), (b,), "s", ("z",))
    written = [full, Concept(b, "b")]
    assert kb_jsonl.write(written, tmp_path / "a.jsonl") == 2
    assert list(kb_jsonl.read(tmp_path / "a.jsonl")) == written


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"concept_id": "C1", "canonical_name": "x"}', '{"concept_id": "C0000001"}', "\xff"]
)
def test_jsonl_names_the_line_that_is_no_concept(tmp_path: Path, line: str) -> None:
    good = '{"concept_id": "C0000001", "canonical_name": "x", "aliases": [], "types": []}\n'
    (tmp_path / "a.jsonl").write_bytes(good.encode() + line.encode("latin-1") + b"\n")
    with pytest.raises(SourceError) as caught:
        list(kb_jsonl.read(tmp_path / "a.jsonl"))
    assert caught.value.line == 2


@pytest.mark.parametrize("reader", [obo, kb_jsonl])
def test_a_file_that_is_not_there_is_a_source_error(reader, tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        list(reader.read(tmp_path / "none"))


@pytest.mark.parametrize("text", ["not an ontology", "[Term]\nname: no id\n", "\x00\x01"])
def test_what_is_no_ontology_is_a_source_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.obo").write_text(text, encoding="utf-8")
    with pytest.raises(SourceError):
        list(obo.read(tmp_path / "a.obo"))
