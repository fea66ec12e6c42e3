"""`Marks`: the marks of templated notes (`[x] agitation [ ] apathy`, `+ wandering, - hallucinations`) as words of the rules.

A mark speaks of what it stands before or after; which of the two, its line tells: in `[x] agitation [ ] apathy` the first mark
begins the line, in `agitation (+), apathy (-)` marks stand before the commas. What a mark looks like is data.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Marks"]

_CONCEPT = "\0"
_BEGUN = re.compile(r"(?:^|[\n,;:.•*]|\band)\s*\Z")
_ENDED = re.compile(r"\s*(?:[,;.\n]|\band\b|\Z)")
_LOOKED_AT = 24  # characters before a mark that say whether it begins something
_PLAIN = r"(?P<yes>\+{1,4})|(?P<no>[-\u2212\u2013])"  # hyphen, minus, dash
_PLAIN_BEFORE = re.compile(rf"(?:(?:^|(?<=[\n,;:.(])|(?<=[,;:.(] ))(?:{_PLAIN})\s?)(?=\w|{_CONCEPT})")
_PLAIN_ATTACHED = re.compile(rf"(?<=\s)(?:{_PLAIN})(?=\w|{_CONCEPT})")
_PLUS_AFTER_WORD = re.compile(rf"(?<=[a-z] )(?P<yes>\+{{1,4}})\s(?={_CONCEPT})")
_PLAIN_AFTER = re.compile(rf"(?<={_CONCEPT})\s?(?:{_PLAIN})(?=\s*(?:[,;.\n)]|\Z))")


class _Found(NamedTuple):
    start: int
    end: int
    kind: str
    after: bool | None
    """Whether it speaks of what stands before it; None where the line has to tell."""


@dataclass(frozen=True, slots=True)
class Marks:
    r"""The marks, as one regular expression with a group for each kind (`yes`, `no`, `empty`).

    >>> marks = Marks.of({"yes": [r"\[x\]", r"\(\+\)"], "empty": [r"\[ \]"], "no": [r"\(-\)"]})
    >>> marks.spelt(["[x] ", " [ ] ", ""])
    [' yesbefore  ', '  emptybefore  ', '']
    >>> marks.spelt(["", " (+), ", " (-)"])
    ['', '  yesafter , ', '  noafter ']
    """

    explicit: re.Pattern[str]

    @classmethod
    def of(cls, raw: Mapping[str, Sequence[str]]) -> Marks:
        """From the table `marks` of `context_rules.toml`."""
        return cls(re.compile("|".join(f"(?P<{kind}>{'|'.join(forms)})" for kind, forms in raw.items())))

    def spelt(self, gaps: Sequence[str]) -> list[str]:
        """The texts before, between and after the concepts of a sentence (lower case), marks replaced by their words."""
        text = _CONCEPT.join(gap.replace(_CONCEPT, " ") for gap in gaps)
        found = [_Found(m.start(), m.end(), m.lastgroup or "", None) for m in self.explicit.finditer(text)]
        after = _speaks_after(text, found)
        found = [one._replace(after=after) for one in found]
        plain = list(_plain(text))
        if found or any(one.kind == "yes" for one in plain):  # a minus alone is a hyphen, a dash or a bullet
            starts, ends = [one.start for one in found] + [len(text)], [one.end for one in found]
            found += [one for one in plain if starts[bisect_right(ends, one.start)] >= one.end]
        said, begin = [], 0
        for one in sorted(found):
            if one.start >= begin:
                said += [text[begin : one.start], f" {one.kind}{'after' if one.after else 'before'} "]
                begin = one.end
        return "".join([*said, text[begin:]]).split(_CONCEPT)


def _plain(text: str) -> Iterator[_Found]:
    for pattern, after in (
        (_PLAIN_BEFORE, False),
        (_PLAIN_ATTACHED, False),
        (_PLUS_AFTER_WORD, False),
        (_PLAIN_AFTER, True),
    ):
        for match in pattern.finditer(text):
            yield _Found(match.start(), match.end(), match.lastgroup or "", after)


def _speaks_after(text: str, marks: Sequence[_Found]) -> bool:
    votes = 0
    for one in marks:
        votes += _BEGUN.search(text, max(0, one.start - _LOOKED_AT), one.start) is None and (
            _ENDED.match(text, one.end) is not None
        )
        votes -= _BEGUN.search(text, max(0, one.start - _LOOKED_AT), one.start) is not None
    return votes > 0
