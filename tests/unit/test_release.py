"""What a release writes, refuses and remembers."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from graph_loaders import release as use_case
from graph_loaders.elements import Edge, GraphElements, Node, canonical_json
from graph_loaders.ledger import Ledger
from graph_loaders.release import Terms, release, released
from graph_loaders.stores.sqlite_store import SqliteStore
from graph_loaders.verify import verify
from ontology.errors import ConfigError, MissingGraph, StoreError
from random_cohorts import BOUNDS, events_of, people, private

EVENTS = events_of(3)


@pytest.fixture(scope="module")
def graph():
    return private(people(np.random.default_rng(4), 300, EVENTS), EVENTS, bounds=BOUNDS)


@pytest.fixture
def file(tmp_path, graph):
    return written(tmp_path / "private.graph", graph)


def written(path, elements):
    with SqliteStore(path) as store:
        store.write(elements)
    return path


def read(path):
    with SqliteStore(path) as store:
        return store.read(private=True)


def test_a_released_graph_is_sound_says_how_and_tells_nothing_of_where_it_was_made(file, tmp_path):
    report = release(
        file, tmp_path / "public.graph", Terms(rename={"c": "site-a"}, source="Clinic A", date="2026-11-24")
    )
    found = read(tmp_path / "public.graph")
    assert verify(found) == ()
    (cohort,) = (n for n in found.nodes if n.label == "Cohort")
    assert cohort.key == "site-a"
    assert cohort.properties["released"] == "suppression"
    assert (cohort.properties["min_cell"], cohort.properties["source"]) == (11, "Clinic A")
    text = "".join(map(canonical_json, found))
    assert "secret" not in text
    assert '"c"' not in text
    assert report.fingerprint == found.fingerprint
    assert report.texts == [f"Sign {e}" for e in EVENTS]
    assert not [n for n in found.nodes if n.label == "Ledger"]


def test_the_private_graph_keeps_the_ledger_when_the_cohort_is_loaded_again(file, tmp_path, graph):
    release(file, tmp_path / "public.graph", Terms(date="2026-11-24"))
    with SqliteStore(file) as store:
        store.write(graph, replace="c")
    (entry,) = Ledger.of(read(file), "c").entries
    assert (entry["mechanism"], entry["persons"], entry["when"]) == ("suppression", 300, "2026-11-24")
    release(file, tmp_path / "again.graph", Terms())
    assert read(tmp_path / "again.graph") == read(tmp_path / "public.graph")


def test_a_second_release_of_other_persons_or_another_least_cell_is_refused(file, tmp_path):
    release(file, tmp_path / "public.graph", Terms())
    with pytest.raises(ConfigError, match="difference of two releases"):
        release(file, tmp_path / "other.graph", Terms(min_cell=5))
    more = private(people(np.random.default_rng(4), 301, EVENTS), EVENTS, bounds=BOUNDS)
    with SqliteStore(file) as store:
        store.write(more, replace="c")
    with pytest.raises(ConfigError, match="difference of two releases"):
        release(file, tmp_path / "other.graph", Terms())
    with pytest.raises(ConfigError, match="undo each other"):
        release(file, tmp_path / "other.graph", Terms(epsilon=1.0))
    assert not (tmp_path / "other.graph").exists()


def test_a_budget_is_kept_over_releases_and_no_more_is_spent(file, tmp_path):
    terms = Terms(epsilon=1.0, epsilon_total=2.0)
    release(file, tmp_path / "1.graph", terms)
    release(file, tmp_path / "2.graph", Terms(epsilon=1.0))
    with pytest.raises(ConfigError, match="has epsilon 0, delta 0 left"):
        release(file, tmp_path / "3.graph", Terms(epsilon=0.1))
    with pytest.raises(ConfigError, match="cannot be changed"):
        release(file, tmp_path / "3.graph", replace(terms, epsilon_total=9.0))
    found = read(file)
    assert Ledger.of(found, "c").epsilon == 2.0
    assert verify(found) == ()
    assert not (tmp_path / "3.graph").exists()


def test_a_release_that_cannot_be_written_is_spent(file, tmp_path):
    with pytest.raises(StoreError):
        release(file, tmp_path / "nowhere" / "public.graph", Terms(epsilon=1.0))
    assert Ledger.of(read(file), "c").epsilon == 1.0


def test_a_dry_run_writes_and_spends_nothing(file, tmp_path):
    before = file.read_bytes()
    report = release(file, tmp_path / "public.graph", Terms(epsilon=1.0), dry_run=True)
    assert report.cohorts[0]["mechanism"] == "discrete Laplace"
    assert file.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["private.graph"]


def test_a_cohort_that_keeps_persons_never_leaves(tmp_path, graph):
    nodes = [Node(n.label, n.key, {**n.properties, "private": True}) if n.label == "Cohort" else n for n in graph.nodes]
    file = written(tmp_path / "private.graph", GraphElements.of([*nodes, *graph.edges]))
    with pytest.raises(ConfigError, match="keeps persons and can never leave"):
        release(file, tmp_path / "public.graph", Terms())
    assert not (tmp_path / "public.graph").exists()


def test_what_was_released_before_passes_unchanged_and_facts_stay(graph):
    facts = [Node("Category", "label:x", {"name": "x"}), Edge("IN", ("Concept", EVENTS[0]), ("Category", "label:x"))]
    once, ledgers = released(graph + GraphElements.of(facts), Terms())
    twice, more = released(once, Terms(min_cell=20))
    assert once == twice
    assert (len(ledgers), more) == (1, [])
    assert all(element in (*once.nodes, *once.edges) for element in facts)


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        (Terms(min_cell=1), "hides nobody"),
        (Terms(delta=1e-6), "belong to --epsilon"),
        (Terms(epsilon=0.0), "not a privacy loss"),
        (Terms(epsilon=float("nan")), "not a privacy loss"),
        (Terms(epsilon=1.0, delta=0.1), "not below 0.001"),
        (Terms(rename={"d": "x"}), "no cohort 'd'"),
        (Terms(rename={"c": "/etc/passwd"}), "cannot name a cohort"),
    ],
)
def test_terms_that_protect_nothing_are_refused_in_one_sentence(file, tmp_path, terms, message):
    with pytest.raises(ConfigError, match=message):
        release(file, tmp_path / "public.graph", terms)
    assert not (tmp_path / "public.graph").exists()
    assert Ledger.of(read(file), "c").entries == ()


def test_nothing_is_written_over_and_a_missing_graph_is_said(file, tmp_path):
    (tmp_path / "public.graph").write_text("mine")
    with pytest.raises(ConfigError, match="something at"):
        release(file, tmp_path / "public.graph", Terms())
    with pytest.raises(MissingGraph):
        release(tmp_path / "none.graph", tmp_path / "new.graph", Terms())
    with pytest.raises(ConfigError, match="only facts"):
        released(GraphElements.of([Node("Start", "start")]), Terms())
    assert use_case.LEAST_CELL == 11


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"min_cell": 0}, "no-min-cell"),
        ({"released": "differential privacy"}, "no-epsilon"),
        ({"private": True}, "private-release"),
        ({"members": ["lost"]}, "no-member"),
        ({"persons": 3}, "small-cell"),
        ({"min_cell": 100_000}, "small-cell"),
    ],
)
def test_verify_finds_a_broken_promise(graph, change, code):
    public, _ = released(graph, Terms())
    nodes = [Node(n.label, n.key, {**n.properties, **change}) if n.label == "Cohort" else n for n in public.nodes]
    assert code in {issue.code for issue in verify(GraphElements.of([*nodes, *public.edges]))}


def test_verify_finds_a_small_count_a_lost_source_and_a_ledger_over_its_budget(graph):
    public, _ = released(graph, Terms())
    small = Edge("PRECEDES", ("Concept", EVENTS[0]), ("Concept", EVENTS[1]), "x", {"cohort": "c", "persons": 3})
    aged = Edge("ESTIMATES", ("Cohort", "c"), ("Concept", EVENTS[0]), "x", {"cohort": "c", "events_by_age": [0] * 8})
    cited = Edge("PRECEDES", ("Concept", EVENTS[0]), ("Concept", EVENTS[1]), "f", {"basis": "cited"})
    over = Node("Ledger", "ledger:c", {"cohort": "c", "epsilon_total": 1.0, "entries": [json.dumps({"epsilon": 2.0})]})
    torn = Node("Ledger", "ledger:d", {"cohort": "d", "entries": ["{"]})
    found = {issue.code for issue in verify(GraphElements.of([*public, small, aged, cited, over, torn]))}
    assert found == {"small-cell", "not-released", "no-source", "over-budget", "bad-ledger"}
