"""`Lexicon`: the exact tier of the linker: catalog strings in text by Aho-Corasick, whatever their case, quotes,
hyphens, plurals, possessives and US or UK spelling.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import ahocorasick

from ontology.concept import Cui

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ontology.concept import Concept

__all__ = ["FUNCTION_WORDS", "Hit", "Lexicon", "Normal", "Taken", "normalise", "variants"]

EXACT = 1.0
"""Score of a string of the catalog itself."""
INFLECTED = 0.99
"""Score of an inflected or respelled form: below the string itself, where a text could mean either."""

_DROPPED = "\x02"  # stands for a character that is not there for a reader: a combining mark, a zero-width space
_ACRONYM = 5  # strings up to this long, all in capitals, match in capitals only: "AD", "ALS", "CAN"
_SHORTEST = 2  # characters of a string
_LONGEST = 200  # characters: longer strings of a catalog are definitions, not names

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

_FOLDED = {
    **dict.fromkeys("‘’‚‛′`´ʼ＇", "'"),
    **dict.fromkeys('‐‑‒–—―−－/\\|([{<"“”„«»*_~=+\u2028\u2029\x00', " "),
    "-": " ",
    "ß": "s",
    "æ": "e",
    "œ": "e",
}


class _Table(dict[int, str]):
    """Character to character, filled as characters are met: always one for one, so that offsets stay."""

    def __missing__(self, point: int) -> str:
        char = chr(point)
        kind = unicodedata.category(char)
        if char in _FOLDED:
            out = _FOLDED[char]
        elif kind in {"Mn", "Me", "Cf"}:
            out = _DROPPED
        elif kind in {"Cc", "Cs", "Co", "Cn"} or char.isspace():
            out = " "
        else:
            lower = char.lower()
            base = unicodedata.normalize("NFKD", lower if len(lower) == 1 else char)
            out = base[0] if unicodedata.category(base[0])[0] in "LN" else char
            out = _FOLDED.get(out, out)
        self[point] = out
        return out


_TABLE = _Table()
for _point in range(0x250):
    _TABLE[_point]
_IRREGULAR = re.compile(r"\x02|  |[,;:.?!)\]}>]\w|(?<!\w)'\w")


@dataclass(frozen=True, slots=True)
class Normal:
    """A text made ready for matching: lower case, one space before every word. `offsets[i]` is the place of `text[i]` in
    the original (None: one place earlier, because of the space in front).
    """

    text: str
    offsets: Sequence[int] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where `text[start:end]` lies in the original."""
        if self.offsets is None:
            return start - 1, end - 1
        return self.offsets[start], self.offsets[end - 1] + 1


def normalise(text: str) -> Normal:
    """The text in lower case, without accents, hyphens as spaces, quotes straight; linear in its length.

    >>> normalise("Alzheimer’s—LIKE").text
    " alzheimer's like"
    """
    plain = " " + text.translate(_TABLE)
    if not _IRREGULAR.search(plain):
        return Normal(plain)
    out: list[str] = []
    offsets = array("l")
    last = ""
    for index, char in enumerate(plain):
        if char == _DROPPED:
            continue
        wordy = char.isalnum()
        if (wordy and last in ",;:.?!)]}>" and last) or (char == "'" and last != "" and not last.isalnum()):
            if last != " ":
                out.append(" ")
                offsets.append(max(index - 1, 0))
            last = " "
            if not wordy:
                continue
        if char == " " and last == " ":
            continue
        out.append(char)
        offsets.append(max(index - 1, 0))
        last = char
    return Normal("".join(out), offsets)


