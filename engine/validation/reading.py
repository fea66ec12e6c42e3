"""What a text holds, read once and shared by the rules: words, runs of words, figures, capitals, quotations."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["excerpt", "has_figure", "has_inner_capital", "outside_quotes", "shingles", "vocabulary", "words"]

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_FIGURE = re.compile(r"\d")
_INNER_CAPITAL = re.compile(r"[^\n][A-Z\xc0-\xde]")
_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”")


@lru_cache(maxsize=256)
def words(text: str) -> tuple[str, ...]:
    """The words of a text in lower case, without punctuation.

    >>> words("Wife's note: repeats questions.")
    ("wife's", 'note', 'repeats', 'questions')
    """
    return tuple(_WORD.findall(text.lower().replace("’", "'")))


@lru_cache(maxsize=256)
def vocabulary(text: str) -> frozenset[str]:
    """The different words of a text, possessive endings left out."""
    tokens = words(text)
    return frozenset([token.removesuffix("'s") for token in tokens] if "'" in text or "’" in text else tokens)


@lru_cache(maxsize=256)
def shingles(text: str, size: int) -> frozenset[tuple[str, ...]]:
    """Every run of `size` words of a text."""
    tokens = words(text)
    return frozenset(zip(*(tokens[offset:] for offset in range(size)), strict=False))


@lru_cache(maxsize=256)
def has_figure(text: str) -> bool:
    """Whether a digit stands in the text."""
    return _FIGURE.search(text) is not None


@lru_cache(maxsize=256)
def has_inner_capital(text: str) -> bool:
    """Whether a capital stands anywhere but at the beginning."""
    return _INNER_CAPITAL.search(text) is not None


def outside_quotes(text: str) -> str:
    """The text with what stands in quotation marks blanked out, every other character in its place."""
    return _QUOTED.sub(lambda quoted: " " * len(quoted[0]), text) if '"' in text or "“" in text else text


def excerpt(text: str) -> str:
    """At most forty characters of a text, quoted so that nothing in it can act."""
    return ascii(text if len(text) <= 40 else text[:39] + "…")  # noqa: PLR2004 - as said above
