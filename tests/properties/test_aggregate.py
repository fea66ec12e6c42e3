"""Counts add up, and what was planted is found again."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph_loaders.aggregate import aggregate
from graph_loaders.estimate import estimate
from graph_loaders.schema import START
from graph_loaders.trajectory import Onset, Persona, Trajectory
from ontology.concept import Cui
from ontology.pack import load_pack

EVENTS = tuple(Cui(f"C000000{i}") for i in range(4))


@st.composite
def people(draw):
    entry = draw(st.integers(60, 80))
    visits = sorted({entry, *draw(st.lists(st.integers(entry, entry + 20), max_size=5))})
    chosen = draw(st.lists(st.sampled_from(EVENTS), unique=True, max_size=4))
    onsets = []
    for cui in chosen:
        k = draw(st.integers(0, len(visits) - 1))
        onsets.append(Onset(cui, float(visits[k]), float(visits[k - 1]) if k else None))
    onsets.sort(key=lambda o: (o.age, o.cui))
    ages = tuple(float(v) for v in visits)
    return Trajectory("p", Persona(), ages[0], ages[-1], visits=ages, onsets=tuple(onsets))


def counted(elements):
    return {(e.start, e.end): e.properties for e in elements.edges}


@given(st.lists(people(), max_size=12))
def test_pairs_are_counted_once_and_gaps_add_up_to_persons(cohort):
    edges = counted(aggregate(cohort, "c", EVENTS))
    for (start, end), row in edges.items():
        assert sum(row["gap_days"]) == row["persons"]
        assert row["person_years"] >= 0
        if start[0] == end[0] == "Concept":
            a, b = start[1], end[1]
            ages = [{o.cui: o.age for o in t.onsets} for t in cohort]
            assert row["persons"] == sum(a in x and b in x and x[a] < x[b] for x in ages)
            assert row["same_visit"] == sum(a in x and b in x and x[a] == x[b] for x in ages)
            mirror = edges.get((end, start))
            assert mirror is not None or row["same_visit"] == 0
    ended = sum(row["persons"] for (_, end), row in edges.items() if end[0] == "End")
    assert ended == len(cohort)


@given(st.lists(people(), max_size=8), st.lists(people(), max_size=8))
def test_counts_of_two_halves_add_up_to_the_whole(left, right):
    total = defaultdict(lambda: [0, 0])
    for half in (left, right):
        for key, row in counted(aggregate(half, "c", EVENTS)).items():
            total[key][0] += row["persons"]
            total[key][1] += row["same_visit"]
    whole = counted(aggregate([*left, *right], "c", EVENTS))
    assert {k: [row["persons"], row["same_visit"]] for k, row in whole.items()} == dict(total)


@given(st.lists(people(), max_size=8), st.randoms())
def test_the_order_of_persons_changes_nothing(cohort, random):
    shuffled = list(cohort)
    random.shuffle(shuffled)
    one, two = (counted(aggregate(c, "c", EVENTS)) for c in (cohort, shuffled))
    assert {k: (r["persons"], r["same_visit"], r["gap_days"]) for k, r in one.items()} == {
        k: (r["persons"], r["same_visit"], r["gap_days"]) for k, r in two.items()
    }


def test_what_was_there_at_entry_has_no_date():
    person = Trajectory("p", Persona(), 70.0, 74.0, visits=(70.0, 74.0), onsets=(Onset(EVENTS[0], 70.0, None),))
    row = counted(aggregate([person], "c", EVENTS))[START, ("Concept", EVENTS[0])]
    assert (row["persons"], row["same_visit"], row["person_years"]) == (0, 1, 0.0)


def planted(n: int, rate: float, ratio: float, history: float) -> list[Trajectory]:
    """Exactly timed onsets: the second event's hazard is `rate`, times `ratio` for men, times `history` after the first."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(n):
        male = rng.random() < 0.5
        hazard = rate * (ratio if male else 1.0)
        first = rng.exponential(1 / 0.1)
        wait = rng.exponential(1 / hazard)
        second = wait if wait < first else first + rng.exponential(1 / (hazard * history))
        ages = {EVENTS[0]: 70 + first, EVENTS[1]: 70 + second}
        onsets = sorted((Onset(c, a, a) for c, a in ages.items() if a < 85), key=lambda o: o.age)
        found.append(Trajectory("p", Persona({"sex": "male" if male else "female"}), 70.0, 85.0, onsets=tuple(onsets)))
    return found


def test_a_planted_hazard_ratio_and_history_effect_are_recovered():
    edges = estimate(planted(6000, 0.08, 2.0, 3.0), load_pack(), "c", EVENTS[:2])
    second = next(e for e in edges if e.end[1] == EVENTS[1] and e.type == "ESTIMATES").properties
    found = dict(zip(second["features"], second["coefficients"], strict=True))
    size = len(second["features"])
    sd = dict(
        zip(
            second["features"],
            np.sqrt(np.diag(np.linalg.inv(np.reshape(second["information"], (size, size))))),
            strict=True,
        )
    )
    assert found["sex:male"] == pytest.approx(np.log(2), abs=3 * sd["sex:male"])
    assert found[f"after:{EVENTS[0]}"] == pytest.approx(np.log(3), abs=3 * sd[f"after:{EVENTS[0]}"])
    assert sd["sex:male"] < 0.06
