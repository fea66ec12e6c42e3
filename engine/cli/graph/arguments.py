"""Arguments of which the first, GRAPH, may be left out."""

from __future__ import annotations

import sys

from ontology.errors import ConfigError

__all__ = ["split"]


def split(arguments: tuple[str, ...], name: str) -> tuple[str | None, str]:
    """GRAPH, or None, and the argument called `name`."""
    if len(arguments) == 1:
        return None, arguments[0]
    if len(arguments) == 2:  # noqa: PLR2004 - GRAPH and the other one
        return arguments[0], arguments[1]
    raise ConfigError(
        f"{len(arguments)} arguments were given; give [GRAPH] {name}, the second in quotes: {sys.argv[-1]!r}"
    )
