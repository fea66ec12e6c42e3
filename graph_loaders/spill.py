"""`Spill`: what is known of each person, brought together outside memory: sources that are not grouped by person are read so."""

from __future__ import annotations

import sqlite3
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Spill"]

_BATCH = 5_000
_ALIASES = 50
"""Most records that one person's stand for each other through (A replaced by B, by C ...)."""


class Spill:
    """Bytes by person, in order of the person's key, each person's in the order they came.

    They lie in a file of SQLite's own in the temporary folder (`TMPDIR`), that only this user can open (mode 0600) and that has no
    name from the moment it is made: whatever ends the process, nothing stays. Memory: a cache of 8 MB.

    >>> with Spill() as people:
    ...     people.add("b", b"1")
    ...     people.add("a", b"2")
    ...     people.add("B", b"3")
    ...     people.same("B", "b")
    ...     list(people)
    [('a', [b'2']), ('b', [b'1', b'3'])]
    """

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        for line in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA cache_size = -8192",
            "CREATE TABLE record (person BLOB, data BLOB)",
            "CREATE TABLE alias (key BLOB PRIMARY KEY, person BLOB) WITHOUT ROWID",
            "CREATE TABLE shared (key BLOB PRIMARY KEY, data BLOB) WITHOUT ROWID",
            "BEGIN",
        ):
            self._db.execute(line)
        self._waiting: list[tuple[bytes, bytes]] = []

    def add(self, person: str, data: bytes) -> None:
        """One record of a person."""
        self._waiting.append((_key(person), data))
        if len(self._waiting) >= _BATCH:
            self._flush()

    def same(self, key: str, person: str) -> None:
        """What is said of `key` is said of `person`."""
        if key != person:
            self._db.execute("INSERT OR REPLACE INTO alias VALUES (?, ?)", (_key(key), _key(person)))

    def share(self, key: str, data: bytes) -> None:
        """Something that records of many persons point to."""
        self._db.execute("INSERT OR REPLACE INTO shared VALUES (?, ?)", (_key(key), data))

    def shared(self, key: str) -> bytes | None:
        """What was shared under this key."""
        row = self._db.execute("SELECT data FROM shared WHERE key = ?", (_key(key),)).fetchone()
        return bytes(row[0]) if row else None

    def _flush(self) -> None:
        self._db.executemany("INSERT INTO record VALUES (?, ?)", self._waiting)
        self._waiting.clear()

    def __iter__(self) -> Iterator[tuple[str, list[bytes]]]:
        self._flush()
        for _ in range(_ALIASES):
            done = self._db.execute(
                "UPDATE record SET person = (SELECT alias.person FROM alias WHERE key = record.person) "
                "WHERE person IN (SELECT key FROM alias)"
            )
            if not done.rowcount:
                break
        rows = self._db.execute("SELECT person, data FROM record ORDER BY person, rowid")
        for person, mine in groupby(rows, key=itemgetter(0)):
            yield bytes(person).decode("utf-8", "surrogatepass"), [bytes(data) for _, data in mine]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()


def _key(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
