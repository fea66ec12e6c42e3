"""The UMLS Metathesaurus from its Rich Release Format, streamed: MRCONSO, MRSTY, MRDEF, MRREL, MRRANK, MRCUI, MRSAB.

Rows are sorted on disk by concept, so a full release needs no more memory than a part of one. The content is the user's own,
under the licence that the user has with the National Library of Medicine.
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ontology.catalog import CatalogSource
from ontology.concept import Coding, Concept, Cui
from ontology.errors import SourceError
from ontology.readers.reading import Reading
from ontology.readers.rrf import Release
from ontology.semantic_types import is_tui, semantic_types
from ontology.systems import coding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ontology.readers.findings import Findings
    from ontology.readers.reading import Retired

__all__ = ["Filters", "read"]

_CUI = re.compile(r"C[0-9]{7}")
_IS_A = re.compile(r"\|(?:PAR|CHD|RB|RN)\|")
_SAME_SENSE = {"", "isa", "inverse_isa"}
_LAY = {"CHV", "MEDLINEPLUS"}  # sources in everyday words
_NO_CODE = {"NOCODE", "", "U000000"}
_DEFINERS = {name: rank for rank, name in enumerate(("MSH", "NCI", "HPO", "SNOMEDCT_US", "MEDLINEPLUS", "CSP"))}
_LICENCE = "UMLS Metathesaurus License: the content is yours to use and not to pass on"
_TERMS = "https://uts.nlm.nih.gov/uts/assets/LicenseAgreement.pdf"
_LEVELS = {"0": "no further restriction", "9": "SNOMED CT affiliate terms"}  # the others: the licence, appendix 1
_STEP = 200_000

_TABLES = """
CREATE TABLE atom (cui INTEGER, rank INTEGER, sab INTEGER, code TEXT, text TEXT);
CREATE TABLE kind (cui INTEGER, tui TEXT);
CREATE TABLE meaning (cui INTEGER, rank INTEGER, text TEXT);
CREATE TABLE above (cui INTEGER, parent INTEGER);
"""


@dataclass(frozen=True, slots=True)
class Filters:
    """What of a release is wanted. Empty `languages`, `sources` or `types` (TUI codes) mean all of them."""

    languages: tuple[str, ...] = ("ENG",)
    sources: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    suppressed: bool = False


@dataclass(slots=True)
class _Sabs:
    """Source abbreviations as small numbers, with what is known of them."""

    number: dict[str, int] = field(default_factory=dict)
    level: dict[str, str] = field(default_factory=dict)
    concepts: Counter[int] = field(default_factory=Counter)


def read(path: str | Path, reading: Reading | None = None, filters: Filters = Filters()) -> Iterator[Concept]:
    """Concepts in order of CUI, with names, types, definition, codes and parents.

    The name is the release's own preferred one (TS P, STT PF, ISPREF Y) where the filters leave it, else that of the highest
    rank in MRRANK. Parents are the concepts that PAR, CHD, RB and RN rows without a further relation, or with `isa`, put above.
    The definition is MeSH's, else the NCI's, the HPO's, SNOMED CT's, MedlinePlus's or the first. Names of the Consumer Health
    Vocabulary and MedlinePlus that no other source has are lay words. About 10 microseconds a row.

    Raises:
        SourceError: there is no MRCONSO, a file cannot be read to its end, or more than half of its rows are none.
    """
    reading = reading or Reading()
    release = Release(path)
    with reading.scratch() as scratch, closing(sqlite3.connect(scratch, isolation_level=None)) as db:
        for statement in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            "PRAGMA cache_size = -131072",
            "BEGIN",
        ):
            db.execute(statement)
        for statement in _TABLES.split(";"):
            db.execute(statement)
        yield from _Umls(db, release, reading, filters).concepts()


class _Umls:
    def __init__(self, db: sqlite3.Connection, release: Release, reading: Reading, filters: Filters) -> None:
        self._db, self._release, self._reading, self._filters = db, release, reading, filters
        self._findings: Findings = reading.findings
        self._sabs = _Sabs()

    def concepts(self) -> Iterator[Concept]:
        insert = self._db.executemany
        insert("INSERT INTO atom VALUES (?, ?, ?, ?, ?)", self._atoms())
        insert("INSERT INTO kind VALUES (?, ?)", self._kinds())
        insert("INSERT INTO meaning VALUES (?, ?, ?)", self._meanings())
        insert("INSERT INTO above VALUES (?, ?)", self._parents())
        self._reading.retire(self._retired())
        yield from self._merged()
        self._reading.sources += self._sources()

    def _rows(self, name: str, only: re.Pattern[str] | None = None) -> Iterator[tuple[int, list[str]]]:
        """Rows whose first column is a CUI; says how far it is."""
        done = bad = 0
        before = self._findings.count("wrong-columns")
        for number, row in self._release.rows(name, self._findings, only):
            done += 1
            if done % _STEP == 0:
                self._reading.step(f"read {name}", done)
            if _CUI.fullmatch(row[0]):
                yield number, row
            else:
                bad += 1
                self._findings.add("malformed-id", f"{name}.RRF:{number}", row[0])
        bad += self._findings.count("wrong-columns") - before
        if bad > max(done, 1) / 2 and bad > 1:
            first = self._findings.issues()
            raise SourceError(
                f"{name}.RRF is not in Rich Release Format: {'; '.join(map(str, first))}", self._release.path
            )
        self._reading.step(f"read {name}", done)

    def _atoms(self) -> Iterator[tuple[int, int, int, str, str]]:
        ranks = {
            (row[1], row[2], row[3]): int(row[0])
            for _, row in self._release.rows("MRRANK", self._findings)
            if row[0].isdigit()
        }
        wanted, languages, add = self._filters, self._filters.languages, self._findings.add
        sabs, levels = self._sabs.number, self._sabs.level
        order = {language: at for at, language in enumerate(languages)}
        for number, row in self._rows("MRCONSO"):
            cui, language, status, _, form, _, preferred, _, _, _, _, sab, tty, code, text, level, suppress, *_ = row
            if languages and language not in order:
                add("other-language")
                continue
            if wanted.sources and sab not in wanted.sources:
                add("other-source")
                continue
            if suppress != "N" and not wanted.suppressed:
                add("suppressed")
                continue
            if not text.strip():
                add("empty-name", f"MRCONSO.RRF:{number}", cui)
                continue
            second = not (status == "P" and form == "PF" and preferred == "Y")
            rank = (order.get(language, 0) << 34) + (second << 33) + ((suppress != "N") << 32)
            rank += (0xFFFF - ranks.get((sab, tty, suppress), 0)) << 3
            rank += ((status != "P") << 2) + ((form != "PF") << 1) + (preferred != "Y")
            if sab not in sabs:
                sabs[sab], levels[sab] = len(sabs), level
            yield int(cui[1:]), rank, sabs[sab], "" if code in _NO_CODE else code, text

    def _kinds(self) -> Iterator[tuple[int, str]]:
        known = semantic_types()
        for number, row in self._rows("MRSTY"):
            if row[1] not in known:
                where = f"MRSTY.RRF:{number}"
                if not is_tui(row[1]):
                    self._findings.add("malformed-type", where, row[1])
                    continue
                self._findings.add("unknown-type", where, f"{row[1]} {row[3]}")
            yield int(row[0][1:]), row[1]

    def _meanings(self) -> Iterator[tuple[int, int, str]]:
        for _, row in self._rows("MRDEF"):
            sab, text, suppress = row[4], row[5].strip(), row[6]
            if sab not in self._sabs.number:
                self._findings.add("foreign-definition")
            elif text and (suppress == "N" or self._filters.suppressed):
                yield int(row[0][1:]), _DEFINERS.get(sab, len(_DEFINERS)), text

    def _parents(self) -> Iterator[tuple[int, int]]:
        wanted = self._filters
        for number, row in self._rows("MRREL", _IS_A):
            one, relation, other, detail, sab, suppress = row[0], row[3], row[4], row[7], row[10], row[14]
            if relation not in {"PAR", "CHD", "RB", "RN"} or detail not in _SAME_SENSE:
                self._findings.add("other-relation")
            elif wanted.sources and sab not in wanted.sources:
                continue
            elif not _CUI.fullmatch(other):
                self._findings.add("malformed-id", f"MRREL.RRF:{number}", other)
            elif one != other and (suppress == "N" or wanted.suppressed):
                # the relation is what the second concept is to the first: PAR means that the second is above
                low, high = (one, other) if relation in {"PAR", "RB"} else (other, one)
                yield int(low[1:]), int(high[1:])

    def _retired(self) -> Iterator[Retired]:
        for number, row in self._rows("MRCUI"):
            old, version, how, new = row[0], row[1], row[2], row[5]
            if new and not _CUI.fullmatch(new):
                self._findings.add("malformed-id", f"MRCUI.RRF:{number}", new)
                continue
            yield old, new if how == "SY" else "", how, version

    def _merged(self) -> Iterator[Concept]:
        names = list(self._sabs.number)
        kinds = _Grouped(self._db.execute("SELECT DISTINCT cui, tui FROM kind ORDER BY cui, tui"))
        meanings = _Grouped(self._db.execute("SELECT cui, text FROM meaning ORDER BY cui, rank, rowid"))
        above = _Grouped(self._db.execute("SELECT DISTINCT cui, parent FROM above ORDER BY cui, parent"))
        atoms = _Grouped(self._db.execute("SELECT cui, rank, sab, code, text FROM atom ORDER BY cui, rank, rowid"))
        wanted = self._filters.types
        for number in atoms:
            rows = atoms.take(number)
            types = tuple(tui for _, tui in kinds.take(number))
            if wanted and not wanted.intersection(types):
                self._findings.add("other-type")
                continue
            meaning = meanings.take(number)
            parents = tuple(Cui(f"C{parent:07d}") for _, parent in above.take(number))
            yield self._concept(number, rows, names, types, meaning[0][1] if meaning else "", parents)

    def _concept(
        self,
        number: int,
        rows: list[tuple[Any, ...]],
        names: list[str],
        types: tuple[str, ...],
        meaning: str,
        parents: tuple[Cui, ...],
    ) -> Concept:
        name, rank = rows[0][4], rows[0][1]
        strings: dict[str, bool] = {}
        codes: dict[Coding, None] = {}
        sources: dict[int, None] = {}
        for at, (_, other, sab, code, text) in enumerate(rows):
            if at and other >> 33 == rank >> 33 and not rank >> 33 & 1 and text != name:
                self._findings.add("two-names", f"C{number:07d}", f"{name} | {text}")
            strings[text] = strings.get(text, True) and names[sab] in _LAY
            sources[sab] = None
            if code:
                codes[coding(names[sab], code)] = None
        self._sabs.concepts.update(sources.keys())
        strings.pop(name)
        return Concept(
            Cui(f"C{number:07d}"),
            name,
            tuple(text for text, lay in strings.items() if not lay),
            types,
            meaning,
            tuple(codes),
            parents,
            "; ".join(names[sab] for sab in sources),
            tuple(text for text, lay in strings.items() if lay),
        )

    def _sources(self) -> Iterable[CatalogSource]:
        release = self._release
        yield CatalogSource(
            "UMLS Metathesaurus", release.version, _LICENCE, _TERMS, 0, self._findings.left_out, "umls", release.sha256
        )
        about = {row[3]: (row[4], row[6]) for _, row in release.rows("MRSAB", self._findings) if row[21] == "Y"}
        for sab, number in sorted(self._sabs.number.items()):
            title, version = about.get(sab, (sab, ""))
            level = self._sabs.level[sab]
            licence = f"UMLS restriction level {level}: {_LEVELS.get(level, 'appendix 1 of the UMLS licence')}"
            shown = f"{sab}: {title}" if title != sab else sab
            yield CatalogSource(shown, version, licence, _TERMS, self._sabs.concepts[number], 0, "umls")


class _Grouped:
    """Rows in order of their first column, taken a group at a time."""

    def __init__(self, rows: Iterator[tuple[Any, ...]]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    def __iter__(self) -> Iterator[int]:
        while self._next is not None:
            number = int(self._next[0])
            yield number
            if self._next is not None and self._next[0] == number:
                self.take(number)

    def take(self, number: int) -> list[tuple[Any, ...]]:
        """The rows of a number; what lies before it is passed over."""
        row = self._next
        while row is not None and row[0] < number:
            row = next(self._rows, None)
        found = []
        while row is not None and row[0] == number:
            found.append(row)
            row = next(self._rows, None)
        self._next = row
        return found
