"""`Codes`: what a code of the source means: a concept of the graph, a threshold on its value, or nothing and why."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ontology.concept import Cui

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from ontology.catalog import Catalog
    from ontology.concept import Coding

__all__ = ["NO_CONCEPT", "OUTSIDE", "SIGNS", "Codes", "Meaning", "Threshold"]

NO_CONCEPT = "code without a concept"
OUTSIDE = "concept outside the pack and the mapping"

_SAME = 4096
"""Objects that are known by their identity."""

SIGNS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}


@dataclass(frozen=True, slots=True)
class Threshold:
    """A concept is present where the value of a measurement meets it, and absent where it does not (`MMSE < 24`)."""

    cui: Cui
    sign: str
    number: float

    def holds(self, value: float) -> bool:
        """Whether the value meets it."""
        return SIGNS[self.sign](value, self.number)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code says: its concept, or `reason` why none; `thresholds` for codes that carry a number."""

    cui: Cui | None
    reason: str = ""
    thresholds: tuple[Threshold, ...] = ()
    outside: str = ""


class Codes:
    """Code to concept: the mapping file first, then the catalog's cross-references.

    A code may have several concepts: one that the graph has (`wanted`) wins, then the nearest concept above (is_a) that the graph
    has (late-onset Alzheimer's disease counts as Alzheimer's disease), ties by CUI. Looked up once a code.
    """

    def __init__(
        self,
        wanted: Collection[Cui],
        mapped: Mapping[Coding, Cui] | None = None,
        thresholds: Mapping[Coding, Sequence[Threshold]] | None = None,
        catalog: Catalog | None = None,
    ) -> None:
        self._wanted, self._mapped, self._catalog = frozenset(wanted), mapped or {}, catalog
        self._thresholds = thresholds or {}
        self._known: dict[Coding, Meaning] = {}
        self._same: dict[int, tuple[Coding, Meaning]] = {}

    def meaning(self, coding: Coding) -> Meaning:
        """What the code says; the system in any common spelling."""
        same = self._same.get(id(coding))
        if (
            same is not None and same[0] is coding
        ):  # sources say one code a million times with one object: nothing to hash
            return same[1]
        found = self._known.get(coding)
        if found is None:
            found = self._known[coding] = self._look(coding)
        if len(self._same) < _SAME:
            self._same[id(coding)] = coding, found  # which keeps the object, and so its id
        return found

    def _look(self, coding: Coding) -> Meaning:
        from ontology.systems import coding as normal

        plain = normal(coding.system, coding.code)
        if plain in self._thresholds:
            return Meaning(None, thresholds=tuple(self._thresholds[plain]))
        if plain in self._mapped:
            return Meaning(self._mapped[plain])
        found = self._found(plain)
        if not found:
            return Meaning(None, NO_CONCEPT)
        here = [cui for cui in found if cui in self._wanted] or self._above(found)
        return (
            Meaning(min(here))
            if here
            else Meaning(None, OUTSIDE, outside=f"{found[0]} ({self._called(found[0], plain)})")
        )

    def _found(self, plain: Coding) -> Sequence[Cui]:
        if plain.system == "UMLS":  # what a linker found in a text
            return (Cui(plain.code),)
        return self._catalog.lookup(plain) if self._catalog is not None else ()

    def _called(self, cui: Cui, plain: Coding) -> str:
        if plain.system == "UMLS" and self._catalog is not None and cui in self._catalog:
            return str(self._catalog[cui].name)
        return f"{plain.system}:{plain.code}"

    def _above(self, found: Sequence[Cui]) -> list[Cui]:
        """The nearest concepts above that the graph has."""
        if self._catalog is None:
            return []
        seen, level = set(found), list(found)
        while level:
            above = {
                p for cui in level for p in (self._catalog.get(cui).parents if cui in self._catalog else ())
            } - seen
            if here := sorted(above & self._wanted):
                return here
            seen |= above
            level = sorted(above)
        return []
