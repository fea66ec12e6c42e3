"""`build_catalog`: vocabularies into one catalog file, in bounded memory, all or nothing.

Concepts are staged on disk as they come, sorted by number (SQLite's external merge sort), merged where several sources have
one, and written in order; the indexes are filled sorted. The file takes its name when it is whole: a build that fails or is
killed leaves an older catalog as it was. The same sources give the same bytes.
"""

from __future__ import annotations

import os
import re
import sqlite3
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ontology.catalog import CatalogSource
from ontology.catalog_store import is_stored
from ontology.catalog_writer import CatalogWriter, Source
from ontology.errors import ConfigError, StoreError
from ontology.readers.findings import Findings
from ontology.readers.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["BuildReport", "Source", "build_catalog"]


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build made: counts, sources, findings and the fingerprint; `path` is None for a dry run."""

    path: Path | None
    fingerprint: str
    counts: dict[str, int]
    sources: tuple[CatalogSource, ...]
    findings: Findings

    def as_data(self) -> dict[str, Any]:
        """The report as plain values."""
        return {
            "path": None if self.path is None else str(self.path),
            "fingerprint": self.fingerprint,
            "counts": self.counts,
            "sources": [asdict(source) for source in self.sources],
            "findings": [finding.as_data() for finding in self.findings],
        }


def build_catalog(
    sources: Sequence[Source],
    out: str | Path,
    *,
    dry_run: bool = False,
    progress: Callable[[str, int], None] | None = None,
) -> BuildReport:
    """Reads `sources` in order into the file `out`: of a concept that several have, the first one's name stays.

    About 30 seconds of one core for a million concepts beside the time of the readers; a few hundred megabytes of memory
    at any size; three times the size of the result on disk while it runs, a part of it in
    the system's temporary folder (`SQLITE_TMPDIR` names another). `dry_run` does everything but keep the file.

    Raises:
        SourceError: a source cannot be read, or gives no concept at all.
        ConfigError: `out` is a file that is no catalog.
        StoreError: the disk is full, or `out` cannot be written.

    >>> import tempfile
    >>> from ontology import Concept, Cui, open_catalog
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     concepts = [Concept(Cui("C0085632"), "Apathy", ("could not care less",))]
    ...     report = build_catalog([Source("my words", lambda reading: concepts)], f"{folder}/my.catalog")
    ...     [concept.name for concept, score in open_catalog(f"{folder}/my.catalog").search("care less")]
    ['Apathy']
    """
    target = Path(out)
    if target.exists() and (not target.is_file() or (target.stat().st_size and not is_stored(target))):
        raise ConfigError(f"{target} is there and is no catalog; name another file with --out")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error.strerror}; choose another path") from None
    _sweep(target)
    part, stage = (target.with_name(f".{target.name}.{os.getpid()}.{end}") for end in ("part", "stage"))
    try:
        reading = Reading(progress)
        writer = CatalogWriter(part, stage, reading)
        fingerprint, shown = writer.run(sources)
        report = BuildReport(None, fingerprint, writer.counts, shown, reading.findings)
        if dry_run:
            return report
        _settle(part, target)
        return replace(report, path=target)
    except sqlite3.Error as error:
        raise StoreError(f"{target} was not written ({error}); free some space or choose another path") from error
    except OSError as error:
        raise StoreError(
            f"{target} was not written ({error.strerror}); free some space or choose another path"
        ) from error
    finally:
        part.unlink(missing_ok=True)
        stage.unlink(missing_ok=True)


def _settle(part: Path, target: Path) -> None:
    """The file takes its name once it is on the disk."""
    descriptor = os.open(part, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    part.replace(target)


def _sweep(target: Path) -> None:
    """Removes what builds of this file left that were killed."""
    for left in target.parent.glob(f".{target.name}.*"):
        match = re.fullmatch(r"([0-9]+)\.(?:part|stage|scratch)", left.name.removeprefix(f".{target.name}."))
        if match and not _alive(int(match.group(1))):
            left.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True
