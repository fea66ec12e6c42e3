"""A catalog in memory, in a file, and one over the other answer alike."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest

from ontology.catalog import Catalog, CatalogSource, open_catalog
from ontology.catalog_build import Source, build_catalog
from ontology.catalog_layers import LayeredCatalog
from ontology.concept import Coding, Concept, Cui, parse_concept_id
from ontology.errors import UnknownConcept

if TYPE_CHECKING:
    from pathlib import Path

A, B, C, OWN, ABOVE = map(parse_concept_id, ("C0000001", "C0000002", "C0000003", "SYMP:0000001", "SYMP:0000000"))
SNOMED = Coding("SNOMEDCT_US", "386807006")
CONCEPTS = (
    Concept(A, "Memory impairment", ("Amnesia", "Loss of memory"), ("T048",), "Less memory.", (SNOMED,), (), "HPO", ("forgetfulness",)),
    Concept(B, "Impaired short-term memory", (), (), "", (SNOMED, Coding("ICD10CM", "R41.3")), (A,)),
    Concept(C, "Apathy", ("Näivety",), (), "", (), (B,), "HPO"),
    Concept(OWN, "Abdominal cramp", ("stomach cramp",), (), "", (Coding("SYMP", "SYMP:0000001"),), (ABOVE,), "SYMP"),
)  # fmt: skip
SOURCES = (CatalogSource("made up", "1", "CC0"),)


def stored(concepts: tuple[Concept, ...], folder: Path, name: str = "a.catalog") -> Catalog:
    def read(reading):
        reading.sources.extend(SOURCES)
        return iter(concepts)

    build_catalog([Source("made up", read)], folder / name)
    return open_catalog(folder / name)


@pytest.fixture(params=["memory", "file", "layered"])
def catalog(request, tmp_path: Path) -> Catalog:
    if request.param == "memory":
        return Catalog(CONCEPTS, SOURCES)
    if request.param == "file":
        return stored(CONCEPTS, tmp_path)
    return Catalog((CONCEPTS[2],)) + stored((*CONCEPTS[:2], CONCEPTS[3]), tmp_path)


def test_it_is_a_mapping(catalog: Catalog) -> None:
    assert dict(catalog) == {concept.cui: concept for concept in CONCEPTS}
    assert len(catalog) == len(list(catalog)) == len(list(catalog.values())) == 4
    assert A in catalog
    assert Cui("C9999999") not in catalog
    assert Cui("SYMP:9") not in catalog
    assert catalog.get(Cui("C9999999")) is None


def test_strings_come_in_order_with_the_preferred_name_first(catalog: Catalog) -> None:
    wanted = [(s, c.cui, s == c.name) for c in CONCEPTS for s in c.strings]
    assert list(catalog.strings()) == wanted == list(catalog.strings())


@pytest.mark.parametrize("system", ["SNOMEDCT_US", "SNOMED CT", "SNOMEDCT", "http://snomed.info/sct"])
def test_codes_are_found_in_any_spelling_of_their_system(catalog: Catalog, system: str) -> None:
    assert catalog.lookup(Coding(system, "386807006")) == (A, B)
    assert catalog.lookup(Coding(system, "1")) == ()
    assert catalog.lookup(Coding("icd-10-cm", "r413")) == (B,)
    assert catalog.lookup(Coding("SYMP", "0000001")) == (OWN,)
    assert catalog.lookup(Coding("\ud800", "\ud800")) == ()


@pytest.mark.parametrize(
    ("text", "best"),
    [
        ("apathy", C),
        ("apahty", C),
        ("aphathy", C),
        ("forgetfulnes", A),
        ("short-term", B),
        ("amne", A),
        ("NÄIVETY", C),
        ("naivety", C),
        ("cramp stomach", OWN),
        ("memory loss", A),
    ],
)
def test_the_best_match_comes_first(catalog: Catalog, text: str, best: str) -> None:
    found = catalog.search(text)
    assert found[0][0].cui == best
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
    assert all(0 <= score <= 1 for _, score in found)
    assert len(catalog.search(text, limit=1)) == 1


@pytest.mark.parametrize("text", ["", " ", "...", "\x00", '"', "* OR (", "\ud800", "x" * 100_000, "\u202e"])
def test_a_text_like_nothing_finds_nothing(catalog: Catalog, text: str) -> None:
    assert catalog.search(text) == []
    assert catalog.find(text) == ()


def test_texts_are_found_whatever_their_case_and_spacing(catalog: Catalog) -> None:
    assert catalog.find("  ＭＥＭＯＲＹ   Impairment ") == (A,)
    assert catalog.find("impaired short term memory.") == (B,)
    assert catalog.find("näivety") == (C,)
    assert catalog.find("memory") == ()


def test_the_hierarchy_is_walked(catalog: Catalog) -> None:
    assert catalog.ancestors(C) == {A, B}
    assert catalog.descendants(A) == {B, C}
    assert catalog.ancestors(OWN) == {ABOVE}
    assert catalog.ancestors(Cui("C9999999")) == frozenset()


def test_an_unknown_concept_names_the_nearest(catalog: Catalog) -> None:
    with pytest.raises(UnknownConcept, match="C0000003 Apathy"):
        catalog[Cui("C0000004")]
    with pytest.raises(UnknownConcept):
        catalog.current(Cui("C0000004"))
    with pytest.raises(ValueError, match="seven digits"):
        catalog[Cui("apathy")]
    assert catalog.current(A) == A


def test_sources_and_fingerprint_are_known(catalog: Catalog, tmp_path: Path) -> None:
    assert ("made up", "1", "CC0") in [(s.name, s.version, s.licence) for s in catalog.sources]
    if type(catalog) is not LayeredCatalog:
        assert catalog.fingerprint == Catalog(CONCEPTS).fingerprint


def test_a_catalog_in_a_file_travels_to_another_process(tmp_path: Path) -> None:
    there = stored(CONCEPTS, tmp_path)
    again = pickle.loads(pickle.dumps(there))  # noqa: S301 - ours, and what multiprocessing does
    assert dict(again) == dict(there)
