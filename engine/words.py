"""Trajectories in words, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from graph_loaders.trajectory import Persona, Trajectory
    from ontology.pack import Pack

__all__ = ["describe", "persona_in_words"]


def persona_in_words(persona: Persona, pack: Pack) -> str:
    """`Hispanic woman with diabetes and hypertension`."""
    names = {demographic.id: demographic.name for demographic in pack.demographics}
    factors = {factor.id: factor.name.lower() for factor in pack.risk_factors}
    sex = {"female": "woman", "male": "man"}.get(persona.traits.get("sex", ""), "person")
    others = [names.get(f"{axis}:{value}", value) for axis, value in sorted(persona.traits.items()) if axis != "sex"]
    risks = [factors.get(risk, risk) for risk in persona.risk_factors]
    return " ".join([*others, sex]) + (f" with {_join(risks)}" if risks else "")


def describe(trajectory: Trajectory, pack: Pack, why: Iterable[str] = ()) -> Iterator[str]:
    """Lines: who, then what began at which age in which stage, then how it ended. `why` holds a reason for each onset."""
    concepts = {concept.cui: concept.name for concept in pack.concepts}
    stages = {stage.id: stage.name for stage in pack.stages}
    yield (
        f"{trajectory.id}: {persona_in_words(trajectory.persona, pack)}, followed from age "
        f"{trajectory.entry_age:.1f} to {trajectory.exit_age:.1f}"
    )
    reasons = list(why)
    before = trajectory.entry_age
    for number, onset in enumerate(trajectory.onsets):
        gap = onset.age - before
        stage = f" [{stages.get(onset.stage, onset.stage)}]" if onset.stage else ""
        reason = f"  because {reasons[number]}" if number < len(reasons) and reasons[number] else ""
        yield f"  {onset.age:5.1f}  {concepts.get(onset.cui, onset.cui)}{stage}, {_gap(gap)} later{reason}"
        before = onset.age
    yield f"  {trajectory.exit_age:5.1f}  {'died' if trajectory.died else 'end of follow-up'}"


def _gap(years: float) -> str:
    months = round(years * 12)
    if months == 0:
        return f"{round(years * 365.25)} days"
    return f"{months} months" if months < 24 else f"{years:.1f} years"  # noqa: PLR2004 - two years


def _join(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
