"""A sampled cohort as it would have been seen: at visits, with items missing, so that it compares with a real one.

Exact onsets must never be compared with onsets dated at visits. `observe` sees a trajectory at the visits of a `Calendar`: an onset
is dated at the first visit where it is measured and present, with the last age it was measured and absent before that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from graph_loaders.trajectory import Absence, Onset
from ontology.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np

    from graph_loaders.trajectory import Trajectory
    from ontology.concept import Cui

__all__ = ["Calendar", "observe", "observed"]


@dataclass(frozen=True, slots=True)
class Calendar:
    """When visits are, and what is missing at them.

    `gaps`: years between visits, drawn from at random (one value: a fixed rhythm). `offset_years`: the first visit comes up to so
    long after entry. `dropout`: chance of no further visit, at each. `missing`: chance that an item is not measured at a visit, by
    CUI; `missing_otherwise` for the others.
    """

    gaps: tuple[float, ...] = (1.0,)
    offset_years: float = 0.0
    dropout: float = 0.0
    missing: Mapping[str, float] = field(default_factory=dict)
    missing_otherwise: float = 0.0

    def __post_init__(self) -> None:
        shares = [self.dropout, self.missing_otherwise, *self.missing.values()]
        if not self.gaps or min(self.gaps) <= 0 or self.offset_years < 0:
            raise ConfigError(f"a calendar needs gaps above 0 years and an offset of 0 or more, not {self.gaps}")
        if not all(0 <= s <= 1 for s in shares):
            raise ConfigError("dropout and missing are shares between 0 and 1")

    @classmethod
    def of(cls, cohort: Iterable[Trajectory]) -> Calendar:
        """The rhythm of a real cohort: all gaps between its visits. ConfigError where nobody has two visits."""
        gaps = tuple(
            later - earlier
            for one in cohort
            for earlier, later in zip(sorted(one.visits), sorted(one.visits)[1:], strict=False)
            if later > earlier
        )
        if not gaps:
            raise ConfigError("nobody in the cohort has two visits; give the gaps by hand")
        return cls(gaps)

    def visits(self, entry: float, end: float, rng: np.random.Generator) -> tuple[float, ...]:
        """Ages at the visits of one person."""
        at = entry + (float(rng.random()) * self.offset_years if self.offset_years else 0.0)
        found: list[float] = []
        while at <= end:
            found.append(at)
            if self.dropout and float(rng.random()) < self.dropout:
                break
            at += self.gaps[int(rng.integers(len(self.gaps)))]
        return tuple(found)


def observe(
    trajectory: Trajectory,
    calendar: Calendar,
    rng: np.random.Generator,
    *,
    items: Iterable[Cui] | None = None,
    visits: Iterable[float] | None = None,
) -> Trajectory:
    """The trajectory as seen at visits. `items`: what is asked at each visit (default: what began in this trajectory); all of them
    get absences. `visits`: these ages instead of drawn ones (a real person's, say).

    `Onset.after` is the last visit at which the item was measured and absent, None where it was present when first measured.
    Remissions count: an onset that is away at every visit is never seen. Death stays known; otherwise follow-up ends at the
    last visit.

    >>> import numpy as np
    >>> from graph_loaders.trajectory import Persona, Trajectory
    >>> her = Trajectory("t", Persona(), 70.0, 80.0, onsets=(Onset("C0085632", 72.4, 72.4),), sampled=True)
    >>> seen = observe(her, Calendar((2.0,)), np.random.default_rng(0))
    >>> seen.visits[:3], seen.onsets[0].age, seen.onsets[0].after
    ((70.0, 72.0, 74.0), 74.0, 72.0)
    """
    given = (
        None if visits is None else tuple(a for a in sorted(visits) if trajectory.entry_age <= a <= trajectory.exit_age)
    )
    ages = calendar.visits(trajectory.entry_age, trajectory.exit_age, rng) if given is None else given
    asked = list(dict.fromkeys(o.cui for o in trajectory.onsets)) if items is None else list(items)
    onsets, absences = [], []
    for cui in asked:
        away = calendar.missing.get(cui, calendar.missing_otherwise)
        seen: Onset | None = None
        absent_at: float | None = None
        for age in ages:
            if away and float(rng.random()) < away:
                continue
            if not trajectory.present(cui, age):
                absences.append(Absence(cui, age))
                absent_at = age if seen is None else absent_at
            elif seen is None:
                seen = Onset(cui, age, absent_at, trajectory.stage_at(age))
        if seen is not None:
            onsets.append(seen)
    end = trajectory.exit_age if trajectory.died or not ages else ages[-1]
    stages = []
    for stage in trajectory.stages:
        first = next((a for a in ages if a >= stage.age), None)
        if first is not None:
            stages.append(replace(stage, age=first))
    return replace(
        trajectory,
        entry_age=ages[0] if ages else trajectory.entry_age,
        exit_age=end,
        visits=ages,
        onsets=tuple(sorted(onsets, key=lambda o: (o.age, o.cui))),
        absences=tuple(sorted(absences, key=lambda a: (a.age, a.cui))),
        stages=tuple(stages),
        sampled=False,
        remissions=(),
    )


def observed(
    cohort: Iterable[Trajectory], calendar: Calendar, rng: np.random.Generator, *, items: Iterable[Cui] | None = None
) -> Iterator[Trajectory]:
    """`observe` for each of a cohort, lazily."""
    asked = None if items is None else tuple(items)
    return (observe(one, calendar, rng, items=asked) for one in cohort)
