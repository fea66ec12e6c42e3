"""Order and time rows move what is declared, and nothing that a fact gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.audit.published import kendall_tau
from engine.sampling.model import combine
from engine.sampling.sampler import sample_arrays
from engine.sampling.symptoms import courses
from engine.sampling.timing import _life, _stage_rates, mean_months, time_shifts
from graph_loaders.facts import facts_to_elements
from ontology.pack import load_pack

GROUPS = {
    "mood": ("C0011581", "C0855237", "C0424000"),
    "psychosis": ("C0011253", "C0018524", "C1456784"),
    "agitation": ("C0085631", "C0001807", "C2700617"),
}


@pytest.fixture(scope="module")
def pack():
    return load_pack()


@pytest.fixture(scope="module")
def drawn(pack):
    return sample_arrays(combine(pack, facts_to_elements(pack)), 40_000, 3)


def months(drawn, cuis):
    first = np.min([np.nan_to_num(drawn.first(c), nan=np.inf) for c in cuis], axis=0)
    begun = np.isfinite(first)
    return 12 * float((first - drawn.diagnosis)[begun].mean())


def test_the_published_order_of_mood_psychosis_and_agitation_holds_from_facts_alone(drawn):
    found = [months(drawn, cuis) for cuis in GROUPS.values()]
    assert kendall_tau([-26.4, 0.1, 10.0], found) == 1
    assert max(abs(a - b) for a, b in zip(found, [-26.4, 0.1, 10.0], strict=True)) < 12


@pytest.mark.parametrize("group", ["order:geras", "order:adl", "order:craig"])
def test_every_published_rank_that_drives_the_model_holds(pack, drawn, group):
    facts = [f for f in pack.facts if f.group == group and f.event and f.use == "fit"]
    assert kendall_tau([f.value for f in facts], [months(drawn, [f.event]) for f in facts]) == 1


def test_a_rate_that_a_fact_gives_stays(pack):
    without = replace(pack, facts=tuple(f for f in pack.facts if f.kind not in {"timing", "order"}))
    free, held = courses(without), courses(pack)
    assert held["C0001807"].rate < 0.8 * free["C0001807"].rate  # its share at the diagnosis is borrowed
    assert "jost1996" in held["C0001807"].source
    assert held["C3887611"].stages != free["C3887611"].stages or held["C3887611"].rate != free["C3887611"].rate

    def start(course, spread=21):
        nodes, weights = np.polynomial.hermite_e.hermegauss(spread)
        rate = course.rate * np.exp(course.stages["mci"]) * np.exp(course.spread * nodes)
        return float(weights @ (7 * rate / (1 + 7 * rate)) / weights.sum())

    for cui in ("C0011581", "C0085632", "C0003467", "C0011253", "C0018524"):  # published at the start
        assert start(held[cui]) == pytest.approx(start(free[cui]), rel=0.01)


def test_without_order_and_time_rows_nothing_moves(pack):
    without = replace(pack, facts=tuple(f for f in pack.facts if f.kind not in {"timing", "order"}))
    plain = courses(without)
    assert time_shifts(without, plain, dict.fromkeys(plain, (1.0, 1.0))) == {}


def test_mean_times_in_closed_form_are_those_of_a_simulation(pack):
    life = _life(pack)
    rates = _stage_rates(pack, courses(pack)["C0233407"], "C0233407", life)
    rng, times = np.random.default_rng(1), []
    for _ in range(20_000):
        at, clock = None, 0.0
        stages = [rng.exponential(1 / e) if e else np.inf for e in life.exits]
        origin = stages[0]
        for k, rate in enumerate(rates):
            onset = rng.exponential(1 / rate)
            death = rng.exponential(1 / life.death[k]) if life.death[k] else np.inf
            if min(onset, death) < stages[k]:
                at = clock + onset if onset < death else None
                break
            clock += stages[k]
        if at is not None:
            times.append(12 * (at - origin))
    assert mean_months([rates], [0.0], life) == pytest.approx(np.mean(times), abs=3 * np.std(times) / len(times) ** 0.5)
