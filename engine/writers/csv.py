"""Comma-separated values: a record a row; lists are joined by `|`, spans are JSON."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, fields
from typing import TYPE_CHECKING

from engine.record import Record
from engine.writers._whole import whole

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["write"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write(records: Iterable[Record], path: str | Path) -> int:
    """Writes a header and a row a record; returns how many. A text that a spreadsheet would take for a formula gets a
    leading apostrophe, as OWASP advises.
    """
    names = [field.name for field in fields(Record)]
    count = 0
    with whole(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(names)
        for record in records:
            values = asdict(record)
            values["spans"] = json.dumps(values["spans"], ensure_ascii=False)
            values["traits"] = "|".join(record.traits)
            values["risk_factors"] = "|".join(record.risk_factors)
            rows.writerow([_safe(values[name]) for name in names])
            count += 1
    return count


def _safe(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
