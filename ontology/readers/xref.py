"""The cross-reference table of the Disease Ontology (allXREFinDO.tsv: id, label, xref): a row a cross-reference."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING

from ontology.catalog import CatalogSource
from ontology.concept import Concept, Cui, parse_concept_id
from ontology.errors import SourceError
from ontology.readers.obo import concept_codings
from ontology.readers.reading import Reading, sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["read"]

_COLUMNS = ["id", "label", "xref"]
_CUI = re.compile(r"UMLS(?:_CUI)?:\s*(C[0-9]{7})")


def read(path: str | Path, reading: Reading | None = None, *, own_codes: bool = False) -> Iterator[Concept]:
    """A concept for each CUI of a term, with the term's label and all its codes: so a MeSH or SNOMED CT code leads to the CUI.

    Terms without a CUI are left out, or kept under their own code. The table is held in memory (some 40,000 rows).

    Raises:
        SourceError: the file has not the columns id, label and xref.
    """
    reading = reading or Reading(strict=True)
    rows = csv.reader(reading.lines(path), delimiter="\t")
    head = [name.strip().lower() for name in next(rows, [])]
    if head != _COLUMNS:
        raise SourceError(f"has the columns {', '.join(head) or 'none'}; they must be {', '.join(_COLUMNS)}", path, 1)
    terms: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if len(row) == len(_COLUMNS):
            terms.setdefault((row[0].strip(), row[1].strip()), []).append(row[2].strip())
        elif row:
            reading.fault("wrong-columns", path, rows.line_num, "\t".join(row))
    for (name, label), xrefs in terms.items():
        cuis = sorted({Cui(match.group(1)) for xref in xrefs if (match := _CUI.fullmatch(xref))})
        prefix, _, _ = name.partition(":")
        if not cuis:
            reading.findings.add("own-code" if own_codes else "no-cui", name, label)
            if not own_codes:
                continue
            try:
                cuis = [parse_concept_id(name)]
            except ValueError:
                reading.findings.add("malformed-id", "", name)
                continue
        for cui in cuis:
            yield Concept(cui, label, codings=concept_codings(prefix, (name,), sorted(xrefs)), source=prefix)
    reading.sources.append(CatalogSource("Disease Ontology cross-references", format="xref", sha256=sha256_of(path)))
