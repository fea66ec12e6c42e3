"""Runs on the shipped pack with the real linker: exactly what was asked, through kills, faults and full disks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.runs import Recipe, Run, generate
from engine.runs.pools import InlinePool
from engine.runs.worker import Worker
from engine.testing import Scripted, tiny_graph
from ontology.errors import BudgetExhausted, ConfigError, Infeasible, ModelError, RunConflict, StoreError

if TYPE_CHECKING:
    from engine.plan import Plan

FILES = ("records.jsonl", "rejected.jsonl", "dead.jsonl", "manifest.json", "README.md", "recipe.toml")


@pytest.fixture(scope="module")
def graph():
    with tiny_graph() as opened:
        yield opened


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


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


def test_a_changed_recipe_over_an_old_run_is_refused_with_the_difference(graph, tmp_path):
    with generate(graph, 6, seed=1, out=tmp_path / "run") as run:
        list(run)
    before = contents(tmp_path / "run")
    with pytest.raises(RunConflict, match="seed: 1 there, 2 asked"):
        generate(graph, 6, seed=2, out=tmp_path / "run")
    assert contents(tmp_path / "run") == before


def test_a_folder_with_other_files_is_refused(graph, tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(RunConflict, match="holds other files"):
        generate(graph, 6, out=tmp_path)


def test_two_writers_of_one_folder_are_refused(graph, tmp_path):
    with generate(graph, 6, out=tmp_path / "run"), pytest.raises(StoreError, match="another process"):
        generate(graph, 6, out=tmp_path / "run")


@pytest.mark.parametrize("cut", [1, 7, 200, 1500])
def test_a_torn_tail_is_cut_and_made_again(graph, tmp_path, cut):
    with generate(graph, 20, seed=6, out=tmp_path / "run") as run:
        list(run)
    whole = contents(tmp_path / "run")
    path = tmp_path / "run" / "records.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    with generate(graph, 20, seed=6, out=tmp_path / "run") as run:
        list(run)
    assert contents(tmp_path / "run") == whole


def test_a_run_in_parts_is_the_run_in_one_go(graph, tmp_path):
    with generate(graph, 90, seed=8, out=tmp_path / "whole") as run:
        list(run)
    for stop in (1, 30, 65, 90):
        with generate(graph, 90, seed=8, out=tmp_path / "parts") as run:
            run._batch = 16
            records = iter(run)
            for _ in range(stop):
                next(records, None)
            records.close()
    with generate(graph, 90, seed=8, out=tmp_path / "parts") as run:
        list(run)
    assert contents(tmp_path / "whole") == contents(tmp_path / "parts")


def test_kill_9_in_the_middle_changes_no_byte(tmp_path):
    command = [sys.executable, "-m", "engine.cli", "generate", "-n", "400", "--seed", "3", "--catalog", "pack"]
    subprocess.run([*command, "--out", str(tmp_path / "whole")], check=True, capture_output=True)
    kills = 0
    for _ in range(60):
        process = subprocess.Popen([*command, "--out", str(tmp_path / "killed")], stderr=subprocess.PIPE)
        records = tmp_path / "killed" / "records.jsonl"
        size = records.stat().st_size if records.exists() else 0
        while process.poll() is None and (not records.exists() or records.stat().st_size <= size) and kills < 3:
            time.sleep(0.01)
        if process.poll() is None and kills < 3:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.communicate()
        if process.returncode == 0:
            break
    assert kills >= 2
    assert contents(tmp_path / "whole") == contents(tmp_path / "killed")


def worked(graph, recipe: Recipe, verbalizer, out=None) -> Run:
    worker = Worker(recipe, graph.pack, graph.catalog, graph.model, graph.linker, graph.validator, verbalizer)
    labels = tuple(label.id for label in graph.pack.labels)
    return Run(recipe, lambda: InlinePool(worker), labels=labels, out=out)


def test_refused_texts_are_told_to_the_model_and_counted(graph):
    from engine.verbalization.template import TemplateVerbalizer

    honest = TemplateVerbalizer(graph.pack)

    def first_wrong(request):
        return honest.write([request])[0] if request.issues else "The weather is fine in the garden today."

    verbalizer = Scripted(first_wrong)
    run = worked(graph, Recipe(5, quotas={"neuropsychiatric": 5}, seed=1), verbalizer)
    records = list(run)
    assert all(record.attempts >= 2 for record in records)
    assert run.report.by_code["concept-missing"] >= 5
    report = run.report
    assert report.requested == report.accepted + report.rejected + report.dead_lettered == len(verbalizer.requests)
    assert any(request.previous.startswith("The weather") for request in verbalizer.requests)


def test_a_quota_that_cannot_be_met_stops_and_says_why(graph, tmp_path):
    recipe = Recipe(4, quotas={"neuropsychiatric": 4}, rounds=3, attempts=2)
    run = worked(graph, recipe, Scripted(["The weather is fine in the garden today."]), out=tmp_path / "run")
    with pytest.raises(
        BudgetExhausted, match=r"the quota of neuropsychiatric .*concept-missing.*The weather"
    ) as caught:
        list(run)
    assert caught.value.exit_code == 4
    assert caught.value.counts["concept-missing"] == 6


def test_a_model_that_fails_for_one_plan_loses_no_other(graph):
    from engine.verbalization.template import TemplateVerbalizer

    honest = TemplateVerbalizer(graph.pack)
    answers = iter(range(10**6))

    def every_third(request):
        if next(answers) % 3 == 0:
            return ModelError("the answer was cut off", code="length", retryable=True)
        return honest.write([request])[0]

    run = worked(graph, Recipe(9, quotas={"neuropsychiatric": 9}), Scripted(every_third))
    assert len(list(run)) == 9
    report = run.report
    assert report.by_code["length"] == report.dead_lettered >= 3
    assert report.requested == report.accepted + report.rejected + report.dead_lettered == next(answers)


def test_what_the_model_fails_for_good_is_named_and_the_run_goes_on(graph, tmp_path):
    from engine.verbalization.template import TemplateVerbalizer

    honest = TemplateVerbalizer(graph.pack)

    def refuses_one_kind(request):
        if request.plan.label == "coping-strategy":
            return ModelError("the model refused to write the sentence", code="refusal")
        return honest.write([request])[0]

    quotas = {"coping-strategy": 2, "neuropsychiatric": 6}
    verbalizer = Scripted(refuses_one_kind)
    run = worked(graph, Recipe(8, quotas=quotas, attempts=2), verbalizer, out=tmp_path / "run")
    records = list(run)
    dead = [json.loads(line) for line in (tmp_path / "run" / "dead.jsonl").read_text().splitlines()]
    assert Counter(record.label for record in records) == {"neuropsychiatric": 6}
    assert {row["slot"] for row in dead if row["given_up"]} == {0, 2}
    assert {issue["code"] for row in dead for issue in row["issues"]} == {"refusal"}
    report = run.report
    assert (report.lost, report.dead_lettered) == (2, 12)
    assert report.requested == report.accepted + report.rejected + report.dead_lettered == len(verbalizer.requests)
    again = worked(graph, Recipe(8, quotas=quotas, attempts=2), verbalizer, out=tmp_path / "run")
    asked = len(verbalizer.requests)
    assert list(again) == records
    assert again.report.as_data() == report.as_data()
    assert len(verbalizer.requests) == asked


def test_prompts_that_fail_for_good_do_not_end_a_run_whose_server_answers_others(graph):
    from engine.verbalization.template import TemplateVerbalizer

    honest = TemplateVerbalizer(graph.pack)

    def one_in_three(request):
        if request.seed % 3 == 0:
            return ModelError("model x failed", code="server", retryable=True)
        return honest.write([request])[0]

    run = worked(graph, Recipe(40, quotas={"neuropsychiatric": 40}), Scripted(one_in_three))
    run._batch = 4
    assert len(list(run)) + run.report.lost == 40
    assert run.report.by_code["server"] == run.report.dead_lettered > 5


def test_where_fewer_plans_are_allowed_a_sentence_is_given_up_after_them(graph):
    recipe = Recipe(6, quotas={"neuropsychiatric": 6}, rounds=1, attempts=2)
    model = Scripted([ModelError("the model refused to write the sentence", code="refusal")])
    run = worked(graph, recipe, model)
    assert list(run) == []
    assert (run.report.lost, run.report.dead_lettered) == (6, 12)


@pytest.mark.parametrize("code", ["refusal", "server"])
def test_trajectories_that_a_model_never_tells_whole_are_given_up_after_a_few(graph, code):
    from engine.verbalization.template import TemplateVerbalizer

    honest = TemplateVerbalizer(graph.pack)

    def never_one_kind(request):
        if request.plan.label == "neuropsychiatric":
            return ModelError(
                "the model did not write the sentence", code=code, alive=True if code == "server" else None
            )
        return honest.write([request])[0]

    run = worked(graph, Recipe(6, unit="trajectory", near_duplicate=0.0), model := Scripted(never_one_kind))
    records = list(run)
    assert {record.slot for record in records} <= set(range(6))
    assert len({record.slot for record in records}) + run.report.lost == 6
    assert run.report.lost
    report = run.report
    assert report.requested == report.accepted + report.rejected + report.dead_lettered == len(model.requests) < 1500


def test_of_a_server_known_to_live_a_prompt_is_not_asked_for_again_and_known_to_be_down_it_ends_the_run(graph):
    from engine.verbalization.template import TemplateVerbalizer

    honest = TemplateVerbalizer(graph.pack)

    def fails_first(alive):
        def answer(request):
            if request.plan.label == "coping-strategy":
                return ModelError("model x failed", code="server", retryable=True, alive=alive)
            return honest.write([request])[0]

        return answer

    recipe = Recipe(8, quotas={"coping-strategy": 2, "neuropsychiatric": 6})
    run = worked(graph, recipe, Scripted(fails_first(alive=True)))
    assert len(list(run)) == 6
    assert (run.report.lost, run.report.dead_lettered) == (2, 2 * 3)
    run = worked(graph, recipe, model := Scripted(fails_first(alive=False)))
    with pytest.raises(ModelError, match="model x failed"):
        list(run)
    assert len(model.requests) == 8


@pytest.mark.parametrize(("code", "plans"), [("server", 3), ("malformed", 3), ("unreachable", 1)])
def test_a_server_that_has_answered_nothing_yet_is_left_after_few_plans(graph, code, plans):
    from engine.verbalization.template import TemplateVerbalizer

    away = ModelError("model x failed", code=code, retryable=True)
    recipe = Recipe(2, quotas={"neuropsychiatric": 2})
    run = worked(graph, recipe, model := Scripted([away]))
    with pytest.raises(ModelError, match="model x failed"):
        list(run)
    assert len(model.requests) == 2 * plans
    honest = TemplateVerbalizer(graph.pack)
    later = Scripted(lambda request: away if len(later.requests) <= 2 else honest.write([request])[0])
    run = worked(graph, recipe, later)
    if plans > 1:
        assert len(list(run)) == 2


def test_a_server_that_goes_away_ends_the_run_however_long_it_answered(graph):
    from engine.verbalization.template import TemplateVerbalizer

    honest = TemplateVerbalizer(graph.pack)
    verbalizer = Scripted(
        lambda request: (
            honest.write([request])[0]
            if len(verbalizer.requests) < 100
            else ModelError("model x cannot be reached", code="unreachable", retryable=True)
        )
    )
    run = worked(graph, Recipe(1000, quotas={"neuropsychiatric": 1000}), verbalizer)
    with pytest.raises(ModelError, match="cannot be reached"):
        list(run)
    assert run.report.accepted >= 60
    assert len(verbalizer.requests) < 400


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


@pytest.mark.parametrize("code", ["refused-key", "unreachable"])
def test_a_model_that_is_away_ends_the_run_and_keeps_what_is_committed(graph, code, tmp_path):
    away = Scripted([ModelError("model x cannot be reached", code=code, retryable=code == "unreachable")])
    run = worked(graph, Recipe(3, quotas={"none": 3}), away, out=tmp_path / "run")
    with pytest.raises(ModelError, match="cannot be reached"):
        list(run)
    assert len(away.requests) == 3
    assert (tmp_path / "run" / "records.jsonl").read_bytes() == b""


def test_a_copied_sentence_is_a_near_duplicate_and_another_plan_is_made(graph):
    def same(request: object) -> str:
        plan: Plan = request.plan
        return f"Blood pressure was 128/76 at the visit today, round {'one' if plan.label else 'two'}."

    run = worked(graph, Recipe(2, quotas={"none": 2}, rounds=3), Scripted(same))
    with pytest.raises(BudgetExhausted, match="near-duplicate"):
        list(run)


def test_given_trajectories_are_written_onset_by_onset(graph, tmp_path):
    trajectories = list(graph.sample(3, seed=1))
    with generate(graph, trajectories=trajectories, seed=1, out=tmp_path / "run") as run:
        records = list(run)
    onsets = sum(len(trajectory.onsets) for trajectory in trajectories)
    assert len(records) + run.report.lost == onsets
    assert [record.trajectory_id for record in records] == sorted(
        (record.trajectory_id for record in records), key=[t.id for t in trajectories].index
    )


def test_no_space_left_is_one_sentence_and_the_run_goes_on(graph, tmp_path):
    target = Path("/dev/full")
    if not target.exists():
        pytest.skip("no /dev/full on this system")
    run = generate(graph, 10, seed=1, out=tmp_path / "run")
    run._batch = 4
    records = iter(run)
    next(records)
    assert run.folder is not None
    with target.open("wb") as full:
        os.dup2(full.fileno(), run.folder._files["records.jsonl"].fileno())
    with pytest.raises(StoreError, match=r"No space left on device.*goes on where it stopped"):
        list(records)
    run.close()
    assert (tmp_path / "run" / "records.jsonl").read_bytes().count(b"\n") == 4
    with generate(graph, 10, seed=1, out=tmp_path / "run") as again:
        assert len(list(again)) == 10


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


@pytest.fixture
def small_disk(tmp_path):
    """A disk of one megabyte of its own, which root may make."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("a disk cannot be made here: mount needs root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_ends_the_command_cleanly_and_it_goes_on_once_there_is_room(graph, tmp_path, small_disk):
    command = [
        sys.executable,
        "-m",
        "engine.cli",
        "generate",
        "-n",
        "1700",
        "--seed",
        "3",
        "--catalog",
        "pack",
        "--out",
    ]
    ended = subprocess.run([*command, str(small_disk / "run")], capture_output=True, text=True, check=False)
    assert ended.returncode == 3, ended.stderr
    assert "No space left on device" in ended.stderr
    assert "Traceback" not in ended.stderr
    kept = (small_disk / "run" / "records.jsonl").read_bytes()
    assert kept.endswith(b"\n")
    assert kept.count(b"\n") > 100
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    with generate(graph, 1700, seed=3, out=small_disk / "run") as run:
        list(run)
    with generate(graph, 1700, seed=3, out=tmp_path / "whole") as run:
        list(run)
    assert contents(small_disk / "run") == contents(tmp_path / "whole")


