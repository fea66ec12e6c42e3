"""`StoredCatalog`: a catalog in one SQLite file, made by `ontology.catalog_build`; opens at once and stays on disk.

The header carries our application id and a format version, so that a foreign file or one of a later version is refused
before anything is touched. The file is never written to after it was built.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ontology.catalog import Catalog, CatalogSource
from ontology.catalog_search import normal
from ontology.concept import Coding, Concept, Cui, parse_concept_id
from ontology.errors import SourceError, UnknownConcept
from ontology.readers.findings import Findings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Self

    from ontology.catalog_index import StoredIndex

__all__ = ["APPLICATION_ID", "FIRST_OWN", "FORMAT_VERSION", "TABLES", "StoredCatalog", "is_stored", "text_key"]

APPLICATION_ID = 0x44754361
"""`DuCa` in the header of every built catalog."""

FORMAT_VERSION = 1
"""Raised when the tables change."""

FIRST_OWN = 10_000_000
"""Concepts are numbered by the digits of their CUI; own codes, in order, from here."""

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE term (id INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE own (id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE);
CREATE TABLE concept (id INTEGER PRIMARY KEY, name TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE definition (id INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE text_key (key INTEGER NOT NULL, concept INTEGER NOT NULL, PRIMARY KEY (key, concept)) WITHOUT ROWID;
CREATE TABLE coding (system INTEGER NOT NULL, code TEXT NOT NULL, concept INTEGER NOT NULL,
  PRIMARY KEY (system, code, concept)) WITHOUT ROWID;
CREATE TABLE child (parent INTEGER NOT NULL, concept INTEGER NOT NULL, PRIMARY KEY (parent, concept)) WITHOUT ROWID;
CREATE TABLE retired (id INTEGER PRIMARY KEY, current INTEGER, how TEXT NOT NULL, version TEXT NOT NULL);
CREATE TABLE word (text TEXT PRIMARY KEY, strings INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE drow (text TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE VIRTUAL TABLE string USING fts5(text, content='', detail=none, columnsize=0, tokenize='ascii');
"""
# concept.body is JSON: [aliases, lay, types, [system, code, system, code ...], parents, source], where systems and the source
# are rows of `term` and parents are numbers of concepts. `drow` has the words back to front. A row of `string` is one
# string of a concept: catalog_index.place says which.

_BELOW = """WITH RECURSIVE below (id) AS (SELECT concept FROM child WHERE parent = ?
  UNION SELECT child.concept FROM child JOIN below ON child.parent = below.id) SELECT id FROM below"""
_REMEMBERED = 10_000  # concepts
_KEY_BITS = 47


def text_key(text: str) -> int:
    """What a normal text is found by: a number of 47 bits. Two texts may share one, so the strings are compared as well."""
    from hashlib import blake2b

    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).digest()) >> (48 - _KEY_BITS)


def is_stored(path: str | Path) -> bool:
    """Whether the file is a built catalog, of this or another version."""
    with Path(path).open("rb") as file:
        head = file.read(72)
    return head.startswith(b"SQLite format 3\0") and int.from_bytes(head[68:72]) == APPLICATION_ID


