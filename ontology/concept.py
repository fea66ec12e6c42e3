"""`Concept`: a UMLS concept with its names, semantic types and codings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NewType

__all__ = ["Coding", "Concept", "Cui", "parse_concept_id", "parse_cui"]

Cui = NewType("Cui", str)
"""A UMLS concept unique identifier, `C` and seven digits, made by `parse_cui`. In a catalog of one's own a concept that
the UMLS does not have is named by its code with the vocabulary before it (`SYMP:0000462`), made by `parse_concept_id`.
"""

_CUI = re.compile(r"C[0-9]{7}")
_OWN = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}:[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def parse_cui(text: str) -> Cui:
    """The identifier in `text`; ValueError shows what is malformed.

    >>> parse_cui("C0002395")
    'C0002395'
    """
    if not _CUI.fullmatch(text):
        raise ValueError(f"{text!r} is not a UMLS CUI; one is the letter C and seven digits, as in C0002395")
    return Cui(text)


def parse_concept_id(text: str) -> Cui:
    """A CUI, or the own code of a concept that the UMLS does not have; ValueError shows what is neither.

    The two never collide: only an own code has a colon.

    >>> parse_concept_id("SYMP:0000462")
    'SYMP:0000462'
    """
    if not (_CUI.fullmatch(text) or _OWN.fullmatch(text)):
        raise ValueError(
            f"{text!r} is not a concept's identifier; one is a UMLS CUI (the letter C and seven digits, as in C0002395) "
            "or a vocabulary's own code (SYMP:0000462)"
        )
    return Cui(text)


@dataclass(frozen=True, slots=True)
class Coding:
    """A code in another vocabulary: `Coding("SNOMEDCT_US", "26929004")`. Systems are UMLS source abbreviations;
    `ontology.systems.coding` makes one from any common spelling.
    """

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
