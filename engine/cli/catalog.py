"""`dualalign catalog`."""

from __future__ import annotations

from dataclasses import asdict

import click

from engine.cli.output import echo_json, json_option, table, warn

_named = click.option(
    "--catalog", default="hpo", show_default=True, metavar="NAME", help="hpo, pack, or a .obo/.jsonl file."
)


@click.group("catalog")
def command() -> None:
    """Look into vocabularies, and build them."""


@command.command("build")
@click.argument("format", type=click.Choice(["obo", "jsonl"]))
@click.argument("path")
@click.option("--out", required=True, metavar="FILE", help="A .catalog file, or .jsonl in scispaCy's form.")
def build(format: str, path: str, out: str) -> None:  # noqa: A002 - the word users type
    """Read a vocabulary (FORMAT obo or jsonl) into a catalog."""
    from importlib import import_module

    from engine.writers._whole import whole
    from ontology.catalog import Catalog
    from ontology.catalog_build import Source, build_catalog
    from ontology.readers import kb_jsonl

    reader = import_module(f"ontology.readers.{'obo' if format == 'obo' else 'kb_jsonl'}")
    if not out.endswith(".jsonl"):
        report = build_catalog([Source(path, lambda _: reader.read(path), format)], out)
        warn(f"{report.counts['concepts']} concepts in {out}")
        return
    catalog = Catalog(reader.read(path))
    with whole(out) as part:
        kb_jsonl.write(catalog.values(), part)
    warn(f"{len(catalog)} concepts in {out}")


@command.command("search")
@click.argument("text")
@_named
@click.option("--limit", type=click.IntRange(1), default=10, show_default=True)
@json_option
def search(text: str, catalog: str, limit: int, as_json: bool) -> None:
    """Concepts whose names are like TEXT."""
    found = [(concept, score) for concept, score in _open(catalog).search(text, limit=limit)]
    if as_json:
        echo_json([{**asdict(concept), "score": round(score, 4)} for concept, score in found])
        return
    table(f"like {text!r}", ["CUI", "name", "score"], [[c.cui, c.name, score] for c, score in found])


@command.command("show")
@click.argument("cui", required=False)
@_named
@json_option
def show(cui: str | None, catalog: str, as_json: bool) -> None:
    """One concept, or (without CUI) the catalog: concepts, strings, sources with version and licence."""
    from ontology.concept import parse_cui
    from ontology.errors import ConfigError

    opened = _open(catalog)
    if cui is None:
        data = {
            "concepts": len(opened),
            "strings": sum(len(concept.strings) for concept in opened.values()),
            "fingerprint": opened.fingerprint,
            "sources": [asdict(source) for source in opened.sources],
        }
    else:
        try:
            data = asdict(opened[parse_cui(cui)])
        except ValueError as error:
            raise ConfigError(str(error)) from None
    if as_json:
        echo_json(data)
        return
    table(str(data.get("name", catalog)), ["what", "value"], list(data.items()))


@command.command("export")
@click.argument("path")
@_named
def export(path: str, catalog: str) -> None:
    """Write a catalog to PATH in scispaCy's JSON-lines form."""
    from engine.writers._whole import whole
    from ontology.readers import kb_jsonl

    opened = _open(catalog)
    with whole(path) as part:
        kb_jsonl.write(opened.values(), part)
    warn(f"{len(opened)} concepts in {path}")


def _open(name: str):  # type: ignore[no-untyped-def] # noqa: ANN202 - Catalog is imported late
    from engine.settings import Settings
    from ontology.catalog import open_catalog

    return open_catalog(name, cache=Settings.load().cache)
