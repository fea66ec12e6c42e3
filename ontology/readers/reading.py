"""`Reading`: what a reader gives beside its concepts: findings, sources with their hashes, retired identifiers, progress."""

from __future__ import annotations

import hashlib
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ontology.errors import SourceError
from ontology.readers.findings import Findings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ontology.catalog import CatalogSource

__all__ = ["Reading", "Retired", "sha256_of"]

Retired = tuple[str, str, str, str]
"""An identifier that is no longer in use: CUI, the one it was merged into (or ''), how (`SY`, `DEL`, ...), since which version."""


class Reading:
    """Filled while a reader is walked; every reader takes one as its second argument and makes its own where there is none.

    `scratch` is a file that a reader may sort on; `retire` takes the identifiers that are no longer in use.
    """

    def __init__(
        self,
        progress: Callable[[str, int], None] | None = None,
        scratch: Path | None = None,
        retire: Callable[[Iterable[Retired]], None] | None = None,
    ) -> None:
        self.findings = Findings()
        self.sources: list[CatalogSource] = []
        self._progress, self._scratch, self._retire = progress, scratch, retire

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
