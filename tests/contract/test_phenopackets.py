"""Phenopackets v2 and symptom profiles: features at ages, what is excluded is absent, and every entry is an event or a skip."""

from __future__ import annotations

import gzip
import json
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph_loaders.load import load
from graph_loaders.mapping import read_code_mapping
from graph_loaders.onset import trajectories
from graph_loaders.readers import phenopacket, profile
from graph_loaders.tally import Tally
from ontology.catalog import Catalog
from ontology.concept import Coding, Concept, Cui
from ontology.errors import ConfigError, SourceError
from ontology.linker import CatalogLinker

DEMENTIA, APATHY, MEMORY, AD = "C0497327", "C0085632", "C0751295", "C0002395"
CATALOG = Catalog(
    [
        Concept(Cui(DEMENTIA), "Dementia", codings=(Coding("HPO", "HP:0000726"),)),
        Concept(Cui(APATHY), "Apathy", codings=(Coding("HPO", "HP:0000741"),)),
        Concept(Cui(MEMORY), "Memory loss", codings=(Coding("HPO", "HP:0002354"),)),
        Concept(Cui(AD), "Alzheimer's disease", codings=(Coding("MONDO", "MONDO:0004975"), Coding("OMIM", "104300"))),
    ]
)
MAPPING = """
cohort = "rare"
[codes]
"category:mood" = "C0085632"
"category:memory" = "C0751295"
[[thresholds]]
code = "LNC:72106-8"
when = "< 24"
cui = "C0234985"
"""
TODAY = date(2026, 1, 1)


@pytest.fixture(scope="module")
def mapping(pack, tmp_path_factory):
    path = tmp_path_factory.mktemp("mapping") / "m.toml"
    path.write_text(MAPPING)
    return read_code_mapping(path, pack)


def written(tmp_path, *values, name="a.jsonl"):
    text = "".join(json.dumps(value) + "\n" for value in values)
    (tmp_path / name).write_text(text)
    return tmp_path / name


def people_of(reader, path, mapping, **options):
    tally = Tally(today=TODAY)
    found = trajectories(reader.read(path, mapping, tally, **options), tally, mapping.look_up(CATALOG), mapping.risks)
    people = list(found)
    assert tally.read == tally.used + tally.skipped.total()
    return people, tally


def age(duration):
    return {"age": {"iso8601duration": duration}}


def packet(*features, key="s1", last="P80Y", **more):
    subject = {"id": key, "sex": "FEMALE", "timeAtLastEncounter": age(last)}
    meta = {"created": "2024-01-01T00:00:00Z", "phenopacketSchemaVersion": "2.0"}
    return {"id": f"packet-{key}", "subject": subject, "phenotypicFeatures": list(features), "metaData": meta, **more}


def feature(code="HP:0000741", **more):
    return {"type": {"id": code, "label": "x"}, **more}


def onsets(person):
    return [(onset.cui, onset.age, onset.after) for onset in person.onsets]


def test_features_diseases_and_measurements_come_at_their_ages(mapping, tmp_path):
    said = packet(
        feature("HP:0002354", onset=age("P70Y")),
        feature("HP:0000741", onset=age("P72Y6M")),
        feature("HP:0000726", excluded=True),
        feature("HP:0001250"),
        diseases=[{"term": {"id": "MONDO:0004975"}, "onset": age("P75Y")}],
        measurements=[
            {"assay": {"id": "LOINC:72106-8"}, "value": {"quantity": {"value": 20}}, "timeObserved": age("P78Y")},
            {"assay": {"id": "LOINC:8302-2"}, "value": {"quantity": {"value": 160}}, "timeObserved": age("P78Y")},
        ],
        interpretations=[{}, {}],
    )
    (person,), tally = people_of(phenopacket, written(tmp_path, said), mapping)
    assert (person.entry_age, person.exit_age, person.persona.traits) == (70.0, 80.0, {"sex": "female"})
    assert onsets(person) == [(MEMORY, 70.0, None), (APATHY, 72.5, 72.5), (AD, 75.0, 75.0), ("C0234985", 78.0, 78.0)]
    assert [(a.cui, a.age) for a in person.absences] == [(DEMENTIA, 80.0)]
    assert dict(tally.skipped) == {
        "code without a concept": 1,
        "interpretations are not read": 2,
        "number without a threshold in the mapping": 1,
    }
    assert dict(tally.unmapped) == {"HPO:HP:0001250": 1, "LNC:8302-2": 1}


