"""Symptoms that come and go: whether a concept is present at an age is another question than whether it has begun."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from graph_loaders.trajectory import Remission

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy.typing as npt

    from engine.sampling.model import ProgressionModel
    from graph_loaders.trajectory import Onset, Trajectory
    from ontology.concept import Cui

__all__ = ["present_at", "present_share", "remissions"]

_BATCH = 32


def remissions(
    model: ProgressionModel, onsets: Iterable[Onset], exit_age: float, rng: np.random.Generator
) -> tuple[Remission, ...]:
    """When concepts that have begun are away, in order of age: on/off paths from the onset (or the diagnosis, if later) to the exit.

    A concept goes at the rate `off` and comes back at the rate `again` of its course (a year); one without `off` stays.
    """
    found = []
    begun = list(onsets)
    diagnosis = next((o.age for o in begun if o.cui == model.pack.diagnosis), math.inf)
    waits: Iterator[float] = iter(())
    for onset in begun:
        course = model.courses.get(onset.cui)
        if course is None or not course.off:
            continue
        at = max(onset.age, diagnosis) if diagnosis < math.inf else onset.age
        on, gone = True, 0.0
        while at < exit_age:
            rate = course.off if on else course.again
            wait = next(waits, None)
            if wait is None:
                waits = iter(rng.standard_exponential(_BATCH).tolist())
                wait = next(waits)
            at = at + wait / rate if rate else math.inf
            if on:
                gone = at
            else:
                found.append(Remission(onset.cui, gone, min(at, exit_age)))
            on = not on
        if not on and gone < exit_age:
            found.append(Remission(onset.cui, gone, exit_age))
    return tuple(sorted(found, key=lambda r: (r.start, r.cui)))


def present_at(
    model: ProgressionModel, trajectory: Trajectory, cui: Cui, ages: Iterable[float], rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Whether the concept is present at each age: one on/off path from the onset on, so ages may come in any order.

    A trajectory that was sampled with its remissions is read, and `rng` not used. The concept is present from its first onset;
    after the diagnosis it goes at the rate `off` and comes back at the rate `again` of its course (a year; both declared where the
    pack has no row). Never before the onset, nor after the exit. A concept that does not remit stays. ConfigError for an unknown one.
    """
    wanted = np.asarray(list(ages), dtype=np.float64)
    model.index(cui)
    begun = next((o.age for o in trajectory.onsets if o.cui == cui), math.inf)
    present = (wanted >= begun) & (wanted <= trajectory.exit_age)
    if trajectory.remissions:
        for away in trajectory.remissions:
            if away.cui == cui:
                present &= ~((wanted >= away.start) & (wanted < away.end))
        return present
    course = model.courses.get(cui)
    if course is None or not course.off or not present.any():
        return present
    diagnosis = next((o.age for o in trajectory.onsets if o.cui == model.pack.diagnosis), begun)
    at, on = max(begun, diagnosis), True
    while at < trajectory.exit_age:
        rate = course.off if on else course.again
        end = at + (rng.exponential(1 / rate) if rate else math.inf)
        if not on:
            present &= ~((wanted >= at) & (wanted < end))
        at, on = end, not on
    return present


def present_share(
    model: ProgressionModel,
    cui: str,
    onset: npt.NDArray[np.float64],
    diagnosis: npt.NDArray[np.float64],
    age: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """The probability that `present_at` is true, for many persons at once (nan onset: never begun).

    >>> from graph_loaders.facts import facts_to_elements
    >>> from ontology.pack import load_pack
    >>> from engine.sampling.model import combine
    >>> pack = load_pack()
    >>> model = combine(pack, facts_to_elements(pack))
    >>> present_share(model, "C0085632", np.array([80.0, 86.0]), np.array([80.0, 80.0]), np.array([80.0, 85.0]))
    array([1., 0.])
    """
    with np.errstate(invalid="ignore"):
        begun = onset <= age
    course = model.courses[cui]
    if not course.off:
        return begun.astype(np.float64)
    total = course.off + course.again
    years = np.where(begun, age - np.maximum(np.where(begun, onset, 0.0), diagnosis), 0.0)
    years = np.maximum(years, 0.0)
    kept = course.again / total + course.off / total * np.exp(-total * years)
    return np.where(begun, kept, 0.0)
