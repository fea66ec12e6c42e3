"""`Bounds`: the most that one person adds to what is counted, which differentially private noise is measured against."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ontology.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from graph_loaders.trajectory import Trajectory

__all__ = ["Bounds"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """A person is followed for `most_years` at most, and until `most_onsets` at most; enforced while loading."""

    most_onsets: int
    most_years: float

    def __post_init__(self) -> None:
        if self.most_onsets < 1 or not 0 < self.most_years < 122:  # noqa: PLR2004 -- no life is longer
            raise ConfigError(
                f"a person cannot be bounded to {self.most_onsets} onsets and {self.most_years:g} years; give 8 and 20, say"
            )

    def each(self, people: Iterable[Trajectory]) -> Iterator[Trajectory]:
        """The same persons, each within the bounds."""
        for person in people:
            yield self.within(person)

    def within(self, person: Trajectory) -> Trajectory:
        """Censored where a bound is passed: at the end of the years, or at the last visit before the onset that is too many.

        Of several onsets first seen at that visit, the first by order stay if any does.

        >>> from graph_loaders.trajectory import Onset, Persona, Trajectory
        >>> her = Trajectory("t", Persona(), 70.0, 90.0, visits=(70.0, 75.0, 80.0), onsets=(Onset("C0000001", 75.0, 70.0),))
        >>> Bounds(5, 8.0).within(her).exit_age, Bounds(5, 4.0).within(her).onsets
        (78.0, ())
        """
        end = min(person.exit_age, person.entry_age + self.most_years)
        onsets = tuple(o for o in person.onsets if o.age <= end)
        if len(onsets) > self.most_onsets:
            beyond = onsets[self.most_onsets].age
            onsets = onsets[: self.most_onsets]
            seen = [age for age in (person.entry_age, *person.visits, *(o.age for o in onsets)) if age < beyond]
            end = beyond if onsets[-1].age == beyond else max(seen, default=person.entry_age)
        if end == person.exit_age and onsets == person.onsets:
            return person
        return replace(
            person,
            exit_age=end,
            died=person.died and end == person.exit_age,
            visits=tuple(v for v in person.visits if v <= end),
            onsets=onsets,
            absences=tuple(a for a in person.absences if a.age <= end),
            presences=tuple(p for p in person.presences if p.age <= end),
            stages=tuple(s for s in person.stages if s.age <= end),
        )