def test_a_read_only_disk_is_one_sentence_and_what_was_there_stays(graph, small_disk):
    with generate(graph, 20, seed=3, out=small_disk / "run") as run:
        next(iter(run))
    before = (small_disk / "run" / "records.jsonl").read_bytes()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StoreError, match=r"Read-only file system.*choose an --out"):
        generate(graph, 20, seed=3, out=small_disk / "run")
    with pytest.raises(StoreError, match="Read-only file system"):
        generate(graph, 20, seed=3, out=small_disk / "other")
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert (small_disk / "run" / "records.jsonl").read_bytes() == before


def test_a_clock_that_jumps_changes_no_byte(graph, tmp_path, monkeypatch):
    with generate(graph, 40, seed=2, out=tmp_path / "one") as run:
        list(run)
    ticks = iter(range(10**9))
    monkeypatch.setattr(time, "time", lambda: 4e9 - 1e6 * next(ticks))
    with generate(graph, 40, seed=2, out=tmp_path / "two") as run:
        list(run)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_near_duplicates_are_taken_where_the_recipe_says_so(graph):
    def same(request: object) -> str:
        return "Blood pressure was 128/76 at the visit today."

    recipe = Recipe(3, quotas={"none": 3}, near_duplicate=0.0)
    assert len({record.text for record in worked(graph, recipe, Scripted(same))}) == 1


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
