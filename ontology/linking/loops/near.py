"""Strings with one letter off, a space too many or too few, or their words in another order."""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, assignment"

from __future__ import annotations

import numpy as np

from ontology.compiled import compiled
from ontology.linking.kernels import ALPHA, BROKEN, COMMA, POSSESSIVE, PUNCTUATION
from ontology.linking.loops.basic import bag_of, cosine, find, grams_of, letters_of, norm, said
from ontology.linking.loops.constants import (
    ALONE,
    BASE,
    EQUALS,
    FIRST_TOO,
    HALF,
    KIND,
    LONGEST_WORD,
    MOST,
    MOST_GRAMS,
    ONE,
    POINT,
    S32,
    SHORT,
    WINDOW,
    WORDY,
    ZERO,
)
from ontology.linking.loops.strings import shortened

__all__ = ["alikes", "ends", "near", "one_off", "slips", "split"]


@compiled
def one_off(one, size, other, first, last):
    """Whether a letter more, less, other or exchanged with its neighbour makes the one word into the other."""
    length = last - first
    if length > size + 1 or size > length + 1:
        return False
    at = 0
    while at < size and at < length and one[at] == other[first + at]:
        at += 1
    a, b = size - at, length - at
    if a == b and a > 1 and one[at] == other[first + at + 1] and one[at + 1] == other[first + at]:
        same = True
        for i in range(2, a):
            if one[at + i] != other[first + at + i]:
                same = False
        if same:
            return True
    skip_one, skip_other = (1 if a >= b else 0), (1 if b >= a else 0)
    for i in range(max(a - skip_one, 0)):
        if one[at + skip_one + i] != other[first + at + skip_other + i]:
            return False
    return True


@compiled
def ends(symbol):
    """Whether a letter is one that other endings of a stem end with: c, d, e, l, n, r, s, y."""
    for letter in (3, 4, 5, 12, 14, 18, 19, 25):
        if symbol == letter:
            return True
    return False


@compiled
def alikes(word, size, less, keys, values, blob, first, form_number, out):
    """Numbers of the words that `word` may be a slip of: how many, and how many, in front, of those may stand alone. Alone
    stands what keeps its first letter or is long, and is no other ending of the same stem (hypoxic, hypoxia).
    """
    mask = np.uint64(len(keys) - 1)
    count = 0
    same = 0
    for i in range(shortened(word, size, less)):
        key = np.uint32(less[i] >> S32) | np.uint32(1)
        place = less[i] & mask
        while keys[place] != 0:
            if keys[place] == key:
                form = values[place]
                if one_off(word, size, blob, first[form], first[form + 1]):
                    number = form_number[form]
                    length = first[form + 1] - first[form]
                    alike = blob[first[form]] == word[0] or size >= FIRST_TOO
                    if size >= length and ends(word[size - 1]):
                        stem = True
                        for j in range(length - (size == length)):
                            if blob[first[form] + j] != word[j]:
                                stem = False
                        if stem:
                            alike = False
                    seen = False
                    for j in range(count):
                        if out[j] == number:
                            seen = True
                    if not seen and count < len(out):
                        out[count] = number
                        if alike:
                            out[count], out[same] = out[same], out[count]
                            same += 1
                        count += 1
            place = (place + ONE) & mask
    return count, same


@compiled
def split(numbers, begin, stop, letters, keys, values, role, out):
    """Two words of the catalog whose space is missing, as their sum; how many ways."""
    lefts = np.empty(letters + 1, np.uint64)
    value = ZERO
    place = 0
    for at in range(begin, stop):
        if numbers[at] & KIND == WORDY:
            value = value * BASE + np.uint64((numbers[at] & POINT) + np.uint32(1))
            place += 1
            lefts[place] = value
    power = ONE
    count = 0
    for cut in range(letters - 1, HALF - 1, -1):
        power *= BASE
        if letters - cut < HALF:
            continue
        one = find(keys, values, lefts[cut])
        if one < 0 or role[one] != 0:
            continue
        two = find(keys, values, value - lefts[cut] * power)
        if two >= 0 and role[two] == 0:
            out[count] = bag_of(one) + bag_of(two)
            count += 1
    return count


