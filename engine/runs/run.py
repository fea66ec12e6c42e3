"""`Run`: the driver. Puts outcomes in slot order, owns the near-duplicate index, commits, resumes, and writes the card."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from engine.card import card
from engine.runs.duplicates import DuplicateIndex
from engine.runs.folder import RunFolder
from engine.runs.worker import Attempt, Outcome, Slot
from ontology.errors import BudgetExhausted
from ontology.issue import Issue, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    import pandas as pd

    from engine.record import Record
    from engine.runs.pools import Pool
    from engine.runs.recipe import Recipe
    from graph_loaders.trajectory import Trajectory

__all__ = ["Run", "RunReport"]

_SHOWN = 3
"""Refused texts kept in the report for each code."""


@dataclass(slots=True)
class RunReport:
    """Counts of a run so far. `accepted + rejected` is every text that was written; `lost` are sentences given up."""

    requested: int
    accepted: int = 0
    rejected: int = 0
    lost: int = 0
    by_label: Counter[str] = field(default_factory=Counter)
    by_code: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def acceptance(self) -> float:
        """Accepted share of the texts written."""
        tried = self.accepted + self.rejected
        return self.accepted / tried if tried else 0.0

    def count(self, outcome_rejected: Iterable[dict[str, Any]]) -> None:
        """Adds refused texts (rows of rejected.jsonl)."""
        for row in outcome_rejected:
            self.rejected += 1
            for code in sorted({issue["code"] for issue in row["issues"] if issue["severity"] == Severity.ERROR.value}):
                self.by_code[code] += 1
                shown = self.examples.setdefault(code, [])
                if len(shown) < _SHOWN and row["text"]:
                    shown.append(row["text"])

    def as_data(self) -> dict[str, Any]:
        """Plain values, in a fixed order."""
        return {
            "requested": self.requested,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "lost": self.lost,
            "acceptance": round(self.acceptance, 4),
            "by_label": dict(sorted(self.by_label.items())),
            "by_code": dict(sorted(self.by_code.items(), key=lambda item: (-item[1], item[0]))),
        }


class Run:
    """Records, made when they are asked for: iterate, and each is planned, written, judged and committed in order.

    Iterating again (in this process or a later one) first yields what is committed. With `out=None` records are kept in
    memory. Exactly the recipe's quotas come out, or BudgetExhausted says which slot, why, and what to change.
    """

    def __init__(
        self,
        recipe: Recipe,
        pool: Callable[[], Pool],
        *,
        labels: tuple[str, ...],
        out: str | Path | None = None,
        trajectories: Iterable[Trajectory] | None = None,
        title: str = "DualAlign",
        batch: int = 64,
    ) -> None:
        self.recipe, self._pool, self._labels = recipe, pool, labels
        self._given, self._title, self._batch = trajectories, title, batch
        self._memory: list[Record] | None = [] if out is None else None
        self.folder = None if out is None else RunFolder(out, recipe)
        self.report = RunReport(recipe.n)
        self._started = False
        self._complete = False

    def __iter__(self) -> Iterator[Record]:
        if self._complete:
            yield from self.committed()
            return
        if self._started:
            raise RuntimeError("this run is being iterated already; finish that iteration, or open the run again")
        self._started = True
        try:
            yield from self._go()
        finally:
            self._started = False
            self.close()

    def committed(self) -> Iterator[Record]:
        """What is committed, read again."""
        if self._memory is not None:
            yield from self._memory
        elif self.folder is not None:
            from engine.runs.folder import read_records

            path = self.folder.path / "records.jsonl"
            with path.open("rb") as lines:
                yield from read_records(lines, str(path))

    def _go(self) -> Iterator[Record]:
        self.report = RunReport(self.recipe.n)
        seen = DuplicateIndex()
        first = 0
        if self.folder is not None:
            self.folder.open()
            for record in self.folder.resume():
                seen.add(record.text)
                self._count(record)
                first = record.slot + 1
                yield record
            self.report.count(self.folder.rejected())
        elif self._memory:
            for record in self._memory:
                seen.add(record.text)
                self._count(record)
                first = record.slot + 1
                yield record
        slots = self._slots(first)
        yield from self._work(slots, seen)
        self._complete = True
        if self.folder is not None:
            self._finish()

    def _slots(self, first: int) -> Iterator[Slot]:
        if self._given is not None:
            for index, trajectory in enumerate(self._given):
                if index >= first:
                    yield Slot(index, trajectory=trajectory)
        elif self.recipe.unit == "trajectory":
            yield from (Slot(index) for index in range(first, self.recipe.n))
        else:
            for index, label in enumerate(_interleave(self.recipe.quotas, self._labels)):
                if index >= first:
                    yield Slot(index, label)

    def _work(self, slots: Iterator[Slot], seen: DuplicateIndex) -> Iterator[Record]:
        pool = self._pool()
        try:
            ready: dict[int, tuple[Outcome, tuple[Attempt, ...]]] = {}
            lost: dict[int, tuple[Attempt, ...]] = {}
            waiting = list[int]()  # slot indices handed over and not committed, in order
            flying, more = 0, True
            while True:
                while more and flying < pool.capacity and len(waiting) < self._batch * (pool.capacity + 2):
                    batch = _take(slots, self._batch)
                    more = bool(batch)
                    if batch:
                        pool.submit(batch)
                        waiting += [slot.index for slot in batch]
                        flying += 1
                if not waiting:
                    return
                if flying:
                    for outcome in pool.next():
                        ready[outcome.slot.index] = (outcome, lost.pop(outcome.slot.index, ()))
                    flying -= 1
                done, again = self._settle(waiting, ready, lost, seen)
                if done:
                    self._commit(done)
                    yield from (record for outcome in done for record in outcome.records)
                if again:
                    pool.submit(again)
                    flying += 1
        finally:
            pool.close()

    def _settle(
        self,
        waiting: list[int],
        ready: dict[int, tuple[Outcome, tuple[Attempt, ...]]],
        lost: dict[int, tuple[Attempt, ...]],
        seen: DuplicateIndex,
    ) -> tuple[list[Outcome], list[Slot]]:
        """Whole slots from the head of the line, and slots to be planned anew.

        A slot that failed is sent again at once, wherever it stands. Near-duplicates can only be known in order, at the head.
        """
        done, again = list[Outcome](), list[Slot]()
        for index in [i for i in waiting if i in ready and not ready[i][0].records and not ready[i][0].lost]:
            outcome, before = ready.pop(index)
            again.append(self._next_round(outcome, before, lost))
        while waiting and waiting[0] in ready:
            outcome, before = ready.pop(waiting[0])
            copies = seen.add_all(record.text for record in outcome.records)
            if copies:
                refused = tuple(_as_duplicate(outcome.records[i]) for i in copies)
                kept = tuple(record for i, record in enumerate(outcome.records) if i not in copies)
                outcome = replace(outcome, records=(), rejected=outcome.rejected + refused)
                if outcome.slot.trajectory is None or outcome.slot.round + 1 < self.recipe.rounds:
                    again.append(self._next_round(outcome, before, lost))
                    break
                seen.add_all(record.text for record in kept)
                outcome = replace(outcome, records=kept, lost=outcome.lost + len(copies))
            waiting.pop(0)
            done.append(replace(outcome, rejected=before + outcome.rejected))
        return done, again

    def _next_round(self, outcome: Outcome, before: tuple[Attempt, ...], lost: dict[int, tuple[Attempt, ...]]) -> Slot:
        slot = replace(outcome.slot, round=outcome.slot.round + 1)
        refused = before + outcome.rejected
        if slot.round >= self.recipe.rounds:
            raise self._exhausted(slot, refused)
        lost[slot.index] = refused
        return slot

    def _exhausted(self, slot: Slot, refused: tuple[Attempt, ...]) -> BudgetExhausted:
        counts = Counter(issue.code for attempt in refused for issue in attempt.issues)
        why = ", ".join(f"{code} {count}" for code, count in counts.most_common(5)) or "nothing was written"
        shown = [attempt.text for attempt in refused if attempt.text][-3:]
        quota = f"the quota of {slot.label}" if slot.label else "this trajectory"
        return BudgetExhausted(
            f"{quota} cannot be met: slot {slot.index} lost {slot.round} plans ({len(refused)} texts) to {why}; "
            f"last texts: {shown}; raise --rounds or --attempts, choose another model, or lower this quota. "
            f"{self.report.accepted} records are kept and the same command goes on from there",
            counts,
        )

    def _commit(self, done: list[Outcome]) -> None:
        if self.folder is not None:
            self.folder.commit(done)
        elif self._memory is not None:
            self._memory += [record for outcome in done for record in outcome.records]
        for outcome in done:
            for record in outcome.records:
                self._count(record)
            self.report.count(json.loads(line) for line in map(_attempt_line, outcome.rejected))
            self.report.lost += outcome.lost

    def _count(self, record: Record) -> None:
        self.report.accepted += 1
        self.report.by_label[record.label] += 1

    def _finish(self) -> None:
        from importlib.metadata import version

        assert self.folder is not None
        manifest = {
            "dualalign": version("dualalign"),
            "run": self.recipe.run_id,
            "recipe": self.recipe.fingerprint,
            "graph": self.recipe.graph,
            "pack": self.recipe.pack,
            "model": self.recipe.model,
            "counts": self.report.as_data(),
        }
        self.folder.write_text("manifest.json", json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
        self.folder.write_text("README.md", card(self.recipe, self.report.as_data(), self._labels, self._title))

    def to_pandas(self) -> pd.DataFrame:
        """The committed records as a data frame, one row each (makes the run first where it is not complete)."""
        from dataclasses import asdict

        try:
            import pandas as pd
        except ImportError:
            from ontology.errors import MissingExtra

            raise MissingExtra("pandas", 'pip install "dualalign[hf]"') from None
        return pd.DataFrame([asdict(record) for record in self])

    def close(self) -> None:
        """Gives the run folder free; an iteration takes it again, and gives it free when it ends."""
        if self.folder is not None:
            self.folder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _repr_html_(self) -> str:
        from engine.html import table

        rows = [[key, str(value)] for key, value in self.report.as_data().items()]
        return table(["run", self.recipe.run_id], rows)


def _attempt_line(attempt: Attempt) -> str:
    from engine.runs.folder import attempt_line

    return attempt_line(attempt)


def _as_duplicate(record: Record) -> Attempt:
    issue = Issue(
        Severity.ERROR,
        "near-duplicate",
        "nearly the same as a sentence of this run",
        f"slot {record.slot}",
        "say it in other words",
    )
    return Attempt(record.slot, record.round, record.attempts, record.label, record.text, (issue,))


def _take(slots: Iterator[Slot], count: int) -> list[Slot]:
    from itertools import islice

    return list(islice(slots, count))


def _interleave(quotas: dict[str, int] | Any, labels: tuple[str, ...]) -> Iterator[str]:
    """Labels in turn, each as often as its quota: a run that stops early is still nearly balanced."""
    left = {label: quotas[label] for label in labels if quotas.get(label)}
    while left:
        for label in tuple(left):
            yield label
            left[label] -= 1
            if not left[label]:
                del left[label]
