"""`graph release`, `merge`, `verify` and `export` as they are typed."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from engine.cli.graph import command
from engine.graph import open_graph
from graph_loaders.elements import GraphElements, Node
from graph_loaders.facts import facts_to_elements
from graph_loaders.stores.sqlite_store import SqliteStore
from ontology.errors import ConfigError
from ontology.pack import load_pack
from random_cohorts import BOUNDS, people, private

PACK = load_pack()
EVENTS = [c.cui for c in PACK.concepts[:3]]


def made(path, seed, cohort):
    graph = private(people(np.random.default_rng(seed), 200, EVENTS), EVENTS, cohort, bounds=BOUNDS)
    known = {(n.label, n.key) for n in facts_to_elements(PACK).nodes}
    own = [n for n in graph.nodes if (n.label, n.key) not in known]
    with SqliteStore(path) as store:
        store.write([*facts_to_elements(PACK), *own, *graph.edges])
    return path


def run(*arguments):
    found = CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False)
    return found.exit_code, found.output


@pytest.fixture(scope="module")
def public(tmp_path_factory):
    folder = tmp_path_factory.mktemp("release")
    files = []
    for seed, name in enumerate(("a", "b")):
        made(folder / f"{name}.graph", seed, name)
        files.append(folder / f"{name}.public.graph")
        code, text = run("release", folder / f"{name}.graph", files[-1], "--cohort", f"{name}=site-{name}", "--json")
        assert code == 0
        assert json.loads(text)["cohorts"][0]["persons"] == 200
    return files


def test_a_released_graph_is_verified_exported_and_sampled_from(public, tmp_path):
    assert run("verify", public[0], "--json") == (0, "[]\n")
    assert run("export", public[0], tmp_path / "a.json")[0] == 0
    text = (tmp_path / "a.json").read_text()
    assert '"released": "suppression"' in text
    assert "secret" not in text
    with open_graph(public[0]) as graph:
        assert len(list(graph.sample(20, seed=1))) == 20
        assert graph.stats()["persons"] == 200


def test_released_graphs_merge_and_nobody_is_counted_twice(public, tmp_path):
    code, text = run("merge", *public, "-o", tmp_path / "ab.graph", "--json")
    assert code == 0
    assert json.loads(text)["persons"] == 400
    with open_graph(tmp_path / "ab.graph") as graph:
        assert graph.stats()["persons"] == 400
        assert sorted(c["id"] for c in graph.stats()["cohorts"]) == ["merged", "site-a", "site-b"]
    with pytest.raises(ConfigError, match="same cohort"):
        run("merge", public[0], public[0], "-o", tmp_path / "aa.graph")
    assert not (tmp_path / "aa.graph").exists()


def test_broken_invariants_end_in_exit_code_one(public, tmp_path):
    with SqliteStore(public[0]) as store:
        graph = store.read()
    broken = [
        Node(n.label, n.key, {**n.properties, "min_cell": 9000}) if n.label == "Cohort" else n for n in graph.nodes
    ]
    with SqliteStore(tmp_path / "broken.graph") as store:
        store.write(GraphElements.of([*broken, *graph.edges]))
    code, text = run("verify", tmp_path / "broken.graph")
    assert code == 1
    assert "small-cell" in text


def test_a_graph_that_keeps_persons_is_not_exported_and_an_unreleased_one_says_so(tmp_path):
    file = made(tmp_path / "c.graph", 3, "c")
    code, text = run("export", file, tmp_path / "c.ttl")
    assert code == 0
    assert "not released" in text
    with SqliteStore(file) as store:
        (node,) = (n for n in store.read().nodes if n.label == "Cohort")
        store.write([Node(node.label, node.key, {**node.properties, "private": True})])
    for arguments in (("export", file, tmp_path / "d.ttl"), ("release", file, tmp_path / "d.graph")):
        with pytest.raises(ConfigError, match="persons"):
            run(*arguments)
    assert not (tmp_path / "d.ttl").exists()
    assert not (tmp_path / "d.graph").exists()


def test_noise_is_asked_for_with_epsilon_and_its_ledger_is_kept(tmp_path):
    file = made(tmp_path / "c.graph", 4, "c")
    code, text = run(
        "release", file, tmp_path / "n.graph", "--epsilon", "2", "--total-epsilon", "3", "--delta", "1e-6", "--json"
    )
    found = json.loads(text)["cohorts"][0]
    assert code == 0
    assert (found["mechanism"], found["epsilon_left"]) == ("discrete Gaussian", 1.0)
    with pytest.raises(ConfigError, match="epsilon 1"):
        run("release", file, tmp_path / "m.graph", "--epsilon", "2")
