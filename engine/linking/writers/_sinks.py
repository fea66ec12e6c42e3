"""Where pieces go: a stream of bytes to standard output or into a file, or a folder, that appears whole or not at all."""

from __future__ import annotations

import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from engine.writers._whole import whole
from ontology.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["byte_sink", "whole_folder"]


@contextmanager
def byte_sink(out: str | Path | None) -> Iterator[Callable[[bytes], None]]:
    """Bytes to standard output (each piece at once) or to a file that appears when the block ends."""
    if out is None or str(out) == "-":
        yield _to_stdout
        return
    if Path(out).is_dir():
        raise ConfigError(f"{out} is a folder; give a file")
    with whole(out) as part, part.open("wb") as file:
        yield lambda piece: _written(file.write(piece))


def _written(_: int) -> None: ...


def _to_stdout(piece: bytes) -> None:
    sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


@contextmanager
def whole_folder(out: str | Path) -> Iterator[Path]:
    """A new folder to write into, which takes the name `out` when the block ends well. ConfigError where `out` is there and not empty."""
    target = Path(out)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"{target} is there already; choose a new folder")
    part = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        yield part
        if target.exists():
            target.rmdir()
        part.replace(target)
    except OSError as error:
        raise SourceError(
            f"cannot be written ({error.strerror}); choose another path or free some space", out
        ) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
