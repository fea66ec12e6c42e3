"""`Reading`: what a reader gives beside its concepts: findings, sources with their hashes, retired identifiers, progress."""

from __future__ import annotations

import hashlib
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ontology.errors import SourceError
from ontology.readers.findings import CODES, Findings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ontology.catalog import CatalogSource

__all__ = ["Reading", "Retired", "sha256_of"]

Retired = tuple[str, str, str, str]
"""An identifier that is no longer in use: CUI, the one it was merged into (or ''), how (`SY`, `DEL`, ...), since which version."""


class Reading:
    """Filled while a reader is walked; every reader takes one as its second argument and makes its own where there is none.

    `scratch` is a file that a reader may sort on; `retire` takes the identifiers that are no longer in use. A strict reading
    takes the first row that would be left out as an error: that is how a file is opened as it stands, without a build.
    """

    def __init__(
        self,
        progress: Callable[[str, int], None] | None = None,
        scratch: Path | None = None,
        retire: Callable[[Iterable[Retired]], None] | None = None,
        *,
        strict: bool = False,
    ) -> None:
        self.findings = Findings()
        self.sources: list[CatalogSource] = []
        self._progress, self._scratch, self._retire = progress, scratch, retire
        self.strict = strict

    def fault(self, code: str, path: str | Path, line: int, value: str, why: str = "") -> None:
        """A row that is left out; SourceError where the reading is strict."""
        if self.strict:
            raise SourceError(f"{why or CODES[code][1]}: {value[:80]!r}", path, line)
        self.findings.add(code, f"{Path(path).name}:{line}", value)

    def lines(self, path: str | Path) -> Iterator[str]:
        """Lines of a text file with their ends, lazily. Those that are not UTF-8 are read as Windows-1252, and counted."""
        number = 0
        try:
            with Path(path).open("rb") as file:
                for number, line in enumerate(file, 1):
                    try:
                        yield line.decode("utf-8-sig" if number == 1 else "utf-8")
                    except UnicodeDecodeError:
                        yield self._other(line, path, number)
        except OSError as error:
            raise SourceError(f"cannot be read: {error.strerror}", path, number or None) from None

    def _other(self, line: bytes, path: str | Path, number: int) -> str:
        try:
            text = line.decode("cp1252")
        except UnicodeDecodeError:
            self.fault("unreadable-bytes", path, number, ascii(line), "neither UTF-8 nor Windows-1252")
            return ""
        self.fault("not-utf8", path, number, text.strip(), "not UTF-8; save it as UTF-8")
        return text

    def step(self, what: str, done: int) -> None:
        """Says how far something is: rows, terms or concepts done."""
        if self._progress is not None:
            self._progress(what, done)

    def retire(self, rows: Iterable[Retired]) -> None:
        """Hands over identifiers that are no longer in use."""
        if self._retire is not None:
            self._retire(rows)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A path for a file that is gone when the block ends."""
        if self._scratch is None:
            with tempfile.TemporaryDirectory(prefix="dualalign-") as folder:
                yield Path(folder) / "scratch"
            return
        try:
            yield self._scratch
        finally:
            self._scratch.unlink(missing_ok=True)


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", path) from None
