"""What a run leaves in its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILES = ("records.jsonl", "rejected.jsonl", "dead.jsonl", "manifest.json", "README.md", "recipe.toml")


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}
