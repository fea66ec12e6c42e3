"""Reading FHIR: a small catalog and mapping, a cohort, and what comes of them."""

from __future__ import annotations

import base64
from functools import cache

import fhir_source as fhir
from coded_concepts import CATALOG, MAPPING, TODAY
from fhir_source import AD, MMSE, condition, encounter, observation, patient
from graph_loaders.load import load
from graph_loaders.onset import trajectories
from graph_loaders.readers import fhir as reader
from graph_loaders.tally import Tally
from ontology.linker import CatalogLinker

SEEN = encounter("2005-05-01", "2015-05-01")
"""A follow-up from the age of 75 to 85 years."""


@cache
def linker():
    return CatalogLinker(CATALOG, fuzzy=False)


def people_of(resources, mapping, tmp_path, tally=None, **options):
    """The trajectories and the tally."""
    tally = tally or Tally(today=TODAY)
    path = fhir.write_lines(tmp_path / "all.ndjson", resources)
    found = trajectories(reader.read(path, mapping, tally, **options), tally, mapping.look_up(CATALOG), mapping.risks)
    people = list(found)
    assert tally.read == tally.used + tally.skipped.total()
    return people, tally


def loaded(path, pack, tmp_path, name="ad.graph", **options):
    (tmp_path / "m.toml").write_text(MAPPING)
    return load(
        "fhir", path, pack, tmp_path / name, mapping=tmp_path / "m.toml", catalog=CATALOG, today=TODAY, **options
    )


def text_of(text, kind="text/plain"):
    return {"attachment": {"contentType": kind, "data": base64.b64encode(text.encode()).decode()}}


def cohort():
    said = []
    for number in range(6):
        key = f"p{number}"
        said += [
            patient(key, f"19{30 + number}-05-01"),
            encounter("2005-05-01", "2015-05-01", key, id=f"e{number}"),
            condition(AD, f"20{10 + number % 3}-03-01", key, id=f"c{number}"),
            observation(MMSE, "2008-05-01", key, **fhir.score(18 + 2 * number), id=f"o{number}"),
        ]
    return said
