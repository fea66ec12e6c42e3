"""`Run`: the driver. Puts outcomes in slot order, owns the near-duplicate index, commits, resumes, and writes the card."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Self

from engine.card import card
from engine.runs.duplicates import DuplicateIndex
from engine.runs.exhausted import exhausted
from engine.runs.folder import DEAD, RECORDS, REJECTED, RunFolder, attempt_line
from engine.runs.outcome import Attempt, Outcome, Slot, silent_rounds
from engine.runs.quotas import LABEL, Cell, by_axis, cells_in_turn
from engine.runs.report import RunReport
from engine.runs.worker import SILENT_ROUNDS
from ontology.errors import ModelError
from ontology.issue import Issue, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    import pandas as pd

    from engine.record import Record
    from engine.runs.pools import Pool
    from engine.runs.recipe import Recipe
    from graph_loaders.trajectory import Trajectory

__all__ = ["Run"]

_SILENCE = 50
"""Requests in a row that a server fails before the run ends: fewer may be failures of their prompts."""
_AHEAD = 3
"""Batches ahead of the first slot that is not settled, for each that may be under way: a slot may take several plans, one after another."""
_GONE = frozenset({"unreachable", "timeout", "rate-limit"})
"""Failures that end the run at once where the server has never answered: no other plan would help."""


class Run:
    """Records, made when they are asked for: iterate, and each is planned, written, judged and committed in order.

    Iterating again (in this process or a later one) first yields what is committed. With `out=None` records are kept in memory, or
    with `keep=False` not at all: then a run can be iterated once. Exactly the recipe's quotas come out, or BudgetExhausted says
    which one, why, and what to change. A sentence for which the model fails for good, plan after plan, is given up and named
    in `dead.jsonl`; the run goes on, and `report.lost` counts it.
    """

    def __init__(
        self,
        recipe: Recipe,
        pool: Callable[[], Pool],
        *,
        labels: tuple[str, ...],
        out: str | Path | None = None,
        trajectories: Iterable[Trajectory] | None = None,
        cells: Mapping[Cell, int] | None = None,
        title: str = "DualAlign",
        batch: int = 64,
        keep: bool = True,
    ) -> None:
        self.recipe, self._pool, self._labels = recipe, pool, labels
        self._given, self._title, self._batch = trajectories, title, batch
        self._axes = by_axis(recipe.quotas)
        self._cells = cells or {Cell(((LABEL, label),)): n for label, n in self._axes.get(LABEL, {}).items()}
        self._memory: list[Record] | None = [] if out is None and keep else None
        self.folder = None if out is None else RunFolder(out, recipe)
        self.report = RunReport(recipe.n, self._axes)
        self._silent, self._heard = 0, False
        self._started = False
        self._complete = self._gone = False

    def __iter__(self) -> Iterator[Record]:
        if self._complete and not self._gone:
            yield from self.committed()
            return
        if self._started:
            raise RuntimeError("this run is being iterated already; finish that iteration, or open the run again")
        if self._gone:
            raise RuntimeError("this run keeps no records and was iterated before; begin a new one")
        self._started, self._gone = True, self.folder is None and self._memory is None
        try:
            yield from self._go()
        finally:
            self._started = False
            self.close()

    def committed(self) -> Iterator[Record]:
        """What is committed, read again. Nothing for a run that keeps no records."""
        if self._memory is not None:
            yield from self._memory
        elif self.folder is not None:
            from engine.runs.folder import read_records

            path = self.folder.path / RECORDS
            with path.open("rb") as lines:
                yield from read_records(lines, str(path))

    def _go(self) -> Iterator[Record]:
        self.report = RunReport(self.recipe.n, self._axes)
        kept_nowhere = self.folder is None and self._memory is None
        seen = DuplicateIndex(self.recipe.near_duplicate, None if kept_nowhere else self._text)
        first = 0
        if self.folder is not None:
            self.folder.open()
        kept = self.folder.resume() if self.folder is not None else iter(self._memory or ())
        for record in kept:
            seen.add(record.text)
            seen.settle()
            self.report.accept(record)
            first = record.slot + 1
            yield record
        if self.folder is not None:
            self.report.refuse(self.folder.attempts(REJECTED), dead=False)
            self.report.refuse(self.folder.attempts(DEAD), dead=True)
        report = self.report
        report.requested = report.accepted + report.rejected + report.dead_lettered
        if self.folder is None or not self._finished():
            yield from self._work(self._slots(first), seen)
        self._complete = True
        if self.folder is not None:
            self._finish()

    def _text(self, number: int) -> str:
        """The text of the record that was committed as the `number`th."""
        if self.folder is not None:
            return self.folder.text(number)
        return self._memory[number].text if self._memory is not None else ""

    def _finished(self) -> bool:
        """Whether the folder holds all that this run will make: sentences given up at its end leave no record to tell."""
        assert self.folder is not None
        there = self.folder.manifest()
        return there.get("recipe") == self.recipe.fingerprint and there.get("counts") == self.report.as_data()

    def _slots(self, first: int) -> Iterator[Slot]:
        slots: Iterable[Slot]
        if self._given is not None:
            slots = (Slot(index, trajectory=trajectory) for index, trajectory in enumerate(self._given))
        elif self.recipe.unit == "trajectory":
            slots = (Slot(index) for index in range(self.recipe.n))
        else:
            slots = (Slot(index, cell) for index, cell in enumerate(cells_in_turn(self._cells, self._labels)))
        return islice(slots, first, None)

    def _work(self, slots: Iterator[Slot], seen: DuplicateIndex) -> Iterator[Record]:
        batch = list(islice(slots, self._batch))
        if not batch:
            return
        pool = self._pool()
        try:
            ready: dict[int, Outcome] = {}
            lost: dict[int, Outcome] = {}  # what earlier rounds of a slot lost
            waiting = deque[int]()  # slot indices handed over and not committed, in order
            fresh = 0  # batches of first plans handed over
            while True:
                while batch and fresh < pool.capacity and len(waiting) < _AHEAD * self._batch * pool.capacity:
                    pool.submit(batch)
                    waiting += [slot.index for slot in batch]
                    fresh += 1
                    batch = list(islice(slots, self._batch))
                if not waiting:
                    return
                outcomes = pool.next()
                fresh -= outcomes[0].slot.round == 0
                failed = self._take(outcomes, ready, lost)
                done, again = self._settle(waiting, failed, ready, lost, seen)
                if done:
                    self._commit(done)
                    seen.settle()
                    yield from (record for outcome in done for record in outcome.records)
                if again:
                    pool.submit(again)
        finally:
            pool.close()

    def _take(self, outcomes: list[Outcome], ready: dict[int, Outcome], lost: dict[int, Outcome]) -> list[int]:
        """Keeps outcomes until their turn, and says which failed. ModelError where the server has stopped to answer, not only for
        some prompts.
        """
        dead = [attempt for outcome in outcomes for attempt in outcome.dead]
        away = sum(outcome.away for outcome in outcomes)
        if any(outcome.requested > outcome.away for outcome in outcomes):
            self._silent, self._heard = 0, True
        elif away:
            self._silent += away
            why = dead[-1].issues[0]
            plans = 1 + max(outcome.slot.round for outcome in outcomes)
            unheard = not self._heard and (why.code in _GONE or plans >= SILENT_ROUNDS)
            if unheard or self._silent >= _SILENCE:
                raise ModelError(why.message, code=why.code, retryable=why.code != "bad-request")
        for outcome in outcomes:
            self.report.usage += outcome.usage
            ready[outcome.slot.index] = outcome.after(lost.pop(outcome.slot.index, None))
        return [outcome.slot.index for outcome in outcomes if not outcome.complete]

    def _settle(
        self,
        waiting: deque[int],
        failed: list[int],
        ready: dict[int, Outcome],
        lost: dict[int, Outcome],
        seen: DuplicateIndex,
    ) -> tuple[list[Outcome], list[Slot]]:
        """Whole slots from the head of the line, and slots to be planned anew; `failed`: of the last outcomes.

        A slot that failed is sent again at once, wherever it stands. Near-duplicates can only be known in order, at the head.
        """
        done, again = list[Outcome](), list[Slot]()
        for index in failed:
            if self._silenced(ready[index]):
                ready[index] = _given_up(ready[index])
            else:
                again.append(self._next_round(ready.pop(index), lost))
        while waiting and waiting[0] in ready:
            outcome = ready.pop(waiting[0])
            copies = seen.add_all(record.text for record in outcome.records)
            if copies:
                if outcome.slot.trajectory is None or outcome.slot.round + 1 < self.recipe.rounds:
                    again.append(self._next_round(_without(outcome, range(len(outcome.records)), copies), lost))
                    break
                outcome = _without(outcome, copies, copies, given_up=True)
                seen.add_all(record.text for record in outcome.records)
            waiting.popleft()
            done.append(outcome)
        return done, again

    def _silenced(self, outcome: Outcome) -> bool:
        """Whether the model gave no text for so many plans that the run goes on without this slot."""
        rejected, most = outcome.rejected, SILENT_ROUNDS
        if self.recipe.unit == "trajectory" and outcome.slot.trajectory is None:
            rejected = tuple(attempt for attempt in rejected if attempt.issues[0].code != _BESIDE[0])
            most += SILENT_ROUNDS - 1  # that many trajectories, each with as many plans of the step that fails
        return bool(outcome.dead) and silent_rounds(rejected, outcome.dead) >= min(most, self.recipe.rounds)

    def _next_round(self, outcome: Outcome, lost: dict[int, Outcome]) -> Slot:
        slot = replace(outcome.slot, round=outcome.slot.round + 1)
        if slot.round >= self.recipe.rounds:
            raise exhausted(self.recipe, slot, outcome, self.report.accepted)
        lost[slot.index] = outcome
        return slot

    def _commit(self, done: list[Outcome]) -> None:
        if self.folder is not None:
            self.folder.commit(done)
        elif self._memory is not None:
            self._memory += [record for outcome in done for record in outcome.records]
        for outcome in done:
            for record in outcome.records:
                self.report.accept(record)
            self.report.requested += outcome.requested
            for attempts, dead in ((outcome.rejected, False), (outcome.dead, True)):
                self.report.refuse((json.loads(attempt_line(attempt)) for attempt in attempts), dead=dead)

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


def _without(outcome: Outcome, out: Iterable[int], copies: list[int], *, given_up: bool = False) -> Outcome:
    """The outcome with the records at `out` among its refused texts: the copies as such, the others because a copy stands beside them."""
    out = list(out)
    refused = tuple(
        replace(_refused(outcome.records[i], _COPY if i in copies else _BESIDE), given_up=given_up) for i in out
    )
    kept = tuple(record for i, record in enumerate(outcome.records) if i not in out)
    return replace(outcome, records=kept, rejected=outcome.rejected + refused)


_COPY = ("near-duplicate", "nearly the same as a sentence of this run", "say it in other words")
_BESIDE = ("trajectory-lost", "accepted, but another sentence of its trajectory was not", "raise --attempts")


def _refused(record: Record, why: tuple[str, str, str]) -> Attempt:
    code, message, hint = why
    issue = Issue(Severity.ERROR, code, message, f"slot {record.slot}", hint)
    return Attempt(record.slot, record.round, record.attempts, record.label, record.name, record.text, (issue,))


def _given_up(outcome: Outcome) -> Outcome:
    """The run goes on without this slot: the model gave no text for plan after plan."""
    last = replace(outcome.dead[-1], given_up=True)
    return replace(outcome, dead=(*outcome.dead[:-1], last), complete=True)
