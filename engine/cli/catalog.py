"""`dualalign catalog`."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from engine.cli.output import echo_json, json_option, table, warn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ontology.catalog import Catalog
    from ontology.catalog_build import BuildReport
    from ontology.concept import Concept

_named = click.option(
    "--catalog",
    default="hpo",
    show_default=True,
    metavar="NAME",
    help="hpo, pack, a built .catalog, or a .obo, .owl, .ttl, .jsonld, .jsonl, .csv or .tsv file.",
)


@click.group("catalog")
def command() -> None:
    """Look into vocabularies, and build them."""


@command.command("build")
@click.argument("sources", nargs=-1, metavar="FORMAT PATH [FORMAT PATH]...")
@click.option("--out", metavar="FILE", help="The .catalog to make; .jsonl, .csv, .tsv, .ttl or .jsonld for that form.")
@click.option(
    "--language",
    multiple=True,
    default=("ENG",),
    show_default=True,
    help="umls: LAT of the strings; may be repeated; all.",
)
@click.option(
    "--source", multiple=True, metavar="SAB", help="umls: only these sources, as SNOMEDCT_US,MSH; may be repeated."
)
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="TYPE",
    help="umls: only these semantic types: T047, Finding, or a group, DISO.",
)
@click.option(
    "--suppressed/--no-suppressed", default=False, show_default=True, help="umls: keep obsolete and suppressed strings."
)
@click.option("--own-codes", is_flag=True, help="obo, owl, skos, xref: keep terms without a CUI under their own code.")
@click.option("--dry-run", is_flag=True, help="Read and report, and write nothing.")
@json_option
def build(
    sources: tuple[str, ...], out: str | None, language: tuple[str, ...], source: tuple[str, ...], types: tuple[str, ...],
    suppressed: bool, own_codes: bool, dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    r"""Read vocabularies into one catalog.

    FORMAT is umls (a META folder or its .zip), obo (PATH hpo: the installed one), owl, skos, csv, jsonl (scispaCy's form),
    xref (allXREFinDO.tsv) or catalog (built before). Of a concept that several have, the first one's name stays.

    \b
        dualalign catalog build umls META/ obo hpo --source SNOMEDCT_US,MSH --out my.catalog
    """
    from ontology.catalog_formats import Options, source_of
    from ontology.errors import ConfigError

    if not sources or len(sources) % 2:
        raise ConfigError(
            "a build needs pairs of FORMAT and PATH, such as: catalog build umls META/ obo hp.obo --out my.catalog"
        )
    if out is None and not dry_run:
        raise ConfigError("name the file to make with --out, or look first with --dry-run")
    options = Options(_split(language), _split(source), _split(types), suppressed, own_codes)
    pairs = zip(sources[::2], sources[1::2], strict=True)
    report = _built([source_of(form, path, options) for form, path in pairs], out, dry_run=dry_run)
    if as_json:
        echo_json(report.as_data())
        return
    done = "would be built" if dry_run else f"built {out}"
    table(done, ["what", "count"], [*report.counts.items(), ("fingerprint", report.fingerprint[:16])])
    _show_sources(report.sources)
    for issue in report.findings.issues():
        warn(str(issue))


def _split(texts: tuple[str, ...]) -> tuple[str, ...]:
    """`A,B` and repeated options alike; a name that has a comma in it (a semantic type's) stays whole."""
    return tuple(
        part.strip() for text in texts for part in ([text] if ", " in text else text.split(",")) if part.strip()
    )


def _built(sources: list[Any], out: str | None, *, dry_run: bool) -> BuildReport:
    import tempfile
    from dataclasses import replace
    from pathlib import Path

    from engine.writers._whole import whole
    from ontology.catalog import open_catalog
    from ontology.catalog_build import build_catalog
    from ontology.catalog_formats import WRITTEN, export_catalog

    with _steps() as step:
        if out is not None and Path(out).suffix not in WRITTEN.values():
            return build_catalog(sources, out, dry_run=dry_run, progress=step)
        with tempfile.TemporaryDirectory(prefix="dualalign-") as folder:
            made = Path(folder) / "made.catalog"
            report = build_catalog(sources, made, dry_run=dry_run, progress=step)
            if dry_run or out is None:
                return report
            with whole(out) as part:
                export_catalog(open_catalog(made), part, as_named=out)
            return replace(report, path=Path(out))


@contextmanager
def _steps() -> Iterator[Callable[[str, int], None] | None]:
    """What is being done, and how far, on stderr where that is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console

    with Console(stderr=True).status("building") as status:
        yield lambda what, done: status.update(f"{what}: {done:,}")


@command.command("search")
@click.argument("text")
@_named
@click.option("--limit", type=click.IntRange(1), default=10, show_default=True)
@json_option
def search(text: str, catalog: str, limit: int, as_json: bool) -> None:
    """Concepts whose names are like TEXT, or that have the code TEXT (SNOMEDCT_US:26929004)."""
    opened = _open(catalog)
    found = [(opened[cui], 1.0) for cui in _with_code(opened, text)[:limit]] or opened.search(text, limit=limit)
    if as_json:
        echo_json([{**asdict(concept), "score": round(score, 4)} for concept, score in found])
        return
    rows = [[c.cui, c.name, ", ".join(map(_type_name, c.types)), score] for c, score in found]
    table(f"like {text!r}", ["CUI", "name", "types", "score"], rows)


def _with_code(catalog: Catalog, text: str) -> tuple[Any, ...]:
    from ontology.systems import parse_coding

    try:
        return catalog.lookup(parse_coding(text))
    except ValueError:
        return ()


def _type_name(tui: str) -> str:
    from ontology.semantic_types import semantic_type

    kind = semantic_type(tui)
    return tui if kind is None else kind.name


@command.command("show")
@click.argument("concept", required=False, metavar="[CUI or SYSTEM:CODE]")
@_named
@json_option
def show(concept: str | None, catalog: str, as_json: bool) -> None:
    """One concept, or (without CUI) the catalog: concepts, strings, what was left out, sources with version and licence."""
    opened = _open(catalog)
    if concept is not None:
        _show_concept(opened, concept, as_json=as_json)
        return
    stored = getattr(opened, "findings", None)
    counts = getattr(opened, "counts", None) or {"concepts": len(opened), "strings": sum(1 for _ in opened.strings())}
    data = {**counts, "fingerprint": opened.fingerprint, "sources": [asdict(source) for source in opened.sources]}
    if as_json:
        echo_json({**data, "findings": [finding.as_data() for finding in stored or ()]})
        return
    table(catalog, ["what", "value"], [(name, value) for name, value in data.items() if name != "sources"])
    _show_sources(opened.sources)
    if stored:
        rows = [[one.severity.value, one.code, one.count, "; ".join(map(" ".join, one.examples[:2]))] for one in stored]
        table("seen in the sources", ["severity", "code", "count", "first"], rows)


def _show_sources(sources: Any) -> None:
    rows = [[s.name, s.version, s.licence, s.terms, s.concepts, s.left_out, s.sha256[:12]] for s in sources]
    table("sources", ["name", "version", "licence", "terms", "concepts", "left out", "sha256"], rows)


def _show_concept(catalog: Catalog, text: str, *, as_json: bool) -> None:
    from ontology.concept import parse_concept_id
    from ontology.errors import ConfigError

    found: list[Concept] = []
    codes = _with_code(catalog, text)
    if codes and text not in catalog:
        found = [catalog[cui] for cui in codes]
    else:
        try:
            cui = parse_concept_id(text)
        except ValueError as error:
            raise ConfigError(f"{error}; to find one by its name: dualalign catalog search {text!r}") from None
        now = catalog.current(cui)
        if now != cui:
            warn(f"{cui} was merged into {now}; this is that concept")
        found = [catalog[now]]
    data = [_row(catalog, one) for one in found]
    if as_json:
        echo_json(data[0] if len(data) == 1 else data)
        return
    for row in data:
        table(row["name"], ["what", "value"], [(name, _plain(value)) for name, value in row.items() if value])


def _row(catalog: Catalog, concept: Concept) -> dict[str, Any]:
    below = catalog.descendants(concept.cui)
    return {**asdict(concept), "type_names": [_type_name(tui) for tui in concept.types], "descendants": len(below)}


def _plain(value: Any) -> str:
    if not isinstance(value, tuple | list):
        return str(value)
    return "\n".join(f"{one['system']}:{one['code']}" if isinstance(one, dict) else str(one) for one in value)


@command.command("export")
@click.argument("path")
@_named
def export(path: str, catalog: str) -> None:
    """Write a catalog to PATH: .jsonl (scispaCy's form), .csv, .tsv, or SKOS as .ttl or .jsonld."""
    from engine.writers._whole import whole
    from ontology.catalog_formats import export_catalog

    opened = _open(catalog)
    with whole(path) as part:
        count = export_catalog(opened, part, as_named=path)
    warn(f"{count} concepts in {path}")
    if any("not to pass on" in source.licence for source in opened.sources):
        warn("it holds content of the UMLS, which is yours under your licence and not to be passed on")


def _open(name: str) -> Catalog:
    from engine.settings import Settings
    from ontology.catalog import open_catalog

    return open_catalog(name, cache=Settings.load().cache)
