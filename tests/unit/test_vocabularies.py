"""Readers of other people's files: what they keep, what they leave out, and what they say of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ontology.catalog import Catalog
from ontology.concept import Coding, Concept, Cui
from ontology.errors import SourceError
from ontology.readers import kb_jsonl, obo, owl, skos, table, xref
from ontology.readers.reading import Reading

if TYPE_CHECKING:
    from pathlib import Path

FOREIGN = """
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
<http://example.org/umls/C9000001> a skos:Concept ; skos:prefLabel "Zorbism"@en, "Zorbismus"@de ;
  skos:altLabel "zorb"@en-GB, "le zorb"@fr ; skos:definition "Being a zorb."@en ;
  skos:exactMatch <http://snomed.info/id/77> ; skos:notation "LP7"^^<http://loinc.org> .
<http://example.org/x/2> a skos:Concept ; skos:prefLabel "Blarg", "Blargh" ; skos:notation "C9000002" ;
  skos:broader <http://example.org/umls/C9000001> .
<http://purl.obolibrary.org/obo/SYMP_0000462> a skos:Concept ; skos:prefLabel "Symptôme"@fr .
<http://example.org/!!> a skos:Concept ; skos:prefLabel "nameless" .
"""
OWL = """<?xml version="1.0"?>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:owl="http://www.w3.org/2002/07/owl#"
 xmlns:rdfs="http://www.w3.org/2000/01/rdf-schema#" xmlns:in="http://www.geneontology.org/formats/oboInOwl#"
 xmlns:obo="http://purl.obolibrary.org/obo/" xmlns:dc="http://purl.org/dc/terms/">
<owl:Ontology rdf:about="http://purl.obolibrary.org/obo/made.owl"><dc:title>Made up</dc:title><owl:versionInfo>3</owl:versionInfo>
 <dc:license rdf:resource="http://creativecommons.org/licenses/by/4.0/"/></owl:Ontology>
<owl:Class rdf:about="http://purl.obolibrary.org/obo/DOID_1"><rdfs:label>Top</rdfs:label><in:hasDbXref>UMLS_CUI:C9000001</in:hasDbXref></owl:Class>
<owl:Class rdf:about="http://purl.obolibrary.org/obo/DOID_2"><rdfs:label>Between</rdfs:label>
 <rdfs:subClassOf rdf:resource="http://purl.obolibrary.org/obo/DOID_1"/></owl:Class>
<owl:Class rdf:about="http://purl.obolibrary.org/obo/DOID_3"><rdfs:label xml:lang="en">Low</rdfs:label>
 <rdfs:subClassOf rdf:resource="http://purl.obolibrary.org/obo/DOID_2"/><in:hasExactSynonym>lower</in:hasExactSynonym>
 <in:hasDbXref>UMLS_CUI:C9000002</in:hasDbXref><in:hasDbXref>SNOMEDCT_US_2025_09_01:77</in:hasDbXref>
 <obo:IAO_0000115>Below.</obo:IAO_0000115></owl:Class>
<owl:Class rdf:about="http://purl.obolibrary.org/obo/DOID_4"><rdfs:label>old</rdfs:label>
 <owl:deprecated rdf:datatype="http://www.w3.org/2001/XMLSchema#boolean">true</owl:deprecated></owl:Class>
