"""Every form that a catalog is written in gives the same catalog back, whatever its names hold."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from ontology.catalog import Catalog, CatalogSource, open_catalog
from ontology.catalog_build import Source, build_catalog
from ontology.concept import Coding, Concept, Cui
from ontology.readers import kb_jsonl, skos, table

HOSTILE = (
    '"', "'", '"""', "\\", "\\u0041", "|", "\\|", ":", "\\e", "e", "\n", "\r\n", "\r", "\t", "\x00", "\x1f", "\x7f", "\x85", "\u2028",
    "<script>", "</x> .", "@prefix", "^^<a>", "@en", "{}", "[]", ",", ";", "\ufeff", "\u202e", "é", "é", "\U0001f9e0", "ß", " ", "  a  ",
)  # fmt: skip
PHASES = (Phase.explicit, Phase.generate)  # to shrink a failure takes minutes where an example writes files
TEXTS = st.lists(
    st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=["Cs"]), max_size=4), max_size=4
).map("".join)
NAMES = TEXTS.filter(str.strip)
IDS = st.integers(0, 30).map(lambda number: Cui(f"C{number:07d}")) | st.sampled_from(
    ("SYMP:0000462", "A:1", "x-y.z:q.1-2")
)


def tuples(values):
    return st.lists(values, max_size=4).map(tuple)


CONCEPTS = st.lists(
    st.builds(
        Concept,
        IDS.map(Cui),
        NAMES,
        tuples(TEXTS),
        tuples(st.sampled_from(("T047", "T184", "T033", "ä|b"))),
        TEXTS,
        tuples(st.builds(Coding, st.sampled_from(("SNOMEDCT_US", "HPO", "a:b|c", "http://x.org/y")), TEXTS)),
        tuples(IDS.map(Cui)),
        TEXTS,
        tuples(TEXTS),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda concept: concept.cui,
)
SOURCES = st.lists(st.builds(CatalogSource, TEXTS, TEXTS, TEXTS, TEXTS, st.integers(0, 9)), max_size=3)


@pytest.mark.parametrize(
    ("name", "read", "write"),
    [
        ("a.ttl", skos.read, skos.write),
        ("a.jsonld", skos.read, skos.write),
        ("a.jsonl", kb_jsonl.read, kb_jsonl.write),
        ("a.csv", table.read, table.write),
        ("a.tsv", table.read, lambda concepts, path: table.write(concepts, path, tabs=True)),
    ],
)
@given(concepts=CONCEPTS)
@example(concepts=[Concept(Cui("C0000001"), "a", ("",), (), "", (Coding("a:b|c", "\\"),), (), "", ("", "\\e"))])
@settings(max_examples=60, deadline=None, phases=PHASES)
def test_what_was_written_is_read_back(name: str, read, write, concepts: list[Concept]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        assert write(concepts, path) == len(concepts)
        again = list(read(path))
    assert {concept.cui: concept for concept in again} == {concept.cui: concept for concept in concepts}


@given(concepts=CONCEPTS, sources=SOURCES)
@settings(max_examples=25, deadline=None, phases=PHASES)
def test_sources_travel_with_turtle(concepts: list[Concept], sources: list[CatalogSource]) -> None:
    from ontology.readers.reading import Reading

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.ttl"
        skos.write(concepts, path, sources)
        reading = Reading()
        list(skos.read(path, reading))
    if sources:
        assert reading.sources == sources


def built(concepts: list[Concept], path: Path) -> Catalog:
    build_catalog([Source("made up", lambda _: iter(concepts))], path)
    return open_catalog(path)


@given(concepts=CONCEPTS)
@settings(max_examples=25, deadline=None, phases=PHASES)
def test_a_built_catalog_is_the_catalog_but_for_what_no_name_has(concepts: list[Concept]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        catalog = built(concepts, Path(folder) / "a.catalog")
        once = list(catalog.values())
        again = built(once, Path(folder) / "b.catalog")
        assert list(again.values()) == once
        assert again.fingerprint == catalog.fingerprint == Catalog(once).fingerprint
        assert list(again.strings()) == list(Catalog(once).strings())
        for concept in once:
            for string in concept.strings:
                assert catalog.find(string) == Catalog(once).find(string)
            for coding in concept.codings:
                assert concept.cui in catalog.lookup(coding)
            assert catalog.descendants(concept.cui) == Catalog(once).descendants(concept.cui)
        skos.write(catalog.values(), Path(folder) / "a.ttl")
        assert list(built(list(skos.read(Path(folder) / "a.ttl")), Path(folder) / "c.catalog").values()) == once
