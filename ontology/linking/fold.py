"""Characters as the linker compares them: lower case, without accents, and what ends a word.

`folded` turns texts into one array of numbers; all that follows (words, matching) is arithmetic on it.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "BREAK",
    "DROPPED",
    "KIND",
    "LETTER",
    "POINT",
    "QUOTE",
    "SPACE",
    "STOP",
    "UPPER",
    "WORDY",
    "Folded",
    "folded",
    "plain",
    "spelt",
]

POINT = 0x1FFFFF
"""Bits of a folded number that hold the character."""
SPACE, WORDY, QUOTE, STOP, DROPPED = (kind << 21 for kind in range(1, 6))
"""What a character is: between words, in a word, an apostrophe, punctuation that strings do not reach over, invisible."""
KIND = 7 << 21
LETTER = 1 << 24
UPPER = 1 << 25
BREAK = 1 << 26
"""A bracket or quote: strings may reach over it as over a space, misspelt and reordered ones do not."""

_APOSTROPHES = "'‘’‚‛′`´ʼ＇"
_SPACES = "-‐‑‒–—―−－/\\*_~=+\u2028\u2029\x00"
_OPENING = '|([{<"“”„«»'
_LETTERS = {"ß": "s", "æ": "e", "œ": "e", "ø": "o", "ł": "l", "đ": "d"}
_PLAIN = 0x250  # characters folded at once; others as they are met

Folded = np.ndarray[Any, np.dtype[np.uint32]]


@cache
def _table() -> Folded:
    table = np.zeros(0x110000, np.uint32)  # the system gives pages only where something is written
    for point in range(_PLAIN):
        table[point] = _fold(chr(point))
    return table


def _fold(char: str) -> int:
    kind = unicodedata.category(char)
    if char in _SPACES or char.isspace():
        return SPACE | 32
    if char in _OPENING or kind in {"Cc", "Cs", "Co", "Cn"}:
        return SPACE | 32 | BREAK
    if kind in {"Mn", "Me", "Cf"}:
        return DROPPED
    lower = char.lower()
    base = unicodedata.normalize("NFKD", lower if len(lower) == 1 else char)[0]
    out = _LETTERS.get(lower, base if unicodedata.category(base)[0] in "LN" else char)
    if out.isalnum():
        return WORDY | ord(out) | (LETTER if out.isalpha() else 0) | (UPPER if char.isupper() else 0)
    return QUOTE | ord("'") if char in _APOSTROPHES else STOP | ord(out)


def folded(texts: Sequence[str]) -> tuple[Folded, np.ndarray[Any, np.dtype[np.int64]]]:
    """The characters of all texts, one number each, and where each text begins (one more at the end).

    >>> numbers, starts = folded(["Été", "no"])
    >>> spelt(numbers[:3]), starts.tolist()
    ('ete', [0, 3, 5])
    """
    starts = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)), out=starts[1:])
    points = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    table = _table()
    numbers = table[points]
    if not numbers.all():
        for point in np.unique(points[numbers == 0]).tolist():
            table[point] = _fold(chr(point))
        numbers = table[points]
    return numbers, starts


def spelt(numbers: Folded) -> str:
    """The word that folded numbers spell."""
    kept = numbers[(numbers & KIND) != DROPPED] & POINT
    return str(kept.astype(np.uint32).tobytes().decode("utf-32-le", "surrogatepass"))


def plain(text: str) -> str:
    """The words of a text as strings are compared, with single spaces between them.

    >>> plain("Été, (Alzheimer’s)")
    'ete alzheimer s'
    """
    numbers, _ = folded([text])
    kinds = numbers & KIND
    points = np.where(kinds == WORDY, numbers & POINT, 32)[kinds != DROPPED].astype(np.uint32)
    return " ".join(str(points.tobytes().decode("utf-32-le", "surrogatepass")).split())
