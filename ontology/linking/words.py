"""Words that count as one: number, US and UK spelling, Roman numerals; and words that never are a concept."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["BARRIERS", "BRIDGES", "FUNCTION_WORDS", "classes", "forms"]

_FUNCTION = """
a about above after again against all also am an and any are as at be because been before being below between both but
by can cannot could did do does doing don down during each few for from further had has have having he her here hers
herself him himself his how i if in into is it its itself just may me might more most must my myself no nor not now of
off on once one only or other our ours out over own per same shall she should so some such than that the their theirs
them themselves then there these they this those through to too two under until up upon us very was we were what when
where which while who whom why will with within without would yes yet you your yours
"""
FUNCTION_WORDS = frozenset(_FUNCTION.split())
"""Words that carry grammar only; never a concept by themselves."""

BRIDGES = frozenset(["of", "in", "with", "the", "a", "an", "his", "her", "their", "my", "your", "for", "to", "s"])
"""Words that may come and go within a string."""

BARRIERS = FUNCTION_WORDS - BRIDGES - {"and", "or", "self"}
"""Words that end a string: "nausea without vomiting" is not nausea and vomiting."""

_SPELLINGS = """
aemi emi|anaesth anesth|behaviour behavior|centre center|colour color|diarrhoea diarrhea|dyspnoea dyspnea|apnoea apnea
faec fec|favour favor|fibre fiber|foet fet|grey gray|gynaec gynec|haem hem|humour humor|ageing aging|isation ization
ising izing|ised ized|ise ize|judgement judgment|labour labor|leuco leuko|neighbour neighbor|odour odor|oedema edema
oesoph esoph|oestro estro|orthopaed orthoped|paed ped|programme program|rumour rumor|sulph sulf|tumour tumor|ysed yzed
yse yze|coeliac celiac|caec cec|aetiol etiol|rhoea rhea|rhoe rhe|litre liter|metre meter|mould mold
"""
_PAIRS = [pair.split() for line in _SPELLINGS.strip().splitlines() for pair in line.split("|")]
_WHOLE = {"ise", "yse", "ize", "yze"}  # only where the word ends
_FIRST = {"fet", "ped", "hem", "fec", "edema", "cec"}  # only where it begins
_SPELLED = [(re.compile(rf"{uk}$" if uk in _WHOLE else uk), us) for uk, us in _PAIRS if uk != us]
_BACK = [
    (re.compile(rf"(?<!s){us}$" if us in _WHOLE else rf"^{us}" if us in _FIRST else us), uk)
    for uk, us in _PAIRS
    if uk != us
]
_ANY = re.compile("|".join(re.escape(part) for pair in _PAIRS for part in pair))

_NOUN = re.compile(r"[a-z]{4,}")
_THREE = re.compile(r"[a-z]{2}[a-rt-z]")  # eye, MCI
_ENDINGS = (  # singular, plural: both ways
    (re.compile(r"(?<=[^aeiou])y$"), "ies"),
    (re.compile(r"(?<=[a-z]{3})sis$"), "ses"),
    (re.compile(r"(?<=[a-z]{3})oma$"), "omata"),
    (re.compile(r"(?<=[a-z]{4})a$"), "ae"),
    (re.compile(r"(?<=[a-z]{3})us$"), "i"),
    (re.compile(r"(?<=[a-z]{4})um$"), "a"),
    (re.compile(r"(?:(?<=nomen)|(?<=gangli)|(?<=chondri))on$"), "a"),
    (re.compile(r"(?<=[a-z]{3})[ie]x$"), "ices"),
    (re.compile(r"(?<=[sc]h|.x|ss)$"), "es"),
    (re.compile(r"(?<![syx])$"), "s"),
)
_PLURALS = (
    (re.compile(r"(?<=[a-z]{2})ies$"), ("y",)),
    (re.compile(r"(?<=[sc]h|ss)es$|(?<=x)es$"), ("", "e")),
    (re.compile(r"(?<=[a-z]{3})ses$"), ("sis", "se")),
    (re.compile(r"(?<=[a-z]{3})omata$"), ("oma",)),
    (re.compile(r"(?<=[a-z]{4})ae$"), ("a",)),
    (re.compile(r"(?<![suiy])s$"), ("",)),
)
_IRREGULAR = {"teeth": "tooth", "feet": "foot", "mice": "mouse", "women": "woman", "men": "man", "children": "child"}
_IRREGULAR |= {one: many for many, one in _IRREGULAR.items()}
_NUMERALS = {"ii": "2", "iii": "3", "iv": "4", "2": "ii", "3": "iii", "4": "iv"}


def forms(word: str) -> set[str]:
    """Other ways to write a word in lower case: its number, US and UK spelling.

    >>> sorted(forms("tumour")), sorted(forms("biopsies")), forms("paralysis") >= {"paralyses"}
    (['tumor', 'tumors', 'tumours'], ['biopsy'], True)
    """
    found = {word}
    if _ANY.search(word):
        american = british = word
        for pattern, spelling in _SPELLED:
            american = pattern.sub(spelling, american)
        for pattern, spelling in _BACK:
            british = pattern.sub(spelling, british)
        found |= {american, british}
    for one in tuple(found):
        found.update(_numbers(one))
    found.discard(word)
    return found


def _numbers(word: str) -> Iterator[str]:
    """The plurals of a singular, the singulars of a plural."""
    other = _IRREGULAR.get(word) or _NUMERALS.get(word)
    if other:
        yield other
    elif _NOUN.fullmatch(word):
        for pattern, ends in _PLURALS:
            if pattern.search(word):
                yield from (pattern.sub(end, word, count=1) for end in ends)
                return
        yield from (pattern.sub(end, word, count=1) for pattern, end in _ENDINGS if pattern.search(word))
    elif _THREE.fullmatch(word):
        yield f"{word}s"


def classes(words: Iterable[str]) -> Iterator[tuple[str, int, bool]]:
    """Every way to write `words`, with a number for what is one word, and whether it is one of `words` itself.

    >>> [(word, number) for word, number, _ in classes(["tumor", "gait"])]
    [('tumor', 0), ('tumors', 0), ('tumour', 0), ('tumours', 0), ('gait', 1), ('gaits', 1)]
    """
    parent: dict[str, str] = {}

    def root(word: str) -> str:
        while (above := parent[word]) != word:
            parent[word] = parent[above]
            word = above
        return word

    own = list(dict.fromkeys(words))
    known = set(own)
    for word in own:
        parent.setdefault(word, word)
        for other in sorted(forms(word)):
            parent.setdefault(other, other)
            one, two = root(word), root(other)
            if one != two:
                parent[max(one, two)] = min(one, two)
    numbers: dict[str, int] = {}
    for word in parent:
        yield word, numbers.setdefault(root(word), len(numbers)), word in known
