"""`Concept`: a UMLS concept with its names, semantic types and codings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NewType

__all__ = ["Coding", "Concept", "Cui", "parse_cui"]

Cui = NewType("Cui", str)
"""A UMLS concept unique identifier, `C` and seven digits; made by `parse_cui`."""

_CUI = re.compile(r"C[0-9]{7}")


def parse_cui(text: str) -> Cui:
    """The identifier in `text`; ValueError shows what is malformed.

    >>> parse_cui("C0002395")
    'C0002395'
    """
    if not _CUI.fullmatch(text):
        raise ValueError(f"{text!r} is not a UMLS CUI; one is the letter C and seven digits, as in C0002395")
    return Cui(text)


@dataclass(frozen=True, slots=True)
class Coding:
    """A code in another vocabulary: `Coding("SNOMEDCT_US", "26929004")`. Systems are UMLS source abbreviations."""

    system: str
    code: str


@dataclass(frozen=True, slots=True)
class Concept:
    """A concept: preferred `name`, other strings (`aliases`, of which `lay` are in everyday words), semantic `types`
    (TUI codes), `codings`, `parents` (is_a) and the `source` the content came from.
    """

    cui: Cui
    name: str
    aliases: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    definition: str = ""
    codings: tuple[Coding, ...] = ()
    parents: tuple[Cui, ...] = ()
    source: str = ""
    lay: tuple[str, ...] = ()

    @property
    def strings(self) -> tuple[str, ...]:
        """Every string that means this concept, the preferred name first, without repeats."""
        return tuple(dict.fromkeys((self.name, *self.aliases, *self.lay)))
