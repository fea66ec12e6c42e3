"""How a model is asked, as a recipe sets it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from engine.runs.recipe import Recipe, from_data, settle
from engine.verbalization.decoding import LOCAL, SERVER, Decoding, decoding_issues, with_choices
from ontology.errors import ConfigError

PACK = SimpleNamespace(id="tiny", labels=(SimpleNamespace(id="mood"),))


def test_what_a_recipe_sets_wins_and_the_rest_stays_the_models_own():
    assert with_choices(SERVER, {"samples": 4, "seeded": 0}) == replace(SERVER, samples=4, seeded=False)
    assert with_choices(LOCAL, {"temperature": 0}) == replace(LOCAL, temperature=0.0)
    assert with_choices(Decoding(), {}) == Decoding()


@pytest.mark.parametrize(
    ("choices", "model", "says"),
    [
        ({"temprature": 0.2}, "vllm:m", "nearest is 'temperature'"),
        ({"concurrency": 3}, "vllm:m", "no part of decoding"),
        ({"samples": 0}, "vllm:m", "samples is 0; it takes 1 to 32"),
        ({"samples": 1.5}, "vllm:m", "samples is 1.5"),
        ({"temperature": float("nan")}, "vllm:m", "temperature is nan"),
        ({"seeded": 2}, "vllm:m", "true or false"),
        ({"together": 4}, "local", "OpenAI-compatible server"),
        ({"samples": 4}, "openai:gpt", "OpenAI-compatible server"),
        ({"structured": 1, "together": 2}, "vllm:m", "one sentence"),
        ({"temperature": 0.1}, "template", "without a model"),
        ({"brief": 1}, "ollama:m", "for vllm:NAME"),
        ({"brief": 1}, "local", "always asked so"),
        ({"brief": 1, "together": 2}, "vllm:m", "the words of one sentence"),
        ({"brief": 1, "structured": 1}, "vllm:m", "the words of one sentence"),
    ],
)
def test_a_wrong_choice_is_one_issue_that_names_it(choices, model, says):
    (issue,) = decoding_issues(choices, model)
    assert says in issue.message
    with pytest.raises(ConfigError) as caught:
        settle(Recipe(n=1, model=model, decoding=choices), PACK)
    assert any(says in found.message for found in caught.value.issues)


def test_a_recipe_file_may_say_true():
    recipe = from_data({"n": 1, "model": "vllm:m", "decoding": {"seeded": False, "samples": 2}}, "recipe.toml")
    assert with_choices(SERVER, recipe.decoding) == replace(SERVER, seeded=False, samples=2)


def test_the_command_takes_numbers_and_words():
    from engine.cli import cli

    order = "generate -n 2 --model vllm:m --catalog pack --dry-run --decoding seeded=false --decoding temperature=0.25"
    shown = CliRunner().invoke(cli, order.split())
    assert shown.exit_code == 0, shown.output
    assert "[decoding]" in shown.stdout
    assert "temperature = 0.25" in shown.stdout
    wrong = CliRunner().invoke(cli, ["generate", "-n", "2", "--model", "vllm:m", "--decoding", "seeded=maybe"])
    assert "'maybe' is not a number" in str(wrong.exception)
