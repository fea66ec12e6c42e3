"""Numbers that the loops share, as the types that numba wants, so that nothing becomes a float."""

from __future__ import annotations

import numpy as np

from ontology.linking import fold

KIND, POINT, LETTER, UPPER, BREAK = (
    np.uint32(bits) for bits in (fold.KIND, fold.POINT, fold.LETTER, fold.UPPER, fold.BREAK)
)
WORDY, QUOTE, STOP, DROPPED = (np.uint32(kind) for kind in (fold.WORDY, fold.QUOTE, fold.STOP, fold.DROPPED))
BASE = np.uint64(0x9E3779B97F4A7C15 | 1)
M1, M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
S27, S30, S31, S32 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(32)
ONE, ZERO, SEVEN = np.uint64(1), np.uint64(0), np.uint64(7)
SMALL_S, POINT_COMMA = np.uint32(ord("s")), np.uint32(ord(","))
LOW = np.uint64(0xFFFFFFFF)
LONGEST_WORD = 40  # letters of a word that may be misspelt
MOST = 12  # words that one misspelling may stand for
ACRONYM = 5  # characters of a string in capitals that counts in capitals only: "AD", "ALS", "CAN"
ALONE = 5  # letters of a misspelt word that is the whole window: shorter ones are mostly other words
FIRST_TOO = 8  # letters of one whose first letter may be wrong
HALF = 3  # letters of a part of a word whose space is missing or too many
SHORT = 4  # letters: shorter words are slips only beside two others
WINDOW = 14  # words of a window
EQUALS = 20  # strings of the same words that are compared
ALL_GRAMS = 1 << 18
MOST_GRAMS = 400
COMPARED = 30  # strings of a concept that tell how much a string is its own
IN_CAPITALS, BY_RULE = np.uint8(1), np.uint8(4)  # kinds of strings: acronyms, those made of another by rule
CALLED_OTHERWISE = np.uint8(1 | 2)  # no name: acronyms and aliases
EXACT, INFLECTED = 10_000, 9_900  # `ontology.linking.senses` in ten-thousandths
RULE = 900  # taken from a string made by rule, in the same
STEP, STEPS = 10, 5  # between candidates that tie and of which one comes first where nothing else is known; at most
ALL_BUT_EQUAL = 55  # no further below the best one than all steps
KIN = 3  # steps from a concept to one that another vocabulary names by its synonym
USUAL = 1 / 0.7  # steps that a concept gains by being meant e times as often; with KIN tuned on annotated abstracts
KEPT = 10  # candidates of a string