@pytest.mark.parametrize(
    ("onset", "found"),
    [
        ({"ageRange": {"start": {"iso8601duration": "P70Y"}, "end": {"iso8601duration": "P74Y"}}}, (74.0, 70.0)),
        ({"ontologyClass": {"id": "HP:0003584", "label": "Late onset"}}, (80.0, 60.0)),
        ({"ontologyClass": {"id": "HP:0003596", "label": "Middle age onset"}}, (60.0, 40.0)),
        ({"timestamp": "2010-07-02T00:00:00Z"}, (75.0, 75.0)),
        ({"interval": {"start": "2010-07-02T00:00:00Z", "end": "2011-01-01T00:00:00Z"}}, (75.0, 75.0)),
        ({}, (80.0, 80.0)),
    ],
)
def test_an_onset_between_two_ages_began_between_them(onset, found, mapping, tmp_path):
    said = packet(feature("HP:0002354", onset=age("P35Y")), feature("HP:0000741", onset=onset))
    said["subject"]["dateOfBirth"] = "1935-07-02T00:00:00Z"
    (person,), _ = people_of(phenopacket, written(tmp_path, said), mapping)
    assert onsets(person)[1] == (APATHY, *(pytest.approx(one, abs=0.01) for one in found))


def test_what_resolved_is_absent_from_then_on_and_death_ends_the_window(mapping, tmp_path):
    said = packet(feature("HP:0002354", onset=age("P70Y")), feature(onset=age("P72Y"), resolution=age("P74Y")))
    said["subject"]["vitalStatus"] = {"status": "DECEASED", "timeOfDeath": age("P79Y")}
    (person,), _ = people_of(phenopacket, written(tmp_path, said), mapping)
    assert [(a.cui, a.age) for a in person.absences] == [(APATHY, 74.0)]
    assert (person.exit_age, person.died) == (79.0, True)


def test_a_relatives_features_are_never_the_probands(mapping, tmp_path):
    family = {
        "id": "f",
        "proband": packet(feature("HP:0002354")),
        "relatives": [packet(feature(), key="s2")],
        "pedigree": {},
    }
    (one, two), _ = people_of(phenopacket, written(tmp_path, family), mapping)
    assert ([o.cui for o in one.onsets], [o.cui for o in two.onsets]) == ([MEMORY], [APATHY])


def snake(value):
    import re

    if isinstance(value, dict):
        return {re.sub("([A-Z])", lambda m: f"_{m[1].lower()}", k): snake(v) for k, v in value.items()}
    return [snake(v) for v in value] if isinstance(value, list) else value


def test_every_form_gives_the_same_people(mapping, tmp_path):
    packets = [packet(feature(onset=age(f"P{70 + n}Y")), key=f"s{n}") for n in range(4)]
    cohort = {"id": "c", "description": "x", "members": packets}
    forms = [
        written(tmp_path, *packets),
        written(tmp_path, *map(snake, packets), name="snake.ndjson"),
        written(tmp_path, cohort, name="cohort.json"),
        written(tmp_path, snake(cohort), cohort, name="twice.jsonl"),
    ]
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    for number, one in enumerate(packets):
        (tmp_path / "folder" / "deep" / f"{9 - number}.json.gz").write_bytes(
            gzip.compress(json.dumps(one, indent=2).encode())
        )
    found = [people_of(phenopacket, form, mapping) for form in (*forms, tmp_path / "folder")]
    assert all(people == found[0][0] for people, _ in found)
    assert len(found[0][0]) == 4
    assert found[3][1].skipped["packet said twice"] == 4


@pytest.mark.parametrize(
    "old", [packet(feature(negated=True)), packet(metaData={"phenopacketSchemaVersion": "1.0.0"}),
            packet(subject={"id": "x", "ageAtCollection": {"age": "P70Y"}})]
)  # fmt: skip
def test_version_1_is_one_clear_error_and_no_graph(old, pack, tmp_path):
    path = written(tmp_path, packet(feature()), old)
    with pytest.raises(SourceError, match=r"version 1 at .*:2; version 2 is read"):
        load("phenopacket", path, pack, tmp_path / "g", cohort="x", catalog=CATALOG)
    assert not (tmp_path / "g").exists()


PROFILE = {
    "id": "p1",
    "sex": "F",
    "race": "white",
    "risk_factors": ["diabetes", "her secret"],
    "died": 79,
    "profile": {
        "71": [["memory", "Misplaces her keys."], ["sleep", "Wakes at night."]],
        "73-75": [["mood", "Has lost interest."], "no pair"],
        "seventy": [["mood", "x"]],
    },
}


def test_a_profile_is_a_persons_ages_with_what_was_seen_at_each(mapping, tmp_path):
    (person,), tally = people_of(profile, written(tmp_path, PROFILE), mapping)
    assert onsets(person) == [(MEMORY, 71.0, None), (APATHY, 74.0, 71.0)]
    assert (person.visits, person.died, person.exit_age) == ((71.0, 74.0), True, 79.0)
    assert (person.persona.traits, person.persona.risk_factors) == ({"sex": "female", "race": "white"}, ("diabetes",))
    assert dict(tally.skipped) == {
        "code without a concept": 1,
        "entry at an age that is none": 1,
        "entry that is no pair of category and sentence": 1,
    }
    assert dict(tally.unmapped) == {"category:sleep": 1}


