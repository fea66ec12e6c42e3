"""`Telling`: answers that come together are told together, and only then others take their places."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ontology.errors import ModelError

    Done = Callable[[Mapping[int, str | ModelError]], None]

__all__ = ["Telling"]


class Telling:
    """Tells `done` the answers by their places, those of one round of the event loop at once: one transaction keeps them all."""

    def __init__(self, done: Done) -> None:
        self._done = done
        self._ready: dict[int, str | ModelError] = {}
        self._held: list[Callable[[], None]] = []

    async def tell(self, found: Mapping[int, str | ModelError], hold: Sequence[Callable[[], None]]) -> None:
        """These answers, with what else comes in this round; then what gives their places free is called."""
        others = bool(self._ready or self._held)
        self._ready.update(found)
        self._held.extend(hold)
        if others:
            return
        try:
            await asyncio.sleep(0)
        finally:  # an interrupt takes nothing from the others
            told, leaves = self._ready.copy(), self._held.copy()
            self._ready.clear()
            self._held.clear()
            try:
                self._done(told)
            finally:
                for leave in leaves:
                    leave()
