r"""Tables: CSV and TSV with a header; a row a concept, or a row a string.

Columns (any order, common other names are known): `cui`, `name`, and, where there are any, `aliases`, `types`, `definition`,
`codings` (`SYSTEM:CODE`), `parents`, `source`, `lay`. Cells that hold several values part them with a bar; a bar, a backslash
or (in a system's name) a colon that belongs to a value has a backslash before it, and `\e` is an empty one.
"""

from __future__ import annotations

import csv
import re
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from ontology.catalog import CatalogSource
from ontology.concept import Coding, Concept, parse_concept_id
from ontology.errors import SourceError
from ontology.readers.reading import Reading, sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["COLUMNS", "read", "write"]

COLUMNS = ("cui", "name", "aliases", "types", "definition", "codings", "parents", "source", "lay")
"""The columns that `write` writes."""

_OTHERS = {
    "concept_id": "cui", "id": "cui", "canonical_name": "name", "preferred_name": "name", "preferred_term": "name",
    "label": "name", "str": "name", "string": "name", "term": "name", "synonyms": "aliases", "synonym": "aliases",
    "tui": "types", "tuis": "types", "semantic_types": "types", "semantic_type": "types", "def": "definition",
    "code": "codings", "codes": "codings", "xref": "codings", "xrefs": "codings", "parent": "parents", "is_a": "parents",
    "sab": "source", "lay_terms": "lay",
}  # fmt: skip
_WIDEST = 1 << 24  # characters of a cell; the module's own limit is 131,072, below a long definition
_PART = re.compile(r"((?:[^\\|]|\\.)*)(?:\||$)", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_COLON = re.compile(r"((?:[^\\:]|\\.)*):(.*)", re.DOTALL)


def read(path: str | Path, reading: Reading | None = None) -> Iterator[Concept]:
    """Concepts in order of row; rows with one identifier are merged by whoever collects them. TSV where the name ends in `.tsv`.

    Raises:
        SourceError: there is no column for the identifier or the name, or (opened as it stands) a row is none.
    """
    reading = reading or Reading(strict=True)
    csv.field_size_limit(max(_WIDEST, csv.field_size_limit()))
    rows = csv.reader(reading.lines(path), delimiter="\t" if Path(path).suffix == ".tsv" else ",", strict=True)
    try:
        columns = _columns(next(rows, []), path)
        for row in rows:
            if not row:
                continue
            if len(row) != len(columns):
                reading.fault("wrong-columns", path, rows.line_num, ",".join(row))
                continue
            cells = {name: cell for name, cell in zip(columns, row, strict=True) if name}
            try:
                yield _concept(cells)
            except ValueError as error:
                code = "empty-name" if not cells["name"].strip() else "malformed-id"
                reading.fault(code, path, rows.line_num, str(error), "not a concept")
    except csv.Error as error:
        raise SourceError(f"is not a table that can be read: {error}", path, rows.line_num) from None
    reading.sources.append(CatalogSource(Path(path).name, format="csv", sha256=sha256_of(path)))


def _columns(head: list[str], path: str | Path) -> list[str]:
    names = [name.strip().lower().replace(" ", "_").replace("-", "_") for name in head]
    known = [_OTHERS.get(name, name if name in COLUMNS else "") for name in names]
    for needed in ("cui", "name"):
        if needed not in known:
            near = get_close_matches(needed, names, 1, 0.5)
            hint = f"; is it {near[0]!r}?" if near else ""
            raise SourceError(f"has no column {needed!r} (it has {', '.join(names) or 'none'}){hint}", path, 1)
    return [name if known.index(name) == at else "" for at, name in enumerate(known)]


def _concept(cells: dict[str, str]) -> Concept:
    many = {name: tuple(_parts(cells.get(name, ""))) for name in ("aliases", "types", "codings", "parents", "lay")}
    if not cells["name"].strip():
        raise ValueError(f"{cells['cui']!r} has no name")
    return Concept(
        parse_concept_id(cells["cui"].strip()),
        cells["name"],
        tuple(_plain(part) for part in many["aliases"]),
        tuple(_plain(part) for part in many["types"]),
        cells.get("definition", ""),
        tuple(_coding(part) for part in many["codings"]),
        tuple(parse_concept_id(_plain(part).strip()) for part in many["parents"]),
        cells.get("source", ""),
        tuple(_plain(part) for part in many["lay"]),
    )


def _parts(cell: str) -> Iterator[str]:
    at = 0
    while at < len(cell):
        match = _PART.match(cell, at)
        if match is None:
            raise ValueError(f"{cell!r} ends with a lone backslash; write it twice")
        yield match.group(1)
        at = match.end()
        if at == len(cell) and cell[match.end(1) :] == "|":
            yield ""


def _plain(part: str) -> str:
    return _ESCAPED.sub(lambda match: "" if match.group(1) == "e" else match.group(1), part)


def _coding(part: str) -> Coding:
    match = _COLON.fullmatch(part)
    if match is None:
        raise ValueError(f"{part!r} is not a code of a vocabulary; write it as SYSTEM:CODE")
    return Coding(_plain(match.group(1)), _plain(match.group(2)))


def _joined(parts: Iterable[str]) -> str:
    return "|".join(_escaped(part) or "\\e" for part in parts)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|")


def write(concepts: Iterable[Concept], path: str | Path, *, tabs: bool = False) -> int:
    """Writes one concept a row; `read` gives the same concepts back. Returns how many."""
    count = 0
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, delimiter="\t" if tabs else ",", lineterminator="\n", quoting=csv.QUOTE_ALL)
        rows.writerow(COLUMNS)
        for concept in concepts:
            codings = (
                f"{_escaped(one.system).replace(':', chr(92) + ':')}:{_escaped(one.code)}" for one in concept.codings
            )
            lists = map(_joined, (concept.aliases, concept.types, concept.parents, concept.lay))
            aliases, types, parents, lay = lists
            rows.writerow(
                (
                    concept.cui,
                    concept.name,
                    aliases,
                    types,
                    concept.definition,
                    "|".join(codings),
                    parents,
                    concept.source,
                    lay,
                )
            )
            count += 1
    return count
