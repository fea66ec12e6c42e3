"""Writers of records: one module a format, each with `write(records, path)`. The file list is the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from engine.record import Record

__all__ = ["formats", "write"]


def formats() -> tuple[str, ...]:
    """The names of the formats that can be written."""
    from pkgutil import iter_modules

    return tuple(sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_")))


def write(records: Iterable[Record], format: str, path: str | Path) -> int:  # noqa: A002 - the word users type
    """Writes records in a format; returns how many. ConfigError names the nearest format; nothing half-written stays.

    >>> formats()
    ('csv', 'docbin', 'huggingface', 'jsonl')
    """
    from difflib import get_close_matches
    from importlib import import_module

    from ontology.errors import ConfigError

    if format not in formats():
        near = get_close_matches(format, formats(), 1, 0)[0]
        raise ConfigError(f"{format!r} is not a format; the nearest is {near!r}, all are {', '.join(formats())}")
    count: int = import_module(f"engine.writers.{format}").write(records, path)
    return count
