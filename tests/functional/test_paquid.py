"""The PAQUID table becomes a graph through its mapping file; the counts are those of the reference scripts."""

from __future__ import annotations

from pathlib import Path

import pytest

from graph_loaders.load import load_table
from graph_loaders.stores import open_store
from ontology.errors import ConfigError
from ontology.pack import load_pack

MAPPING = Path(__file__).resolve().parents[1] / "scenarios" / "paquid" / "mapping.toml"


@pytest.fixture
def paquid(shared_data):
    return shared_data / "paquid" / "paquid.csv"


def test_persons_visits_and_onsets_are_those_of_the_reference(paquid, tmp_path):
    report = load_table(paquid, MAPPING, load_pack(), tmp_path / "ad.graph")
    assert (report.persons, report.trajectories, report.used, report.read) == (500, 500, 19396, 19396)
    assert dict(report.onsets) == {
        "Difficulty walking": 471,
        "Transportation assistance": 334,
        "Self-care assistance": 128,
        "Cognitive impairment": 187,
        "Mental deterioration": 69,
        "Visual memory impairment": 221,
        "Reduced verbal fluency": 199,
        "Depression": 128,
        "Dementia": 128,
    }


def test_loading_twice_changes_nothing_and_no_person_is_kept(paquid, tmp_path):
    pack = load_pack()
    first = load_table(paquid, MAPPING, pack, tmp_path / "ad.graph")
    second = load_table(paquid, MAPPING, pack, tmp_path / "ad.graph")
    assert first.fingerprint == second.fingerprint
    with open_store(tmp_path / "ad.graph") as store:
        labels = {node.label for node in store.read(private=True).nodes}
    assert labels <= {"Concept", "RiskFactor", "Demographic", "Category", "Stage", "Cohort", "Start", "Death", "End"}


def test_a_dry_run_reports_and_writes_nothing(paquid, tmp_path):
    report = load_table(paquid, MAPPING, load_pack(), tmp_path / "ad.graph", dry_run=True)
    assert report.persons == 500
    assert not report.written
    assert not (tmp_path / "ad.graph").exists()


def test_an_empty_table_leaves_the_graph_as_it_was(paquid, tmp_path):
    pack = load_pack()
    before = load_table(paquid, MAPPING, pack, tmp_path / "ad.graph").fingerprint
    empty = tmp_path / "empty.csv"
    empty.write_text(paquid.read_text().splitlines()[0] + "\n")
    with pytest.raises(ConfigError, match="no person that can be used"):
        load_table(empty, MAPPING, pack, tmp_path / "ad.graph")
    with open_store(tmp_path / "ad.graph") as store:
        assert store.read().fingerprint == before
