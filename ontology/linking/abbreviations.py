"""Abbreviations that a text explains, by the algorithm of Schwartz and Hearst (PSB 2003) as scispaCy has it.

"atrial septal defect (ASD)": from there on, and before, `ASD` means what the long form means. One whose long form is no
concept of the catalog is no mention, whatever its letters stand for elsewhere.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from ontology.linking.tiers import Hit

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["abbreviations", "explained"]

_SHORT = re.compile(r"\(\s*([^\W\d_](?:[\w-]{1,9}))\s*[);,]")
_SINGULAR = re.compile(r"(?<=[A-Z]{2})s$")  # "deep vein thromboses (DVTs)" explains DVT
_BEFORE = 160  # characters that may hold a long form
_MOST = 500  # abbreviations of one text
_WORD = re.compile(r"[\w'’-]+")
_BOUND = re.compile(r"[.;:!?()\[\]]")


@cache
def _detector() -> Callable[[str, str], str | None]:
    """The long form at the end of a text that a short form stands for."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what spaCy's imports deprecate is not for our users
        import spacy
        from scispacy.abbreviation import find_abbreviation
    blank = spacy.blank("en")

    def find(before: str, short: str) -> str | None:
        words: Any = blank.make_doc(before)
        _, long = find_abbreviation(words[:], blank.make_doc(short)[:])
        return None if long is None else str(long.text)

    return lru_cache(maxsize=16_384)(find)


def abbreviations(text: str) -> dict[str, tuple[int, int]]:
    """Short forms of `text` with the place of their long form; the first explanation counts.

    >>> abbreviations("Seen for atrial septal defect (ASD).")
    {'ASD': (9, 29)}
    """
    found: dict[str, tuple[int, int]] = {}
    for match in _SHORT.finditer(text):
        short = _SINGULAR.sub("", match.group(1))
        if short in found or not any(char.isupper() for char in short) or len(found) == _MOST:
            continue
        before = text[max(0, match.start() - _BEFORE) : match.start()].rstrip()
        *_, first = (0, *(bound.end() for bound in _BOUND.finditer(before)))
        words = list(_WORD.finditer(before, first))[-min(len(short) + 5, 2 * len(short)) :]
        if not words:
            continue
        candidate = before[words[0].start() :]
        long = _detector()(candidate, short)
        if long and len(long) > len(short):
            end = max(0, match.start() - _BEFORE) + len(before)
            found[short] = (end - len(long), end)
    return found


def explained(text: str, hits: list[Hit]) -> list[Hit]:
    """The hits with the abbreviations that the text explains."""
    if "(" not in text:
        return hits
    known = abbreviations(text)
    if not known:
        return hits
    at = {(hit.start, hit.end): hit for hit in hits}
    meant = {short: at.get(place) for short, place in known.items()}
    pattern = re.compile(rf"(?<!\w)({'|'.join(map(re.escape, sorted(meant, key=len, reverse=True)))})(?:s)?(?!\w)")
    said = [(match.start(), match.end(), meant[match.group(1)]) for match in pattern.finditer(text)]
    spans = {(start, end) for start, end, _ in said}
    kept = [hit for hit in hits if (hit.start, hit.end) not in spans]
    out = list(kept)
    place = 0
    for start, end, meaning in said:
        if meaning is None:
            continue
        while place < len(kept) and kept[place].end <= start:
            place += 1
        if place == len(kept) or kept[place].start >= end:
            out.append(Hit(start, end, meaning.candidates))
    return sorted(out)
