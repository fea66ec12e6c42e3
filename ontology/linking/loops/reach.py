"""What the cues in the window of a concept say of it: ConText (Harkema et al., J Biomed Inform 2009).

Each step is that of medspaCy 1.3.1 (`prune_overlapping_matches`, `ConTextModifier`, `ConTextGraph`; Eyre et al., AMIA 2021), in its
order: which scope limits which first can decide. Tests compare the two.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, assignment"

from __future__ import annotations

import numpy as np

from ontology.compiled import compiled

__all__ = ["reached"]

# bits of a direction: both in what reaches both ways, none in what acts on cues alone
_FORWARD, _BACKWARD = np.int64(1), np.int64(2)


@compiled
def reached(place, length, reach, found, direction, scope, category, limiting):
    """For each concept of a sentence (its token) where its cues begin in the second; the cues: first token, token after the last,
    number. Less than `reach` tokens before and after a concept are its window, from where its cues' tokens are counted.

    `found` are such rows in order, counted from the sentence. Of each cue: direction, greatest scope, category, and the
    categories that limit it, as bits.
    """
    concept = np.zeros(length, np.bool_)
    concept[place] = True
    one, two, cue = found[:, 0], found[:, 1], found[:, 2]
    most = 0
    low = 0
    high = 0
    for at in range(len(place)):
        while low < len(one) and one[low] < place[at] - reach:
            low += 1
        while high < len(one) and one[high] < place[at] + reach:
            high += 1
        most = max(most, high - low)
    held = np.empty(most, np.int64)
    first = np.empty(most, np.int64)
    last = np.empty(most, np.int64)
    starts = np.zeros(len(place) + 1, np.int64)
    out = np.empty((64, 3), np.int64)
    used = 0
    low = 0
    for at in range(len(place)):
        begin = max(place[at] - reach, 0)
        stop = min(place[at] + reach, length)
        while low < len(one) and one[low] < begin:
            low += 1
        count = 0
        match = low
        while match < len(one) and one[match] < stop:
            if two[match] <= stop:
                held[count] = match
                count += 1
            match += 1
        count = longest(held, count, one, two)
        for i in range(count):
            match = held[i]
            kind = cue[match]
            first[i], last[i] = begin, stop
            if direction[kind] == _FORWARD:
                first[i] = two[match]
            else:
                first[i] = max(first[i], one[match] - scope[kind])
            if direction[kind] == _BACKWARD:
                last[i] = one[match]
            else:
                last[i] = min(last[i], two[match] + scope[kind])
        for i in range(count - 1):
            a = cue[held[i]]
            for j in range(i + 1, count):
                b = cue[held[j]]
                ends = direction[a] & _FORWARD and limiting[a] >> category[b] & 1
                if ends and overlap(first[i], last[i], first[j], last[j]):
                    last[i] = min(last[i], one[held[j]])
                begins = direction[b] & _BACKWARD and limiting[b] >> category[a] & 1
                if begins and overlap(first[j], last[j], first[i], last[i]):
                    first[j] = max(first[j], two[held[i]])
        for i in range(count):
            match = held[i]
            here = first[i] <= place[at] < last[i] and not one[match] <= place[at] < two[match]
            if here and direction[cue[match]] and not concept[one[match]] and not concept[two[match] - 1]:
                if used == len(out):
                    out = np.append(out, np.empty_like(out), 0)
                out[used, 0], out[used, 1], out[used, 2] = one[match] - begin, two[match] - begin, cue[match]
                used += 1
        starts[at + 1] = used
    return starts, out[:used].copy()


@compiled
def overlap(start, end, other_start, other_end):
    """Whether medspaCy sees two ranges overlap: not where the other begins before and ends after."""
    return start <= other_start < end or start < other_end <= end


@compiled
def longest(held, count, one, two):
    """Keep of two matches that overlap the longer, in rounds, each match at most once a round; how many are left."""
    while count:
        kept = 0
        current = held[0]
        at = 1
        while at < count:
            following = held[at]
            at += 1
            if one[following] < two[current]:
                if two[following] - one[following] > two[current] - one[current]:
                    current = following
                held[kept] = current
                kept += 1
                current = -1
                if at == count:
                    break
                current = held[at]
                at += 1
            else:
                held[kept] = current
                kept += 1
                current = following
        if current >= 0:
            held[kept] = current
            kept += 1
        if kept == count:
            break
        count = kept
    return count
