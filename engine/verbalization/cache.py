"""Answers that were already given: one SQLite file in the cache folder, shared by processes, which may always be deleted."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from typing import TYPE_CHECKING, Protocol

from engine.verbalization.answers import parse
from ontology.issue import Issue, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from engine.verbalization.port import Request
    from engine.verbalization.telling import Done
    from ontology.errors import ModelError

__all__ = ["CachedVerbalizer"]

_TABLE = "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, sentence TEXT NOT NULL) WITHOUT ROWID"


class Keyed(Protocol):
    """A verbalizer that can say what settles an answer."""

    name: str
    prompt: str

    @property
    def usage(self) -> tuple[int, int, float]:
        """Tokens of prompts and of answers, and money."""
        ...

    def key(self, request: Request) -> str:
        """Digest of model, decoding and messages."""
        ...

    def write(self, requests: Sequence[Request], done: Done | None = None) -> list[str | ModelError]:
        """As in the port; tells `done` the answers by their places as soon as they are known."""
        ...

    def close(self) -> None:
        """As in the port."""
        ...


class CachedVerbalizer:
    """A `Verbalizer` that asks `inner` only for what the file at `path` does not hold. Failures are not kept.

    A cache never stops the work: a file that is not a database is set aside as `NAME.corrupt-N` and begun anew; where the
    disk is full or read-only the answers are simply not kept. `issues` says what happened, once each.
    """

    def __init__(self, inner: Keyed, path: Path) -> None:
        self.name, self.prompt = inner.name, inner.prompt
        self.path = path
        self.issues: tuple[Issue, ...] = ()
        self._inner, self._lock = inner, threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._off = False

    def write(self, requests: Sequence[Request]) -> list[str | ModelError]:
        """As the inner one, in order; requests alike in all that counts are asked once. Each answer is kept as it comes."""
        keys = [self._inner.key(request) for request in requests]
        known: dict[str, str | ModelError] = dict(self._read(keys))
        missing = {key: request for key, request in zip(keys, requests, strict=True) if key not in known}
        if missing:
            names = list(missing)

            def keep(answers: Mapping[int, str | ModelError]) -> None:
                # at once: a killed run asks for nothing again that was answered
                self._keep({names[i]: answer for i, answer in answers.items() if isinstance(answer, str)})

            known.update(zip(names, self._inner.write(list(missing.values()), keep), strict=True))
        return [known[key] for key in keys]

    @property
    def usage(self) -> tuple[int, int, float]:
        """What the calls of the inner one cost; an answer that was kept costs nothing."""
        return self._inner.usage

    def close(self) -> None:
        """Closes the file and the inner verbalizer."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection, self._off = None, True
        self._inner.close()

    def _read(self, keys: list[str]) -> dict[str, str]:
        found: dict[str, str] = {}

        def read(connection: sqlite3.Connection) -> None:
            for key in dict.fromkeys(keys):
                row = connection.execute("SELECT sentence FROM answers WHERE key = ?", (key,)).fetchone()
                if row and isinstance(row[0], str) and parse(row[0]) == row[0]:  # the file is outside text too
                    found[key] = row[0]

        self._with(read)
        return found

    def _keep(self, answers: dict[str, str]) -> None:
        if answers:
            self._with(lambda c: c.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?)", sorted(answers.items())))

    def _with(self, use: object) -> None:
        """Runs `use(connection)` in a transaction; a corrupt file is set aside and `use` tried once more."""
        assert callable(use)
        with self._lock:
            for _ in range(2):
                if self._off:
                    return
                try:
                    if self._connection is None:
                        self._connection = self._open()
                    with self._connection:
                        use(self._connection)
                except (sqlite3.OperationalError, OSError) as error:  # locked, full, read-only, not a folder
                    self._note(
                        "cache-unused",
                        f"answers are not kept in {self.path.name}: {error}",
                        "make room or choose another folder",
                    )
                    self._drop()
                    self._off = True
                except sqlite3.DatabaseError:
                    self._set_aside()
                else:
                    return

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.path, timeout=30.0, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("PRAGMA trusted_schema=OFF")
            connection.execute(_TABLE)
            connection.execute("SELECT key, sentence FROM answers LIMIT 1")
            connection.commit()
        except BaseException:
            connection.close()
            raise
        return connection

    def _drop(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None

    def _set_aside(self) -> None:
        self._drop()
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}.corrupt-{number}")).exists():
            number += 1
        with contextlib.suppress(OSError):
            os.replace(self.path, aside)  # noqa: PTH105 -- atomic, and another process may have done it already
        for tail in ("-wal", "-shm"):
            with contextlib.suppress(OSError):
                self.path.with_name(self.path.name + tail).unlink()
        self._note(
            "cache-corrupt",
            f"{self.path.name} is not a cache of answers; it was set aside as {aside.name}",
            "it may be deleted",
        )

    def _note(self, code: str, message: str, hint: str) -> None:
        if code not in {issue.code for issue in self.issues}:
            self.issues += (Issue(Severity.WARNING, code, message, str(self.path), hint),)
