"""Runs whose model fails or writes what is refused: told, counted, given up or ended with a reason."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from engine.runs import Recipe, Run
from engine.runs.pools import InlinePool
from engine.runs.worker import Worker
from engine.testing import Scripted
from ontology.errors import BudgetExhausted, ModelError

if TYPE_CHECKING:
    from engine.plan import Plan


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


def test_near_duplicates_are_taken_where_the_recipe_says_so(graph):
    def same(request: object) -> str:
        return "Blood pressure was 128/76 at the visit today."

    recipe = Recipe(3, quotas={"none": 3}, near_duplicate=0.0)
    assert len({record.text for record in worked(graph, recipe, Scripted(same))}) == 1
