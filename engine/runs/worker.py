"""`Worker`: slots in, outcomes out; a pure function of (recipe, slot, round), wherever it runs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING

from engine.plan import Plan
from engine.record import Record, Span
from engine.runs.outcome import Attempt, Outcome, Slot, Usage, silent_rounds
from engine.runs.planner import Planner
from engine.verbalization.port import Request
from ontology.errors import BudgetExhausted, ModelError
from ontology.issue import Issue, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from engine.runs.recipe import Recipe
    from engine.sampling.model import ProgressionModel
    from engine.validation import Validator
    from engine.verbalization.port import Verbalizer
    from ontology.catalog import Catalog
    from ontology.mention import Linker, Mention
    from ontology.pack import Pack

__all__ = ["SILENT_ROUNDS", "Worker"]

_HOPELESS = frozenset({"model-failed", "refused-key", "unknown-model"})
_AWAY = frozenset({"bad-request", "unreachable", "timeout", "rate-limit", "server", "malformed"})
"""Failures that may be the server's, not the prompt's, unless the server is known to answer others."""
SILENT_ROUNDS = 3
"""Plans of a sentence for which the model gives no text at all before the run goes on without it."""


@dataclass(slots=True)
class _Job:
    slot: Slot
    plan: Plan
    step: int
    seed: int
    round: int
    tries: int = 0
    text: str = ""
    issues: tuple[Issue, ...] = ()
    record: Record | None = None
    requested: int = 0
    away: int = 0
    rejected: list[Attempt] = field(default_factory=list)
    dead: list[Attempt] = field(default_factory=list)


class Worker:
    """Draws, plans, writes, links and judges. Never opens a store, never writes a file; holds no state between calls but what it cost.

    Threads may share one: all but the writing is done by one at a time.
    """

    def __init__(
        self,
        recipe: Recipe,
        pack: Pack,
        catalog: Catalog,
        model: ProgressionModel,
        linker: Linker,
        validator: Validator,
        verbalizer: Verbalizer,
    ) -> None:
        self.recipe, self.pack, self.catalog, self.model = recipe, pack, catalog, model
        self.linker, self.validator, self.verbalizer = linker, validator, verbalizer
        self._concepts = {concept.cui: concept for concept in pack.concepts}
        self._planner = Planner(recipe, pack, model)
        self._run = recipe.run_id
        self._turn = Lock()
        self._told = Usage()

    def __call__(self, slots: Sequence[Slot]) -> list[Outcome]:
        """The outcome of each slot, in order. Slots travel together only for speed: none sees another."""
        with self._turn:
            jobs = self._jobs(slots)
        waiting, away = jobs, False
        while waiting and not away:
            away = not self._attempt(waiting)
            waiting = [job for job in waiting if job.record is None and job.tries < self.recipe.attempts]
            with self._turn:
                waiting += self._replan(
                    [job for job in jobs if job.record is None and job.tries >= self.recipe.attempts]
                )
        by_slot: dict[int, list[_Job]] = {}
        for job in jobs:
            by_slot.setdefault(job.slot.index, []).append(job)
        outcomes = [_outcome(slot, by_slot.get(slot.index, []), away=away) for slot in slots]
        if outcomes:
            with self._turn:
                used = self._usage()
                outcomes[0] = replace(outcomes[0], usage=used - self._told)
                self._told = used
        return outcomes

    def _usage(self) -> Usage:
        """What the verbalizer's calls cost so far, where it keeps count."""
        used = getattr(self.verbalizer, "usage", None)
        return Usage(*used) if used else Usage()

    def _replan(self, failed: list[_Job]) -> list[_Job]:
        """Within a trajectory a step that fails is planned anew (another informant, phrase, assertion): the others stand."""
        again = []
        for job in failed:
            trajectory = job.slot.trajectory
            if self.recipe.unit != "trajectory" or trajectory is None or job.round + 1 >= self.recipe.rounds:
                continue
            if silent_rounds(job.rejected, job.dead) >= SILENT_ROUNDS:
                continue
            job.round += 1
            job.tries, job.text, job.issues = 0, "", ()
            rng = self._planner.rng(job.slot.index, job.round, job.step)
            job.plan, job.seed = self._planner.step(trajectory, job.step, rng), int(rng.integers(2**62))
            again.append(job)
        return again

    def _jobs(self, slots: Sequence[Slot]) -> list[_Job]:
        rngs = [self._planner.rng(slot.index, slot.round) for slot in slots]
        if self.recipe.unit == "sentence":
            plans = self._planner.plans([(slot.cell, rng) for slot, rng in zip(slots, rngs, strict=True)])
            return [
                _Job(slot, plan, plan.step, int(rng.integers(2**62)), slot.round)
                for slot, plan, rng in zip(slots, plans, rngs, strict=True)
            ]
        drawn = iter(
            self._planner.draw([rng for slot, rng in zip(slots, rngs, strict=True) if slot.trajectory is None])
        )
        whole = [slot if slot.trajectory is not None else replace(slot, trajectory=next(drawn)) for slot in slots]
        return [job for slot, rng in zip(whole, rngs, strict=True) for job in self._steps(slot, rng)]

    def _steps(self, slot: Slot, rng: np.random.Generator) -> list[_Job]:
        assert slot.trajectory is not None  # `_jobs` has drawn it
        return [
            _Job(slot, self._planner.step(slot.trajectory, step, rng), step, int(rng.integers(2**62)), slot.round)
            for step, onset in enumerate(slot.trajectory.onsets)
            if onset.cui in self._concepts  # the pack has no words for what only a cohort knows
        ]

    def _attempt(self, jobs: list[_Job]) -> bool:
        """One request a job. False when nothing came back and the server is why: asking again at once is of no use."""
        requests = [
            Request(job.plan, seed=(job.seed + job.tries) % 2**62, previous=job.text, issues=job.issues) for job in jobs
        ]
        answers = self.verbalizer.write(requests)
        with self._turn:
            return self._judge(jobs, answers)

    def _judge(self, jobs: list[_Job], answers: Sequence[str | ModelError]) -> bool:
        written = [(job, answer) for job, answer in zip(jobs, answers, strict=True) if isinstance(answer, str)]
        mentions = dict(
            zip((id(job) for job, _ in written), self.linker.link([text for _, text in written]), strict=True)
        )
        for job, answer in zip(jobs, answers, strict=True):
            job.tries += 1
            job.requested += 1
            if isinstance(answer, ModelError):
                self._fail(job, answer)
                continue
            job.text = answer
            job.issues = self.validator.validate(job.plan, answer, mentions[id(job)])
            if any(issue.severity is Severity.ERROR for issue in job.issues):
                job.rejected.append(_attempt_of(job))
            else:
                job.record = self._record(job, mentions[id(job)])
        return bool(written) or not all(isinstance(answer, ModelError) and _may_be_away(answer) for answer in answers)

    def _fail(self, job: _Job, error: ModelError) -> None:
        if error.code == "budget":
            raise BudgetExhausted(str(error), {"budget": 1})
        if error.code in _HOPELESS or error.alive is False:
            raise error
        if error.alive and error.code in _AWAY:  # the server failed this prompt again and again: another plan may do
            job.tries = max(job.tries, self.recipe.attempts)
        job.away += _may_be_away(error)
        job.text, job.issues = "", (Issue(Severity.ERROR, error.code, str(error)),)
        job.dead.append(_attempt_of(job))

    def _record(self, job: _Job, mentions: Sequence[Mention]) -> Record:
        chosen, recipe = job.plan, self.recipe
        step = job.step if recipe.unit == "trajectory" else 0
        return Record(
            id=f"{self._run}-{job.slot.index:07d}-{step:02d}",
            text=job.text,
            label=chosen.label,
            cui=chosen.cui or "",
            name=chosen.name,
            assertion=chosen.assertion.value,
            informant=chosen.informant.value,
            spans=tuple(self._span(mention, chosen) for mention in mentions),
            trajectory_id=chosen.trajectory_id,
            step=chosen.step,
            of=-1 if chosen.of is None else chosen.of,
            age=-1.0 if chosen.age is None else round(chosen.age, 2),
            stage=chosen.stage,
            gap_days=-1 if chosen.gap_days is None else chosen.gap_days,
            traits=tuple(f"{axis}:{value}" for axis, value in sorted(chosen.persona.traits.items())),
            risk_factors=tuple(chosen.persona.risk_factors),
            guidance=recipe.guidance,
            run=self._run,
            slot=job.slot.index,
            round=job.round,
            attempts=job.tries,
            model=self.verbalizer.name,
            prompt=recipe.prompt,
        )

    def _span(self, mention: Mention, chosen: Plan) -> Span:
        planned = chosen.cui is not None and any(cui == chosen.cui for cui, _ in mention.candidates)
        cui, score = next(((c, s) for c, s in mention.candidates if c == chosen.cui), mention.candidates[0])
        known = self._concepts.get(cui)
        return Span(
            start=mention.start,
            end=mention.end,
            text=mention.text,
            label=known.entity if known else "other",
            cui=cui,
            name=self.catalog[cui].name if cui in self.catalog else "",
            assertion=mention.assertion.value,
            score=round(float(score), 4),
            planned=planned,
        )


