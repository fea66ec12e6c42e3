"""A folder that `datasets.load_dataset` opens: Parquet-free, one JSON-lines split and a card with its features."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.card import plain_card
from engine.writers import jsonl
from engine.writers._whole import whole

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.record import Record

__all__ = ["write"]


def write(records: Iterable[Record], path: str | Path) -> int:
    """Writes `records.jsonl` and `README.md` into a new or empty folder; returns how many records."""
    from ontology.errors import ConfigError

    folder = Path(path)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is not an empty folder; choose a new one")
    count = jsonl.write(records, folder / "records.jsonl")
    with whole(folder / "README.md") as part:
        part.write_text(plain_card(count), encoding="utf-8")
    return count
