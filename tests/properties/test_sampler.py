from functools import cache
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.sampling.criteria import Criteria
from engine.sampling.model import ProgressionModel, combine
from engine.sampling.sampler import draw, sample
from graph_loaders.facts import facts_to_elements
from ontology.concept import parse_cui
from ontology.pack import load_pack

CONCEPTS = [parse_cui(c) for c in ("C0085632", "C0011581", "C0751295", "C0233407", "C0042024", "C0015732")]


@cache
def model() -> ProgressionModel:
    pack = load_pack()
    return combine(pack, facts_to_elements(pack))


@st.composite
def criteria(draw_from) -> Criteria:
    include = draw_from(st.lists(st.sampled_from(CONCEPTS[:4]), max_size=2, unique=True))
    rest = [c for c in CONCEPTS[:4] if c not in include]
    low = draw_from(st.none() | st.floats(50, 85))
    return Criteria(
        age=(low, None if low is None else low + draw_from(st.floats(1, 20))),
        traits=draw_from(st.dictionaries(st.just("sex"), st.sampled_from(["female", "male"]), max_size=1)),
        risk_factors=tuple(draw_from(st.lists(st.sampled_from(["diabetes", "smoking"]), max_size=2, unique=True))),
        include=tuple(include),
        exclude=tuple(draw_from(st.lists(st.sampled_from(rest), max_size=1))),
        min_onsets=draw_from(st.integers(0, 5)),
        window_years=draw_from(st.none() | st.floats(6, 40)),
    )


@settings(max_examples=60, deadline=None)
@given(asked=criteria(), seed=st.integers(0, 2**32))
def test_a_trajectory_meets_its_criteria(asked, seed):
    one = draw(model(), asked, seed)
    begun = [o.cui for o in one.onsets]
    assert set(asked.include) <= set(begun)
    assert not set(asked.exclude) & set(begun)
    assert len(begun) >= asked.min_onsets
    assert asked.traits.items() <= one.persona.traits.items()
    assert set(asked.risk_factors) <= set(one.persona.risk_factors)
    diagnosed = next((o.age for o in one.onsets if o.cui == model().pack.diagnosis), None)
    if asked.age[0] is not None and diagnosed is not None:
        assert asked.age[0] <= diagnosed <= asked.age[1]
    if asked.window_years is not None:
        assert one.exit_age <= one.entry_age + asked.window_years


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_trajectory_is_a_path_of_the_graph_in_order_of_age(seed):
    found, one = model(), draw(model(), rng_or_seed=seed)
    path = [(o.age, 1, str(o.cui)) for o in one.onsets] + [(s.age, 2, f"stage:{s.stage}") for s in one.stages]
    path = [event for _, _, event in sorted(path, key=lambda step: (step[0], step[1]))]
    path += ["death"] if one.died else []
    at = [found.index(event) for event in path]
    assert found.first[at[0]]
    assert all(found.steps[a, b] for a, b in pairwise(at))
    assert len(set(at)) == len(at)
    for i, event in enumerate(at):
        assert all(need in at[:i] for need in range(len(found.events)) if found.needs[event, need])
    ages = [o.age for o in one.onsets]
    assert all(a < b for a, b in pairwise(ages))
    assert one.entry_age <= ages[0] <= ages[-1] <= one.exit_age
    assert all(
        (o.after == o.age and o.stage == one.stage_at(o.age)) or o.cui == found.pack.diagnosis for o in one.onsets
    )


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), n=st.integers(1, 30))
def test_the_same_seed_gives_the_same_in_any_chunks(seed, n):
    many = list(sample(model(), n=n, seed=seed))
    assert many == [draw(model(), None, seed, i) for i in range(n)]
