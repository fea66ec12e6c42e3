"""`Record` and `Span`: an accepted sentence with its label, spans and provenance. [border]."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SCHEMA", "Record", "Span"]

SCHEMA = 1
"""Version of the record's form."""


@dataclass(frozen=True, slots=True)
class Span:
    """A linked range of the text: Python characters, end exclusive. `label` is the pack's entity type."""

    start: int
    end: int
    text: str
    label: str
    cui: str
    name: str
    assertion: str
    score: float
    planned: bool


@dataclass(frozen=True, slots=True)
class Record:
    """A labelled sentence. Columns are flat and never null: "" or -1 stand for what a plan does not have.

    `label`: the pack's category. `cui`, `name`: the planned concept. `step` of `of`: place in its trajectory (from 0).
    `age`: years. `gap_days`: days since the previous onset. `traits`: `axis:value` strings. `guidance`: both, persona,
    trajectory or none. `attempts`: tries until acceptance. Nothing depends on the clock or the machine.
    """

    id: str
    text: str
    label: str
    cui: str
    name: str
    assertion: str
    informant: str
    spans: tuple[Span, ...]
    trajectory_id: str
    step: int
    of: int
    age: float
    stage: str
    gap_days: int
    traits: tuple[str, ...]
    risk_factors: tuple[str, ...]
    guidance: str
    run: str
    slot: int
    round: int
    attempts: int
    model: str
    prompt: str
    schema: int = SCHEMA
