"""Writers of linked documents: one module a format. The file list is the registry.

Each has a `Rendering`, made where the linking is done, that turns a batch into a piece (in a worker process as well as here), and a
`sink`, open in the process that writes, that takes the pieces in order. So the bytes do not depend on how many processes there are.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ontology.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from engine.linking.document import Document
    from ontology.concept import Concept, Cui
    from ontology.mention import Mention

__all__ = ["LABEL", "Rendering", "format_of", "formats", "label_of", "rendering", "sink"]

LABEL = "CONCEPT"
"""Entity label of a mention whose semantic type is not asked for, or not known."""

_SUFFIXES = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".conll": "conll",
    ".iob": "conll",
    ".iob2": "conll",
    ".spacy": "docbin",
}


class Rendering(Protocol):
    """Turns linked documents into a piece of output."""

    def __call__(self, linked: Sequence[tuple[Document, Sequence[Mention]]]) -> Any:
        """The piece for a batch; picklable, the same wherever it is made."""
        ...


def formats() -> tuple[str, ...]:
    """The names of the formats that can be written.

    >>> formats()
    ('brat', 'conll', 'docbin', 'jsonl', 'show')
    """
    from pkgutil import iter_modules

    return tuple(sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_")))


def format_of(out: str | None) -> str:
    """The format that an output's name says; JSON lines where it says none.

    >>> format_of("train.spacy"), format_of(None)
    ('docbin', 'jsonl')
    """
    return _SUFFIXES.get(Path(out or "").suffix.lower(), "jsonl")


def _module(name: str) -> Any:
    from difflib import get_close_matches
    from importlib import import_module

    if name not in formats():
        near = get_close_matches(name, formats(), 1, 0)[0]
        raise ConfigError(f"{name!r} is not a format; the nearest is {near!r}, all are {', '.join(formats())}")
    return import_module(f"{__name__}.{name}")


def rendering(name: str, catalog: Mapping[Cui, Concept], *, types: bool = False) -> Rendering:
    """The rendering of a format. `types`: entity labels are semantic types (TUI) where the catalog has them."""
    made: Rendering = _module(name).Rendering(catalog, types=types)
    return made


def sink(name: str, out: str | Path | None) -> AbstractContextManager[Callable[[Any], None]]:
    """Takes the pieces of a format, in order; what is written to `out` appears whole when the block ends, or not at all. None: stdout."""
    opened: AbstractContextManager[Callable[[Any], None]] = _module(name).sink(out)
    return opened


def label_of(mention: Mention, catalog: Mapping[Cui, Concept], *, types: bool, other: str = LABEL) -> str:
    """The entity label of a mention: its concept's first semantic type where that is asked for and known, else `other`."""
    return next(iter(catalog[mention.cui].types), other) if types else other
