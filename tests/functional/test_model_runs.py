"""Runs over a model server: what comes out depends on the recipe and the answers, not on how many calls are under way at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine import generate, open_graph
from engine.runs.folder import RECORDS
from engine.runs.recipe import even_quotas
from faulty_model import FaultyModel, obedient, strike


@pytest.fixture(scope="module")
def graph():
    with open_graph(catalog="pack") as found:
        yield found


def made(graph, url, folder, at_once, n=24):
    graph.settings = replace(graph.settings, model_url=url, cache=folder / "cache", model_concurrency=at_once)
    labels = tuple(label.id for label in graph.pack.labels if label.id != "none")  # `none` has no words to obey
    run = generate(graph, model="vllm:m", seed=5, out=folder / "run", quotas=even_quotas(n, labels))
    list(run)
    return run


def test_batches_under_way_at_once_change_no_byte_and_every_token_is_counted_once(graph, tmp_path):
    found = []
    for at_once in (2, 64):
        with FaultyModel(answer=obedient, latency=0.01) as server:
            run = made(graph, server.url, tmp_path / str(at_once), at_once)
            calls = sum(server.asked.values())
        assert run.report.accepted == 24
        assert server.most <= at_once
        assert (run.report.usage.prompt_tokens, run.report.usage.answer_tokens) == (40 * calls, 10 * calls)
        found.append((run.folder.path / RECORDS).read_bytes())
    assert found[0] == found[1]


def test_passing_faults_of_the_server_change_no_byte(graph, tmp_path):
    found = []
    for name, script in (("clean", strike((), 0.0)), ("faulty", strike(("server", "truncated", "disconnect"), 0.2))):
        with FaultyModel(script, answer=obedient) as server:
            run = made(graph, server.url, tmp_path / name, 16)
        assert run.report.dead_lettered == 0
        found.append((run.folder.path / RECORDS).read_bytes())
    assert found[0] == found[1]
