"""scispaCy's knowledge-base form: a JSON object a line with concept_id, canonical_name, aliases, types, definition.

What that form does not know (codings, parents, source, lay words) is kept in further fields that scispaCy ignores.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ontology.catalog import CatalogSource
from ontology.concept import Coding, Concept, parse_concept_id
from ontology.readers.reading import Reading, sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["read", "write"]


def read(path: str | Path, reading: Reading | None = None) -> Iterator[Concept]:
    """Concepts, lazily; SourceError names the line that is none, unless a build counts it and goes on."""
    reading = reading or Reading(strict=True)
    for number, line in enumerate(reading.lines(path), 1):
        if line.strip():
            try:
                concept = _concept(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                reading.fault("malformed-row", path, number, line.strip(), f"not a concept in scispaCy's form: {error}")
            else:
                yield concept
    reading.sources.append(CatalogSource(Path(path).name, format="jsonl", sha256=sha256_of(path)))


def _concept(row: dict[str, Any]) -> Concept:
    lay = tuple(map(str, row.get("lay", ())))
    name = str(row["canonical_name"])
    return Concept(
        cui=parse_concept_id(row["concept_id"]),
        name=name,
        aliases=tuple(map(str, row["clinical"]))
        if "clinical" in row
        else _clinical(map(str, row.get("aliases", ())), name, lay),
        types=tuple(map(str, row.get("types", ()))),
        definition=str(row.get("definition") or ""),
        codings=tuple(Coding(str(system), str(code)) for system, code in row.get("codings", ())),
        parents=tuple(parse_concept_id(parent) for parent in row.get("parents", ())),
        source=str(row.get("source", "")),
        lay=lay,
    )


def _clinical(strings: Iterable[str], name: str, lay: tuple[str, ...]) -> tuple[str, ...]:
    """The aliases of scispaCy's form that are neither the name nor lay words."""
    return tuple(string for string in dict.fromkeys(strings) if string != name and string not in lay)


def write(concepts: Iterable[Concept], path: str | Path) -> int:
    """Writes one object a line; `read` gives the same concepts back. Returns how many."""
    count = 0
    with Path(path).open("w", encoding="utf-8", newline="\n") as file:
        for concept in concepts:
            row: dict[str, Any] = {
                "concept_id": concept.cui,
                "canonical_name": concept.name,
                "aliases": [*concept.aliases, *concept.lay],
                "types": list(concept.types),
                "definition": concept.definition,
                "codings": [[coding.system, coding.code] for coding in concept.codings],
                "parents": list(concept.parents),
                "source": concept.source,
                "lay": list(concept.lay),
            }
            if _clinical(row["aliases"], concept.name, concept.lay) != concept.aliases:  # one string is both
                row["clinical"] = list(concept.aliases)
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count
