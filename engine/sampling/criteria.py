"""`Criteria`: what a sampled trajectory must meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from ontology.concept import Cui

__all__ = ["Criteria"]


@dataclass(frozen=True, slots=True)
class Criteria:
    """What a sample must meet; an empty one asks for nothing.

    `age`: (from, to) in years at the diagnosis, either end None for open. `traits`: axis -> value. `risk_factors`: ids
    the persona must have. `include`, `exclude`: concepts that must, must not, begin within the window. `start`: a
    concept that must be the first onset. `stage`: a stage that must be reached. `min_onsets`, `max_onsets`: how many onsets.
    `window_years`: length of follow-up from entry.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}  # a misspelt criterion in a recipe is refused

    age: tuple[float | None, float | None] = (None, None)
    traits: Mapping[str, str] = field(default_factory=dict)
    risk_factors: tuple[str, ...] = ()
    include: tuple[Cui, ...] = ()
    exclude: tuple[Cui, ...] = ()
    start: Cui | None = None
    stage: str = ""
    min_onsets: int = 0
    max_onsets: int | None = None
    window_years: float | None = None
