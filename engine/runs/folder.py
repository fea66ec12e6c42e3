"""`RunFolder`: what a run keeps on disk. The only state is `records.jsonl`; the rest follows from it."""

from __future__ import annotations

import contextlib
import json
import os
from array import array
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from engine.record import Record, Span
from engine.runs.recipe import Recipe, differences, from_data, read_recipe, write_recipe
from ontology.errors import RunConflict, StoreError
from ontology.lines import adapter, read_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from engine.runs.outcome import Attempt, Outcome
    from ontology.issue import Issue

__all__ = ["DEAD", "MANIFEST", "RECORDS", "REJECTED", "RunFolder", "read_records"]

RECORDS, REJECTED, DEAD, MANIFEST = "records.jsonl", "rejected.jsonl", "dead.jsonl", "manifest.json"


def record_line(record: Record) -> str:
    """A record as one line of JSON."""
    data = _as_dict(record) | {"spans": [_as_dict(span) for span in record.spans]}
    return json.dumps(data, ensure_ascii=False) + "\n"


def _as_dict(row: Record | Span | Attempt | Issue) -> dict[str, Any]:
    """`dataclasses.asdict` without its deep copies, for rows of plain values: a tenth of the time."""
    return {name: getattr(row, name) for name in row.__slots__}


def read_records(lines: Iterable[str | bytes], where: str = "-") -> Iterator[Record]:
    """Records from JSON lines, lazily; SourceError names the line that is not one."""
    return read_lines(Record, lines, where)


def free_folder(path: str | Path, recipe: Recipe) -> Path:
    """`path`, or the first of `path-2`, `path-3` ... that holds no run or one of this recipe."""
    path, number = Path(path), 1
    while True:
        tried = path if number == 1 else path.with_name(f"{path.name}-{number}")
        kept = tried / "recipe.toml"
        if not kept.exists() or not differences(from_data(read_recipe(kept), str(kept)), recipe):
            return tried
        number += 1


