"""`sentences`: where the sentences of a note begin and end; clinicians' abbreviations and lists end none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["sentences"]

_END = re.compile(
    r"[.!?](?:[\"')\]]*)\s+(?=[\"'(\[]*[A-Z0-9•])|\n\s*(?:\n|(?=[A-Z0-9•*+☐-☒-]|\[[ xX✓]?\]|\([ xX+-]\)|[\w /-]{1,30}:\s))"
)
_ABBREVIATED = re.compile(
    r"(?:\b(?:[A-Za-z]|[Dd]r|[Mm]rs?|[Mm]s|[Pp]t|[Vv]s|e\.g|i\.e|approx|y\.o|[Hh]x|[Pp]rof|[Ss]t))\.$"
)
_NUMBERED = re.compile(r"\b[Nn]o\Z")
_ANSWER = re.compile(
    r"(?:yes|no|none|denies|denied|never|nil|y|n|most|some|sometimes|often|every|rarely|occasionally|frequently|daily|nightly)\b",
    re.IGNORECASE,
)


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Where the sentences of `text` begin and end, together covering it; linear in its length.

    >>> list(sentences("Seen by Dr. Who. Lost twice."))
    [(0, 17), (17, 28)]
    """
    start = 0
    for match in _END.finditer(text):
        stop = match.end()
        mark = match.start()
        if text[mark] == "." and _ABBREVIATED.search(text, max(start, mark - 8), mark + 1):
            continue
        if (
            text[mark] == "."
            and text[mark + 1 : mark + 3].strip().isdigit()
            and _NUMBERED.search(text, max(start, mark - 4), mark)
        ):
            continue
        if text[mark] == "?" and (
            mark == start or not text[mark - 1].isalnum() or _ANSWER.match(text, match.end())
        ):  # "CT: ? stroke" asks, and goes on; so does "Wandering? No."
            continue
        if stop > start:
            yield start, stop
            start = stop
    if start < len(text):
        yield start, len(text)
