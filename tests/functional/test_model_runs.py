"""Runs over a model server: what comes out depends on the recipe and the answers, not on how many calls are under way at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from engine import generate, open_graph
from engine.runs.folder import DEAD, RECORDS, REJECTED
from engine.runs.recipe import even_quotas
from engine.runs.summary import summarize
from faulty_model import KINDS, FaultyModel, obedient, strike


@pytest.fixture(scope="module")
def graph():
    with open_graph(catalog="pack") as found:
        yield found


def made(graph, url, folder, at_once, n=24, timeout=None, **asked):
    graph.settings = replace(
        graph.settings, model_url=url, cache=folder / "cache", model_concurrency=at_once, model_timeout=timeout
    )
    labels = tuple(label.id for label in graph.pack.labels if label.id != "none")  # `none` has no words to obey
    quotas = even_quotas(n, labels)
    run = generate(graph, model="vllm:m", seed=5, out=folder / "run", quotas=quotas, near_duplicate=0.0, **asked)
    list(run)
    return run


def lines(run, name):
    return [json.loads(line) for line in (run.folder.path / name).read_bytes().splitlines()]


def accounted(run, server, n):
    """Holds a run to its files: every request and every sentence accounted for, each loss named, no text but good answers."""
    records, rejected, dead = (lines(run, name) for name in (RECORDS, REJECTED, DEAD))
    report = run.report
    assert report.requested == report.accepted + report.rejected + report.dead_lettered
    assert (report.accepted, report.rejected, report.dead_lettered) == (len(records), len(rejected), len(dead))
    assert summarize(run.folder.path).report.as_data() == report.as_data()
    given_up = [row for row in (*rejected, *dead) if row["given_up"]]
    assert sorted(row["slot"] for row in (*records, *given_up)) == list(range(n))
    assert all(issue["code"] and issue["message"] for row in given_up for issue in row["issues"])
    assert {record["text"] for record in records} <= server.given
    return given_up


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


@pytest.mark.parametrize("lasting", [False, True], ids=["passing", "lasting"])
def test_a_mix_of_all_faults_leaves_every_request_accounted_for_and_no_wrong_row(graph, tmp_path, lasting):
    with FaultyModel(strike(KINDS, 0.3, lasting=lasting), answer=obedient) as server:
        run = made(graph, server.url, tmp_path, 64, n=120, timeout=2.0)
        given_up = accounted(run, server, 120)
        assert len(set(server.struck)) > 12
    assert len(given_up) == run.report.lost <= 12


@pytest.mark.parametrize(("kind", "each"), [("server", 30), ("truncated", 30), ("hang", 10)])
def test_a_label_that_the_server_never_writes_ends_no_run(graph, tmp_path, kind, each):
    label = "coping-strategy"
    with FaultyModel(strike((kind,), 1.0, within=f"Label: {label}."), answer=obedient) as server:
        run = made(graph, server.url, tmp_path, 64, n=9 * each, timeout=2.0 if kind == "hang" else None)
        given_up = accounted(run, server, 9 * each)
    assert run.report.accepted == 8 * each
    assert {row["label"] for row in given_up} == {label}
    assert run.report.dead_lettered == 3 * each  # three plans, each asked for until the transport gave it up


def test_what_was_given_up_is_told_by_the_exit_code(tmp_path):
    command = [
        sys.executable,
        "-m",
        "engine.cli",
        "generate",
        "--catalog",
        "pack",
        "--model",
        "vllm:m",
    ]
    command += ["--label", "neuropsychiatric=30", "--label", "coping-strategy=30", "--near-duplicate", "0"]
    command += ["--rounds", "1", "--out", str(tmp_path / "run")]
    with FaultyModel(strike(("server", "refusal", "huge"), 0.1, lasting=True), answer=obedient) as server:
        env = {**os.environ, "DUALALIGN_MODEL_URL": server.url, "DUALALIGN_CACHE": str(tmp_path / "cache")}
        ended = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    dead = [json.loads(line) for line in (tmp_path / "run" / DEAD).read_text().splitlines()]
    lost = sum(row["given_up"] for row in dead)
    assert 0 < lost < 20
    assert ended.returncode == 5, ended.stderr
    assert f"{lost} sentences were given up" in ended.stderr
    assert len((tmp_path / "run" / RECORDS).read_bytes().splitlines()) == 60 - lost
