"""Histories drawn from fitted rates, and what visits would have seen of them. Compiled; one random stream a call."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from graph_loaders.estimation.loops import simulation
from graph_loaders.trajectory import Onset, Trajectory
from ontology.concept import Cui

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy.typing as npt

    from graph_loaders.estimation.fit import Fit

    Floats = npt.NDArray[np.float64]

__all__ = ["onset_ages", "resample"]


def onset_ages(
    theta: Floats,
    needs: npt.NDArray[np.bool_],
    start: Floats,
    end: Floats,
    fixed: Floats,
    begun: npt.NDArray[np.bool_],
    seed: int,
    *,
    death: int = -1,
) -> Floats:
    """Age at each event for each person (persons x events): -inf had begun before, inf did not begin. Ages act by whole years."""
    out = np.empty((len(start), len(theta)))
    given = np.ascontiguousarray(theta), needs, death, np.asarray(start, np.float64), np.asarray(end, np.float64)
    simulation.run(*given, np.ascontiguousarray(fixed, np.float64), np.ascontiguousarray(begun), seed, out)
    return out


def resample(fit: Fit, people: Iterable[Trajectory], seed: int) -> Iterator[Trajectory]:
    """The same persons again, from what they had at entry, by the fitted rates, seen at their own visits.

    Death is not drawn: a person is followed as long as the real one.
    """
    people = list(people)
    index = {event: j for j, event in enumerate(fit.events)}
    begun = np.zeros((len(people), len(fit.events)), np.bool_)
    fixed = np.zeros((len(people), len(fit.fixed)))
    for i, person in enumerate(people):
        has = {f"{axis}:{value}" for axis, value in person.persona.traits.items()}
        has.update(f"risk:{risk}" for risk in person.persona.risk_factors)
        fixed[i] = [name in has for name in fit.fixed]
        for onset in person.onsets:
            if onset.cui in index and onset.age <= person.entry_age:
                begun[i, index[onset.cui]] = True
    start, end = (np.array([getattr(p, name) for p in people]) for name in ("entry_age", "exit_age"))
    theta = fit.theta.copy()
    if "death" in index:
        theta[index["death"], 0] = -math.inf
    ages = onset_ages(theta, fit.needs, start, end, fixed, begun, seed)
    for person, row in zip(people, ages, strict=True):
        yield _seen(person, fit.events, row)


def _seen(person: Trajectory, events: tuple[str, ...], ages: Floats) -> Trajectory:
    """What the person's visits saw of the given ages at onset."""
    visits = sorted({person.entry_age, *person.visits})
    onsets = []
    for event, age in zip(events, ages, strict=True):
        if age <= person.entry_age:
            onsets.append(Onset(Cui(event), person.entry_age))
            continue
        k = int(np.searchsorted(visits, age, side="left"))
        if k < len(visits):
            onsets.append(Onset(Cui(event), visits[k], visits[k - 1]))
    onsets.sort(key=lambda onset: (onset.age, onset.cui))
    return Trajectory(
        person.id,
        person.persona,
        person.entry_age,
        person.exit_age,
        visits=person.visits,
        onsets=tuple(onsets),
        sampled=True,
    )
