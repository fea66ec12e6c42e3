"""Which of several concepts a string means: what vocabularies say of it, and what else the text says."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from ontology.linking.tiers import Hit

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from ontology.concept import Concept, Cui
    from ontology.linking.senses import Candidates

__all__ = ["Ranking"]

_CLOSE = 0.02  # candidates no further than this below the best may change places
_PREFERRED = 0.02  # what a concept gains that is expected
_RELATED, _TYPED = 0.0004, 0.0003
# What it gains by each neighbour in the text, and by a semantic type: three neighbours pass a step, or two of its type. More
# is worse in annotated abstracts, where how often a concept is meant at all says more than what else a text is about.
_NEIGHBOURS = 4
_REMEMBERED = 65_536


class Ranking:
    """Orders candidates that are all but equal. `prefer` holds concepts expected in the texts, such as those of a disease pack.

    They come in the order of the index. In a text, a concept gains that is expected there, that has neighbours in the
    catalog there (parent, child, sibling), or a semantic type in common.
    """

    def __init__(self, catalog: Mapping[Cui, Concept], prefer: Collection[Cui] = ()) -> None:
        self._catalog = catalog
        self._prefer = frozenset(prefer)
        self._about = lru_cache(maxsize=_REMEMBERED)(self._read)

    def _read(self, cui: Cui) -> tuple[frozenset[str], frozenset[str]]:
        """Parents and semantic types of a concept."""
        concept = self._catalog.get(cui)
        if concept is None:
            return frozenset(), frozenset()
        return frozenset(concept.parents), frozenset(concept.types)

    def together(self, hits: list[Hit]) -> list[Hit]:
        """The hits of one text, each read in the light of the others."""
        doubtful = [
            at
            for at, hit in enumerate(hits)
            if len(hit.candidates) > 1 and hit.candidates[0][1] - hit.candidates[1][1] <= _CLOSE
        ]
        if not doubtful or (len(hits) == 1 and not self._prefer):
            return hits
        tops = {hit.candidates[0][0] for hit in hits}
        out = list(hits)
        read: dict[Candidates, Candidates] = {}
        for at in doubtful:
            start, end, candidates = hits[at]
            if candidates not in read:
                read[candidates] = self._reread(candidates, tops)
            out[at] = Hit(start, end, read[candidates])
        return out

    def _reread(self, candidates: Candidates, tops: set[Cui]) -> Candidates:
        best = candidates[0][1]
        close = [cui for cui, score in candidates if best - score <= _CLOSE]
        others = tops.difference(close)
        gains = {cui: self._gain(cui, others) for cui in close}
        if len(set(gains.values())) == 1:
            return candidates
        most = max(gains.values())
        read = [(cui, round(score - most + gains.get(cui, 0.0), 4)) for cui, score in candidates]
        return tuple(sorted(read, key=lambda pair: (-pair[1], pair[0])))

    def _gain(self, cui: Cui, others: set[Cui]) -> float:
        parents, types = self._about(cui)
        gain = _PREFERRED if cui in self._prefer else 0.0
        related, typed = 0, False
        for other in others:
            above, kinds = self._about(other)
            related += other in parents or cui in above or bool(parents & above)
            typed = typed or bool(types & kinds)
        return gain + _RELATED * min(related, _NEIGHBOURS) + _TYPED * typed
