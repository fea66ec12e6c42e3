"""FHIR R4: damage, other versions and resources of any shape are counted skips or one clear error."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fhir_source as fhir
from coded_concepts import CATALOG, TODAY
from fhir_reading import cohort, linker, loaded
from fhir_source import AD, concept, condition, encounter, observation, patient
from graph_loaders.onset import trajectories
from graph_loaders.readers import fhir as reader
from graph_loaders.tally import Tally
from ontology.errors import DualAlignError, SourceError


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        (condition() | {"verificationStatus": "confirmed"}, "STU3 or DSTU2"),
        (condition() | {"context": {"reference": "Encounter/1"}}, "STU3"),
        (condition() | {"participant": []}, "R5"),
        (encounter("2010") | {"class": [concept(AD)]}, "R5"),
        (encounter("2010") | {"actualPeriod": {"start": "2010"}}, "R5"),
        ({"resourceType": "MedicationOrder"}, "DSTU2"),
        (patient() | {"meta": {"profile": ["http://hl7.org/fhir/5.0/StructureDefinition/Patient"]}}, "R5"),
    ],
)
@pytest.mark.parametrize("form", ["a.json", "a.ndjson"])
def test_another_version_is_one_clear_error_and_no_graph(resource, said, form, pack, tmp_path):
    write = fhir.write_bundle if form == "a.json" else fhir.write_lines
    path = write(tmp_path / form, [*cohort(), resource])
    with pytest.raises(SourceError, match=f"{said}.*R4 is read, so convert it first"):
        loaded(path, pack, tmp_path)
    assert not (tmp_path / "ad.graph").exists()


@pytest.mark.parametrize("name", ["a.json", "a.json.gz", "a.ndjson", "a.ndjson.gz"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[: len(raw) // 2],
        lambda raw: raw[:-2],
        lambda _: b"",
        lambda raw: b"\x00" * len(raw),
        lambda raw: raw.decode().encode("utf-16"),
        lambda raw: raw.replace(b"Zorn", "Zörn".encode("latin-1")),
        lambda raw: raw.replace(b"Zorn", b"Z\x00rn"),
        lambda raw: raw.replace(b'"p1"', b'"p\\u00001"'),
        lambda raw: raw.replace(b'"p1"', b'"p\\ud8001"'),
        lambda raw: b"[" * 100_000 + raw,
        lambda _: b'{"a": ' * 100_000,
    ],
)
def test_damaged_files_are_counted_skips_or_one_clear_error(name, damage, mapping, tmp_path):
    write = fhir.write_bundle if ".json" in name else fhir.write_lines
    path = write(tmp_path / name, cohort())
    hurt = damage(gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes())
    path.write_bytes(gzip.compress(hurt) if name.endswith(".gz") else hurt)
    assert len(check_is_clear(path, mapping).splitlines()) < 2


@pytest.mark.parametrize("keep", [0, 1, 10, 200, -1])
def test_a_truncated_gzip_file_is_one_clear_error(keep, pack, tmp_path):
    path = fhir.write_lines(tmp_path / "a.ndjson.gz", cohort())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DualAlignError):
        loaded(path, pack, tmp_path)
    assert not (tmp_path / "ad.graph").exists()


def check_is_clear(path, mapping):
    """Every row is used or skipped, or one error says what is wrong; a load writes only after all was read."""
    tally = Tally(today=TODAY)
    try:
        found = list(trajectories(reader.read(path, mapping, tally, linker=linker()), tally, mapping.look_up(CATALOG)))
    except SourceError as error:
        return str(error)
    assert tally.read == tally.used + tally.skipped.total()
    assert all(0 <= onset.age <= 130 for person in found for onset in person.onsets)
    return ""


def test_lines_that_are_no_resource_are_counted_with_their_place(pack, tmp_path):
    path = fhir.write_lines(tmp_path / "a.ndjson", cohort())
    path.write_bytes(
        path.read_bytes() + b'{"resourceType": "Condition", "code": 5}\n{"resourceType": "Cond\n[]\n\n"x"\n'
    )
    report = loaded(path, pack, tmp_path)
    assert report.skipped["resource that is not of the form of FHIR R4"] == 4
    assert [str(issue).split(": ")[0] for issue in report.issues] == [
        f"warning row-skipped at a.ndjson:{n}" for n in (25, 26, 27, 29)
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", '{"transactionTime": "x"}', "no resourceType"),
        ("a.json", '{"resourceType": "Bundle", "type": "history", "entry": []}', "old versions"),
        ("a.json", '{"resourceType": "Patient"}\n{"resourceType": "Patient"}', "ndjson"),
        ("a.xml", "<Bundle/>", "no JSON file by its name"),
    ],
)
def test_what_is_no_fhir_data_is_one_sentence(name, text, said, pack, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(SourceError, match=said):
        loaded(tmp_path / name, pack, tmp_path)
    with pytest.raises(SourceError, match="is not there"):
        loaded(tmp_path / "none", pack, tmp_path)


LEAF = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 10**20), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=6),
    st.sampled_from(["p1", "Patient/p1", "2010-05-01", "2999", "1800-01-01", "refuted", "confirmed", "final", "\x00", "9999-12-31"]),
)  # fmt: skip


NAMES = st.sampled_from(
    [
        "resourceType", "id", "subject", "reference", "code", "coding", "system", "status", "verificationStatus", "onsetDateTime",
        "onsetAge", "value", "unit", "birthDate", "extension", "url", "valueQuantity", "component", "meta", "lastUpdated",
        "versionId", "period", "start", "content", "attachment", "data", "contained", "medicationReference", "link", "other",
        "type", "focus", "abatementAge", "entry", "resource",
    ]
)  # fmt: skip


TREES = st.recursive(
    LEAF, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=5)), max_leaves=12
)


KINDS = st.sampled_from(
    ["Patient", "Condition", "Observation", "MedicationRequest", "Medication", "DiagnosticReport", "Encounter", "DocumentReference",
     "FamilyMemberHistory", "Bundle", "Procedure", "", "x" * 99]
)  # fmt: skip


BASES = st.sampled_from([condition(), observation(**fhir.score(20)), patient(), encounter("2010-01-01"), {}])


@settings(max_examples=150)
@given(
    st.lists(st.tuples(BASES, st.one_of(st.none(), KINDS), st.dictionaries(NAMES, TREES, max_size=4)), max_size=6),
    st.sampled_from(["a.json", "a.ndjson"]),
)
def test_resources_of_any_shape_are_counted_skips_or_one_clear_error(mapping, tmp_path_factory, rows, name):
    resources = [patient("p2"), condition(person="p2")]
    resources += [base | ({} if kind is None else {"resourceType": kind}) | more for base, kind, more in rows]
    folder = tmp_path_factory.mktemp("fuzz")
    path = (fhir.write_bundle if name == "a.json" else fhir.write_lines)(folder / name, resources)
    assert len(check_is_clear(path, mapping).splitlines()) < 2
