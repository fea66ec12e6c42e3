"""FHIR R4: every resource is an event or a skip, and every form of the same data gives one graph."""

from __future__ import annotations

import gzip
import json
from collections import Counter

import pytest

import fhir_source as fhir
from coded_concepts import CATALOG, TODAY
from fhir_reading import cohort, loaded
from fhir_source import AD, PHARYNGITIS, SEIZURE, condition, patient
from graph_loaders.onset import trajectories
from graph_loaders.readers import fhir as reader
from graph_loaders.tally import Tally
from ontology.mention import Assertion

# Everything is accounted for


def accounted(path, mapping):
    """How many Conditions became events, and how many were skipped, when nothing else was in the source."""
    tally, events = Tally(today=TODAY), Counter()
    for _, found in reader.read(path, mapping, tally):
        events.update(event.where for event in found if event.where.startswith("Condition/"))
    assert set(events.values()) <= {1}
    return events.total(), tally.skipped


def test_every_condition_of_the_sample_bundles_is_accounted_for(mapping, shared_data, tmp_path):
    conditions, count = [], 0
    for file in sorted((shared_data / "fhir_synthea").glob("*.json.gz")):
        with gzip.open(file) as stream:
            plain = json.load(stream)
        count += sum(e["resource"]["resourceType"] == "Condition" for e in plain["entry"])
        conditions += [
            e["resource"] for e in plain["entry"] if e["resource"]["resourceType"] in {"Patient", "Condition"}
        ]
    assert count == 2258
    events, skipped = accounted(fhir.write_lines(tmp_path / "conditions.ndjson", conditions), mapping)
    assert events + skipped.total() == count
    assert accounted(shared_data / "fhir_synthea", mapping)[0] == events


@pytest.mark.parametrize("seed", range(3))
def test_every_condition_of_a_mixed_export_is_accounted_for(seed, mapping, tmp_path):
    import random

    rng = random.Random(seed)  # noqa: S311 - rows of a test
    statuses = ["confirmed", "refuted", "entered-in-error", "provisional", "differential", "unconfirmed", "nonsense"]
    days = ["2010-05-01", "1800-01-01", "2999-01-01", "2010", "", "soon", "2010-02-30"]
    conditions = [
        condition(rng.choice([AD, SEIZURE, PHARYNGITIS, ("urn:x", "7")]), rng.choice(days), rng.choice(["p1", "p2", "nobody"]),
                  id=f"c{i}", **fhir.verified(rng.choice(statuses)))
        for i in range(300)
    ]  # fmt: skip
    everything = [patient(), patient("p2"), *conditions]
    rng.shuffle(everything)
    path = fhir.write_lines(tmp_path / "a.ndjson", everything)
    events, skipped = accounted(path, mapping)
    assert events + skipped.total() == 300
    never = [c for c in conditions if c["verificationStatus"]["coding"][0]["code"] in {"refuted", "entered-in-error"}]
    never_of_known = sum("nobody" not in c["subject"]["reference"] for c in never)
    assert skipped["condition refuted"] + skipped["condition entered-in-error"] == never_of_known
    barred = {f"Condition/{c['id']}" for c in never}
    said = [e for _, es in reader.read(path, mapping, Tally()) for e in es]
    assert not barred & {event.where for event in said}
    assert all(
        (e.assertion is Assertion.PRESENT)
        == (conditions[int(e.where[11:])]["verificationStatus"]["coding"][0]["code"] == "confirmed")
        for e in said
    )


# Forms


def test_bundles_of_every_type_lines_and_folders_of_them_gzipped_or_not_give_the_same_graph(pack, mapping, tmp_path):
    said = cohort()
    kinds = [
        [one for one in said if one["resourceType"] == kind]
        for kind in ("Observation", "Condition", "Encounter", "Patient")
    ]
    paths = [
        fhir.write_bundle(tmp_path / f"{kind}.json", said, kind) for kind in ("transaction", "collection", "searchset")
    ]
    paths.append(fhir.write_bundle(tmp_path / "one.json.gz", said))
    paths.append(fhir.write_lines(tmp_path / "lines.jsonl", [fhir.bundle(said[:9]), fhir.bundle(said[9:])]))
    for kind in kinds:
        fhir.write_lines(tmp_path / "bulk" / f"{kind[0]['resourceType']}.ndjson.gz", kind)
    (tmp_path / "bulk" / "manifest.json").write_text('{"transactionTime": "2026-01-01T00:00:00Z", "output": []}')
    for number in range(6):
        fhir.write_bundle(tmp_path / "bundles" / "deep" / f"{5 - number}.json", said[number * 4 : number * 4 + 4])
    paths += [tmp_path / "bulk", tmp_path / "bundles"]
    people, tallies = [], []
    for path in paths:
        tally = Tally(today=TODAY)
        found = trajectories(reader.read(path, mapping, tally), tally, mapping.look_up(CATALOG), mapping.risks)
        people.append(list(found))
        tallies.append((tally.persons, tally.read, tally.used))
    assert all(found == people[0] for found in people)
    assert set(tallies) == {(6, 18, 12)}
    reports = [loaded(paths[number], pack, tmp_path) for number in (0, -2, 0)]
    assert len({report.fingerprint for report in reports}) == 1
    assert dict(reports[0].onsets) == {"Alzheimer's disease": 6, "Mental deterioration": 3}


def test_references_by_address_and_by_uuid_and_merged_patients_are_followed(mapping, tmp_path):
    uuid, other = "urn:uuid:5f0e-a", "urn:uuid:77"
    entries = [
        {"fullUrl": "urn:uuid:c1", "resource": condition() | {"subject": {"reference": uuid}}},
        {"fullUrl": uuid, "resource": patient("real-id")},
        {"fullUrl": other, "resource": {k: v for k, v in patient().items() if k != "id"}},
        {"resource": condition(SEIZURE) | {"subject": {"reference": other}}},
        {
            "resource": condition(SEIZURE)
            | {"subject": {"reference": "https://h.example/fhir/Patient/real-id/_history/3"}}
        },
        {"resource": patient("old", link=[{"type": "replaced-by", "other": {"reference": "Patient/real-id"}}])},
        {"resource": condition(PHARYNGITIS, person="old")},
    ]
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"type": "transaction", "entry": entries, "resourceType": "Bundle"}))
    tally = Tally()
    found = {person.id: [event.coding.code for event in events] for person, events in reader.read(path, mapping, tally)}
    assert found == {"real-id": [AD[1], SEIZURE[1], PHARYNGITIS[1]], "77": [SEIZURE[1]]}


def test_no_identifier_date_name_or_text_is_in_the_graph(pack, tmp_path):
    loaded(fhir.write_bundle(tmp_path / "secret-file.json", cohort()), pack, tmp_path)
    raw = (tmp_path / "ad.graph").read_bytes()
    for secret in (
        b"Zorn",
        b"2010-03-01",
        b"1930-05",
        b"secret-file",
        b"p0000000",
        b"Condition/",
        str(tmp_path).encode(),
    ):
        assert secret not in raw