def test_with_a_linker_the_sentences_of_a_profile_count(mapping, tmp_path):
    said = {
        "71": [["x", "No apathy."], ["x", "Well."]],
        "74": [["memory", "Apathy and memory loss."], ["y", "Mother had dementia."]],
    }
    linker = CatalogLinker(CATALOG, fuzzy=False)
    (person,), tally = people_of(profile, written(tmp_path, {"id": "a", "profile": said}), mapping, linker=linker)
    assert sorted(onsets(person)) == [(APATHY, 74.0, 71.0), (MEMORY, 74.0, 71.0)]
    assert dict(tally.skipped) == {"assertion family": 1, "note without a concept": 1}


def test_profiles_come_in_every_form(mapping, tmp_path):
    bare, pairs = PROFILE["profile"], {"71": [{"category": "memory", "sentence": "x"}], "74": [["mood", "y"]]}
    forms = {
        "list.json": [PROFILE],
        "object.json": {"p1": pairs},
        "one.json": pairs,
        "whole.json": PROFILE,
        "nested.json": {"p1": PROFILE},
    }
    for name, value in forms.items():
        (tmp_path / name).write_text(json.dumps(value))
        (person,), _ = people_of(profile, tmp_path / name, mapping)
        assert [cui for cui, _, _ in onsets(person)] == [MEMORY, APATHY]
    path = written(
        tmp_path, {"id": 1, "profile": {"71": bare["71"]}}, {"id": 1, "profile": {"73-75": bare["73-75"]}}, pairs
    )
    assert [len(person.onsets) for person in people_of(profile, path, mapping)[0]] == [2, 2]


def test_no_sentence_or_identifier_reaches_the_graph(pack, tmp_path):
    (tmp_path / "m.toml").write_text(MAPPING)
    path = written(tmp_path, PROFILE | {"id": "person-7731"}, {"id": "b", "profile": {"70": [], "72": [["mood", "z"]]}})
    report = load("profile", path, pack, tmp_path / "g", mapping=tmp_path / "m.toml")
    assert dict(report.onsets) == {"Apathy": 2, "Memory loss": 1}
    raw = (tmp_path / "g").read_bytes()
    for secret in (b"Misplaces", b"person-7731", b"lost interest", b"her secret"):
        assert secret not in raw


@pytest.mark.parametrize("reader", [phenopacket, profile])
@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.jsonl.gz"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[: len(raw) // 2], lambda _: b"", lambda raw: b"\x00" * len(raw), lambda raw: raw.decode().encode("utf-16"),
        lambda raw: raw.replace(b"s1", b"s\xff1"), lambda raw: raw.replace(b"s1", b"s\\u00001\\ud800"), lambda _: b"[" * 100_000,
    ],
)  # fmt: skip
def test_damaged_files_are_counted_skips_or_one_clear_error(reader, name, damage, mapping, tmp_path):
    hurt = damage(json.dumps(packet(feature(onset=age("P70Y"))) | PROFILE).encode())
    (tmp_path / name).write_bytes(gzip.compress(hurt) if name.endswith(".gz") else hurt)
    assert len(check_is_clear(reader, tmp_path / name, mapping).splitlines()) < 2


def check_is_clear(reader, path, mapping):
    """Every entry is used or skipped, or one error of one line says what is wrong."""
    try:
        people, _ = people_of(reader, path, mapping)
    except (SourceError, ConfigError) as error:
        return str(error)
    assert all(0 <= onset.age <= 130 for person in people for onset in person.onsets)
    return ""


NAMES = st.sampled_from(
    [
        "id", "subject", "sex", "timeAtLastEncounter", "age", "iso8601duration", "phenotypicFeatures", "type", "onset", "excluded",
        "ageRange", "start", "end", "ontologyClass", "timestamp", "diseases", "term", "members", "proband", "relatives", "metaData",
        "vitalStatus", "status", "timeOfDeath", "profile", "71", "9999", "category", "sentence", "died", "measurements", "value",
    ]
)  # fmt: skip
LEAF = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 10**20), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=6),
    st.sampled_from(["HP:0000741", "P70Y", "P999Y", "P-1Y", "P9.9.9Y", "2999-01-01", "\x00", "s1", "mood"]),
)  # fmt: skip
TREES = st.recursive(
    LEAF, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=5)), max_leaves=12
)
BASES = st.sampled_from([packet(feature(onset=age("P70Y"))), PROFILE, {}])


@settings(max_examples=80)
@given(st.lists(st.tuples(BASES, st.dictionaries(NAMES, TREES, max_size=4)), max_size=5), st.booleans())
def test_values_of_any_shape_are_counted_skips_or_one_clear_error(mapping, tmp_path_factory, rows, whole):
    folder = tmp_path_factory.mktemp("fuzz")
    values = [base | more for base, more in rows]
    path = written(folder, *([{"members": values}] if whole else values), name="a.json" if whole else "a.jsonl")
    for reader in (phenopacket, profile):
        assert len(check_is_clear(reader, path, mapping).splitlines()) < 2
