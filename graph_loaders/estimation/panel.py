"""`Panel`: a cohort as intervals between visits, a few bytes each, in memory or in a temporary file. One pass over persons."""

from __future__ import annotations

import math
import tempfile
from typing import IO, TYPE_CHECKING, Any, Self

import numpy as np

from graph_loaders.estimation.kinds import BEGINS, EXACT, PANEL, TO_DEATH
from graph_loaders.schema import DEATH
from ontology.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from graph_loaders.trajectory import Persona, Trajectory
    from ontology.pack import Pack

    Rows = npt.NDArray[np.void]

__all__ = ["Panel", "fixed_features", "needs_matrix"]

_CHUNK = 65_536
_IN_MEMORY = 4
"""Chunks that are kept in memory; more go to a temporary file."""


def fixed_features(pack: Pack) -> list[str]:
    """The trait values that are not their axis' first in the pack, then the risk factors: a 0/1 column each."""
    first: dict[str, str] = {}
    for demographic in pack.demographics:
        first.setdefault(demographic.axis, demographic.value)
    traits = [d.id for d in pack.demographics if first[d.axis] != d.value]
    return [*traits, *(f"risk:{risk.id}" for risk in pack.risk_factors)]


def needs_matrix(events: Sequence[str], requires: Mapping[Any, Any]) -> npt.NDArray[np.bool_]:
    """needs[j, v]: event j cannot begin before v, directly or through others."""
    index = {event: i for i, event in enumerate(events)}
    needs = np.zeros((len(events), len(events)), np.bool_)
    for event in events:
        needed = requires.get(event)
        while needed in index and needed != event and not needs[index[event], index[needed]]:
            needs[index[event], index[needed]] = True
            needed = requires.get(needed)
    return needs


