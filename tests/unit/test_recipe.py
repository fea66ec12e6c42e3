from __future__ import annotations

import tomllib
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runs.recipe import Recipe, differences, even_quotas, from_data, read_recipe, settle, write_recipe
from engine.sampling.criteria import Criteria
from ontology.concept import Cui
from ontology.errors import ConfigError, SourceError

PACK = SimpleNamespace(id="tiny", labels=tuple(SimpleNamespace(id=name) for name in ("mood", "memory", "none")))

recipes = st.builds(
    Recipe,
    n=st.integers(1, 10**6),
    model=st.sampled_from(["template", "local", "vllm:a/b"]),
    seed=st.integers(0, 2**62),
    quotas=st.dictionaries(st.sampled_from(["mood", "memory"]), st.integers(0, 9)),
    guidance=st.sampled_from(["both", "persona", "trajectory", "none"]),
    criteria=st.builds(
        Criteria,
        age=st.tuples(st.none() | st.floats(40, 70), st.none() | st.floats(71, 99)),
        traits=st.dictionaries(st.just("sex"), st.sampled_from(["male", "female"])),
        include=st.lists(st.just(Cui("C0085632")), max_size=2).map(tuple),
        max_onsets=st.none() | st.integers(1, 9),
        window_years=st.none() | st.floats(0.5, 30),
    ),
    assertions=st.dictionaries(st.sampled_from(["present", "absent"]), st.floats(0, 1)),
)


@given(recipes)
def test_a_recipe_survives_its_file(recipe):
    again = from_data(tomllib.loads(write_recipe(recipe)), "recipe.toml")
    assert again == recipe
    assert again.fingerprint == recipe.fingerprint
    assert differences(recipe, again) == {}


@given(st.integers(1, 500), st.integers(1, 12))
def test_even_quotas_add_up_and_differ_by_at_most_one(n, labels):
    quotas = even_quotas(n, tuple(f"label{i}" for i in range(labels)))
    assert sum(quotas.values()) == n
    assert max(quotas.values()) - min(quotas.values()) <= 1


def test_a_changed_recipe_names_the_fields_that_differ():
    old, new = Recipe(10, seed=1), Recipe(10, seed=2, criteria=Criteria(stage="mild"))
    assert differences(old, new) == {"seed": (1, 2), "criteria.stage": (None, "mild")}


def test_every_mistake_of_a_recipe_is_named_at_once():
    wrong = Recipe(0, attempts=0, quotas={"moood": 3, "memory": -1}, assertions={"presnt": 1.0, "absent": -2.0})
    with pytest.raises(ConfigError) as caught:
        settle(wrong, PACK)
    text = str(caught.value)
    for part in ("n is 0", "attempts is 0", "'moood'", "nearest: mood", "cannot be -1", "nearest: present", "absent"):
        assert part in text
    assert len(caught.value.issues) >= 6


def test_quotas_that_do_not_add_up_are_refused():
    with pytest.raises(ConfigError, match="add up to 4 and n is 5"):
        settle(Recipe(5, quotas={"mood": 4}), PACK)


def test_a_settled_recipe_spreads_evenly():
    assert settle(Recipe(4), PACK).quotas == {"mood": 2, "memory": 1, "none": 1}


def test_an_unknown_field_is_named_with_the_known_ones(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text("n = 5\ntempreature = 1.0\n")
    with pytest.raises(ConfigError, match=r"tempreature.*fields are n, model"):
        from_data(read_recipe(path), str(path))


def test_a_recipe_that_is_no_toml_is_a_source_error(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text("n = = 5")
    with pytest.raises(SourceError, match=r"recipe\.toml: is not TOML"):
        read_recipe(path)
    with pytest.raises(SourceError, match="cannot be read"):
        read_recipe(tmp_path / "none.toml")


def test_quotas_of_an_axis_add_up_to_n_and_name_what_there_is():
    from ontology.pack import load_pack

    pack = load_pack()
    with pytest.raises(ConfigError) as caught:
        settle(Recipe(9, quotas={"stage:mild": 4, "stage:wild": 2, "colour:red": 9, "sex:female": 9, "sex:*": 0}), pack)
    text = str(caught.value)
    for part in ("of stage add up to 6 and n is 9", "'wild'", "nearest: mild", "'colour' is not an axis", "stage:*=N"):
        assert part in text
    settled = settle(Recipe(18, quotas={"stage:mild": 6, "stage:*": 12}), pack)
    assert sum(count for key, count in settled.quotas.items() if ":" not in key) == 18


@pytest.mark.parametrize("guidance", ["none", "persona", "trajectory"])
def test_quotas_that_the_guidance_cannot_plan_are_refused(guidance):
    from ontology.pack import load_pack

    asked = {"stage:mild": 2} if guidance != "trajectory" else {"sex:female": 2}
    with pytest.raises(ConfigError, match="set guidance to both"):
        settle(Recipe(2, guidance=guidance, quotas=asked), load_pack())
