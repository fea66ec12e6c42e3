"""The strings of the catalog in texts, the longest where two overlap."""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, assignment"

from __future__ import annotations

import numpy as np

from ontology.compiled import compiled
from ontology.linking.kernels import CAPITALS, POSSESSIVE
from ontology.linking.loops.basic import find, mixed, step
from ontology.linking.loops.constants import BASE, LOW, SEVEN, ZERO

__all__ = ["exact", "placed"]


@compiled
def exact(start, end, code, flag, first, number, bits, keys, values, kind):
    """The strings in each text, the longest where two overlap: text, first and last word, string, hash as written, capitals."""
    mask = np.uint64(len(bits) * 8 - 1)
    size = len(code)
    text_of = np.empty(size, np.int64)
    one = np.empty(size, np.int64)
    two = np.empty(size, np.int64)
    entry = np.empty(size, np.int64)
    raws = np.empty(size, np.uint32)
    capitals = np.empty(size, np.uint8)
    taken = np.zeros(size, np.uint8)
    count = 0
    room = 64
    f_one = np.empty(room, np.int64)
    f_two = np.empty(room, np.int64)
    f_entry = np.empty(room, np.int64)
    f_raw = np.empty(room, np.uint32)
    f_cap = np.empty(room, np.uint8)
    for text in range(len(first) - 1):
        after = first[text + 1]
        found = 0
        reach = -1  # last word of the strings collected so far
        for at in range(first[text], after + 1):
            if found and (at == after or at > reach):  # what comes now overlaps nothing before
                order = np.empty(found, np.int64)
                for i in range(found):
                    order[i] = ((end[f_two[i]] - start[f_one[i]]) << 32) - i
                if found > 1:
                    order.sort()
                for rank in range(found - 1, -1, -1):
                    i = -order[rank] & 0xFFFFFFFF
                    free = True
                    for word in range(f_one[i], f_two[i] + 1):
                        if taken[word]:
                            free = False
                            break
                    if free:
                        taken[f_one[i] : f_two[i] + 1] = 1
                    else:
                        f_two[i] = -1
                for i in range(found):  # in order of the first word
                    if f_two[i] >= 0:
                        text_of[count] = text
                        one[count] = f_one[i]
                        two[count] = f_two[i]
                        entry[count] = f_entry[i]
                        raws[count] = f_raw[i]
                        capitals[count] = f_cap[i]
                        count += 1
                found = 0
            if at == after:
                break
            if number[at] < 0 or flag[at] & POSSESSIVE:
                continue
            value = ZERO
            raw = ZERO
            caps = True
            for to in range(at, after):
                raw = mixed(raw * BASE + code[to])
                if flag[to] & POSSESSIVE:
                    continue
                if number[to] < 0:
                    break
                value = step(value, number[to])
                place = (value >> SEVEN) & mask
                if (bits[place >> np.uint64(3)] >> np.uint8(place & SEVEN)) & np.uint8(1) == 0:
                    break
                if flag[to] & CAPITALS == 0:
                    caps = False
                string = find(keys, values, value)
                if string >= 0 and (caps or kind[string] == 0):
                    if found == room:
                        room *= 2
                        f_one = np.append(f_one, np.empty(found, np.int64))
                        f_two = np.append(f_two, np.empty(found, np.int64))
                        f_entry = np.append(f_entry, np.empty(found, np.int64))
                        f_raw = np.append(f_raw, np.empty(found, np.uint32))
                        f_cap = np.append(f_cap, np.empty(found, np.uint8))
                    f_one[found] = at
                    f_two[found] = to
                    f_entry[found] = string
                    f_raw[found] = np.uint32(raw & LOW)
                    f_cap[found] = np.uint8(caps)
                    found += 1
                    reach = max(reach, to)
    return (
        text_of[:count].copy(),
        one[:count].copy(),
        two[:count].copy(),
        entry[:count].copy(),
        raws[:count].copy(),
        capitals[:count].copy(),
    )


@compiled
def placed(one, two, size):
    """For each word the first and the last word of the exact string that it is in, or -1."""
    hit_one = np.full(size, -1, np.int64)
    hit_two = np.full(size, -1, np.int64)
    for hit in range(len(one)):
        hit_one[one[hit] : two[hit] + 1] = one[hit]
        hit_two[one[hit] : two[hit] + 1] = two[hit]
    return hit_one, hit_two
