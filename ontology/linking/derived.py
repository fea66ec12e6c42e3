"""Strings that follow from others by rule: words that name the same thing in names of diseases and findings.

Each is one substitution in one string. Such a string scores less than one that a vocabulary has, so it counts only where
no vocabulary says otherwise.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["derived"]

_HEADS = """
carcinoma cancer|neoplasm tumor|tumor neoplasm|tumour neoplasm|infectious disease infection|disease disorder|disorder disease
carcinomas cancers|neoplasms tumors|decreased reduced|reduced decreased|increased elevated|elevated increased
hemorrhage bleeding|bleeding hemorrhage|ache pain
"""
_ADJECTIVES = """
kidney renal|liver hepatic|heart cardiac|lung pulmonary|stomach gastric|skin cutaneous|brain cerebral|eye ocular
muscle muscular|bowel intestinal|nose nasal|ovary ovarian|thyroid gland thyroid
"""  # before another word only: a kidney by itself is not renal


def _pairs(table: str) -> Iterator[tuple[str, str]]:
    for line in table.strip().splitlines():
        for pair in line.split("|"):
            first, _, last = pair.rpartition(" ")
            yield first, last


_SAME = dict(_pairs(_HEADS))
_SAME_BEFORE = {
    one: other
    for first, last in _pairs(_ADJECTIVES)
    for one, other in ((first, last), (last, first))
    if one != "thyroid"
}
_PATTERN = re.compile(
    rf"\b(?:({'|'.join(sorted(_SAME, key=len, reverse=True))})\b|({'|'.join(sorted(_SAME_BEFORE, key=len, reverse=True))})\b(?= \w))"
)


def derived(string: str) -> Iterator[str]:
    """Other strings for what `string` names, of two words or more.

    >>> list(derived("Anaplastic thyroid carcinoma")), list(derived("chronic kidney disease")), list(derived("kidney"))
    (['anaplastic thyroid cancer'], ['chronic renal disease', 'chronic kidney disorder'], [])
    """
    if " " not in string:
        return
    lower = string.lower()
    for match in _PATTERN.finditer(lower):
        other = _SAME[match[1]] if match[1] else _SAME_BEFORE[match[2]]
        yield lower[: match.start()] + other + lower[match.end() :]
