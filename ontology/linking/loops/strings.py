"""Strings of a catalog to hashes, tables and weights."""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, assignment"

from __future__ import annotations

import numpy as np

from ontology.compiled import compiled
from ontology.linking.kernels import POSSESSIVE, PUNCTUATION
from ontology.linking.loops.basic import bag_of, cosine, find, grams_of, mixed, norm, said, step
from ontology.linking.loops.constants import (
    ALL_GRAMS,
    BASE,
    COMPARED,
    LONGEST_WORD,
    LOW,
    MOST_GRAMS,
    ONE,
    S32,
    SEVEN,
    ZERO,
)

__all__ = [
    "begun",
    "fill",
    "frequencies",
    "gathered",
    "known",
    "priors",
    "shortened",
    "signed",
    "texts",
    "unlettered",
]


@compiled
def fill(keys, values, new, numbers):
    """Put `new` with their `numbers` into a table; the first of equal keys stays."""
    mask = np.uint64(len(keys) - 1)
    for at in range(len(new)):
        key = new[at]
        place = mixed(key) & mask
        while keys[place] != ZERO and keys[place] != key:
            place = (place + ONE) & mask
        if keys[place] == ZERO:
            keys[place] = key
            values[place] = numbers[at]


@compiled
def known(code, keys, values):
    """The number of each word, -1 where the catalog has it not."""
    found = np.empty(len(code), np.int32)
    for at in range(len(code)):
        found[at] = find(keys, values, code[at])
    return found


@compiled
def signed(number, flag, code, first, bridge):
    """Hashes of strings: in order, as written, in any order, and how many words of content."""
    size = len(first) - 1
    ordered = np.zeros(size, np.uint64)
    written = np.zeros(size, np.uint32)
    bag = np.zeros(size, np.uint64)
    content = np.zeros(size, np.uint8)
    for string in range(size):
        value = ZERO
        raw = ZERO
        total = ZERO
        for at in range(first[string], first[string + 1]):
            raw = mixed(raw * BASE + code[at])
            if flag[at] & POSSESSIVE:
                continue
            value = step(value, number[at])
            if flag[at] & PUNCTUATION == 0 and bridge[number[at]] == 0:
                total += bag_of(number[at])
                content[string] = min(content[string] + 1, 255)
        ordered[string] = value
        written[string] = np.uint32(raw & LOW)
        bag[string] = total
    return ordered, written, bag, content


@compiled
def begun(number, flag, first, bits):
    """Mark the beginnings of every string in a Bloom filter."""
    mask = np.uint64(len(bits) * 8 - 1)
    for string in range(len(first) - 1):
        value = ZERO
        for at in range(first[string], first[string + 1]):
            if flag[at] & POSSESSIVE:
                continue
            value = step(value, number[at])
            place = (value >> SEVEN) & mask
            bits[place >> np.uint64(3)] |= np.uint8(1) << np.uint8(place & SEVEN)


@compiled
def shortened(word, size, out):
    """Hashes of a word and of what is left when one letter goes; how many."""
    whole = ZERO
    for at in range(size):
        whole = whole * BASE + np.uint64(word[at]) + ONE
    out[0] = mixed(whole)
    before = ZERO
    for gone in range(size):
        value = before
        for at in range(gone + 1, size):
            value = value * BASE + np.uint64(word[at]) + ONE
        out[gone + 1] = mixed(value)
        before = before * BASE + np.uint64(word[gone]) + ONE
    return size + 1


@compiled
def unlettered(blob, first, keys, values):
    """Put every word of the catalog, whole and one letter short, into a table that keeps equal keys side by side."""
    mask = np.uint64(len(keys) - 1)
    less = np.empty(LONGEST_WORD + 1, np.uint64)
    for word in range(len(first) - 1):
        size = first[word + 1] - first[word]
        if size < 2 or size >= LONGEST_WORD:
            continue
        for i in range(shortened(blob[first[word] : first[word + 1]], size, less)):
            key = np.uint32(less[i] >> S32) | np.uint32(1)
            place = less[i] & mask
            while keys[place] != 0:
                place = (place + ONE) & mask
            keys[place] = key
            values[place] = word


@compiled
def frequencies(blob, first):
    """In how many strings each 3-gram is."""
    found = np.zeros(ALL_GRAMS, np.int64)
    grams = np.empty(MOST_GRAMS, np.int64)
    for string in range(len(first) - 1):
        symbols = blob[first[string] : first[string + 1]]
        count = grams_of(symbols, len(symbols), grams)
        for at in range(count):
            if at == 0 or grams[at] != grams[at - 1]:
                found[grams[at]] += 1
    return found


@compiled
def priors(entry_first, concept, sources, coded, blob, first, by_concept, concept_first, idf):
    """The place of each string's concept among those that the same words may mean, where nothing else is known: most
    sources first, then coded ones, then those whose strings, source by source, are the most like these words (mean cosine
    of 3-grams).
    """
    rank = np.zeros(len(concept), np.uint8)
    grams = np.empty(MOST_GRAMS, np.int64)
    others = np.empty(MOST_GRAMS, np.int64)
    for entry in range(len(entry_first) - 1):
        a, b = entry_first[entry], min(entry_first[entry + 1], entry_first[entry] + 255)
        if b - a < 2 or concept[a] == concept[b - 1]:
            continue
        size = grams_of(blob[first[a] : first[a + 1]], first[a + 1] - first[a], grams)
        length = norm(grams, size, idf)
        weight = np.zeros((b - a, 3), np.float64)
        for row in range(a, b):
            if row > a and concept[row] == concept[row - 1]:
                weight[row - a] = weight[row - a - 1]
                continue
            for other in range(row, b):
                if concept[other] == concept[row]:
                    weight[row - a, 0] += sources[other]
            weight[row - a, 1] = coded[concept[row]]
            begin = concept_first[concept[row]]
            stop = min(concept_first[concept[row] + 1], begin + COMPARED)
            total = 0
            for place in range(begin, stop):
                string = by_concept[place]
                lo, hi = first[string], first[string + 1]
                like = cosine(grams, size, length, others, grams_of(blob[lo:hi], hi - lo, others), idf)
                weight[row - a, 2] += sources[string] * like
                total += sources[string]
            weight[row - a, 2] = np.round(weight[row - a, 2] / max(total, 1), 6)
        for row in range(b - a):
            for other in range(b - a):
                if other and concept[a + other] == concept[a + other - 1]:
                    continue  # each concept once
                for part in range(3):
                    if weight[other, part] != weight[row, part]:
                        rank[a + row] += weight[other, part] > weight[row, part]
                        break
    return rank


@compiled
def gathered(blob, first, order):
    """The pieces of `blob` in another order, and where each begins."""
    starts = np.zeros(len(order) + 1, np.int64)
    for at in range(len(order)):
        starts[at + 1] = starts[at] + first[order[at] + 1] - first[order[at]]
    out = np.empty(starts[-1], blob.dtype)
    for at in range(len(order)):
        out[starts[at] : starts[at + 1]] = blob[first[order[at]] : first[order[at] + 1]]
    return out, starts


@compiled
def texts(numbers, tokens, blob):
    """The symbols of each text's words into `blob`; where each text's begin."""
    first = tokens.first
    starts = np.zeros(len(first), np.int64)
    used = 0
    for text in range(len(first) - 1):
        if first[text + 1] > first[text]:
            used += said(numbers, tokens, first[text], first[text + 1] - 1, blob[used:])
        starts[text + 1] = used
    return starts
