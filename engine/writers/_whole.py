"""Files that appear whole or not at all."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ontology.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["whole"]


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """A path beside `path` to write to, which takes its name when the block ends well and is removed when it does not."""
    target = Path(path)
    part = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(target)
    except OSError as error:
        raise SourceError(
            f"cannot be written ({error.strerror}); choose another path or free some space", path
        ) from None
    finally:
        part.unlink(missing_ok=True)