class StoredCatalog(Catalog):
    """The same methods as `Catalog`, over a file. Opens in milliseconds; holds the last 10,000 concepts asked for.

    Threads may share it; a forked or unpickled one opens the file again.

    Raises:
        SourceError: the file is no built catalog, damaged, or of a later version.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).absolute()
        self._lock = threading.RLock()
        self._db: sqlite3.Connection | None = None
        self._pid = 0
        self._index: StoredIndex | None = None
        self._get = lru_cache(maxsize=_REMEMBERED)(self._concept)
        _refuse_foreign(self.path)
        with self._read() as db:
            self._meta = {key: json.loads(value) for key, value in db.execute("SELECT key, value FROM meta")}
            self._terms = dict(db.execute("SELECT id, text FROM term"))
        self._term_ids = {text: number for number, text in self._terms.items()}

    def __reduce__(self) -> tuple[type[Self], tuple[Path]]:
        return type(self), (self.path,)

    @contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._db is None or self._pid != os.getpid():
                    self._db, self._pid, self._index = _connect(self.path), os.getpid(), None
                yield self._db
            except sqlite3.Error as error:
                raise SourceError(f"a damaged catalog ({error}); build it again", self.path) from error

    def close(self) -> None:
        """Closes the file; the next question opens it again."""
        with self._lock:
            if self._db is not None and self._pid == os.getpid():
                self._db.close()
            self._db, self._index = None, None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def sources(self) -> tuple[CatalogSource, ...]:
        """Where the content comes from, with the hashes of its files."""
        return tuple(CatalogSource(**row) for row in self._meta["sources"])

    @property
    def fingerprint(self) -> str:
        """SHA-256 over every concept, from the header: nothing is read."""
        return str(self._meta["fingerprint"])

    @property
    def findings(self) -> Findings:
        """What the build saw and left out."""
        return Findings.from_data(self._meta["findings"])

    @property
    def counts(self) -> dict[str, int]:
        """How many concepts, strings, codings and is_a relations there are, from the header."""
        return dict(self._meta["counts"])

    def __len__(self) -> int:
        return int(self._meta["counts"]["concepts"])

    def __iter__(self) -> Iterator[Cui]:
        for number, _, _ in self._rows():
            yield self._cui(number)

    def values(self) -> Any:
        """Every concept in order, as a stream."""
        return _Values(self)

    def _all(self) -> Iterator[Concept]:
        for number, name, body in self._rows():
            yield self._made(number, name, body)

    def _rows(self) -> Iterator[tuple[int, str, str]]:
        """Every row in order, some thousands at a time, so that questions may come between."""
        last = -1
        while True:
            with self._read() as db:
                rows = db.execute(
                    "SELECT id, name, body FROM concept WHERE id > ? ORDER BY id LIMIT 4096", (last,)
                ).fetchall()
            if not rows:
                return
            yield from rows
            last = rows[-1][0]

    def strings(self) -> Iterator[tuple[str, Cui, bool]]:
        """As `Catalog.strings`; definitions are not read."""
        for number, name, body in self._rows():
            cui = self._cui(number)
            aliases, lay = json.loads(body)[:2]
            for place, string in enumerate(dict.fromkeys((name, *aliases, *lay))):
                yield string, cui, place == 0

    def __contains__(self, cui: object) -> bool:
        return isinstance(cui, str) and self._get(cui) is not None

    def get(self, cui: Cui, default: Any = None, /) -> Any:
        """The concept or `default`."""
        found = self._get(cui)
        return default if found is None else found

    def _concept(self, cui: str) -> Concept | None:
        number = self._number(cui)
        if number is None:
            return None
        with self._read() as db:
            row = db.execute("SELECT id, name, body FROM concept WHERE id = ?", (number,)).fetchone()
        return None if row is None else self._made(*row)

    def _made(self, number: int, name: str, body: str) -> Concept:
        aliases, lay, types, codes, parents, source = json.loads(body)
        with self._read() as db:
            row = db.execute("SELECT text FROM definition WHERE id = ?", (number,)).fetchone()
        return Concept(
            self._cui(number),
            name,
            tuple(aliases),
            tuple(types),
            row[0] if row else "",
            tuple(Coding(self._terms[codes[at]], codes[at + 1]) for at in range(0, len(codes), 2)),
            tuple(self._cui(parent) for parent in parents),
            self._terms[source],
            tuple(lay),
        )

    def _number(self, cui: str) -> int | None:
        """The number of an identifier; None for an own code that the file does not know, and for what is none."""
        if len(cui) == 8 and cui[0] == "C" and cui[1:].isascii() and cui[1:].isdigit():  # noqa: PLR2004 - C and seven digits
            return int(cui[1:])
        if ":" not in cui:
            return None
        with self._read() as db:
            try:
                row = db.execute("SELECT id FROM own WHERE code = ?", (cui,)).fetchone()
            except UnicodeEncodeError:
                return None
        return None if row is None else int(row[0])

    def _cui(self, number: int) -> Cui:
        if number < FIRST_OWN:
            return Cui(f"C{number:07d}")
        with self._read() as db:
            return Cui(db.execute("SELECT code FROM own WHERE id = ?", (number,)).fetchone()[0])

    def _with_code(self, coding: Coding) -> tuple[Cui, ...]:
        system = self._term_ids.get(coding.system)
        if system is None:
            return ()
        with self._read() as db:
            try:
                rows = db.execute(
                    "SELECT concept FROM coding WHERE system = ? AND code = ? ORDER BY concept", (system, coding.code)
                ).fetchall()
            except UnicodeEncodeError:
                return ()
        return tuple(self._cui(number) for (number,) in rows)

    def find(self, text: str) -> tuple[Cui, ...]:
        """As `Catalog.find`; a fraction of a millisecond."""
        wanted = normal(text)
        with self._read() as db:
            rows = db.execute(
                "SELECT concept FROM text_key WHERE key = ? ORDER BY concept", (text_key(wanted),)
            ).fetchall()
        cuis = (self._cui(number) for (number,) in rows)
        return tuple(cui for cui in cuis if any(normal(string) == wanted for string in self[cui].strings))

    def search(self, text: str, limit: int = 10) -> list[tuple[Concept, float]]:
        """As `Catalog.search`: all words, misspelt ones by a letter, the last one cut; of two strings the shorter first.

        A few milliseconds over three million strings.
        """
        return super().search(text, limit)

    def _ranked(self, text: str, limit: int) -> list[tuple[Cui, float]]:
        from ontology.catalog_index import StoredIndex

        with self._read() as db:
            if self._index is None:
                self._index = StoredIndex(db)
            found = self._index.search(text, limit, self.find(text), self._number)
            return [(self._cui(number), score) for number, score in found]

    def _near_ids(self, text: str) -> list[Cui]:
        """Identifiers near in number: with one digit changed or two swapped."""
        digits = text[1:].zfill(7)[-7:]
        near = {f"{digits[:at]}{digit}{digits[at + 1 :]}" for at in range(7) for digit in "0123456789"}
        near |= {f"{digits[:at]}{digits[at + 1]}{digits[at]}{digits[at + 2 :]}" for at in range(6)}
        with self._read() as db:
            marks = ",".join("?" * len(near))
            query = f"SELECT id FROM concept WHERE id IN ({marks}) ORDER BY id LIMIT 3"  # noqa: S608 - marks only
            return [self._cui(number) for (number,) in db.execute(query, sorted(map(int, near)))]

    def current(self, cui: Cui) -> Cui:
        """As `Catalog.current`, by the release's own history of CUIs."""
        if cui in self:
            return cui
        how = self._history(parse_concept_id(cui))
        if how is not None and how[0] is not None:
            return self._cui(how[0])
        raise UnknownConcept(self._unknown(cui))

    def retired(self) -> Iterator[tuple[str, str, str, str]]:
        """Identifiers no longer in use: each with the one it was merged into (or ''), how, and since which version."""
        with self._read() as db:
            rows = db.execute("SELECT id, current, how, version FROM retired ORDER BY id").fetchall()
        for old, new, how, version in rows:
            yield self._cui(old), "" if new is None else self._cui(new), how, version

    def _history(self, cui: Cui) -> tuple[int | None, str] | None:
        number = self._number(cui)
        with self._read() as db:
            return db.execute("SELECT current, version FROM retired WHERE id = ?", (number,)).fetchone()  # type: ignore[no-any-return]

    def _past(self, cui: Cui) -> str:
        how = self._history(cui)
        if how is None:
            return ""
        since = f" since {how[1]}" if how[1] else ""
        if how[0] is None:
            return f"{cui!r} is not in the catalog: it is retired{since}, without a successor"
        now = self._cui(how[0])
        return f"{cui!r} is not in the catalog{since}: it was merged into {now} {self[now].name}; use that"

    def _parents_of(self, cui: Cui) -> Iterable[Cui]:
        found = self._get(cui)
        return () if found is None else found.parents

    def descendants(self, cui: Cui) -> frozenset[Cui]:
        """As `Catalog.descendants`; one question to the file."""
        number = self._number(cui)
        with self._read() as db:
            rows = db.execute(_BELOW, (number,)).fetchall()
        return frozenset(self._cui(found) for (found,) in rows if found != number)

    def _children_of(self, cui: Cui) -> Iterable[Cui]:
        number = self._number(cui)
        with self._read() as db:
            rows = db.execute("SELECT concept FROM child WHERE parent = ? ORDER BY concept", (number,)).fetchall()
        return tuple(self._cui(child) for (child,) in rows)


