"""`kernels`: the compiled loops, loaded at their first use; and the words that they make of texts."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

__all__ = ["ALPHA", "BROKEN", "CAPITALS", "COMMA", "LETTERED", "POSSESSIVE", "PUNCTUATION", "Tokens", "kernels"]

PUNCTUATION, POSSESSIVE, CAPITALS, ALPHA, BROKEN, LETTERED, COMMA = (np.uint8(1 << bit) for bit in range(7))
"""Flags of a token: a mark that strings do not reach over; the 's of a possessive; all in capitals; all letters; a bracket
or quote before it; has a letter; is a comma.
"""


class Tokens(NamedTuple):
    """The words and marks of some texts: where (characters of all texts joined), what, and where each text's begin."""

    start: np.ndarray[Any, np.dtype[np.int64]]
    end: np.ndarray[Any, np.dtype[np.int64]]
    code: np.ndarray[Any, np.dtype[np.uint64]]
    flag: np.ndarray[Any, np.dtype[np.uint8]]
    first: np.ndarray[Any, np.dtype[np.int64]]


@cache
def kernels() -> Any:
    """The loops by name. Loads numba: half a second, and as long as compiling takes where nothing is cached."""
    from ontology.linking.loops import exact, near, reach, senses, strings, tokens

    return SimpleNamespace(
        tokenise=tokens.tokenise,
        trimmed=tokens.trimmed,
        fill=strings.fill,
        known=strings.known,
        signed=strings.signed,
        begun=strings.begun,
        unlettered=strings.unlettered,
        frequencies=strings.frequencies,
        priors=strings.priors,
        gathered=strings.gathered,
        texts=strings.texts,
        senses=senses.senses,
        ranked=senses.ranked,
        namesakes=senses.namesakes,
        exact=exact.exact,
        placed=exact.placed,
        slips=near.slips,
        near=near.near,
        reached=reach.reached,
    )
