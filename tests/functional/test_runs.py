"""Runs on the shipped pack with the real linker: exactly what was asked, the same bytes each time."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path

import pytest

from engine.runs import generate
from ontology.errors import ConfigError, Infeasible
from run_files import contents


def test_exactly_the_quotas_come_out(graph, tmp_path):
    quotas = {"neuropsychiatric": 7, "coping-strategy": 3, "none": 2}
    with generate(graph, quotas=quotas, seed=3, out=tmp_path / "run") as run:
        records = list(run)
    assert Counter(record.label for record in records) == quotas
    assert [record.slot for record in records] == list(range(12))
    assert run.report.accepted == 12
    assert len({record.id for record in records}) == 12


def test_every_record_says_where_its_spans_are_and_what_was_planned(graph):
    for record in generate(graph, 40, seed=5):
        for span in record.spans:
            assert record.text[span.start : span.end] == span.text
        if record.cui:
            planned = [span for span in record.spans if span.planned]
            assert planned, record
            assert record.assertion in {span.assertion for span in planned}


def test_memory_and_folder_runs_hold_the_same_records(graph, tmp_path):
    with generate(graph, 20, seed=9, out=tmp_path / "run") as run:
        on_disk = list(run)
    assert list(generate(graph, 20, seed=9)) == on_disk
    with generate(graph, 20, seed=9, out=tmp_path / "run") as again:
        assert list(again) == on_disk


def test_a_run_that_keeps_nothing_holds_no_record_and_says_so_when_asked_again(graph):
    kept, run = generate(graph, 12, seed=3), generate(graph, 12, seed=3, keep=False)
    assert list(run) == list(kept)
    assert not list(run.committed())
    with pytest.raises(RuntimeError, match="keeps no records"):
        next(iter(run))


def test_batches_change_nothing(graph):
    one = generate(graph, 30, seed=2)
    one._batch = 1
    assert list(one) == list(generate(graph, 30, seed=2))


def test_two_processes_give_the_bytes_of_one(graph, tmp_path):
    for name, workers in (("one", 1), ("two", 2)):
        with generate(graph, 150, seed=4, out=tmp_path / name, workers=workers) as run:
            list(run)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_load_dataset_opens_the_folder_as_it_stands(graph, tmp_path):
    datasets = pytest.importorskip("datasets", reason="the hf extra is not installed")
    with generate(graph, 25, seed=1, out=tmp_path / "run") as run:
        records = list(run)
    found = datasets.load_dataset(str(tmp_path / "run"), split="train")
    assert found["text"] == [record.text for record in records]
    assert found[0]["spans"][0].keys() >= {"start", "end", "cui", "planned"} if records[0].spans else True
    assert found.features["age"].dtype == "float64"


@pytest.mark.parametrize(
    "asked",
    [
        {"stage:mild": 20, "stage:moderate": 12, "stage:*": 4},
        {"informant:wife": 6, "informant:clinician": 20, "informant:patient": 10},
        {"assertion:absent": 9, "assertion:present": 27},
        {"sex:female": 30, "sex:male": 6, "race:black": 18, "race:*": 18},
        {"risk:diabetes": 12, "risk:*": 24, "stage:severe": 9, "stage:*": 27},
    ],
    ids=lambda asked: next(iter(asked)),
)
def test_quotas_of_any_axis_come_out_exactly(graph, asked):
    from engine.runs.quotas import by_axis, counted

    run = generate(graph, 36, quotas=asked, seed=4)
    records = list(run)
    met = Counter(key for record in records for key in counted(record, by_axis(asked)))
    assert met == asked
    assert max(run.report.by_label.values()) - min(run.report.by_label.values()) <= 1
    assert all(met == wanted for met, wanted in run.report.as_data()["by_quota"].values())


def test_quotas_that_exclude_each_other_are_refused_before_anything_is_written(graph, tmp_path):
    with pytest.raises(Infeasible, match=r"assertion:absent 2.*find no place"):
        generate(graph, quotas={"concern-by-others": 2, "assertion:absent": 2}, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_given_trajectories_are_written_onset_by_onset(graph, tmp_path):
    trajectories = list(graph.sample(3, seed=1))
    with generate(graph, trajectories=trajectories, seed=1, out=tmp_path / "run") as run:
        records = list(run)
    onsets = sum(len(trajectory.onsets) for trajectory in trajectories)
    assert len(records) + run.report.lost == onsets
    assert [record.trajectory_id for record in records] == sorted(
        (record.trajectory_id for record in records), key=[t.id for t in trajectories].index
    )


def test_any_langchain_chat_model_writes_a_run(graph):
    from langchain_core.language_models import FakeListChatModel

    model = FakeListChatModel(
        responses=["Patient received a flu shot today.", "Blood pressure was stable at this visit."]
    )
    records = list(generate(graph, model=model, quotas={"none": 2}, seed=1))
    assert {record.text for record in records} == set(model.responses)
    assert len({record.model for record in records}) == 1


def test_workers_need_a_model_by_name(graph):
    with pytest.raises(ConfigError, match="given by name"):
        generate(graph, 5, linker=graph.linker, workers=2)


def test_manifest_and_card_agree_with_the_records(graph, tmp_path):
    with generate(graph, 15, seed=2, out=tmp_path / "run") as run:
        list(run)
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    rejected = (tmp_path / "run" / "rejected.jsonl").read_text().splitlines()
    assert manifest["counts"]["accepted"] == 15
    assert manifest["counts"]["rejected"] == len(rejected)
    assert str(tmp_path) not in (tmp_path / "run" / "README.md").read_text()


def test_a_clock_that_jumps_changes_no_byte(graph, tmp_path, monkeypatch):
    with generate(graph, 40, seed=2, out=tmp_path / "one") as run:
        list(run)
    ticks = iter(range(10**9))
    monkeypatch.setattr(time, "time", lambda: 4e9 - 1e6 * next(ticks))
    with generate(graph, 40, seed=2, out=tmp_path / "two") as run:
        list(run)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_runs_are_listed_shown_and_compared(graph, tmp_path):
    from click.testing import CliRunner

    from engine.cli import cli

    for name, n, seed in (("a", 12, 1), ("b", 12, 2)):
        with generate(graph, n, seed=seed, out=tmp_path / name, quotas={"stage:mild": 6, "stage:*": 6}) as run:
            list(run)
    with generate(graph, 30, seed=1, out=tmp_path / "c") as run:
        run._batch = 4
        next(iter(run))

    def told(*arguments: str):
        result = CliRunner().invoke(cli, ["runs", *arguments, "--json"])
        assert result.exit_code == 0, result.output
        return json.loads(result.output)

    listed = told("list", str(tmp_path))
    assert [(Path(run["path"]).name, run["state"]) for run in listed] == [
        ("a", "complete"),
        ("b", "complete"),
        ("c", "unfinished"),
    ]
    shown = told("show", str(tmp_path / "a"))
    counts = shown["counts"]
    assert counts == json.loads((tmp_path / "a" / "manifest.json").read_text())["counts"]
    assert counts["requested"] == counts["accepted"] + counts["rejected"] + counts["dead_lettered"]
    assert counts["by_quota"]["stage:mild"] == [6, 6]
    compared = told("compare", str(tmp_path / "a"), str(tmp_path / "b"))
    assert compared["recipe"] == {"seed": [1, 2]}
    assert compared["counts"]["accepted"] == [12, 12]
    plain = CliRunner().invoke(cli, ["runs", "show", str(tmp_path / "a")])
    assert "requested {requested} = accepted 12 + rejected".format(**counts) in plain.output
    wrong = CliRunner().invoke(cli, ["runs", "show", str(tmp_path)])
    assert "is no run folder" in str(wrong.exception)
