"""What the loops share: hashes, hash tables, 3-grams.

Hashes have 64 bits: that two different strings share one is taken as impossible. numba keeps compiled loops by the source
of their own module: after a change here, delete `__pycache__` beside this file.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, assignment"

from __future__ import annotations

import numpy as np

from ontology.compiled import compiled
from ontology.linking.kernels import POSSESSIVE
from ontology.linking.loops.constants import BASE, KIND, M1, M2, ONE, POINT, S27, S30, S31, WORDY, ZERO

__all__ = ["bag_of", "cosine", "find", "grams_of", "letters_of", "mixed", "norm", "said", "step", "symbol_of"]


@compiled
def mixed(value):
    value = (value ^ (value >> S30)) * M1
    value = (value ^ (value >> S27)) * M2
    return value ^ (value >> S31)


@compiled
def symbol_of(point):
    """A character in six bits: letters and digits each their own, all others shared."""
    if 97 <= point <= 122:
        return np.uint8(point - 96)
    if 48 <= point <= 57:
        return np.uint8(point - 21)
    return np.uint8(37 + point % 27)


@compiled
def find(keys, values, key):
    """The value of `key` in a table with open addressing, or -1. Key 0 is an empty place."""
    mask = np.uint64(len(keys) - 1)
    place = mixed(key) & mask
    while True:
        here = keys[place]
        if here == key:
            return np.int64(values[place])
        if here == ZERO:
            return np.int64(-1)
        place = (place + ONE) & mask


@compiled
def step(value, word):
    """The hash of words in order, one word longer."""
    return mixed(value * BASE + np.uint64(word) + ONE) | ONE


@compiled
def bag_of(word):
    """What a word adds to the hash of words in any order."""
    return mixed((np.uint64(word) + ONE) * BASE)


@compiled
def letters_of(numbers, begin, stop, out):
    """The symbols of a word; how many, at most as many as `out` holds."""
    count = 0
    for at in range(begin, stop):
        if numbers[at] & KIND == WORDY and count < len(out):
            out[count] = symbol_of(numbers[at] & POINT)
            count += 1
    return count


@compiled
def grams_of(symbols, size, out):
    """The 3-grams of words, each with a space on either side, sorted; how many."""
    count = 0
    before = 0
    here = 0
    for at in range(size + 1):
        new = np.int64(symbols[at]) if at < size else 0
        if here != 0:
            if count == len(out):
                return 0
            gram = before << 12 | here << 6 | new
            place = count
            while place > 0 and out[place - 1] > gram:
                out[place] = out[place - 1]
                place -= 1
            out[place] = gram
            count += 1
        before, here = here, new
    return count


@compiled
def norm(grams, count, idf):
    total = 0.0
    at = 0
    while at < count:
        many = at
        while many < count and grams[many] == grams[at]:
            many += 1
        weight = (many - at) * idf[grams[at]]
        total += weight * weight
        at = many
    return total


@compiled
def cosine(one, ones, one_length, two, twos, idf):
    """The cosine of TF-IDF vectors of sorted 3-grams."""
    dot = 0.0
    i = 0
    j = 0
    while i < ones and j < twos:
        if one[i] < two[j]:
            i += 1
        elif one[i] > two[j]:
            j += 1
        else:
            gram = one[i]
            a, b = i, j
            while i < ones and one[i] == gram:
                i += 1
            while j < twos and two[j] == gram:
                j += 1
            dot += (i - a) * (j - b) * idf[gram] * idf[gram]
    product = one_length * norm(two, twos, idf)
    return dot / np.sqrt(product) if product > 0 else 0.0


@compiled
def said(numbers, tokens, begin, last, symbols):
    """The symbols of the words from `begin` to `last`, a zero between them; how many."""
    used = 0
    for token in range(begin, last + 1):
        if tokens.flag[token] & POSSESSIVE:
            continue
        if used and used < len(symbols):
            symbols[used] = 0
            used += 1
        used += letters_of(numbers, tokens.start[token], tokens.end[token], symbols[used:])
    return used