@compiled
def slips(numbers, tokens, number, words, common):
    """What words may be. For each unknown word where its options begin, and how many of them keep the first letter; what
    each option adds to the hash of a bag; and, by first word, the slips that need more words beside them to be believed:
    first and last word, where the options begin and end, least words of content.
    """
    start, end, code, flag, _ = tokens
    word_keys, word_values, role, gone_keys, gone_values, form_blob, form_first, form_number = words
    size = len(code)
    option_first = np.zeros(size, np.int64)
    option_last = np.zeros(size, np.int64)
    same = np.zeros(size, np.int64)
    sums = np.empty(256, np.uint64)
    filled = 0
    weak = np.empty((2 * size, 5), np.int64)
    count = 0
    word = np.empty(LONGEST_WORD, np.uint8)
    less = np.empty(LONGEST_WORD + 1, np.uint64)
    alike = np.empty(MOST, np.int32)
    for at in range(size):
        if filled + 3 * LONGEST_WORD > len(sums):
            sums = np.append(sums, np.empty(len(sums), np.uint64))
        if not flag[at] & ALPHA or flag[at] & POSSESSIVE:
            continue
        letters = letters_of(numbers, start[at], end[at], word)
        grammar = number[at] >= 0 and role[number[at]] != 0
        if letters < 2 or letters == LONGEST_WORD or grammar:
            continue
        other = number[at] >= 0 or find(common[0], common[1], code[at]) >= 0
        if other and letters < SHORT:
            continue
        found, same[at] = alikes(word, letters, less, gone_keys, gone_values, form_blob, form_first, form_number, alike)
        base = filled
        for i in range(found):
            if alike[i] != number[at]:
                sums[filled] = bag_of(alike[i]) if role[alike[i]] != 1 else ZERO
                filled += 1
        if other:  # a slip only beside two others
            if filled > base:
                weak[count, 0] = weak[count, 1] = at
                weak[count, 2] = base
                weak[count, 3] = filled
                weak[count, 4] = 3
                count += 1
        else:
            if found == 0 and letters >= 2 * HALF:
                filled += split(numbers, start[at], end[at], letters, word_keys, word_values, role, sums[filled:])
                same[at] = filled - base
            option_first[at] = base
            option_last[at] = filled
        if at + 1 == size or not flag[at + 1] & ALPHA or flag[at + 1] & (BROKEN | POSSESSIVE):
            continue
        if (number[at] >= 0 and number[at + 1] >= 0) or end[at + 1] - start[at] < 2 * HALF:
            continue
        value = code[at]
        for i in range(start[at + 1], end[at + 1]):
            if numbers[i] & KIND == WORDY:
                value = value * BASE + np.uint64((numbers[i] & POINT) + np.uint32(1))
        whole = find(word_keys, word_values, value)
        if whole >= 0 and role[whole] == 0:  # one word written apart
            sums[filled] = bag_of(whole)
            weak[count, 0] = at
            weak[count, 1] = at + 1
            weak[count, 2] = filled
            filled += 1
            weak[count, 3] = filled
            weak[count, 4] = 1
            count += 1
    return option_first, option_last, same, sums, weak[:count].copy()


@compiled
def near(numbers, tokens, number, hit_one, hit_two, role, slips, bags, strings, idf, threshold, rows, scores):
    """Windows that are nearly a string: text, first and last word, string, words of content, misspelt or not.

    Returns how many there are; where that is more than `rows` holds, the rest is not written.
    """
    flag, first = tokens.flag, tokens.first
    option_first, option_last, same, sums, weak = slips
    bag_keys, bag_values, bag_first, bag_strings = bags
    blob, blob_first, string_kind = strings
    count = 0
    symbols = np.empty(MOST_GRAMS, np.uint8)
    grams = np.empty(MOST_GRAMS, np.int64)
    others = np.empty(MOST_GRAMS, np.int64)
    lowest = 0  # the first weak slip that may still come
    for text in range(len(first) - 1):
        stop = first[text + 1]
        for begin in range(first[text], stop):
            while lowest < len(weak) and weak[lowest, 0] < begin:
                lowest += 1
            if flag[begin] & (PUNCTUATION | POSSESSIVE) or (number[begin] >= 0 and role[number[begin]] == 1):
                continue
            furthest = begin  # as far as words are known
            for forced in range(lowest - 1, len(weak)):
                believed = forced < lowest
                if not believed and weak[forced, 0] > furthest:
                    break
                total = ZERO
                content = 0
                slip = -1  # the word that is misspelt
                base = np.int64(0)
                options = np.int64(1)
                least = 1
                commas = 0
                at = begin
                while at < min(stop, begin + WINDOW):
                    if at > begin and flag[at] & (BROKEN | PUNCTUATION):
                        if not flag[at] & COMMA:
                            break
                        commas += 1
                        at += 1
                        continue
                    if flag[at] & POSSESSIVE:
                        at += 1
                        continue
                    if believed:
                        furthest = at
                    last = at
                    known = number[at]
                    if not believed and weak[forced, 0] == at:
                        slip = at
                        base, options, least = weak[forced, 2], weak[forced, 3] - weak[forced, 2], weak[forced, 4]
                        last = weak[forced, 1]
                        if last >= stop:
                            break
                    elif known >= 0:
                        if role[known] == 1:
                            at += 1
                            continue
                        total += bag_of(known)
                    elif slip >= 0 or not believed or option_first[at] == option_last[at]:
                        break
                    else:
                        slip = at
                        base = option_first[at]
                        options = option_last[at] - base
                        least = 3 if tokens.end[at] - tokens.start[at] < SHORT else 1
                    content += 1
                    at = last + 1
                    if content < least or (slip < 0 and (content == 1 or not believed)):
                        continue
                    here = options
                    if content == 1 and believed:
                        here = same[slip] if tokens.end[slip] - tokens.start[slip] >= ALONE else np.int64(0)
                    if hit_one[begin] >= 0 and (hit_one[begin] != begin or hit_two[begin] == last):
                        continue
                    if hit_two[last] >= 0 and hit_two[last] != last:
                        continue
                    size = 0
                    length = 0.0
                    for option in range(here):
                        if slip in (begin, last) and sums[base + option] == ZERO:
                            continue  # a misspelt preposition ends no string
                        group = find(bag_keys, bag_values, total + (sums[base + option] if slip >= 0 else ZERO))
                        if group < 0:
                            continue
                        if size == 0:
                            size = grams_of(symbols, said(numbers, tokens, begin, last, symbols), grams)
                            length = norm(grams, size, idf)
                        for place in range(bag_first[group], min(bag_first[group + 1], bag_first[group] + EQUALS)):
                            string = bag_strings[place]
                            if commas and string_kind[string] & COMMA == 0:
                                continue
                            a, b = blob_first[string], blob_first[string + 1]
                            score = cosine(grams, size, length, others, grams_of(blob[a:b], b - a, others), idf)
                            if score >= threshold:
                                if count < len(rows):
                                    rows[count, 0] = text
                                    rows[count, 1] = begin
                                    rows[count, 2] = last
                                    rows[count, 3] = string
                                    rows[count, 4] = content
                                    rows[count, 5] = slip >= 0
                                    scores[count] = score
                                count += 1
    return count
