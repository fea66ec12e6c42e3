"""JSON lines to typed values: a line that is not one is an error that names it. [border]."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from ontology.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["adapter", "read_lines"]

_Row = TypeVar("_Row")


@cache
def adapter(kind: type[object]) -> Any:
    """Pydantic's `TypeAdapter` of a dataclass, made once."""
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def read_lines(kind: type[_Row], lines: Iterable[str | bytes], where: str = "-") -> Iterator[_Row]:
    """Values of a dataclass, lazily, one a line; blank lines are passed over; SourceError names the line and the field."""
    from pydantic import ValidationError

    made = adapter(kind)  # type: ignore[arg-type] # a class is hashable; the stub of lru_cache does not see it
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield made.validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "line"
            raise SourceError(f"not a {kind.__name__.lower()}: {place}: {first['msg']}", where, number) from None
