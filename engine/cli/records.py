"""Where the records of a run are."""

from __future__ import annotations

from pathlib import Path

from ontology.errors import ConfigError

__all__ = ["records_path"]


def records_path(run: str) -> str:
    """The JSON-lines file of a run folder, or the file (or `-`) itself; ConfigError when there is neither."""
    if run == "-":
        return run
    path = Path(run)
    if path.is_dir():
        path = path / "records.jsonl"
    if not path.is_file():
        raise ConfigError(f"{run} is no run folder and no file of records; `dualalign generate --out {run}` makes one")
    return str(path)
