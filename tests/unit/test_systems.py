"""One code system has many spellings, and one name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontology.concept import Coding, parse_concept_id
from ontology.errors import ConfigError
from ontology.semantic_types import semantic_type, semantic_types, types_of
from ontology.systems import coding, parse_coding, system_name


@pytest.mark.parametrize(
    ("system", "spellings"),
    [
        ("SNOMEDCT_US", "SNOMEDCT_US,SNOMED CT,SNOMED,snomed-ct,SNOMEDCT_US_2025_09_01,http://snomed.info/sct,urn:oid:2.16.840.1.113883.6.96"),
        ("ICD10CM", "ICD10CM,ICD-10-CM,icd10cm,http://hl7.org/fhir/sid/icd-10-cm"),
        ("ICD9CM", "ICD9CM_2005,ICD9CM,ICD-9-CM"),
        ("LNC", "LNC,LOINC,http://loinc.org,https://loinc.org/"),
        ("MSH", "MSH,MeSH,MESH"),
        ("HPO", "HPO,HP,hp"),
        ("RXNORM", "RxNorm,http://www.nlm.nih.gov/research/umls/rxnorm"),
        ("DOID", "DOID,doid"),
        ("Local Codes", "Local Codes"),
        ("http://example.org/cs", "http://example.org/cs"),
    ],
)  # fmt: skip
def test_spellings_come_to_one_name(system: str, spellings: str) -> None:
    assert {system_name(one) for one in spellings.split(",")} == {system}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("HP:0000741", Coding("HPO", "HP:0000741")),
        ("HPO|HP_0000741", Coding("HPO", "HP:0000741")),
        ("DOID:10652", Coding("DOID", "DOID:10652")),
        ("ICD10CM:g309", Coding("ICD10CM", "G30.9")),
        ("ICD10CM:G30", Coding("ICD10CM", "G30")),
        ("ICD10CM:G30-G32", Coding("ICD10CM", "G30-G32")),
        ("ICD9CM:E8490", Coding("ICD9CM", "E849.0")),
        ("http://snomed.info/sct|26929004", Coding("SNOMEDCT_US", "26929004")),
    ],
)
def test_codes_take_the_form_of_their_system(text: str, wanted: Coding) -> None:
    assert parse_coding(text) == wanted


@pytest.mark.parametrize("text", ["", "26929004", ":1", "SNOMED:", "|"])
def test_what_is_no_code_is_shown(text: str) -> None:
    with pytest.raises(ValueError, match="SYSTEM:CODE"):
        parse_coding(text)


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_normal_code_stays_as_it_is(system: str, code: str) -> None:
    once = coding(system, code)
    assert coding(once.system, once.code) == once


@pytest.mark.parametrize(
    "text", ["", "C123", "SYMP", ":1", "SYMP:", "a b:c", "SYMP:1|2", "http://x.org/C0002395", "C0002395\n"]
)
def test_what_is_no_identifier_is_shown(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_concept_id(text)
    assert repr(text) in str(caught.value)


def test_the_semantic_network_has_127_types() -> None:
    assert len(semantic_types()) == 127
    assert len({kind.name for kind in semantic_types().values()}) == 127
    assert len({kind.group for kind in semantic_types().values()}) == 15
    assert semantic_type("nothing") is None


def test_a_type_that_is_none_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="'Sign or Symptom'"):
        types_of(["Sign or Sympton"])
