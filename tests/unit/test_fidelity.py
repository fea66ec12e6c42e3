"""Nine distances: nothing between a cohort and itself, more where it is bent, and a floor to read them by."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from engine.audit.fidelity import FIGURES, compare, fidelity, summarise
from engine.audit.published import kendall_tau, prevalence_error, publish
from graph_loaders.trajectory import Onset, Persona, Trajectory
from ontology.concept import Cui
from ontology.errors import ConfigError
from ontology.pack import load_pack

EVENTS = tuple(Cui(f"C000000{i}") for i in range(4))


def people(n: int, seed: int, rates=(0.1, 0.15, 0.2, 0.08)) -> list[Trajectory]:
    rng = np.random.default_rng(seed)
    found = []
    for i in range(n):
        visits = tuple((70 + np.arange(6) * 2.0 + rng.uniform(0, 10)).tolist())
        onsets = []
        for cui, rate in zip(EVENTS, rates, strict=True):
            k = int(np.searchsorted(visits, visits[0] - 1 + rng.exponential(1 / rate)))
            if k < len(visits):
                onsets.append(Onset(cui, visits[k], visits[k - 1] if k else None))
        onsets.sort(key=lambda o: (o.age, o.cui))
        found.append(Trajectory(f"p{i}", Persona(), visits[0], visits[-1], visits=visits, onsets=tuple(onsets)))
    return found


def test_a_cohort_is_at_no_distance_from_itself():
    found = summarise(people(200, 1), EVENTS)
    assert compare(found, found) == dict.fromkeys(FIGURES, 0.0)


@pytest.mark.parametrize(
    ("figure", "bend"),
    [
        ("onset_age", lambda t: replace(t, entry_age=t.entry_age + 5, visits=tuple(v + 5 for v in t.visits),
                                        onsets=tuple(replace(o, age=o.age + 5) for o in t.onsets))),
        ("onsets", lambda t: replace(t, onsets=t.onsets[:1])),
        ("co_occurrence", lambda t: replace(t, onsets=tuple(Onset(c, t.visits[3]) for c in EVENTS) if int(t.id[1:]) % 2 else ())),
        ("ties", lambda t: replace(t, onsets=tuple(replace(o, age=t.visits[2]) for o in t.onsets))),
    ],
)  # fmt: skip
def test_what_is_bent_is_seen_by_its_figure(figure, bend):
    real = summarise(people(400, 1), EVENTS)
    floor = compare(real, summarise(people(400, 2), EVENTS))[figure]
    assert compare(real, summarise([bend(t) for t in people(400, 2)], EVENTS))[figure] > 2 * floor


def test_the_real_process_passes_and_another_does_not():
    cohort = people(600, 3)
    good = fidelity(cohort, EVENTS, lambda a, b, seed: people(len(b), 100 + seed), halvings=10)
    bad = fidelity(cohort, EVENTS, lambda a, b, seed: people(len(b), 100 + seed, (0.3, 0.02, 0.2, 0.3)), halvings=10)
    assert good.passed >= 8
    assert bad.passed <= 4
    assert len(good.as_data()["figures"]) == 9


def test_a_cohort_without_visits_is_refused():
    with pytest.raises(ConfigError, match="observe it at visits"):
        summarise([Trajectory("p", Persona(), 70.0, 80.0)], EVENTS)
    with pytest.raises(ConfigError, match="at least four"):
        fidelity(people(3, 1), EVENTS, lambda a, b, seed: b)


def test_published_figures_count_only_where_they_do_not_drive_the_model():
    facts = {f.id: f for f in load_pack().facts}
    fitted = next(f for f in facts.values() if f.use == "fit" and f.value is not None)
    checked = next(f for f in facts.values() if f.use == "check" and f.value is not None and f.low is not None)
    rows = [publish(fitted, 0.0), publish(checked, checked.value + 3)]
    assert prevalence_error(rows) == (pytest.approx(3.0), 0.0)
    assert publish(checked, checked.low, interval=True).error == 0
    assert math.isnan(prevalence_error(rows[:1])[0])


def test_kendall_tau_is_minus_one_for_the_reverse_and_leaves_published_ties_out():
    assert kendall_tau([1, 2, 3], [3, 2, 1]) == -1
    assert kendall_tau([1, 1, 2], [5, 4, 9]) == 1