def _may_be_away(error: ModelError) -> bool:
    return error.code in _AWAY and not error.alive


def _attempt_of(job: _Job) -> Attempt:
    return Attempt(job.slot.index, job.round, job.tries, job.plan.label, job.plan.name, job.text, tuple(job.issues))


def _outcome(slot: Slot, jobs: list[_Job], *, away: bool) -> Outcome:
    lost = [job for job in jobs if job.record is None]
    given = slot.trajectory is not None  # from outside: what cannot be said is given up, the rest stands
    complete = not (lost and away) if given else bool(jobs) and not lost
    for job in jobs:
        if complete and job.record is None:
            _give_up(job)
        elif not complete and job.record is not None:
            job.issues = (_ALONE,)
            job.rejected.append(_attempt_of(job))
            job.record = None
    return Outcome(
        slot,
        tuple(job.record for job in jobs if job.record is not None),
        tuple(attempt for job in jobs for attempt in job.rejected),
        tuple(attempt for job in jobs for attempt in job.dead),
        sum(job.requested for job in jobs),
        complete,
        sum(job.away for job in jobs),
    )


_ALONE = Issue(
    Severity.ERROR,
    "trajectory-lost",
    "accepted, but another sentence of its trajectory was not",
    "",
    "raise --attempts",
)


def _give_up(job: _Job) -> None:
    last = max((*job.rejected[-1:], *job.dead[-1:]), key=lambda attempt: (attempt.round, attempt.attempt))
    where = job.rejected if last in job.rejected[-1:] else job.dead
    where[-1] = replace(last, given_up=True)
