"""`Settings`: where things are. Argument or flag > `DUALALIGN_*` > default; never part of a recipe. [border]."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the caches and servers are. Secrets never show in `repr`."""

    cache: Path
    model_url: str = ""
    model_key: str = field(default="", repr=False)
    offline: bool = False

    @classmethod
    def load(cls, **overrides: Any) -> Settings:
        """Reads `DUALALIGN_CACHE`, `_MODEL_URL`, `_MODEL_KEY`, `_OFFLINE`; keyword arguments win. The only place that
        reads the environment. LangChain's tracing is switched off here: nothing is sent anywhere unasked.
        """
        for name in ("LANGCHAIN_TRACING_V2", "LANGSMITH_TRACING", "LANGCHAIN_TRACING"):
            os.environ[name] = "false"
        found = cls(
            cache=Path(os.environ.get("DUALALIGN_CACHE") or _default_cache()),
            model_url=os.environ.get("DUALALIGN_MODEL_URL", ""),
            model_key=os.environ.get("DUALALIGN_MODEL_KEY", ""),
            offline=os.environ.get("DUALALIGN_OFFLINE", "") not in {"", "0", "false"},
        )
        return replace(found, **{key: value for key, value in overrides.items() if value is not None})


def _default_cache() -> str:
    from platformdirs import user_cache_dir

    return user_cache_dir("dualalign", appauthor=False)