class RunFolder:
    """A run's folder, opened for one writer. `committed` is the number of slots that are whole on disk.

    Commit writes what was refused, and dead letters, before the records of the same slots, each file in one call, so whatever a
    kill leaves behind a whole slot can be cut off: a torn line, or refusals of a slot without records.
    """

    def __init__(self, path: str | Path, recipe: Recipe) -> None:
        self.path, self.recipe = Path(path), recipe
        self._files: dict[str, IO[bytes]] = {}
        self._starts = array("Q")
        self.open()

    def open(self) -> None:
        """Takes the folder for this writer; RunConflict when it holds another recipe, StoreError when another process has it."""
        if self._files:
            return
        try:
            self._open()
        except OSError as error:
            self.close()
            raise _disk(error, self.path) from None
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        kept = self.path / "recipe.toml"
        if not kept.exists():
            if any(not (file.name.startswith(".") and file.suffix == ".part") for file in self.path.iterdir()):
                raise RunConflict(f"{self.path} holds other files and is no run; choose an empty or a new folder", {})
            _replace(kept, write_recipe(self.recipe))  # first of all: a folder with other files but no recipe is no run
        self._files[RECORDS] = _locked(self.path / RECORDS)
        changed = differences(from_data(read_recipe(kept), str(kept)), self.recipe)
        if changed:
            raise RunConflict(
                f"{self.path} holds a run of another recipe; choose another --out, ask for the same again, or give --fork: a new run "
                "beside it, which takes the answers that it can from the cache",
                changed,
            )
        for name in (REJECTED, DEAD):
            self._files[name] = (self.path / name).open("a+b")
        _sync_folder(self.path)

    def resume(self) -> Iterator[Record]:
        """The records of whole slots, read again; then cuts what follows the last whole slot from every file.
        Must be run to its end before `commit`.
        """
        records = self._file(RECORDS)
        records.seek(0)
        self._starts = array("Q")
        whole, last, keep = 0, -1, list[Record]()
        position = 0
        for line in records:
            if not line.endswith(b"\n"):
                break
            try:
                record: Record = adapter(Record).validate_json(line)
            except ValueError:
                break
            if self.recipe.unit == "trajectory" and keep and record.slot != last:
                yield from keep
                keep, whole = [], position
            self._starts.append(position)
            position += len(line)
            last = record.slot
            if self.recipe.unit == "trajectory":
                keep.append(record)
                if self._ends_slot(record):
                    yield from keep
                    keep, whole = [], position
            else:
                yield record
                whole = position
        _cut(records, whole)
        while self._starts and self._starts[-1] >= whole:
            self._starts.pop()
        closed = self._last_slot(records, whole)
        for name in (REJECTED, DEAD):
            self._cut_after(self._file(name), closed)

    @staticmethod
    def _ends_slot(record: Record) -> bool:
        return record.of >= 0 and record.step == record.of - 1

    @staticmethod
    def _last_slot(records: IO[bytes], whole: int) -> int:
        if whole == 0:
            return -1
        back = min(whole, 1 << 20)
        records.seek(whole - back)
        line = records.read(back).rstrip(b"\n").rsplit(b"\n", 1)[-1]
        records.seek(0, os.SEEK_END)
        return int(json.loads(line)["slot"])

    @staticmethod
    def _cut_after(file: IO[bytes], last: int) -> None:
        file.seek(0)
        position = 0
        for line in file:
            if not line.endswith(b"\n") or json.loads(line)["slot"] > last:
                break
            position += len(line)
        _cut(file, position)

    def attempts(self, name: str) -> Iterator[dict[str, Any]]:
        """What was refused so far (`REJECTED`) or failed for good (`DEAD`), as plain rows."""
        file = self._file(name)
        file.seek(0)
        yield from map(json.loads, file)
        file.seek(0, os.SEEK_END)

    def commit(self, outcomes: Iterable[Outcome]) -> None:
        """Appends whole slots, in slot order, and makes them durable. StoreError leaves the files as they were."""
        outcomes = list(outcomes)
        lines = [record_line(record).encode() for outcome in outcomes for record in outcome.records]
        parts = {
            REJECTED: "".join(attempt_line(attempt) for outcome in outcomes for attempt in outcome.rejected).encode(),
            DEAD: "".join(attempt_line(attempt) for outcome in outcomes for attempt in outcome.dead).encode(),
            RECORDS: b"".join(lines),
        }
        sizes = {name: os.fstat(self._file(name).fileno()).st_size for name in parts}
        try:
            for name, data in parts.items():
                if data:
                    _write(self._file(name), data)
        except OSError as error:
            for name in reversed(sizes):
                with contextlib.suppress(OSError):
                    os.ftruncate(self._file(name).fileno(), sizes[name])
            raise _disk(error, self.path) from None
        position = sizes[RECORDS]
        for line in lines:
            self._starts.append(position)
            position += len(line)

    def text(self, number: int) -> str:
        """The text of the record that was committed as the `number`th, from 0."""
        file = self._file(RECORDS).fileno()
        start = self._starts[number]
        end = self._starts[number + 1] if number + 1 < len(self._starts) else os.fstat(file).st_size
        found: str = json.loads(os.pread(file, end - start, start))["text"]
        return found

    def manifest(self) -> dict[str, Any]:
        """What the run said of itself when it ended; empty before."""
        try:
            found = json.loads((self.path / MANIFEST).read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write_text(self, name: str, text: str) -> None:
        """Replaces a file of the folder whole."""
        try:
            _replace(self.path / name, text)
        except OSError as error:
            raise _disk(error, self.path) from None

    def _file(self, name: str) -> IO[bytes]:
        if name not in self._files:
            raise StoreError(f"{self.path} is closed")
        return self._files[name]

    def close(self) -> None:
        """Gives the folder free for another writer."""
        while self._files:
            self._files.popitem()[1].close()


def attempt_line(attempt: Attempt) -> str:
    """A refused text as one line of JSON."""
    data = _as_dict(attempt) | {"issues": [_as_dict(issue) for issue in attempt.issues]}
    return json.dumps(data, ensure_ascii=False) + "\n"


def _locked(path: Path) -> IO[bytes]:
    import fcntl

    file = path.open("a+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise StoreError(
            f"{path.parent} is being written by another process; wait for it or choose another --out", retryable=True
        ) from None
    return file


def _write(file: IO[bytes], data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file.fileno(), view) :]
    os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    """The names of new files outlive a loss of power too."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _cut(file: IO[bytes], size: int) -> None:
    os.ftruncate(file.fileno(), size)
    file.seek(0, os.SEEK_END)


def _replace(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync_folder(path.parent)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _disk(error: OSError, path: Path) -> StoreError:
    import errno

    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        way = "free some space and give the same command again: it goes on where it stopped"
    elif error.errno in {errno.EACCES, errno.EROFS, errno.EPERM}:
        way = "choose an --out that you may write to"
    else:
        way = "give the same command again, or choose another --out"
    return StoreError(f"{path} cannot be written ({error.strerror}); {way}", retryable=error.errno == errno.ENOSPC)
