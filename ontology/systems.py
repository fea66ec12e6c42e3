"""Names of vocabularies: the many spellings of one code system brought to one, and codes to the form it uses.

Systems are the UMLS's source abbreviations (`SNOMEDCT_US`, `ICD10CM`, `LNC`, `MSH`, `HPO`, `RXNORM`); vocabularies that
the UMLS does not carry keep their own prefix (`DOID`, `SYMP`). The web addresses are those of HL7 FHIR's terminology.
"""

from __future__ import annotations

import re
from functools import lru_cache

from ontology.concept import Coding

__all__ = ["coding", "parse_coding", "system_name"]

_SPELLINGS = {
    "SNOMEDCT_US": "snomed, snomedct, snomedctus, sct, sctid, http://snomed.info/sct, http://snomed.info/id, 2.16.840.1.113883.6.96",
    "ICD10CM": "icd10cm, http://hl7.org/fhir/sid/icd-10-cm, 2.16.840.1.113883.6.90",
    "ICD10": "icd10, icd10who, http://hl7.org/fhir/sid/icd-10, 2.16.840.1.113883.6.3",
    "ICD9CM": "icd9cm, icd9, http://hl7.org/fhir/sid/icd-9-cm, 2.16.840.1.113883.6.103",
    "ICD11": "icd11, icd11mms, http://id.who.int/icd/release/11/mms",
    "LNC": "lnc, loinc, http://loinc.org, 2.16.840.1.113883.6.1",
    "RXNORM": "rxnorm, rxcui, http://www.nlm.nih.gov/research/umls/rxnorm, 2.16.840.1.113883.6.88",
    "MSH": "msh, mesh, http://id.nlm.nih.gov/mesh, 2.16.840.1.113883.6.177",
    "HPO": "hpo, hp, http://human-phenotype-ontology.org, http://purl.obolibrary.org/obo/hp.owl",
    "DOID": "doid, http://purl.obolibrary.org/obo/doid.owl",
    "SYMP": "symp, http://purl.obolibrary.org/obo/symp.owl",
    "NCI": "nci, ncit, ncithesaurus, http://ncicb.nci.nih.gov/xml/owl/evs/thesaurus.owl, 2.16.840.1.113883.3.26.1.1",
    "OMIM": "omim, mim, http://www.omim.org",
    "ORPHANET": "orphanet, ordo, orpha, http://www.orpha.net",
    "MDR": "mdr, meddra, http://terminology.hl7.org/codesystem/mdr, 2.16.840.1.113883.6.163",
    "MONDO": "mondo, http://purl.obolibrary.org/obo/mondo.owl",
    "CPT": "cpt, cpt4, http://www.ama-assn.org/go/cpt, 2.16.840.1.113883.6.12",
    "ATC": "atc, http://www.whocc.no/atc, 2.16.840.1.113883.6.73",
}
_SYSTEMS = {key: system for system, keys in _SPELLINGS.items() for key in keys.split(", ")}
_EDITION = re.compile(r"[_ -](?:19|20)[0-9]{2}(?:[_-][0-9]{2}){0,2}(?:[_ -]aui)?$|_(?:19|20)[0-9]{2}$")
_PLAIN = re.compile(r"[\s_.-]+")
_PREFIXED = {"HPO": "HP", "DOID": "DOID", "SYMP": "SYMP", "MONDO": "MONDO"}  # their codes carry the prefix
_DOTTED = {"ICD10CM", "ICD10", "ICD9CM"}


@lru_cache(maxsize=1024)
def system_name(text: str) -> str:
    """The UMLS abbreviation of a code system; a system that is not known stays as it is, without its edition.

    >>> system_name("SNOMED CT"), system_name("http://loinc.org"), system_name("SNOMEDCT_US_2025_09_01")
    ('SNOMEDCT_US', 'LNC', 'SNOMEDCT_US')
    """
    named = text.strip()
    key = named.casefold().removeprefix("urn:oid:").rstrip("/")
    if "://" in key:
        key = "http://" + key.partition("://")[2]
        return _SYSTEMS.get(key) or _SYSTEMS.get(key.replace("http://", "http://www.", 1)) or named
    if key in _SYSTEMS:
        return _SYSTEMS[key]
    bare = _EDITION.sub("", named)
    key = _PLAIN.sub("", bare.casefold())
    return _SYSTEMS.get(key, bare)


def coding(system: str, code: str) -> Coding:
    """A code as catalogs keep it, from any common spelling of system and code.

    >>> coding("SNOMED CT", " 26929004"), coding("icd-10-cm", "g309"), coding("HP", "0000741")
    (Coding(system='SNOMEDCT_US', code='26929004'), Coding(system='ICD10CM', code='G30.9'), Coding(system='HPO', code='HP:0000741'))
    """
    named, plain = system_name(system), code.strip()
    if named in _PREFIXED:
        prefix = _PREFIXED[named]
        tail = plain.replace("_", ":").rpartition(":")[2]
        plain = f"{prefix}:{tail}"
    elif named in _DOTTED:
        plain = plain.upper()
        if "." not in plain and "-" not in plain:
            stem = 4 if named == "ICD9CM" and plain.startswith("E") else 3
            plain = f"{plain[:stem]}.{plain[stem:]}".rstrip(".")
    return Coding(named, plain)


def parse_coding(text: str) -> Coding:
    """`SYSTEM:CODE` or `SYSTEM|CODE` (FHIR's form, for systems that are web addresses); ValueError shows what is neither.

    >>> parse_coding("SNOMEDCT:26929004").system, parse_coding("http://loinc.org|72133-2").code
    ('SNOMEDCT_US', '72133-2')
    """
    system, mark, code = text.partition("|") if "|" in text else text.partition(":")
    if not (system.strip() and mark and code.strip()):
        raise ValueError(
            f"{text!r} is not a code of a vocabulary; write it as SYSTEM:CODE, such as SNOMEDCT_US:26929004"
        )
    return coding(system, code)