class Panel:
    """Intervals of persons: `start`, `end` (ages), `fixed` (0/1 columns), `state` of each event (0 not yet, 1 begun, 2 begins here).

    `kind`: between two visits (onsets somewhere inside), exact (onsets at the end), or from the last visit to death.
    Death is the last event when `death` is true. Memory: constant, beyond some 260,000 intervals they lie in a file that
    goes with the panel.
    """

    def __init__(self, events: Sequence[str], fixed: Sequence[str], *, death: bool = False) -> None:
        self.events = [*events, DEATH[1]] if death else list(events)
        self.fixed = list(fixed)
        self.death = len(self.events) - 1 if death else -1
        self.dtype = np.dtype(
            [
                ("person", "<u4"),
                ("kind", "u1"),
                ("start", "<f8"),
                ("end", "<f8"),
                ("fixed", "u1", (len(self.fixed),)),
                ("state", "u1", (len(self.events),)),
            ]
        )
        self.persons = 0
        self.intervals = 0
        self._index = {event: i for i, event in enumerate(self.events)}
        self._kept: list[Rows] = []
        self._file: IO[bytes] | None = None
        self._rows: list[Any] = []
        self._open: Rows = np.zeros(_CHUNK, self.dtype)
        self._used = 0

    @classmethod
    def of(
        cls, people: Iterable[Trajectory], events: Sequence[str], fixed: Sequence[str], *, death: bool = False
    ) -> Self:
        """The panel of a cohort."""
        panel = cls(events, fixed, death=death)
        for person in people:
            panel.add(person)
        return panel

    def add(self, person: Trajectory) -> None:
        """One person more. ConfigError where the follow-up ends before it begins."""
        if person.exit_age < person.entry_age:
            raise ConfigError(f"{person.id} leaves at {person.exit_age} before entering at {person.entry_age}")
        number = self.persons
        self.persons += 1
        fixed = self._fixed(person.persona)
        onset = np.full(len(self.events), math.inf)
        for o in person.onsets:
            if o.cui in self._index:
                onset[self._index[o.cui]] = o.age
        dies = person.died and self.death >= 0
        visits = sorted({person.entry_age, *person.visits}) if person.visits else []
        if visits:
            self._put(number, PANEL, visits, fixed, onset)
            if dies:
                onset[self.death] = person.exit_age
                self._put(number, TO_DEATH, [visits[-1], person.exit_age], fixed, onset)
            return
        if dies:
            onset[self.death] = person.exit_age
        self._put(number, EXACT, _cuts(person, onset), fixed, onset)

    def _fixed(self, persona: Persona) -> npt.NDArray[np.uint8]:
        has = {f"{axis}:{value}" for axis, value in persona.traits.items()}
        has.update(f"risk:{risk}" for risk in persona.risk_factors)
        return np.fromiter((name in has for name in self.fixed), np.uint8, len(self.fixed))

    def _put(
        self,
        person: int,
        kind: int,
        cuts: list[float],
        fixed: npt.NDArray[np.uint8],
        onset: npt.NDArray[np.float64],
    ) -> None:
        """The intervals between `cuts`, all at once: they are many, and each call of numpy has its price."""
        ages = np.array(cuts)
        start, end = ages[:-1, None], ages[1:, None]
        state = (onset <= start).view(np.uint8)
        state[(onset > start) & (onset <= end)] = BEGINS
        if kind == TO_DEATH:
            state[:, : self.death][state[:, : self.death] == BEGINS] = 0
        done, count = 0, len(cuts) - 1
        while done < count:
            part = slice(done, min(count, done + _CHUNK - self._used))
            size = part.stop - done
            rows = self._open[self._used : self._used + size]
            rows["person"], rows["kind"], rows["fixed"] = person, kind, fixed
            rows["start"], rows["end"], rows["state"] = ages[part], ages[part.start + 1 : part.stop + 1], state[part]
            self._used += size
            done += size
            if self._used == _CHUNK:
                self._flush()
        self.intervals += count

    def _flush(self) -> None:
        full, self._open, self._used = self._open[: self._used], np.zeros(_CHUNK, self.dtype), 0
        if self._file is None and len(self._kept) < _IN_MEMORY:
            self._kept.append(full)
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="dualalign-panel-")  # noqa: SIM115 - closed with the panel
        self._file.seek(0, 2)
        self._file.write(full.tobytes())

    def chunks(self) -> Iterator[Rows]:
        """The intervals, in the order of persons, some 65,000 at a time."""
        yield from self._kept
        if self._file is not None:
            self._file.seek(0)
            size = _CHUNK * self.dtype.itemsize
            while block := self._file.read(size):
                yield np.frombuffer(block, self.dtype)
        if self._used:
            yield self._open[: self._used]

    def rows(self, most: int | None = None) -> Rows:
        """The first `most` intervals (all of them for None) as one array."""
        found: list[Rows] = []
        count = 0
        for chunk in self.chunks():
            found.append(chunk if most is None else chunk[: most - count])
            count += len(found[-1])
            if most is not None and count >= most:
                break
        return np.concatenate(found) if found else np.zeros(0, self.dtype)

    def subset(self, keep: npt.NDArray[np.bool_]) -> Panel:
        """The persons `keep` says (one value a person), under their numbers here."""
        part = type(self)(
            self.events[: self.death] if self.death >= 0 else self.events, self.fixed, death=self.death >= 0
        )
        for chunk in self.chunks():
            chosen = chunk[keep[chunk["person"]]]
            part._kept.append(chosen)  # noqa: SLF001 - its own class
            part.intervals += len(chosen)
        part.persons = int(keep.sum())
        return part

    def close(self) -> None:
        """Gives the temporary file back."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _cuts(person: Trajectory, onset: npt.NDArray[np.float64]) -> list[float]:
    """Entry, exit and the onsets between."""
    low, high = person.entry_age, person.exit_age
    inside = onset[(onset > low) & (onset < high)]
    return sorted({low, high, *inside.tolist()})
