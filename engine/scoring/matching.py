"""Which predicted mention answers which gold mention: one to one, the same way every time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from engine.linking.document import Annotation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Answer", "Kind", "match"]


class Kind(StrEnum):
    """What became of a mention (MUC-5, Chinchor and Sundheim 1993; with boundaries as in SemEval-2013 task 9)."""

    CORRECT = "correct"
    INCORRECT = "incorrect"
    PARTIAL = "partial"
    PARTIAL_INCORRECT = "partial-incorrect"
    MISSING = "missing"
    SPURIOUS = "spurious"


@dataclass(frozen=True, slots=True)
class Answer:
    """A gold mention with what answers it; one of the two is None for what is missing or spurious."""

    gold: Annotation | None
    predicted: Annotation | None
    kind: Kind

    @property
    def strict(self) -> bool:
        """Whether both have the same boundaries."""
        return self.kind in {Kind.CORRECT, Kind.INCORRECT}


def match(gold: Sequence[Annotation], predicted: Sequence[Annotation]) -> list[Answer]:
    """Every mention of both, once. Pairs are made in this order: same boundaries and right concept, same boundaries, overlapping and right
    concept, overlapping; among those the one with most characters in common, then the first. So strict pairs are as many as can be.

    A concept is right when the first predicted CUI is one of the gold CUIs, or when the gold mention has none.

    >>> from engine.linking.document import Annotation
    >>> [answer.kind.value for answer in match([Annotation(0, 5, ("C1",))], [Annotation(0, 4, ("C1",)), Annotation(7, 9)])]
    ['partial', 'spurious']
    """
    left, right = dict(enumerate(gold)), dict(enumerate(predicted))
    answers = []
    for _, at, place in sorted(_pairs(gold, predicted)):
        if at in left and place in right:
            one, other = left.pop(at), right.pop(place)
            answers.append(Answer(one, other, _kind(one, other)))
    answers += [Answer(one, None, Kind.MISSING) for one in left.values()]
    answers += [Answer(None, other, Kind.SPURIOUS) for other in right.values()]
    return sorted(answers, key=_place)


def _pairs(
    gold: Sequence[Annotation], predicted: Sequence[Annotation]
) -> Iterator[tuple[tuple[int, int, int, int], int, int]]:
    """Overlapping pairs with their rank: a sweep over both in order of start."""
    order = sorted(range(len(predicted)), key=lambda place: predicted[place].start)
    open_: list[int] = []
    first = 0
    for at in sorted(range(len(gold)), key=lambda at: gold[at].start):
        one = gold[at]
        while first < len(order) and predicted[order[first]].start < one.end:
            open_.append(order[first])
            first += 1
        open_ = [place for place in open_ if predicted[place].end > one.start]
        for place in open_:
            other = predicted[place]
            shared = min(one.end, other.end) - max(one.start, other.start)
            if shared > 0:
                right = not _right(one, other)
                exact = (one.start, one.end) != (other.start, other.end)
                yield (2 * exact + right, -shared, one.start, other.start), at, place


def _right(gold: Annotation, predicted: Annotation) -> bool:
    return not gold.cuis or any(cui in gold.cuis for cui in predicted.cuis[:1])


def _kind(gold: Annotation, predicted: Annotation) -> Kind:
    if (gold.start, gold.end) == (predicted.start, predicted.end):
        return Kind.CORRECT if _right(gold, predicted) else Kind.INCORRECT
    return Kind.PARTIAL if _right(gold, predicted) else Kind.PARTIAL_INCORRECT


def _place(answer: Answer) -> tuple[int, int]:
    one = answer.gold or answer.predicted
    return (one.start, one.end) if one else (0, 0)
