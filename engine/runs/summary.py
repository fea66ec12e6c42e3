"""Runs as they lie on disk: listed, shown, compared. Reads only, whoever writes them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.runs.folder import DEAD, MANIFEST, RECORDS, REJECTED, read_records
from engine.runs.quotas import by_axis
from engine.runs.recipe import Recipe, as_data, differences, from_data, read_recipe
from engine.runs.report import RunReport
from ontology.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Summary", "compare", "find_runs", "summarize"]


@dataclass(frozen=True, slots=True)
class Summary:
    """A run folder: its recipe, the counts of what is whole on disk, and whether it is `complete`, `partial` (complete but for
    sentences that were given up) or `unfinished`.
    """

    path: Path
    recipe: Recipe
    report: RunReport
    state: str

    def as_data(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "path": str(self.path),
            "run": self.recipe.run_id,
            "state": self.state,
            "recipe": as_data(self.recipe),
            "counts": self.report.as_data(),
            "examples": self.report.examples,
        }


def find_runs(folder: str | Path) -> list[Path]:
    """The run folders in a folder (or the folder itself, where it is one), by name; ConfigError when it is not there."""
    folder = Path(folder)
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {folder}; name the one that your runs are in")
    if (folder / "recipe.toml").exists() and (folder / RECORDS).exists():
        return [folder]
    return sorted(path.parent for path in folder.glob("*/recipe.toml") if (path.parent / RECORDS).exists())


def summarize(path: str | Path) -> Summary:
    """What a run folder holds; ConfigError when it is none. Costs a pass over its files; a torn last line is passed over."""
    path = Path(path)
    if not (path / RECORDS).exists() or not (path / "recipe.toml").exists():
        raise ConfigError(f"{path} is no run folder; `dualalign runs list` shows those in a folder")
    recipe = from_data(read_recipe(path / "recipe.toml"), str(path / "recipe.toml"))
    report = RunReport(recipe.n, by_axis(recipe.quotas))
    last = -1
    for record in read_records(_whole_lines(path / RECORDS), str(path / RECORDS)):
        report.accept(record)
        last = record.slot
    ended = (path / MANIFEST).exists()
    for name in (REJECTED, DEAD):
        lines = _whole_lines(path / name) if (path / name).exists() else iter(())
        rows: Iterator[dict[str, Any]] = map(json.loads, lines)
        report.refuse((row for row in rows if ended or row["slot"] <= last), dead=name == DEAD)
    report.requested = report.accepted + report.rejected + report.dead_lettered
    state = "unfinished" if not ended else "partial" if report.lost else "complete"
    return Summary(path, recipe, report, state)


def compare(one: Summary, other: Summary) -> dict[str, Any]:
    """What differs between two runs: recipes by field, counts, and how many sentences they share."""
    texts = [
        {record.text for record in read_records(_whole_lines(run.path / RECORDS), str(run.path / RECORDS))}
        for run in (one, other)
    ]
    return {
        "runs": [str(one.path), str(other.path)],
        "recipe": {name: list(pair) for name, pair in differences(one.recipe, other.recipe).items()},
        "counts": {
            name: [getattr(one.report, name), getattr(other.report, name)]
            for name in ("requested", "accepted", "rejected", "dead_lettered", "lost")
        },
        "acceptance": [round(one.report.acceptance, 4), round(other.report.acceptance, 4)],
        "by_label": _both(one.report.by_label, other.report.by_label),
        "by_code": _both(one.report.by_code, other.report.by_code),
        "distinct_texts": [len(found) for found in texts],
        "texts_in_both": len(texts[0] & texts[1]),
    }


def _both(one: dict[str, int], other: dict[str, int]) -> dict[str, list[int]]:
    return {key: [one.get(key, 0), other.get(key, 0)] for key in sorted({*one, *other})}


def _whole_lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as lines:
        yield from (line for line in lines if line.endswith(b"\n"))
