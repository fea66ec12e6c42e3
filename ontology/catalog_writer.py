"""`CatalogWriter`: sources staged, sorted, merged and indexed into the tables of one catalog file."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ontology.catalog import CatalogSource, digest_line, merged
from ontology.catalog_index import place
from ontology.catalog_search import normal, plain
from ontology.catalog_store import APPLICATION_ID, FIRST_OWN, FORMAT_VERSION, TABLES, text_key
from ontology.concept import Coding, Concept, Cui
from ontology.errors import SourceError
from ontology.readers.reading import Reading
from ontology.systems import coding as normal_coding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ontology.readers.reading import Retired

__all__ = ["CatalogWriter", "Source"]

_STAGE = """
CREATE TABLE stage.staged (id INTEGER NOT NULL, source INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE stage.words (place INTEGER NOT NULL, text TEXT NOT NULL);
CREATE TABLE stage.keys (key INTEGER NOT NULL, concept INTEGER NOT NULL);
CREATE TABLE stage.codes (system INTEGER NOT NULL, code TEXT NOT NULL, concept INTEGER NOT NULL);
CREATE TABLE stage.children (parent INTEGER NOT NULL, concept INTEGER NOT NULL);
"""
_BATCH = 5000
_MOST_STRINGS = (1 << 14) - 1  # of a concept, in the full-text index
_HOSTILE = re.compile(r"\\u00[01][0-9a-f]|[\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_BIDI_AND_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Source:
    """One vocabulary of a build: a name for messages and what reads it into concepts."""

    name: str
    read: Callable[[Reading], Iterable[Concept]]
    format: str = ""
    sha256: str = ""


class CatalogWriter:
    """Writes one catalog into `part`, sorting on `stage`; what it saw is in `reading.findings`, how much in `counts`."""

    def __init__(self, part: Path, stage: Path, reading: Reading) -> None:
        self._part, self._stage, self._reading = part, stage, reading
        self._findings = reading.findings
        self._terms: dict[str, int] = {}
        self._own: dict[str, int] = {}  # own code to its number
        self._merges: dict[int, int] = {}
        self._retiring = False
        self.counts = dict.fromkeys(("concepts", "strings", "codings", "relations", "definitions"), 0)

    def run(self, sources: Sequence[Source]) -> tuple[str, tuple[CatalogSource, ...]]:
        """Writes the file; gives the fingerprint and the sources as they are shown."""
        for path in (self._part, self._stage):
            path.unlink(missing_ok=True)
        with closing(sqlite3.connect(self._part, isolation_level=None)) as db:
            self._db = db
            db.execute("ATTACH ? AS stage", (str(self._stage),))
            for setting in ("main.page_size = 8192", "main.journal_mode = OFF", "stage.journal_mode = OFF"):
                db.execute(f"PRAGMA {setting}")
            for setting in ("synchronous = OFF", "cache_size = -131072", "locking_mode = EXCLUSIVE", "threads = 2"):
                db.execute(f"PRAGMA {setting}")
            db.execute("BEGIN")
            for statement in (TABLES + _STAGE).split(";"):
                db.execute(statement)
            shown = tuple(replace(shown, left_out=left) for shown, left in self._staged(sources))
            self._number_own()
            self._follow_merges()
            fingerprint = self._write_concepts()
            self._fill_indexes()
            self._check_hierarchy()
            self._finish(fingerprint, shown)
        return fingerprint, shown

    def _staged(self, sources: Sequence[Source]) -> Iterator[tuple[CatalogSource, int]]:
        for position, source in enumerate(sources):
            reading = Reading(self._reading.step, self._stage.with_suffix(".scratch"), self._retire)
            seen = self._stage_one(position, source, reading)
            if not seen:
                findings = "; ".join(str(issue) for issue in reading.findings.issues())
                raise SourceError(
                    f"gave no concept{': ' + findings if findings else ''}; nothing was written", source.name
                )
            if self._retiring:  # what this release has is in use, whatever its history says
                self._db.execute(
                    "DELETE FROM retired WHERE id IN (SELECT id FROM staged WHERE source = ?)", (position,)
                )
                self._retiring = False
            for finding in reading.findings:
                self._findings.take(finding)
            shown = reading.sources or [CatalogSource(source.name)]
            main = shown[0]
            yield (
                replace(
                    main,
                    concepts=main.concepts or seen,
                    format=main.format or source.format,
                    sha256=main.sha256 or source.sha256,
                ),
                reading.findings.left_out,
            )
            yield from ((one, one.left_out) for one in shown[1:])

    def _stage_one(self, position: int, source: Source, reading: Reading) -> int:
        seen, batch = 0, []
        for concept in source.read(reading):
            body = json.dumps(
                (
                    concept.name, concept.aliases, concept.types, concept.definition,
                    [(one.system, one.code) for one in concept.codings], concept.parents, concept.source, concept.lay,
                ),
                ensure_ascii=False,
            )  # fmt: skip
            if _HOSTILE.search(body):
                body = _cleaned(body)
                reading.findings.add("control-characters", source.name, concept.cui)
            batch.append((self._number(concept.cui), position, body))
            seen += 1
            if len(batch) == _BATCH:
                self._db.executemany("INSERT INTO staged VALUES (?, ?, ?)", batch)
                batch.clear()
                reading.step(f"read {source.name}", seen)
        self._db.executemany("INSERT INTO staged VALUES (?, ?, ?)", batch)
        reading.step(f"read {source.name}", seen)
        return seen

    def _number(self, cui: str) -> int:
        """The number of a concept; own codes are numbered as they come, and anew when all are known."""
        if ":" not in cui:
            return int(cui[1:])
        return self._own.setdefault(cui, FIRST_OWN + len(self._own))

    def _number_own(self) -> None:
        """Own codes in order of their text, so that the order of the sources changes no number."""
        if not self._own:
            return
        there = {number for (number,) in self._db.execute("SELECT DISTINCT id FROM staged WHERE id >= ?", (FIRST_OWN,))}
        codes = sorted(self._own)
        final = {code: FIRST_OWN + at for at, code in enumerate(codes)}
        moved = [(FIRST_OWN - 1 - final[code], old) for code, old in self._own.items() if old in there]
        self._db.execute("CREATE INDEX stage.by_id ON staged (id)")
        self._db.executemany("UPDATE staged SET id = ? WHERE id = ?", moved)  # below zero, so that none meets another
        self._db.execute("DROP INDEX stage.by_id")
        self._db.execute("UPDATE staged SET id = ? - id WHERE id < 0", (FIRST_OWN - 1,))
        self._own = final
        self._db.executemany("INSERT INTO own VALUES (?, ?)", ((number, code) for code, number in final.items()))

    def _retire(self, rows: Iterable[Retired]) -> None:
        self._retiring = True
        self._db.executemany(
            "INSERT INTO retired VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET current = excluded.current,"
            " how = excluded.how, version = excluded.version WHERE excluded.how = 'SY'",
            ((int(old[1:]), int(new[1:]) if new else None, how, version) for old, new, how, version in rows),
        )

    def _follow_merges(self) -> None:
        """Concepts of other sources under a CUI that was merged come under the one it was merged into."""
        found = dict(self._db.execute("SELECT id, current FROM retired WHERE current IS NOT NULL"))
        for old, new in found.items():
            seen = {old}
            while new in found and new not in seen:
                seen.add(new)
                new = found[new]  # noqa: PLW2901 - the chain is followed to its end
            self._merges[old] = new
        self._db.executemany(
            "UPDATE retired SET current = ? WHERE id = ?",
            ((new, old) for old, new in self._merges.items() if found[old] != new),
        )
        rows = self._db.execute(
            "SELECT DISTINCT s.id, r.current, r.version FROM staged s JOIN retired r ON r.id = s.id ORDER BY s.id"
        ).fetchall()
        for old, new, version in rows:
            if new is None:
                self._findings.add("retired-cui", f"C{old:07d}", f"since {version}")
            else:
                self._findings.add("merged-cui", f"C{old:07d}", f"into C{new:07d} in {version}")
        moved = [(new, old) for old, new, _ in rows if new is not None]
        self._db.executemany("UPDATE staged SET id = ? WHERE id = ?", moved)

    def _write_concepts(self) -> str:
        digest = hashlib.sha256()
        batch: list[tuple[int, Concept]] = []
        rows = self._db.execute("SELECT id, source, body FROM staged ORDER BY id, source, rowid")
        codes = {number: code for code, number in self._own.items()}
        for number, group in groupby(rows, key=_first):
            cui = Cui(codes[number] if number >= FIRST_OWN else f"C{number:07d}")
            concept = self._one(cui, group)
            digest.update(digest_line(concept))
            batch.append((number, concept))
            if len(batch) == _BATCH:
                self._write(batch)
                batch.clear()
                self._reading.step("merged", self.counts["concepts"])
        self._write(batch)
        return digest.hexdigest()

    def _one(self, cui: Cui, rows: Iterable[tuple[int, int, str]]) -> Concept:
        concept: Concept | None = None
        names: dict[int, str] = {}
        for _, source, body in rows:
            one = _concept(cui, body)
            if names.setdefault(source, one.name) != one.name:
                self._findings.add("two-names", cui, f"{names[source]} | {one.name}")
                names[source] = one.name
            concept = one if concept is None else merged(concept, one)
        assert concept is not None  # a group has rows
        parents = [self._now(parent) for parent in concept.parents]
        if cui in parents:
            self._findings.add("self-parent", cui, concept.name)
            parents = [parent for parent in parents if parent != cui]
        aliases = dict.fromkeys(concept.aliases)
        aliases.pop(concept.name, None)
        return replace(concept, aliases=tuple(aliases), parents=tuple(dict.fromkeys(parents)))

    def _now(self, parent: Cui) -> Cui:
        if self._merges and ":" not in parent and (new := self._merges.get(int(parent[1:]))) is not None:
            self._findings.add("merged-cui", parent, f"into C{new:07d}, as a parent")
            return Cui(f"C{new:07d}")
        return parent

    def _term(self, text: str) -> int:
        return self._terms.setdefault(text, len(self._terms))

    def _write(self, batch: list[tuple[int, Concept]]) -> None:
        concepts, definitions, words, keys, codes = [], [], [], [], []
        children: list[tuple[int, int]] = []
        for number, concept in batch:
            flat: list[int | str] = []
            for one in concept.codings:
                flat += (self._term(one.system), one.code)
                known = normal_coding(one.system, one.code)
                codes.append((self._term(known.system), known.code, number))
            parents = [self._own_number(parent) for parent in concept.parents]
            body = (concept.aliases, concept.lay, concept.types, flat, parents, self._term(concept.source))
            concepts.append((number, concept.name, json.dumps(body, ensure_ascii=False, separators=(",", ":"))))
            if concept.definition:
                definitions.append((number, concept.definition))
            children += ((parent, number) for parent in parents)
            said: set[str] = set()
            texts: set[str] = set()
            for at, string in enumerate(concept.strings):
                self.counts["strings"] += 1
                text = normal(string)
                if not text or text in texts:
                    continue
                texts.add(text)
                keys.append((text_key(text), number))
                bare = plain(text)
                if bare not in said and at < _MOST_STRINGS:
                    said.add(bare)
                    words.append((place(number, at, bare), bare))
        insert = self._db.executemany
        insert("INSERT INTO concept VALUES (?, ?, ?)", concepts)
        insert("INSERT INTO definition VALUES (?, ?)", definitions)
        insert("INSERT INTO words VALUES (?, ?)", words)
        insert("INSERT INTO keys VALUES (?, ?)", keys)
        insert("INSERT INTO codes VALUES (?, ?, ?)", codes)
        insert("INSERT INTO children VALUES (?, ?)", children)
        self.counts["concepts"] += len(concepts)
        self.counts["definitions"] += len(definitions)

    def _own_number(self, parent: Cui) -> int:
        if ":" not in parent:
            return int(parent[1:])
        if parent not in self._own:  # named as a parent only
            self._own[parent] = FIRST_OWN + len(self._own)
            self._db.execute("INSERT INTO own VALUES (?, ?)", (self._own[parent], parent))
        return self._own[parent]

    def _fill_indexes(self) -> None:
        db = self._db
        db.create_function("backwards", 1, lambda text: text[::-1], deterministic=True)
        db.executemany("INSERT INTO term VALUES (?, ?)", ((number, text) for text, number in self._terms.items()))
        for option, value in (("automerge", 0), ("crisismerge", 64), ("hashsize", 1 << 27)):
            db.execute("INSERT INTO string (string, rank) VALUES (?, ?)", (option, value))
        for what, statement in (
            ("codes", "INSERT OR IGNORE INTO coding SELECT * FROM codes ORDER BY system, code, concept"),
            ("is_a", "INSERT OR IGNORE INTO child SELECT * FROM children ORDER BY parent, concept"),
            ("texts", "INSERT OR IGNORE INTO text_key SELECT * FROM keys ORDER BY key, concept"),
            ("full text", "INSERT INTO string (rowid, text) SELECT place, text FROM words ORDER BY place"),
            ("full text", "INSERT INTO string (string) VALUES ('optimize')"),
            ("words", "CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab(main, string, row)"),
            ("words", "INSERT INTO word SELECT term, doc FROM vocabulary"),
            ("words", "INSERT INTO drow SELECT backwards(text) FROM word ORDER BY 1"),
            ("words", "DROP TABLE vocabulary"),
        ):
            self._reading.step(f"indexing {what}", self.counts["concepts"])
            db.execute(statement)
        for name, table in (("codings", "coding"), ("relations", "child")):
            self.counts[name] = int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - constants

    def _check_hierarchy(self) -> None:
        query = "SELECT parent, count(*) FROM child WHERE parent NOT IN (SELECT id FROM concept) GROUP BY parent ORDER BY parent"
        for parent, times in self._db.execute(query):
            self._findings.add("missing-parent", self._name(parent), "", times)
        for number in self._cyclic():
            (name,) = self._db.execute("SELECT name FROM concept WHERE id = ?", (number,)).fetchone()
            self._findings.add("cyclic-is-a", self._name(number), name)

    def _cyclic(self) -> list[int]:
        """Concepts on a cycle: strongly connected components of more than one, by scipy; linear in the relations."""
        import numpy as np
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        edges = np.fromiter(
            (end for row in self._db.execute("SELECT parent, concept FROM child") for end in row), dtype=np.int64
        )
        if not len(edges):
            return []
        numbers, ends = np.unique(edges, return_inverse=True)
        ends = ends.reshape(-1, 2)
        shape = (len(numbers), len(numbers))
        graph = coo_array((np.ones(len(ends), dtype=np.int8), (ends[:, 0], ends[:, 1])), shape=shape)
        _, component = connected_components(graph.tocsr(), connection="strong")
        return [int(number) for number in numbers[np.bincount(component)[component] > 1]]

    def _name(self, number: int) -> str:
        if number < FIRST_OWN:
            return f"C{number:07d}"
        return next(code for code, own in self._own.items() if own == number)

    def _finish(self, fingerprint: str, shown: tuple[CatalogSource, ...]) -> None:
        db = self._db
        db.execute("DELETE FROM retired WHERE id IN (SELECT id FROM concept)")
        db.execute("UPDATE retired SET current = NULL WHERE current NOT IN (SELECT id FROM concept)")
        meta = {
            "fingerprint": fingerprint,
            "counts": self.counts,
            "sources": [asdict(source) for source in shown],
            "findings": [finding.as_data() for finding in self._findings],
        }
        db.executemany("INSERT INTO meta VALUES (?, ?)", ((key, json.dumps(value)) for key, value in meta.items()))
        db.execute(f"PRAGMA main.application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA main.user_version = {FORMAT_VERSION}")
        db.execute("COMMIT")
        with suppress(sqlite3.Error):
            db.execute("DETACH stage")


def _first(row: tuple[int, int, str]) -> int:
    return row[0]


def _concept(cui: Cui, body: str) -> Concept:
    name, aliases, types, definition, codings, parents, source, lay = json.loads(body)
    return Concept(
        cui,
        name,
        tuple(aliases),
        tuple(types),
        definition,
        tuple(Coding(system, code) for system, code in codings),
        tuple(parents),
        source,
        tuple(lay),
    )


def _cleaned(body: str) -> str:
    """Without characters that no name has: controls, bidirectional overrides, halves of a surrogate pair."""

    def clean(value: Any) -> Any:
        if isinstance(value, list):
            return [clean(one) for one in value]
        return _SURROGATES.sub("\ufffd", _BIDI_AND_CONTROLS.sub("", value))

    return json.dumps(clean(json.loads(body)), ensure_ascii=False)
