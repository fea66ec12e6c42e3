"""Whatever a source holds, a reader reads what it can or stops with one `SourceError`."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ontology.catalog_build import build_catalog
from ontology.catalog_formats import export_catalog, source_of
from ontology.catalog_store import StoredCatalog
from ontology.concept import parse_concept_id
from ontology.errors import SourceError
from ontology.readers.reading import Reading

PHASES = (Phase.explicit, Phase.generate)  # to shrink a failure takes minutes where an example writes files
CUTS = settings(max_examples=40, deadline=None, phases=PHASES)
OBO = """format-version: 1.2

[Term]
id: HP:1
name: Zörb
xref: UMLS:C9000001

[Term]
id: HP:2
name: b
is_a: HP:1
""".encode()
ROWS = [
    f"C900000{at}|ENG|P|L1|PF|S1|Y|A1||||MSH|MH|D{at}|Zörb {at}|0|N|256|\n".encode() for at in range(4)
]  # fmt: skip


def read(form: str, path: Path) -> list[str]:
    reading = Reading()
    found = [parse_concept_id(concept.cui) for concept in source_of(form, path).read(reading)]
    assert all(finding.count > 0 for finding in reading.findings)
    return found


@pytest.mark.parametrize("form", ["jsonl", "csv", "ttl", "jsonld", "obo"])
@given(data=st.data())
@CUTS
def test_a_file_that_was_cut_or_has_other_bytes_in_it(form: str, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "MRCONSO.RRF").write_bytes(b"".join(ROWS))
        path = folder / f"a.{form}"
        if form == "obo":
            path.write_bytes(OBO)
        else:
            build_catalog([source_of("umls", folder)], folder / "a.catalog")
            export_catalog(StoredCatalog(folder / "a.catalog"), path)
        whole = path.read_bytes()
        at = data.draw(st.integers(0, len(whole)))
        path.write_bytes(whole[:at] + data.draw(st.binary(max_size=6)) + data.draw(st.sampled_from((b"", whole[at:]))))
        with suppress(SourceError):
            assert len(read({"ttl": "skos", "jsonld": "skos"}.get(form, form), path)) <= len(ROWS) + 1


@given(data=st.data())
@CUTS
def test_a_release_whose_rows_are_damaged(data: st.DataObject) -> None:
    whole = b"".join(ROWS)
    at = data.draw(st.integers(0, len(whole)))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "MRCONSO.RRF").write_bytes(
            whole[:at] + data.draw(st.binary(max_size=8)) + data.draw(st.sampled_from((b"", whole[at:])))
        )
        for file in ("MRSTY", "MRDEF", "MRREL", "MRRANK", "MRCUI", "MRSAB"):
            (folder / f"{file}.RRF").write_bytes(data.draw(st.binary(max_size=40)))
        with suppress(SourceError):
            read("umls", folder)
            report = build_catalog([source_of("umls", folder)], folder / "a.catalog")
            assert len(StoredCatalog(folder / "a.catalog")) == report.counts["concepts"] <= len(ROWS) + 1
