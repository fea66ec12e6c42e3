"""`Worker`: slots in, outcomes out; a pure function of (recipe, slot, round), wherever it runs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from engine.plan import Plan, plan, plan_for_label, plan_unguided
from engine.record import Record, Span
from engine.verbalization.port import Request
from graph_loaders.trajectory import Trajectory
from ontology.errors import BudgetExhausted, Infeasible, ModelError
from ontology.issue import Issue, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.runs.recipe import Recipe
    from engine.sampling.model import ProgressionModel
    from engine.validation import Validator
    from engine.verbalization.port import Verbalizer
    from ontology.catalog import Catalog
    from ontology.mention import Linker, Mention
    from ontology.pack import Pack

__all__ = ["Attempt", "Outcome", "Slot", "Worker"]

_HOPELESS = frozenset({"model-failed", "refused-key", "unknown-model"})
_AWAY = frozenset({"bad-request", "unreachable", "timeout", "rate-limit", "server"})
"""Failures that end the run: the first at once, the second when no request of a batch got an answer."""

_DRAWS = 60
"""Trajectories drawn for a slot's label before the criteria and the label are held to exclude each other."""


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of one sentence (or one trajectory) in a run. `round` counts the plans already lost at this place."""

    index: int
    label: str = ""
    round: int = 0
    trajectory: Trajectory | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """A text that was refused, and why."""

    slot: int
    round: int
    attempt: int
    label: str
    text: str
    issues: tuple[Issue, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a slot: its records (none when every attempt was refused) and what was refused on the way.
    `lost` counts planned sentences that were given up (only where trajectories are given and cannot be drawn anew).
    """

    slot: Slot
    records: tuple[Record, ...] = ()
    rejected: tuple[Attempt, ...] = ()
    lost: int = 0


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
    rejected: list[Attempt] = field(default_factory=list)


class Worker:
    """Draws, plans, writes, links and judges. Never opens a store, never writes a file; holds no state between calls."""

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

    def __call__(self, slots: Sequence[Slot]) -> list[Outcome]:
        """The outcome of each slot, in order. Slots travel together only for speed: none sees another."""
        jobs = [job for slot in slots for job in self._jobs(slot)]
        waiting = jobs
        while waiting:
            self._attempt(waiting)
            waiting = [job for job in waiting if job.record is None and job.tries < self.recipe.attempts]
            waiting += self._replan([job for job in jobs if job.record is None and job.tries >= self.recipe.attempts])
        by_slot: dict[int, list[_Job]] = {}
        for job in jobs:
            by_slot.setdefault(job.slot.index, []).append(job)
        return [_outcome(slot, by_slot.get(slot.index, [])) for slot in slots]

    def _replan(self, failed: list[_Job]) -> list[_Job]:
        """Within a trajectory a step that fails is planned anew (another informant, phrase, assertion): the others stand."""
        again = []
        for job in failed:
            trajectory = job.slot.trajectory
            if self.recipe.unit != "trajectory" or trajectory is None or job.round + 1 >= self.recipe.rounds:
                continue
            job.round += 1
            job.tries, job.text, job.issues = 0, "", ()
            rng = self._rng(job.slot.index, job.round, job.step)
            job.plan, job.seed = self._plan_step(trajectory, job.step, rng), int(rng.integers(2**62))
            again.append(job)
        return again

    def _rng(self, *key: int) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence((self.recipe.seed, *key))))

    def _jobs(self, slot: Slot) -> list[_Job]:
        rng = self._rng(slot.index, slot.round)
        if self.recipe.unit == "sentence":
            chosen = self._plan_label(slot, rng)
            return [_Job(slot, chosen, chosen.step, int(rng.integers(2**62)), slot.round)]
        trajectory = slot.trajectory or self._draw(rng)
        slot = replace(slot, trajectory=trajectory)
        return [
            _Job(slot, self._plan_step(trajectory, step, rng), step, int(rng.integers(2**62)), slot.round)
            for step, onset in enumerate(trajectory.onsets)
            if onset.cui in self._concepts  # the pack has no words for what only a cohort knows
        ]

    def _draw(self, rng: np.random.Generator) -> Trajectory:
        from engine.sampling.sampler import draw

        return draw(self.model, self.recipe.criteria, rng)

    def _plan_step(self, trajectory: Trajectory, step: int, rng: np.random.Generator) -> Plan:
        mix = self.recipe.assertions or None
        return plan(trajectory, step, self.pack, rng, guidance=self.recipe.guidance, assertion_mix=mix)

    def _plan_label(self, slot: Slot, rng: np.random.Generator) -> Plan:
        if self.recipe.guidance == "none":
            return plan_unguided(slot.label, self.pack, rng)
        mix = self.recipe.assertions or None
        for _ in range(_DRAWS):
            found = plan_for_label(
                self._draw(rng), slot.label, self.pack, rng, guidance=self.recipe.guidance, assertion_mix=mix
            )
            if found is not None:
                return found
        raise Infeasible(
            f"none of {_DRAWS} trajectories that meet the criteria can carry the label {slot.label!r}; "
            "widen the criteria or leave this label out of the quotas",
            "label",
        )

    def _attempt(self, jobs: list[_Job]) -> None:
        requests = [
            Request(job.plan, seed=(job.seed + job.tries) % 2**62, previous=job.text, issues=job.issues) for job in jobs
        ]
        answers = self.verbalizer.write(requests)
        written = [(job, answer) for job, answer in zip(jobs, answers, strict=True) if isinstance(answer, str)]
        mentions = dict(
            zip((id(job) for job, _ in written), self.linker.link([text for _, text in written]), strict=True)
        )
        for job, answer in zip(jobs, answers, strict=True):
            if isinstance(answer, ModelError):
                if answer.code == "budget":
                    raise BudgetExhausted(str(answer), {"budget": 1})
                if answer.code in _HOPELESS or (answer.code in _AWAY and not written):
                    raise answer
                job.text, job.issues = "", (Issue(Severity.ERROR, answer.code, str(answer)),)
            else:
                job.text = answer
                job.issues = self.validator.validate(job.plan, answer, mentions[id(job)])
            job.tries += 1
            if any(issue.severity is Severity.ERROR for issue in job.issues):
                job.rejected.append(
                    Attempt(job.slot.index, job.round, job.tries, job.plan.label, job.text, tuple(job.issues))
                )
            else:
                job.record = self._record(job, mentions[id(job)])

    def _record(self, job: _Job, mentions: Sequence[Mention]) -> Record:
        chosen, recipe = job.plan, self.recipe
        step = job.step if recipe.unit == "trajectory" else 0
        return Record(
            id=f"{recipe.run_id}-{job.slot.index:07d}-{step:02d}",
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
            run=recipe.run_id,
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


def _outcome(slot: Slot, jobs: list[_Job]) -> Outcome:
    rejected = tuple(attempt for job in jobs for attempt in job.rejected)
    accepted = tuple(job.record for job in jobs if job.record is not None)
    if len(accepted) == len(jobs) and jobs:
        return Outcome(slot, accepted, rejected)
    if slot.trajectory is not None:  # given from outside: what cannot be said is counted, the rest stands
        return Outcome(slot, accepted, rejected, lost=len(jobs) - len(accepted))
    return Outcome(slot, (), rejected)
