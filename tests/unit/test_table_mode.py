import numpy as np
import pytest

from engine.sampling.criteria import Criteria
from engine.sampling.parallel import json_lines
from engine.sampling.sampler import sample, sample_arrays
from engine.sampling.table import table_of_weights, walk
from engine.sampling.tables import Paths, Wanted
from ontology.errors import ConfigError, Infeasible
from planted import APRAXIA, CALCULATION, JUDGMENT, SIGNS, planted_model

KEY = np.array([3, 5], np.uint64)


def first_order(size: int, seed: int):
    """Random weights with an end, and their table; what needs what is given by the last row of events."""
    rng = np.random.default_rng(seed)
    rows = np.zeros((size + 2, size + 1))
    rows[: size + 2] = rng.gamma(0.3, 1, (size + 2, size + 1)) + 1e-3
    rows[:, size] = 0.2 * rows.sum(1)
    needs = np.zeros((size + 1, size + 1), bool)
    needs[2, 1] = True
    pool = (
        np.full(8, 70.0),
        np.zeros((8, 0)),
        np.zeros(8, np.int64),
        np.zeros((8, 0), np.int8),
        np.zeros((8, 0), bool),
    )
    table = table_of_weights(rows, needs, (np.zeros(0, np.int64), 0), (1, 500.0, 40.0, 1), size, size, 1e8, pool)
    return rows, table


def free(size: int) -> Wanted:
    none = np.zeros(size + 1, np.bool_)
    return Wanted(none, 0, none, -1, -1, 0, size + 1, 1e9)


def test_steps_have_the_probabilities_of_the_weights():
    """Chi-square of the second event given the first against the weights of what can still begin, 0.9 to 1.1 a degree of freedom."""
    size, n = 40, 800_000
    rows, table = first_order(size, 0)
    paths = Paths.empty(n, 24, 0, 0)
    walk(KEY, 0, n, 1, table, free(size), paths)
    two = np.diff(paths.start) >= 2
    first, second = paths.event[paths.start[:-1][two]], paths.event[paths.start[:-1][two] + 1]
    observed = np.zeros((size + 1, size + 1))
    np.add.at(observed, (first, second), 1)
    total = dof = 0.0
    for j in range(size):
        weights = rows[j].copy()
        weights[j] = 0.0
        if j != 1:
            weights[2] = 0.0  # needs 1
        expected = observed[j].sum() * weights / weights.sum()
        used = expected >= 5
        total += ((observed[j] - expected) ** 2 / np.where(used, expected, 1))[used].sum()
        dof += used.sum() - 1
    assert dof > 800
    assert 0.9 < total / dof < 1.1


def test_waiting_times_are_exponential_with_the_rate_of_what_can_begin():
    size, n = 12, 200_000
    rows, table = first_order(size, 1)
    paths = Paths.empty(n, size + 1, 0, 0)
    walk(KEY, 0, n, 1, table, free(size), paths)
    wait = paths.age[paths.start[:-1]] - 70.0
    rate = rows[size + 1].sum() - rows[size + 1, 2]
    assert wait.mean() * rate == pytest.approx(1.0, abs=0.01)
    assert (wait > 2 / rate).mean() == pytest.approx(np.exp(-2), abs=0.005)


def test_nothing_begins_twice_and_nothing_before_what_it_requires():
    size, n = 12, 5000
    _, table = first_order(size, 2)
    paths = Paths.empty(n, size + 1, 0, 0)
    walk(KEY, 0, n, 1, table, free(size), paths)
    for i in range(n):
        path = paths.event[paths.start[i] : paths.start[i + 1]].tolist()
        assert len(set(path)) == len(path)
        assert path[-1] == size
        if 2 in path:
            assert path.index(1) < path.index(2)
        assert (np.diff(paths.age[paths.start[i] : paths.start[i + 1]]) >= 0).all()


@pytest.mark.parametrize("mode", ["exact", "table"])
def test_any_number_of_workers_gives_the_same_bytes(mode):
    model = planted_model()
    found = [sample_arrays(model, 40_000, 3, mode=mode, workers=w) for w in (1, 2, 8)]
    for other in found[1:]:
        assert other.age.tobytes() == found[0].age.tobytes()
        assert other.event.tobytes() == found[0].event.tobytes()
        assert other.exposed.tobytes() == found[0].exposed.tobytes()


@pytest.mark.slow
def test_any_number_of_processes_gives_the_same_lines():
    model = planted_model()
    asked = Criteria(include=(JUDGMENT,))
    found = [b"".join(part for part, *_ in json_lines(model, asked, 700, 3, processes=p)) for p in (1, 2, 8)]
    assert found[0] == found[1] == found[2]
    assert found[0].count(b"\n") == 700


def test_the_table_is_near_the_exact_model_where_history_is_short():
    model = planted_model()
    exact, table = sample_arrays(model, 40_000, 1), sample_arrays(model, 40_000, 1, mode="table")
    for event in (*SIGNS, "stage:severe", "death"):
        a, b = (~np.isnan(found.first(event)) for found in (exact, table))
        assert b.mean() == pytest.approx(a.mean(), abs=0.03), event
    assert table.diagnosis.mean() == pytest.approx(exact.diagnosis.mean(), abs=0.3)


def test_table_mode_meets_criteria_and_gives_up_on_what_is_too_rare():
    model = planted_model()
    asked = Criteria(include=(CALCULATION,), exclude=(JUDGMENT,), age=(70, 75), max_onsets=3)
    for one in sample(model, asked, n=50, seed=2, mode="table"):
        begun = [o.cui for o in one.onsets]
        assert CALCULATION in begun
        assert JUDGMENT not in begun
        assert len(begun) <= 3
        diagnosed = next(o.age for o in one.onsets if o.cui == model.pack.diagnosis)
        assert 70 <= diagnosed <= 75
    with pytest.raises(Infeasible, match="draws in a row did not"):
        next(sample(model, Criteria(start=APRAXIA, window_years=0.01), n=1, mode="table", max_tries=50))


def test_an_unknown_mode_is_refused():
    with pytest.raises(ConfigError, match="mode 'fast' is not one of exact, table"):
        sample(planted_model(), n=1, mode="fast")
