"""Rich Release Format: the rows of a UMLS release's files, as a stream, from a folder, gzipped files or a zip archive.

A row ends with a bar; what is no row (a wrong number of columns, bytes that are not UTF-8, a last row that was cut) is a
finding with its line. The format: UMLS Reference Manual (NLM), chapter 3, "Metathesaurus - Rich Release Format".
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ontology.errors import SourceError
from ontology.readers.reading import sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ontology.readers.findings import Findings

__all__ = ["COLUMNS", "Release"]

COLUMNS = {
    "MRCONSO": 18, "MRSTY": 6, "MRDEF": 8, "MRREL": 16, "MRRANK": 4, "MRCUI": 7, "MRSAB": 25,
}  # fmt: skip
"""Columns of the files that are read."""

_ESCAPED = re.compile("[\udc80-\udcff]")  # bytes that are not UTF-8, as `surrogateescape` keeps them
_BUFFER = 1 << 20


class Release:
    """A release: a folder with the `.RRF` files (or their `META` folder in it), one of the files, or a `.zip` of them."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._zip: zipfile.ZipFile | None = None
        self._hashes: dict[str, str] = {}
        self._places = self._found()
        if "MRCONSO" not in self._places:
            raise SourceError(
                "holds no MRCONSO.RRF (or .RRF.gz); give the META folder of a UMLS release, or its .zip", path
            )

    def _found(self) -> dict[str, str]:
        if not self.path.exists():
            raise SourceError("is not there; give the META folder of a UMLS release, or its .zip", self.path)
        if self.path.is_file() and self.path.suffix == ".zip":
            try:
                self._zip = zipfile.ZipFile(self.path)
            except (OSError, zipfile.BadZipFile) as error:
                raise SourceError(f"is not a zip archive that can be read: {error}", self.path) from None
            return self._named((name, name) for name in sorted(self._zip.namelist()))
        folder = self.path if self.path.is_dir() else self.path.parent
        for place in (folder, folder / "META"):
            found = self._named((one.name, str(one)) for one in sorted(place.iterdir())) if place.is_dir() else {}
            if "MRCONSO" in found:
                return found
        return {}

    @staticmethod
    def _named(files: Iterator[tuple[str, str]]) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, place in files:
            base = name.rpartition("/")[2]
            stem = base.removesuffix(".gz").removesuffix(".RRF")
            if base in {f"{stem}.RRF", f"{stem}.RRF.gz", "release.dat"}:
                found.setdefault(stem, place)
        return found

    def __contains__(self, name: str) -> bool:
        return name in self._places

    @property
    def version(self) -> str:
        """The release's name (`2024AA`) out of release.dat; empty where there is none."""
        if "release.dat" not in self._places:
            return ""
        text = self._open("release.dat").read(10_000).decode("utf-8", "replace")
        match = re.search(r"^umls\.release\.name\s*=\s*(\S+)", text, re.MULTILINE)
        return match.group(1) if match else ""

    @property
    def sha256(self) -> str:
        """SHA-256 of the archive, or over the names and hashes of the files that were read."""
        if self._zip is not None:
            return sha256_of(self.path)
        lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(self._hashes.items()))
        return hashlib.sha256(lines.encode()).hexdigest()

    def rows(
        self, name: str, findings: Findings, only: re.Pattern[str] | None = None
    ) -> Iterator[tuple[int, list[str]]]:
        """Line numbers and columns of a file's rows; nothing where it is not there. `only`: rows that have it are looked at.

        Raises:
            SourceError: the file cannot be read to its end (a truncated archive).
        """
        if name not in self._places:
            return
        columns, place = COLUMNS[name] + 1, f"{name}.RRF"
        number = 0
        raw = self._open(name)
        try:
            with io.TextIOWrapper(raw, encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
                for number, line in enumerate(lines, 1):
                    if only is not None and not only.search(line):
                        continue
                    text = line if line.isascii() else self._decoded(line, number, place, findings)
                    fields = text.rstrip("\r\n").split("|")
                    if len(fields) == columns:
                        yield number, fields
                    elif text.strip() and text != "\x1a":
                        findings.add(
                            "wrong-columns" if line.endswith("\n") else "truncated-row",
                            f"{place}:{number}",
                            text.strip(),
                        )
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise SourceError(f"{place} cannot be read to its end: {reason}", self.path, number + 1) from None
        if isinstance(hashed := getattr(raw, "hashed", None), _Hashed):
            self._hashes[name] = hashed.digest.hexdigest()

    def _open(self, name: str) -> io.BufferedReader:
        place = self._places[name]
        try:
            if self._zip is not None:
                packed = self._zip.open(place)
                inner = gzip.GzipFile(fileobj=packed) if place.endswith(".gz") else packed
                return io.BufferedReader(cast("io.RawIOBase", inner), _BUFFER)
            hashed = _Hashed(place)
            if place.endswith(".gz"):
                buffered = _Reader(
                    cast("io.RawIOBase", gzip.GzipFile(fileobj=io.BufferedReader(hashed, _BUFFER))), _BUFFER
                )
            else:
                buffered = _Reader(hashed, _BUFFER)
        except OSError as error:
            raise SourceError(f"cannot be read: {error.strerror}", place) from None
        buffered.hashed = hashed
        return buffered

    @staticmethod
    def _decoded(line: str, number: int, place: str, findings: Findings) -> str:
        if number == 1:
            line = line.removeprefix("\ufeff")
        if not _ESCAPED.search(line):
            return line
        try:
            text = line.encode("utf-8", "surrogateescape").decode("cp1252")
        except UnicodeDecodeError:
            findings.add("unreadable-bytes", f"{place}:{number}", ascii(line.strip()))
            return ""
        findings.add("not-utf8", f"{place}:{number}", text.strip())
        return text


class _Reader(io.BufferedReader):
    hashed: _Hashed | None = None

    def close(self) -> None:
        super().close()
        if self.hashed is not None:  # gzip leaves open what it was given
            self.hashed.close()


class _Hashed(io.FileIO):
    """A file that is hashed as it is read."""

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self.digest = hashlib.sha256()

    def readinto(self, buffer: bytearray | memoryview, /) -> int | None:  # type: ignore[override] # any buffer of bytes
        count = super().readinto(buffer)
        if count:
            self.digest.update(memoryview(buffer)[:count])
        return count
