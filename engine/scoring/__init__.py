"""How good a linking is: predicted mentions against those that people marked, every figure with its definition and interval."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.scoring.corpus import paired
    from engine.scoring.figures import DEFINITIONS
    from engine.scoring.scorer import Score, score

__all__ = ["DEFINITIONS", "Score", "paired", "score"]

_HOMES = {
    "DEFINITIONS": "engine.scoring.figures",
    "Score": "engine.scoring.scorer",
    "paired": "engine.scoring.corpus",
    "score": "engine.scoring.scorer",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'engine.scoring' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
