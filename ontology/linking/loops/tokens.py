"""Texts to words and marks."""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, assignment"

from __future__ import annotations

import numpy as np

from ontology.compiled import compiled
from ontology.linking.kernels import ALPHA, BROKEN, CAPITALS, COMMA, LETTERED, POSSESSIVE, PUNCTUATION
from ontology.linking.loops.basic import find
from ontology.linking.loops.constants import (
    ACRONYM,
    BASE,
    BREAK,
    DROPPED,
    KIND,
    LETTER,
    POINT,
    POINT_COMMA,
    QUOTE,
    SMALL_S,
    STOP,
    UPPER,
    WORDY,
    ZERO,
)

__all__ = ["tokenise", "trimmed"]


@compiled
def tokenise(numbers, starts):
    """Words and marks of the texts that begin at `starts`."""
    size = len(numbers)
    begin = np.empty(size, np.int64)
    end = np.empty(size, np.int64)
    code = np.empty(size, np.uint64)
    flag = np.empty(size, np.uint8)
    first = np.empty(len(starts), np.int64)
    count = 0
    for text in range(len(starts) - 1):
        first[text] = count
        at = starts[text]
        stop = starts[text + 1]
        quoted = False
        broken = np.uint8(0)
        while at < stop:
            kind = numbers[at] & KIND
            if kind == WORDY:
                began = at
                last = at
                value = ZERO
                letters = True
                any_letter = False
                small = 0
                small_last = False
                length = 0
                while at < stop:
                    number = numbers[at]
                    kind = number & KIND
                    if kind == WORDY:
                        value = value * BASE + np.uint64((number & POINT) + np.uint32(1))
                        if number & LETTER == 0:
                            letters = False
                            small_last = False
                        elif number & UPPER == 0:
                            any_letter = True
                            small += 1
                            small_last = number & POINT == SMALL_S
                        else:
                            any_letter = True
                            small_last = False
                        last = at
                        length += 1
                    elif kind != DROPPED:
                        break
                    at += 1
                begin[count] = began
                end[count] = last + 1
                code[count] = value
                flags = broken
                broken = np.uint8(0)
                if letters:
                    flags |= ALPHA
                if any_letter:
                    flags |= LETTERED
                if small == 0 or (small == 1 and small_last and length > 2):
                    flags |= CAPITALS
                if quoted and length == 1 and numbers[began] & POINT == SMALL_S and count > first[text]:
                    flags |= POSSESSIVE
                flag[count] = flags
                count += 1
                quoted = False
                continue
            if kind == QUOTE:
                quoted = True
            elif kind != DROPPED:
                quoted = False
                if numbers[at] & BREAK:
                    broken = BROKEN
                if kind == STOP:
                    begin[count] = at
                    end[count] = at + 1
                    code[count] = np.uint64((numbers[at] & POINT) + np.uint32(1))
                    flag[count] = PUNCTUATION | (COMMA if numbers[at] & POINT == POINT_COMMA else np.uint8(0))
                    broken = np.uint8(0)
                    count += 1
            at += 1
    first[len(starts) - 1] = count
    return begin[:count].copy(), end[:count].copy(), code[:count].copy(), flag[:count].copy(), first


@compiled
def trimmed(tokens, sizes, never):
    """First and after last word of each string without the marks around it, empty where it is no name; and whether it
    is an acronym, which counts in capitals only.
    """
    begin = np.zeros(len(sizes), np.int64)
    stop = np.zeros(len(sizes), np.int64)
    acronym = np.zeros(len(sizes), np.uint8)
    for string in range(len(sizes)):
        a, b = tokens.first[string], tokens.first[string + 1]
        while a < b and tokens.flag[a] & (PUNCTUATION | POSSESSIVE):
            a += 1
        while b > a and tokens.flag[b - 1] & PUNCTUATION:
            b -= 1
        lettered = False
        for at in range(a, b):
            if tokens.flag[at] & LETTERED:
                lettered = True
        if not lettered or tokens.end[b - 1] - tokens.start[a] < 2:
            continue
        if b == a + 1:
            if find(never[0], never[1], tokens.code[a]) >= 0:
                continue
            acronym[string] = sizes[string] <= ACRONYM and tokens.flag[a] & CAPITALS != 0
        begin[string] = a
        stop[string] = b
    return begin, stop, acronym