_SPELLINGS = (  # UK, US; both ways
    ("aemi", "emi"),
    ("anaesth", "anesth"),
    ("behaviour", "behavior"),
    ("centre", "center"),
    ("colour", "color"),
    ("diarrhoea", "diarrhea"),
    ("dyspnoea", "dyspnea"),
    ("apnoea", "apnea"),
    ("faec", "fec"),
    ("favour", "favor"),
    ("fibre", "fiber"),
    ("foet", "fet"),
    ("grey", "gray"),
    ("gynaec", "gynec"),
    ("haem", "hem"),
    ("humour", "humor"),
    ("ageing", "aging"),
    ("isation", "ization"),
    ("ising", "izing"),
    ("ised", "ized"),
    ("ise", "ize"),
    ("judgement", "judgment"),
    ("labour", "labor"),
    ("leuco", "leuko"),
    ("neighbour", "neighbor"),
    ("odour", "odor"),
    ("oedema", "edema"),
    ("oesoph", "esoph"),
    ("oestro", "estro"),
    ("orthopaed", "orthoped"),
    ("paed", "ped"),
    ("programme", "program"),
    ("rumour", "rumor"),
    ("sulph", "sulf"),
    ("tumour", "tumor"),
    ("ysed", "yzed"),
    ("yse", "yze"),
)
_SPELLED = tuple((re.compile(rf"{uk}(?![a-z])" if uk in {"ise", "yse"} else uk), us) for uk, us in _SPELLINGS)
_SPELLED_BACK = tuple(
    (
        re.compile(
            rf"(?<!s){us}(?![a-z])"
            if us in {"ize", "yze"}
            else rf"\b{us}"
            if us in {"fet", "ped", "hem", "fec", "edema"}
            else us
        ),
        uk,
    )
    for uk, us in _SPELLINGS
)
_HEAD = re.compile(r" (?:of|in|with|for|to|on|from|by) ")
_PREFIXED = re.compile(r"\b(non|pre|post|anti|co|re|hyper|hypo|multi|over|under|self) (?=[a-z]{4})")


_NUMBER = (  # endings of the one and the other number of a noun; the first that fits
    (re.compile(r"(?<=[a-z]{2})ies$"), "y"),
    (re.compile(r"(?<=sh|ch|ss)es$|(?<=x)es$"), ""),
    (re.compile(r"(?<![sui])s$"), ""),
    (re.compile(r"(?<=[sui])s$"), None),
    (re.compile(r"(?<=[sc]h|.x)$"), "es"),
    (re.compile(r"(?<=[^aeiou])y$"), "ies"),
    (re.compile(r"$"), "s"),
)
_NOUN = re.compile(r"[a-z]{4,}")


@lru_cache(maxsize=65_536)
def _plural(word: str) -> str:
    """The other number of a noun: a plural of a singular, a singular of a plural, or "" where neither is plain."""
    if not _NOUN.fullmatch(word):
        return ""
    for ending, other in _NUMBER:
        if ending.search(word):
            return "" if other is None else ending.sub(other, word, count=1)
    return ""


@lru_cache(maxsize=65_536)
def _respelled(word: str) -> tuple[str, str]:
    """A word in US and in UK spelling."""
    american = british = word
    for pattern, other in _SPELLED:
        american = pattern.sub(other, american)
    for pattern, other in _SPELLED_BACK:
        british = pattern.sub(other, british)
    return american, british


def variants(key: str) -> frozenset[str]:
    """Other ways to write a normalised string: number of its head, possessive, US and UK spelling, joined prefix.

    >>> sorted(variants("alzheimer's disease"))[:3]
    ['alzheimer disease', 'alzheimer diseases', "alzheimer's diseases"]
    """
    found = {key}
    spellings = [_respelled(word) for word in key.split(" ")]
    found.update(" ".join(words) for words in zip(*spellings, strict=True))
    for one in tuple(found):
        head = _HEAD.search(one)
        stem, rest = (one[: head.start()], one[head.start() :]) if head else (one, "")
        before, _, last = stem.rpartition(" ")
        number = _plural(last)
        if number:
            found.add(f"{before} {number}{rest}".strip())
    for one in tuple(found):
        if "'" in one:
            found |= {one.replace("'s", ""), one.replace("'", "")}
        joined = _PREFIXED.sub(r"\1", one)
        if joined != one:
            found.add(joined)
    found.discard(key)
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Hit:
    """A string of the catalog in a text: characters, end exclusive; candidates best first, ties by CUI."""

    start: int
    end: int
    candidates: tuple[tuple[Cui, float], ...]


