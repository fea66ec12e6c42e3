"""The concepts that a string may mean, best first."""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, assignment"

from __future__ import annotations

import numpy as np

from ontology.compiled import compiled
from ontology.linking.loops.constants import (
    ALL_BUT_EQUAL,
    BY_RULE,
    CALLED_OTHERWISE,
    EQUALS,
    EXACT,
    IN_CAPITALS,
    INFLECTED,
    KEPT,
    KIN,
    RULE,
    STEP,
    STEPS,
    USUAL,
)

__all__ = ["before", "namesakes", "ranked", "senses"]


@compiled
def senses(entry, raw, capitals, entry_first, string_concept, string_raw, string_kind, string_rank):
    """For each string said (which, its hash as written, whether in capitals) where its concepts begin; each concept once,
    with its score and its rank where nothing else is known.
    """
    first = np.zeros(len(entry) + 1, np.int64)
    room = 0
    for at in range(len(entry)):
        room += entry_first[entry[at] + 1] - entry_first[entry[at]]
    concept = np.empty(room, np.int64)
    score = np.empty(room, np.int64)
    rank = np.empty(room, np.int64)
    count = 0
    for at in range(len(entry)):
        begin = count
        for row in range(entry_first[entry[at]], entry_first[entry[at] + 1]):
            kind = string_kind[row]
            if kind & IN_CAPITALS and not capitals[at]:
                continue
            value = (EXACT if string_raw[row] == raw[at] else INFLECTED) - (RULE if kind & BY_RULE else 0)
            place = begin
            while place < count and concept[place] != string_concept[row]:
                place += 1
            if place == count:
                concept[count] = string_concept[row]
                score[count] = value
                rank[count] = string_rank[row]
                count += 1
            elif value > score[place]:
                score[place] = value
                rank[place] = string_rank[row]
        first[at + 1] = count
    return first, concept[:count].copy(), score[:count].copy(), rank[:count].copy()


@compiled
def ranked(first, concept, score, rank, order, kin_first, kin, meant):
    """Each group of concepts best first, with the kin of its best one: where each group begins, concepts, scores.

    Of equal score the lower rank comes first, a step apart. What is all but equal to the best one is then in the order of how
    often annotators meant it, `USUAL` steps for e times as often. Ties by `order`, which is that of the identifiers.
    """
    groups = len(first) - 1
    out_first = np.zeros(groups + 1, np.int64)
    room = 64 + KEPT * groups
    out_concept = np.empty(room, np.int64)
    out_score = np.empty(room, np.int64)
    count = 0
    for group in range(groups):
        a, b = first[group], first[group + 1]
        size = b - a
        if size == 0:
            out_first[group + 1] = count
            continue
        best = a
        for at in range(a + 1, b):
            if before(score[at], rank[at], order[concept[at]], score[best], rank[best], order[concept[best]]):
                best = at
        relatives = kin[kin_first[concept[best]] : kin_first[concept[best] + 1]]
        if size == 1 and len(relatives) == 0:
            out_concept[count], out_score[count] = concept[a], score[a]
            count += 1
            out_first[group + 1] = count
            continue
        who = np.empty(size + len(relatives), np.int64)
        how = np.empty(len(who), np.int64)
        what = np.empty(len(who), np.int64)
        for at in range(a, b):
            place = at - a
            while place > 0 and before(
                score[at], rank[at], order[concept[at]], how[place - 1], what[place - 1], order[who[place - 1]]
            ):
                who[place], how[place], what[place] = who[place - 1], how[place - 1], what[place - 1]
                place -= 1
            who[place], how[place], what[place] = concept[at], score[at], rank[at]
        ties = 0
        last = how[0]
        for at in range(1, size):
            ties = 0 if how[at] != last else ties + (what[at] != what[at - 1])
            last = how[at]
            how[at] -= STEP * min(ties, STEPS)
        for relative in relatives:
            known = False
            for at in range(size):
                known = known or who[at] == relative
            if not known:
                who[size], how[size] = relative, how[0] - KIN * STEP
                size += 1
        top = how[0]
        most = -1.0e9
        for at in range(size):
            if top - how[at] <= ALL_BUT_EQUAL:
                most = max(most, how[at] + STEP * USUAL * np.log(meant[who[at]] + 0.5))
        for at in range(size):
            if top - how[at] <= ALL_BUT_EQUAL:
                gain = how[at] + STEP * USUAL * np.log(meant[who[at]] + 0.5)
                how[at] = top - np.int64(np.rint(min(most - gain, 1.0 * STEP * STEPS)))
        for at in range(size):
            now, mine = who[at], how[at]
            place = at
            while place > 0 and before(mine, 0, order[now], how[place - 1], 0, order[who[place - 1]]):
                who[place], how[place] = who[place - 1], how[place - 1]
                place -= 1
            who[place], how[place] = now, mine
        size = min(size, KEPT)
        out_concept[count : count + size] = who[:size]
        out_score[count : count + size] = how[:size]
        count += size
        out_first[group + 1] = count
    return out_first, out_concept[:count].copy(), out_score[:count].copy()


@compiled
def before(score, rank, order, other_score, other_rank, other_order):
    """Whether a concept comes before another: by score, then by rank, then by identifier."""
    if score != other_score:
        return score > other_score
    if rank != other_rank:
        return rank < other_rank
    return order < other_order


@compiled
def namesakes(entry_first, concept, kind, meant):
    """Pairs of concepts that share a string: one, and another that annotators meant and whose name the string is."""
    room = 1024
    one = np.empty(room, np.uint32)
    other = np.empty(room, np.uint32)
    count = 0
    for entry in range(len(entry_first) - 1):
        a, b = entry_first[entry], min(entry_first[entry + 1], entry_first[entry] + EQUALS)
        for named in range(a, b):
            if kind[named] & CALLED_OTHERWISE or meant[concept[named]] == 0:
                continue
            for row in range(a, b):
                if concept[row] == concept[named] or kind[row] & IN_CAPITALS:
                    continue
                if count == room:
                    one = np.append(one, np.empty(room, np.uint32))
                    other = np.append(other, np.empty(room, np.uint32))
                    room *= 2
                one[count] = concept[row]
                other[count] = concept[named]
                count += 1
    return one[:count].copy(), other[:count].copy()
