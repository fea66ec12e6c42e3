"""The diagnosis competes with everything else: an earlier onset that acts on it moves it."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from engine.sampling.criteria import Criteria
from engine.sampling.model import ProgressionModel
from engine.sampling.sampler import sample_arrays
from planted import JUDGMENT, planted_model


@cache
def acting(ratio: float) -> ProgressionModel:
    """A first sign that comes before the diagnosis in about half, and multiplies the rate of the diagnosis."""
    model = planted_model()
    mean = model.mean.copy()
    mean[model.index(JUDGMENT), :] = 0.0
    mean[model.index(JUDGMENT), 0] = np.log(0.15)
    mean[model.index(model.pack.diagnosis), model.features.index(f"after:{JUDGMENT}")] = np.log(ratio)
    return replace(model, mean=mean)


def test_a_ratio_of_one_leaves_everything_as_it_was():
    one, none = sample_arrays(acting(1.0), 2000, 1), sample_arrays(acting(1.0 + 1e-12), 2000, 1)
    np.testing.assert_allclose(one.diagnosis, none.diagnosis, atol=1e-6)


@pytest.mark.parametrize("ratio", [0.4, 3.0])
def test_a_planted_ratio_on_the_diagnosis_is_found_in_the_paths(ratio):
    """Mantel-Haenszel rate ratio over years of age and years since entry, sign begun against not."""
    found = sample_arrays(acting(ratio), 150_000, 2)
    sign = np.nan_to_num(found.first(JUDGMENT), nan=np.inf)
    top = bottom = 0.0
    for age in np.arange(65.0, 90.0, 1.0):
        cells = []
        for with_it in (True, False):
            begin = np.maximum(found.entry, sign) if with_it else found.entry
            stop = found.diagnosis if with_it else np.minimum(found.diagnosis, sign)
            time = np.clip(np.minimum(stop, age + 1) - np.maximum(begin, age), 0, None).sum()
            here = (found.diagnosis >= age) & (found.diagnosis < age + 1) & ((sign < found.diagnosis) == with_it)
            cells.append((here.sum(), time))
        (a, t1), (b, t0) = cells
        if t1 + t0:
            top += a * t0 / (t1 + t0)
            bottom += b * t1 / (t1 + t0)
    assert top / bottom == pytest.approx(ratio, rel=0.06)


def test_the_age_asked_for_holds_where_the_diagnosis_moves():
    found = sample_arrays(acting(3.0), 300, 1, Criteria(age=(70, 75)))
    assert found.diagnosis.min() >= 70
    assert found.diagnosis.max() <= 75
    at = found.first(acting(3.0).pack.diagnosis)
    np.testing.assert_array_equal(at[~np.isnan(at)], found.diagnosis[~np.isnan(at)])
    assert np.mean(sample_arrays(acting(3.0), 4000, 1).diagnosis) < np.mean(
        sample_arrays(acting(1.0), 4000, 1).diagnosis
    )


def test_table_mode_keeps_the_moved_diagnosis():
    model = acting(3.0)
    exact, table = sample_arrays(model, 20_000, 1), sample_arrays(model, 20_000, 1, mode="table")
    assert table.diagnosis.mean() == pytest.approx(exact.diagnosis.mean(), abs=0.3)
