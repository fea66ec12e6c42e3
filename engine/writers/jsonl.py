"""JSON lines: a record a line, as in a run folder."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from engine.writers._whole import whole

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from engine.record import Record

__all__ = ["write"]


def write(records: Iterable[Record], path: str | Path) -> int:
    """Writes one JSON object a line; constant memory; returns how many."""
    count = 0
    with whole(path) as part, part.open("w", encoding="utf-8", newline="\n") as file:
        for record in records:
            file.write(json.dumps(asdict(record), ensure_ascii=False) + "\n")
            count += 1
    return count
