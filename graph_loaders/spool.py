"""`Spool`: trajectories in a file without a name, for sources whose concepts are known only when all has been read."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Self

from graph_loaders.trajectory import read_jsonl, write_jsonl

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from graph_loaders.trajectory import Trajectory
    from ontology.concept import Cui

__all__ = ["Spool"]


class Spool:
    """Keeps trajectories out of memory, and the concepts that occur in them. Nobody else can open the file (it has no name
    where the system allows that), and it is gone with the block; identifiers and texts never reach it.

    >>> from graph_loaders.trajectory import Persona, Trajectory
    >>> with Spool() as spool:
    ...     spool.fill([Trajectory("p0", Persona(), 70.0, 75.0)])
    ...     [person.exit_age for person in spool]
    [75.0]
    """

    def __init__(self) -> None:
        self.concepts: set[Cui] = set()
        self._file = tempfile.TemporaryFile("w+", encoding="utf-8", prefix="dualalign-")  # noqa: SIM115 - closed by `__exit__`

    def fill(self, people: Iterable[Trajectory]) -> None:
        """Reads everything there is."""
        write_jsonl(self._watched(people), self._file)

    def _watched(self, people: Iterable[Trajectory]) -> Iterator[Trajectory]:
        for person in people:
            self.concepts |= {onset.cui for onset in person.onsets} | {absence.cui for absence in person.absences}
            yield person

    def __iter__(self) -> Iterator[Trajectory]:
        self._file.seek(0)
        return read_jsonl(self._file, "what was read")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
