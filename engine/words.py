"""Trajectories in words, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from graph_loaders.trajectory import Persona, Trajectory
    from ontology.pack import Pack

__all__ = ["describe", "persona_in_words"]


def persona_in_words(persona: Persona, pack: Pack) -> str:
    """`woman (Hispanic, secondary school or more) with diabetes and hypertension`."""
    names = {demographic.id: demographic.name for demographic in pack.demographics}
    factors = {factor.id: factor.name for factor in pack.risk_factors}
    sex = {"female": "woman", "male": "man"}.get(persona.traits.get("sex", ""), "person")
    others = [names.get(f"{axis}:{value}", value) for axis, value in sorted(persona.traits.items()) if axis != "sex"]
    risks = [_lower(factors.get(risk, risk)) for risk in persona.risk_factors]
    return sex + (f" ({', '.join(others)})" if others else "") + (f" with {_join(risks)}" if risks else "")


def describe(trajectory: Trajectory, pack: Pack, why: Iterable[str] = (), most: int | None = None) -> Iterator[str]:
    """Lines: who, then what began at which age, then how it ended. `why` holds a reason for each onset; `most`: onsets shown."""
    concepts = {concept.cui: concept.name for concept in pack.concepts}
    stages = {stage.id: stage.name.lower() for stage in pack.stages}
    yield (
        f"{trajectory.id}: {persona_in_words(trajectory.persona, pack)}, followed from age "
        f"{trajectory.entry_age:.1f} to {trajectory.exit_age:.1f}"
    )
    reasons = list(why)
    rows = [(entry.age, 0, f"enters {stages.get(entry.stage, entry.stage)}") for entry in trajectory.stages]
    before = trajectory.entry_age
    for number, onset in enumerate(trajectory.onsets):
        reason = f"; {reasons[number]}" if number < len(reasons) and reasons[number] else ""
        rows.append((onset.age, 1, f"{concepts.get(onset.cui, onset.cui)}, {_gap(onset.age - before)} later{reason}"))
        before = onset.age
    rows.sort(key=lambda row: row[:2])
    for age, _, text in rows[:most]:
        yield f"  {age:5.1f}  {text}"
    if most is not None and len(rows) > most:
        yield f"         and {len(rows) - most} more"
    yield f"  {trajectory.exit_age:5.1f}  {'dies' if trajectory.died else 'end of follow-up'}"


def _lower(name: str) -> str:
    return name if name[1:2].isupper() else name[:1].lower() + name[1:]


def _gap(years: float) -> str:
    months = round(years * 12)
    if months < 1:
        return _count(max(1, round(years * 365.25)), "day")
    return _count(months, "month") if months < 24 else f"{years:.1f} years"  # noqa: PLR2004 - two years


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}{'' if number == 1 else 's'}"


def _join(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