</rdf:RDF>
"""


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_foreign_skos_is_read_in_one_language(tmp_path: Path) -> None:
    reading = Reading()
    path = write(tmp_path, "a.ttl", FOREIGN)
    found = {concept.cui: concept for concept in skos.read(path, reading)}
    assert found == {
        "C9000001": Concept(
            Cui("C9000001"),
            "Zorbism",
            ("zorb",),
            (),
            "Being a zorb.",
            (Coding("LNC", "LP7"), Coding("SNOMEDCT_US", "77")),
        ),
        "C9000002": Concept(Cui("C9000002"), "Blarg", ("Blargh",), parents=(Cui("C9000001"),)),
    }
    assert {f.code: f.count for f in reading.findings} == {"no-cui": 2, "two-names": 1}
    own = {concept.cui: concept.name for concept in skos.read(path, own_codes=True)}
    assert own["SYMP:0000462"] == "Symptôme"
    assert next(skos.read(path, language="de")).name == "Zorbismus"


def test_owl_classes_are_read_as_obo_terms_are(tmp_path: Path) -> None:
    reading = Reading()
    path = write(tmp_path, "a.owl", OWL)
    top, low = owl.read(path, reading)
    assert (top.name, top.codings) == ("Top", (Coding("DOID", "DOID:1"),))
    codings = (Coding("DOID", "DOID:3"), Coding("SNOMEDCT_US", "77"))
    assert low == Concept(Cui("C9000002"), "Low", ("lower",), (), "Below.", codings, (Cui("C9000001"),), "DOID")
    assert {f.code: f.count for f in reading.findings} == {"no-cui": 1, "obsolete": 1}
    (source,) = reading.sources
    assert (source.name, source.version, source.licence) == ("Made up", "3", "CC-BY-4.0")
    assert [c.parents for c in owl.read(path, own_codes=True)][-1] == ("DOID:2",)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.ttl", "<a> <b> "),
        ("a.ttl", "\x00\x01"),
        ("a.jsonld", "{"),
        ("a.jsonld", '{"@context": "http://example.org/context.jsonld", "@graph": []}'),
        ("a.jsonld", '{"@graph": [{"@context": ["https://example.org/c"]}]}'),
        ("a.rdf", "<rdf"),
        ("a.rdf", '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><rdf:RDF>&e;</rdf:RDF>'),
        ("a.docx", ""),
    ],
)
def test_what_is_no_rdf_is_one_sentence_and_nothing_is_fetched(tmp_path: Path, name: str, text: str) -> None:
    path = write(tmp_path, name, text)
    with pytest.raises(SourceError) as caught:
        list(skos.read(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_table_may_have_a_row_a_string(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "a.tsv",
        "\ufeffCUI\tSTR\tSAB\tremark\nC9000001\tZorbism\tX\t1\nC9000001\tzorb\tX\t2\n\nSYMP:1\tmine\tY\t3\n",
    )
    catalog = Catalog(table.read(path))
    assert {cui: (c.name, c.aliases, c.source) for cui, c in catalog.items()} == {
        "C9000001": ("Zorbism", ("zorb",), "X"),
        "SYMP:1": ("mine", (), "Y"),
    }


@pytest.mark.parametrize(
    ("row", "code", "line"),
    [
        ("C9000002,x,y", "wrong-columns", 3),
        ("C9000002", "wrong-columns", 3),
        ("nothing,x", "malformed-id", 3),
        ("C9000002, ", "empty-name", 3),
    ],
)
def test_a_bad_row_is_an_error_with_its_line_and_in_a_build_a_finding(
    tmp_path: Path, row: str, code: str, line: int
) -> None:
    path = write(tmp_path, "a.csv", f"cui,name\nC9000001,Zorbism\n{row}\nC9000003,Quux\n")
    with pytest.raises(SourceError) as caught:
        list(table.read(path))
    assert caught.value.line == line
    reading = Reading()
    assert [concept.name for concept in table.read(path, reading)] == ["Zorbism", "Quux"]
    assert [(f.code, f.examples[0][0]) for f in reading.findings] == [(code, f"a.csv:{line}")]


@pytest.mark.parametrize("text", ["", "name\nx\n", "cuii,name\nx,y\n", 'cui,name\n"C9000001,x'])
def test_what_is_no_table_is_one_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(SourceError):
        list(table.read(write(tmp_path, "a.csv", text)))


def test_lines_of_other_encodings_are_read_and_counted(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"cui,name\nC9000001,Sj\xf6gren\nC9000002,\x81\n")
    reading = Reading()
    assert [concept.name for concept in table.read(tmp_path / "a.csv", reading)] == ["Sjögren"]
    assert {f.code: f.examples[0][0] for f in reading.findings} == {
        "not-utf8": "a.csv:2",
        "unreadable-bytes": "a.csv:3",
    }


def test_a_build_goes_on_after_a_line_that_is_no_concept(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", '{"concept_id": "C9000001", "canonical_name": "x"}\n[1]\n{"concept_id": 7}\n')
    reading = Reading()
    assert [concept.cui for concept in kb_jsonl.read(path, reading)] == ["C9000001"]
    assert reading.findings.count("malformed-row") == 2


def test_scispacy_s_own_knowledge_base_is_read(shared_data: Path, tmp_path: Path) -> None:
    import json

    rows = json.loads((shared_data / "umls_sample" / "umls_test_fixture.json").read_text(encoding="utf-8"))
    path = write(tmp_path, "kb.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows))
    assert len(list(kb_jsonl.read(path))) == len(rows)


def test_the_symptom_ontology_is_read_with_its_version_and_licence(shared_data: Path) -> None:
    path = shared_data / "symp" / "symp.obo"
    reading = Reading()
    catalog = Catalog(obo.read(path, reading))
    assert len(catalog) > 150
    assert reading.findings.count("no-cui") > 400
    (source,) = reading.sources
    assert (source.name, source.licence) == ("Symptom Ontology", "CC0-1.0")
    assert source.version.startswith("releases/")
    every = Catalog(obo.read(path, own_codes=True))
    assert every.find("abdominal cramp") == ("SYMP:0000001",)
    assert len(every) > len(catalog) + 400


def test_mesh_codes_lead_to_cuis_by_the_disease_ontology(shared_data: Path) -> None:
    catalog = Catalog(xref.read(shared_data / "doid" / "allXREFinDO.tsv"))
    (cui,) = catalog.lookup(Coding("MeSH", "D000544"))
    assert catalog[cui].name == "Alzheimer's disease"
    assert catalog.lookup(Coding("SNOMED CT", "73768007")) == (cui,)
    assert {one.system for one in catalog[cui].codings} >= {"DOID", "ICD10CM", "MSH", "NCI", "SNOMEDCT_US"}


def test_another_table_is_not_taken_for_the_disease_ontology_s(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="id, label, xref"):
        list(xref.read(write(tmp_path, "a.tsv", "a\tb\n1\t2\n")))


def test_terms_in_a_circle_end_the_walk_and_are_said(tmp_path: Path) -> None:
    from ontology.catalog_build import build_catalog
    from ontology.catalog_formats import source_of

    terms = (
        "A:1\nname: a\nis_a: A:2",
        "A:2\nname: b\nis_a: A:1",
        "A:3\nname: c\nxref: UMLS:C9000001\nis_a: A:1\nis_a: A:4",
    )
    more = ("A:4\nname: d\nxref: UMLS:C9000002\nis_a: A:3", "A:5\nname: e\nis_a: A:5")
    text = "format-version: 1.2\n" + "".join(f"\n[Term]\nid: {term}\n" for term in (*terms, *more))
    path = write(tmp_path, "a.obo", text)
    report = build_catalog([source_of("obo", path)], tmp_path / "a.catalog")
    assert report.counts["concepts"] == 2
    assert report.findings.count("cyclic-is-a") == 2


def test_a_parent_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    path = write(tmp_path, "a.obo", "format-version: 1.2\n\n[Term]\nid: A:1\nname: a\nis_a: A:9\n")
    with pytest.raises(SourceError, match="A:9"):
        list(obo.read(path))
