"""What an audit reads: records, or plain sentences that are linked first."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.record import Record
from engine.sampling.criteria import Criteria
from ontology.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from engine.graph import TrajectoryGraph

__all__ = ["Item", "criteria_of", "items_of"]

_BATCH = 512


@dataclass(frozen=True, slots=True)
class Item:
    """A sentence as the audit sees it. `written`: (CUI, assertion) of each span; `record` is None for plain sentences."""

    text: str
    written: tuple[tuple[str, str], ...]
    record: Record | None = None


def items_of(source: str | Path | Iterable[Record], graph: TrajectoryGraph) -> Iterator[Item]:
    """Sentences, lazily, whatever they come from."""
    if not isinstance(source, str | Path):
        yield from map(_of_record, source)
        return
    path = Path(source)
    if path.is_dir():
        path = path / "records.jsonl"
    if str(source) == "-":
        yield from _of_lines(sys.stdin.buffer, "-", graph, plain=None)
        return
    if not path.is_file():
        raise ConfigError(f"{source} is no run folder and no file of records or sentences")
    with path.open("rb") as lines:
        yield from _of_lines(lines, str(path), graph, plain=path.suffix == ".txt")


def criteria_of(source: str | Path | Iterable[Record]) -> Criteria:
    """The criteria that a run was made with, where its recipe is at hand."""
    from engine.runs.recipe import from_data, read_recipe
    from engine.runs.run import Run

    if isinstance(source, Run):
        return source.recipe.criteria
    if isinstance(source, str | Path):
        folder = Path(source) if Path(source).is_dir() else Path(source).parent
        recipe = folder / "recipe.toml"
        if recipe.is_file():
            return from_data(read_recipe(recipe), str(recipe)).criteria
    return Criteria()


def _of_record(record: Record) -> Item:
    return Item(record.text, tuple((span.cui, span.assertion) for span in record.spans), record)


def _of_lines(lines: Iterable[bytes], where: str, graph: TrajectoryGraph, *, plain: bool | None) -> Iterator[Item]:
    from engine.runs.folder import read_records

    sentences: list[str] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        data = None if plain else _json(line, where, number, strict=plain is False)
        if isinstance(data, dict) and "trajectory_id" in data:
            yield from map(_of_record, read_records([line], f"{where}:{number}"))
            continue
        sentences.append(str(data["text"]) if isinstance(data, dict) else line.decode("utf-8", "replace").strip())
        if len(sentences) == _BATCH:
            yield from _linked(sentences, graph)
            sentences = []
    yield from _linked(sentences, graph)


def _json(line: bytes, where: str, number: int, *, strict: bool) -> dict[str, Any] | None:
    try:
        data = json.loads(line)
    except ValueError:
        data = None
    if isinstance(data, dict) and isinstance(data.get("text"), str):
        return data
    if strict:
        raise SourceError("not a JSON object with a text; give plain sentences as .txt", where, number)
    return None


def _linked(sentences: list[str], graph: TrajectoryGraph) -> Iterator[Item]:
    for text, mentions in zip(sentences, graph.link(sentences), strict=True):
        yield Item(text, tuple((mention.cui, mention.assertion.value) for mention in mentions))
