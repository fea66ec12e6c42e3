"""A baseline: the first-order semi-Markov chain over onsets, without modifiers. Next event by the last one, log-normal gap.

Events of one visit are put in a random order for the counts; a gap of zero (a tie) has its own share. The probability of
what a visit saw is by simulation, since order and times inside the interval are not seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]
    Flags = npt.NDArray[np.bool_]

__all__ = ["Chain", "Visits", "choose_chain"]

_SHRINK = (3.0, 10.0, 30.0, 100.0)
_GAP_SHRINK = (5.0, 20.0, 80.0)
_PATHS = 4000
_INNER = 3


class Visits(NamedTuple):
    """A person as the chain sees one: ages of the visits, and what had begun by each (visits x events)."""

    ages: Floats
    seen: Flags

    def changes(self) -> Iterator[tuple[Ints, Flags, float, Ints, float]]:
        """(last onsets, begun before, gap, new onsets, age at the last): the last segment ends without a new onset."""
        start, last = 0, np.flatnonzero(self.seen[0])
        for k in range(1, len(self.ages)):
            new = np.flatnonzero(self.seen[k] & ~self.seen[k - 1])
            if len(new) or k == len(self.ages) - 1:
                yield last, self.seen[k - 1], float(self.ages[k] - self.ages[start]), new, float(self.ages[start])
                if len(new):
                    last, start = new, k

    def intervals(self) -> Iterator[tuple[int, Ints, float, float]]:
        """(visit, last onsets, years since them at the visit before, years between the visits)."""
        for k in range(1, len(self.ages)):
            changed: Ints = np.flatnonzero((self.seen[1:k] != self.seen[: k - 1]).any(axis=1)) + 1
            at = int(changed[-1]) if len(changed) else 0
            before = self.seen[at - 1] if at else np.zeros(self.seen.shape[1], np.bool_)
            last = np.flatnonzero(self.seen[at] & ~before)
            yield k, last, float(self.ages[k - 1] - self.ages[at]), float(self.ages[k] - self.ages[k - 1])


class Chain:
    """Weights of the next event (rows: last event, then start; columns: events, then end of follow-up) and gap laws."""

    def __init__(self, people: Iterable[Visits], needs: Flags, shrink: float, gap_shrink: float, *, ties: bool) -> None:
        events = len(needs)
        self.needs, self.start, self.end = needs, events, events
        count, tied = np.zeros((events + 1, events + 1)), np.zeros((events + 1, events + 1))
        first, second = np.zeros_like(count), np.zeros_like(count)
        for person in people:
            groups = [np.flatnonzero(person.seen[0])]
            for last, _, gap, new, _ in person.changes():
                from_, to = self._rows(last), self._columns(new)
                at = np.ix_(from_, to)
                weight = 1.0 / (len(from_) * len(to))
                count[at] += weight
                first[at] += weight * np.log(gap)
                second[at] += weight * np.log(gap) ** 2
                groups.append(new)
            for group in groups if ties else ():
                for i in group:
                    for j in group:
                        if i != j and not needs[i, j]:
                            count[i, j] += 1 / len(group)
                            tied[i, j] += 1 / len(group)
        dated = count - tied
        total = max(float(dated.sum()), 1e-9)
        mean, spread = first.sum() / total, second.sum() / total - (first.sum() / total) ** 2
        by_next = (first.sum(axis=0) + gap_shrink * mean) / (dated.sum(axis=0) + gap_shrink)
        self.mean = (first + gap_shrink * by_next) / (dated + gap_shrink)
        variance = (second - 2 * first * self.mean + dated * self.mean**2 + gap_shrink * spread) / (dated + gap_shrink)
        self.sd = np.sqrt(np.maximum(variance, 0.02))
        self.weight = count + shrink * count.sum(axis=0) / max(float(count.sum()), 1e-9)
        self.tied = tied / np.maximum(count, 1e-9)

    def _rows(self, last: Ints) -> Ints:
        return last if len(last) else np.array([self.start])

    def _columns(self, new: Ints) -> Ints:
        return new if len(new) else np.array([self.end])

    def _open(self, begun: Flags) -> Flags:
        waits = (self.needs[None] & ~begun[:, None, :]).any(axis=2)
        free: Flags = ~begun & ~waits
        return free

    def next_score(self, person: Visits) -> tuple[float, float]:
        """Log density of next event and gap, and log probability of the event given its time, over a person's segments."""
        density = choice = 0.0
        for last, begun, gap, new, _ in person.changes():
            may = np.append(self._open(begun[None])[0], True)
            may[new] = True
            f = np.zeros(len(may))
            for i in self._rows(last):
                w = self.weight[i] * may
                z = (np.log(gap) - self.mean[i]) / self.sd[i]
                law = np.exp(-0.5 * z * z) / (self.sd[i] * np.sqrt(2 * np.pi) * gap)
                f += w / w.sum() * law
            columns = self._columns(new)
            density += float(np.mean(np.log(f[columns] / len(self._rows(last)) + 1e-300)))
            choice += float(np.mean(np.log(f[columns] / f.sum())))
        return density, choice

    def interval_scores(self, person: Visits, rng: np.random.Generator) -> list[float]:
        """Log probability of what each visit saw, given all seen before, by 4,000 simulated paths."""
        found = []
        for k, last, elapsed, years in person.intervals():
            begun = self._simulate(person.seen[k - 1], last, elapsed, years, rng)
            found.append(float(np.log(((begun == person.seen[k]).all(axis=1).sum() + 0.05) / (_PATHS + 1))))
        return found

    def _simulate(self, before: Flags, last: Ints, elapsed: float, years: float, rng: np.random.Generator) -> Flags:
        begun = np.tile(before, (_PATHS, 1))
        now, since = rng.choice(self._rows(last), _PATHS), np.full(_PATHS, -elapsed)
        live, first = np.arange(_PATHS), True
        while len(live):
            w = self.weight[now[live], : self.end] * self._open(begun[live])
            live, w = live[w.sum(axis=1) > 0], w[w.sum(axis=1) > 0]
            if not len(live):
                break
            mean, sd = self.mean[now[live], : self.end], self.sd[now[live], : self.end]
            waited = first and elapsed > 0
            if waited:  # the gap is known to exceed what has passed
                w = w * np.exp(log_ndtr(-(np.log(elapsed) - mean) / sd)) + 1e-12 * w
            total = w.cumsum(axis=1)
            chosen = (rng.random(len(live))[:, None] * total[:, -1:] > total).sum(axis=1)
            mean, sd = mean[np.arange(len(live)), chosen], sd[np.arange(len(live)), chosen]
            low = ndtr((np.log(elapsed) - mean) / sd) if waited else np.zeros(len(live))
            gap = np.exp(mean + sd * ndtri(np.clip(low + (1 - low) * rng.random(len(live)), 1e-9, 1 - 1e-9)))
            if not first:
                gap = np.where(rng.random(len(live)) < self.tied[now[live], chosen], 0.0, gap)
            since[live] += gap
            hit = since[live] <= years
            begun[live[hit], chosen[hit]] = True
            now[live] = chosen
            live, first = live[hit], False
        return begun


def choose_chain(people: Sequence[Visits], needs: Flags, rng: np.random.Generator) -> tuple[Chain, Chain]:
    """The chain between visits and the one with ties in random order, their shrinkage chosen inside these persons (3 folds)."""
    best, chosen = -np.inf, (_SHRINK[0], _GAP_SHRINK[0])
    if len(people) < 2 * _INNER:
        return Chain(people, needs, *chosen, ties=False), Chain(people, needs, *chosen, ties=True)
    fold = rng.permutation(len(people)) % _INNER
    for shrink in _SHRINK:
        for gap_shrink in _GAP_SHRINK:
            score = 0.0
            for q in range(_INNER):
                kept = [p for p, c in zip(people, fold, strict=True) if c != q]
                chain = Chain(kept, needs, shrink, gap_shrink, ties=False)
                score += sum(chain.next_score(p)[0] for p, c in zip(people, fold, strict=True) if c == q)
            if score > best:
                best, chosen = score, (shrink, gap_shrink)
    return Chain(people, needs, *chosen, ties=False), Chain(people, needs, *chosen, ties=True)
