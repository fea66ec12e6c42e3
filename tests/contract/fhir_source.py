"""FHIR R4 resources in short, and the files that hold them."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SNOMED, LOINC, RXNORM = "http://snomed.info/sct", "http://loinc.org", "http://www.nlm.nih.gov/research/umls/rxnorm"
AD, SEIZURE, PHARYNGITIS, MMSE = (SNOMED, "26929004"), (SNOMED, "91175000"), (SNOMED, "195662009"), (LOINC, "72106-8")
US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"

Json = dict[str, Any]


def concept(*codes: tuple[str, str]) -> Json:
    return {"coding": [{"system": system, "code": code} for system, code in codes]}


def omb(name: str, *codes: str) -> Json:
    inner = [{"url": "ombCategory", "valueCoding": {"code": code}} for code in codes]
    return {"url": f"{US_CORE}{name}", "extension": inner}


def patient(key: str = "p1", born: str = "1930-05-01", **more: Any) -> Json:
    return {
        "resourceType": "Patient",
        "id": key,
        "gender": "female",
        "birthDate": born,
        "name": [{"family": "Zorn"}],
        **more,
    }


def condition(code: tuple[str, str] = AD, onset: str = "2010-05-01", person: str = "p1", **more: Any) -> Json:
    found = {
        "resourceType": "Condition",
        "subject": {"reference": f"Patient/{person}"},
        "verificationStatus": concept(("http://terminology.hl7.org/CodeSystem/condition-ver-status", "confirmed")),
        "code": concept(code),
        "onsetDateTime": onset,
    }
    return {key: value for key, value in (found | more).items() if value is not None}


def verified(status: str) -> Json:
    return {"verificationStatus": concept(("http://terminology.hl7.org/CodeSystem/condition-ver-status", status))}


def observation(code: tuple[str, str] = MMSE, day: str = "2008-05-01", person: str = "p1", **more: Any) -> Json:
    return {
        "resourceType": "Observation",
        "status": "final",
        "subject": {"reference": f"Patient/{person}"},
        "code": concept(code),
        "effectiveDateTime": day,
        **more,
    }


def score(value: float) -> Json:
    return {"valueQuantity": {"value": value, "code": "{score}"}}


def encounter(start: str, end: str = "", person: str = "p1", **more: Any) -> Json:
    return {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": f"Patient/{person}"},
        "period": {"start": start} | ({"end": end} if end else {}),
        **more,
    }


def bundle(resources: Iterable[Json], kind: str = "collection") -> Json:
    return {"resourceType": "Bundle", "type": kind, "entry": [{"resource": one} for one in resources]}


def write_bundle(path: Path, resources: Iterable[Json], kind: str = "collection") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, json.dumps(bundle(resources, kind), indent=1).encode())
    return path


def write_lines(path: Path, resources: Iterable[Json]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, "".join(json.dumps(one) + "\n" for one in resources).encode())
    return path


def write(path: Path, raw: bytes) -> None:
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
