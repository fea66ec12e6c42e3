"""`dualalign link`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from engine.cli.output import lines_of, pack_option

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ontology.catalog import Catalog
    from ontology.mention import Mention


@click.command("link")
@click.argument("file", default="-")
@click.option("--catalog", metavar="NAME", help="hpo, pack, or a .obo/.jsonl file.  [default: the pack over hpo]")
@click.option("--jsonl", is_flag=True, help="Input lines are JSON objects with a text field.")
@pack_option
def command(file: str, catalog: str | None, jsonl: bool, pack: str | None) -> None:
    """Find concepts in text, with assertion and informant: one JSON line for each line of FILE (- for stdin)."""
    from engine.settings import Settings
    from ontology.linker import CatalogLinker

    found = _catalog(catalog, pack)
    linker = CatalogLinker(found, cache=Settings.load().cache)
    with lines_of(file) as lines:
        texts = list[str]()

        def read() -> Iterator[str]:
            for number, line in enumerate(lines, 1):
                texts.append(_text(line, number, file) if jsonl else line.decode("utf-8", "replace").rstrip("\r\n"))
                yield texts[-1]

        for mentions in linker.link(read()):
            click.echo(json.dumps(row(texts.pop(0), mentions, found), ensure_ascii=False))


def _catalog(name: str | None, pack: str | None) -> Catalog:
    from engine.graph import open_graph
    from engine.settings import Settings
    from ontology.catalog import open_catalog

    if name is None or name == "pack":
        with open_graph(pack=pack, catalog=name) as graph:
            return graph.catalog
    return open_catalog(name, cache=Settings.load().cache)


def _text(line: bytes, number: int, file: str) -> str:
    from ontology.errors import SourceError

    try:
        return str(json.loads(line)["text"])
    except (ValueError, KeyError, TypeError):
        raise SourceError("not a JSON object with a text field", file, number) from None


def row(text: str, mentions: Iterable[Mention], catalog: Catalog) -> dict[str, Any]:
    """A text and its mentions as plain values."""
    return {
        "text": text,
        "mentions": [
            {
                "start": mention.start,
                "end": mention.end,
                "text": mention.text,
                "cui": mention.cui,
                "name": catalog[mention.cui].name,
                "score": round(float(mention.candidates[0][1]), 4),
                "assertion": mention.assertion.value,
                "informant": mention.informant.value,
                "candidates": [[cui, round(float(score), 4)] for cui, score in mention.candidates],
            }
            for mention in mentions
        ],
    }