class Lexicon:
    """Every string of the concepts, ready to be found in text.

    Building takes about ten microseconds a form; a search is linear in the text (Aho and Corasick, CACM 1975).

    >>> from ontology.concept import Concept
    >>> lexicon = Lexicon([Concept(Cui("C0002395"), "Alzheimer's disease")])
    >>> [(hit.start, hit.end) for hit in lexicon.find("Seen for ALZHEIMER’S DISEASE.")]
    [(9, 28)]
    """

    def __init__(self, concepts: Iterable[Concept]) -> None:
        forms: dict[str, dict[Cui, float]] = {}
        capitals: dict[str, dict[Cui, float]] = {}
        for concept in concepts:
            for string in concept.strings:
                if not _SHORTEST <= len(string) <= _LONGEST:
                    continue
                key = normalise(string).text.strip(" .,;:")
                if len(key) < _SHORTEST or key in FUNCTION_WORDS or not any(c.isalpha() for c in key):
                    continue
                if len(string) <= _ACRONYM and string.isupper() and " " not in key:
                    capitals.setdefault(key, {})[concept.cui] = EXACT
                    continue
                forms.setdefault(key, {})[concept.cui] = EXACT
                for other in variants(key):
                    forms.setdefault(other, {}).setdefault(concept.cui, INFLECTED)
        self._automaton = ahocorasick.Automaton(ahocorasick.STORE_INTS)
        self._entries: list[tuple[int, tuple[tuple[Cui, float], ...], tuple[tuple[Cui, float], ...]]] = []
        for key in sorted(forms.keys() | capitals.keys()):
            lower = _ranked(forms.get(key, {}))
            either = _ranked({**capitals[key], **forms.get(key, {})}) if key in capitals else lower
            self._automaton.add_word(f" {key}", len(self._entries))
            self._entries.append((len(key), lower, either))
        self.strings = {
            key: cuis
            for key in sorted(forms)
            if (cuis := tuple(sorted(c for c, s in forms[key].items() if s == EXACT)))
        }
        """The normalised strings of the catalog that are no acronyms, with the concepts they mean."""
        if self._entries:
            self._automaton.make_automaton()

    def __len__(self) -> int:
        """How many forms are looked for."""
        return len(self._entries)

    def find(self, text: str, normal: Normal | None = None) -> list[Hit]:
        """The strings in `text`, the longest where two overlap, in order of `start`."""
        if not self._entries:
            return []
        normal = normal or normalise(text)
        plain = normal.text
        size = len(plain)
        found: list[tuple[int, int, int]] = []
        for end, index in self._automaton.iter(plain):
            if end + 1 < size and plain[end + 1].isalnum():
                continue
            length = self._entries[index][0]
            found.append((-length, end + 1 - length, index))
        if not found:
            return []
        found.sort()
        return sorted(self._kept(text, normal, found), key=_start)

    def _kept(self, text: str, normal: Normal, found: Iterable[tuple[int, int, int]]) -> Iterator[Hit]:
        taken = Taken()
        for minus, first, index in found:
            after = first - minus
            if not taken.free(first, after):
                continue
            start, end = normal.span(first, after)
            _, lower, either = self._entries[index]
            candidates = either if either != lower and text[start:end].isupper() else lower
            if candidates:
                taken.add(first, after)
                yield Hit(start, end, candidates)


class Taken:
    """Ranges already given away, tested through the few near enough to matter."""

    _BUCKET = 256

    def __init__(self) -> None:
        self._buckets: dict[int, list[tuple[int, int]]] = {}

    def free(self, start: int, end: int) -> bool:
        """Whether nothing added overlaps the range."""
        for bucket in range(start // self._BUCKET, (end - 1) // self._BUCKET + 1):
            for first, last in self._buckets.get(bucket, ()):
                if start < last and first < end:
                    return False
        return True

    def add(self, start: int, end: int) -> None:
        """Give the range away."""
        for bucket in range(start // self._BUCKET, (end - 1) // self._BUCKET + 1):
            self._buckets.setdefault(bucket, []).append((start, end))


def _start(hit: Hit) -> int:
    return hit.start


def _ranked(scores: dict[Cui, float]) -> tuple[tuple[Cui, float], ...]:
    if len(scores) < 2:  # noqa: PLR2004 - nothing to rank
        return tuple(scores.items())
    return tuple(sorted(scores.items(), key=lambda item: (-item[1], item[0])))
