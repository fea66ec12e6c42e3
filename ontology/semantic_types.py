"""`SemanticType`: the 127 types of the UMLS Semantic Network, by code and by name.

Codes, names and groups are facts of the Semantic Network (McCray, Burgun and Bodenreider, MEDINFO 2001; its files are
public and need no UMLS licence).
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from ontology.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["SemanticType", "is_tui", "semantic_type", "semantic_types", "types_of"]

_TUI = re.compile(r"T[0-9]{3}")


@dataclass(frozen=True, slots=True)
class SemanticType:
    """A semantic type: code (TUI), name, and the semantic group that it is in (`DISO`: disorders)."""

    tui: str
    name: str
    group: str


@cache
def semantic_types() -> dict[str, SemanticType]:
    """Every semantic type by its code."""
    with files("ontology").joinpath("semantic_types.csv").open(encoding="utf-8") as file:
        return {row["tui"]: SemanticType(**row) for row in csv.DictReader(file)}


def semantic_type(text: str) -> SemanticType | None:
    """The type with a code or (whatever the case) a name; None where there is none.

    >>> semantic_type("T047").name, semantic_type("sign or symptom").tui
    ('Disease or Syndrome', 'T184')
    """
    return semantic_types().get(text) or _by_name().get(text.strip().casefold())


@cache
def _by_name() -> dict[str, SemanticType]:
    return {kind.name.casefold(): kind for kind in semantic_types().values()}


def is_tui(text: str) -> bool:
    """Whether `text` has the form of a code, known or not."""
    return _TUI.fullmatch(text) is not None


def types_of(texts: Iterable[str]) -> frozenset[str]:
    """Codes from codes, names and groups (`T047`, `Finding`, `DISO`); ConfigError names what is none and what is near.

    >>> sorted(types_of(["Sign or Symptom", "DEVI"]))
    ['T074', 'T075', 'T184', 'T203']
    """
    from difflib import get_close_matches

    found: set[str] = set()
    for text in texts:
        kind = semantic_type(text)
        group = {one.tui for one in semantic_types().values() if one.group == text.strip().upper()}
        if kind is None and not group:
            known = (*semantic_types(), *(one.name for one in semantic_types().values()))
            near = get_close_matches(text, known, 1, 0.5)
            hint = f"; the nearest is {near[0]!r}" if near else ""
            raise ConfigError(
                f"{text!r} is not a semantic type{hint}; write a code such as T047, a name, or a group such as DISO"
            )
        found |= group if kind is None else {kind.tui}
    return frozenset(found)