class _Values:
    """`values()` of a stored catalog: sized, and a stream each time it is walked."""

    def __init__(self, catalog: StoredCatalog) -> None:
        self._catalog = catalog

    def __len__(self) -> int:
        return len(self._catalog)

    def __iter__(self) -> Iterator[Concept]:
        return self._catalog._all()  # noqa: SLF001 - its other half

    def __contains__(self, concept: object) -> bool:
        return isinstance(concept, Concept) and self._catalog.get(concept.cui) == concept


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(
        f"{path.as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False, isolation_level=None
    )
    db.execute(f"PRAGMA mmap_size = {path.stat().st_size}")  # pages stay in the system's cache, shared by processes
    db.execute("PRAGMA cache_size = -16384")
    return db


def _refuse_foreign(path: Path) -> None:
    """Looks at the header before SQLite does."""
    try:
        with path.open("rb") as file:
            head = file.read(100)
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", path) from None
    if not head.startswith(b"SQLite format 3\0") or int.from_bytes(head[68:72]) != APPLICATION_ID:
        raise SourceError("not a built catalog; build one with: dualalign catalog build FORMAT PATH --out FILE", path)
    if (version := int.from_bytes(head[60:64])) != FORMAT_VERSION:
        raise SourceError(
            f"a catalog of format {version}, and this version reads format {FORMAT_VERSION}; build it again", path
        )
    pages, size = int.from_bytes(head[28:32]), int.from_bytes(head[16:18])
    expected = pages * (65_536 if size == 1 else size)
    if (there := path.stat().st_size) < expected:
        raise SourceError(f"a damaged catalog ({there} of {expected} bytes are there); build it again", path)
