"""`dualalign load`."""

from __future__ import annotations

from typing import Any

import click

from engine.cli.output import catalog_option, echo_json, json_option, pack_option, progress, table, warn


@click.command("load")
@click.argument("format", metavar="FORMAT")
@click.argument("path", required=False)
@click.option("--graph", metavar="GRAPH", help="Graph file or server's address; made where there is none.")
@click.option("--mapping", metavar="FILE", help="TOML: columns or codes to concepts.")
@click.option("--cohort", metavar="ID", help="Name of the cohort (default: the mapping's).")
@click.option("--most-onsets", type=int, help="Of a person, that are counted; a release with noise needs it.")
@click.option("--most-years", type=float, help="Of a person, likewise.")
@click.option("--guess", is_flag=True, help="table: print a first mapping file, guessed from the names of the columns.")
@click.option("--dictionary", metavar="FILE", help="With --guess: a data dictionary (CSV) of the columns.")
@click.option(
    "--keep-persons", is_flag=True, help="Keep trajectories of persons as private nodes; the graph can never leave."
)
@click.option("--notes", is_flag=True, help="omop, fhir, profile: read the texts too; `load notes` reads notes alone.")
@click.option(
    "--visits", is_flag=True, help="omop, fhir: what is first recorded at a visit began after the visit before."
)
@click.option(
    "--processes",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="That link notes, each with its own linker.",
)
@click.option("--dry-run", is_flag=True, help="Read and report, and write nothing.")
@catalog_option
@pack_option
@json_option
def command(format: str, path: str | None, graph: str | None, mapping: str | None, cohort: str | None, most_onsets: int | None, most_years: float | None, guess: bool, dictionary: str | None, keep_persons: bool, notes: bool, visits: bool, processes: int, dry_run: bool, catalog: str | None, pack: str | None, as_json: bool) -> None:  # fmt: skip # noqa: A002, E501 - the word users type; one option a parameter
    """Load data into a graph. FORMAT is facts (the pack's), table, omop, fhir, meds, notes, phenopacket or profile; PATH what it reads.

    omop: a DuckDB or SQLite file, a folder of Parquet or CSV, or postgresql://...; fhir: R4 Bundles, NDJSON or a folder of
    them, also gzipped; meds: a data set's folder; phenopacket, profile: JSON or JSON lines; table: CSV, Parquet or Excel, with
    --mapping; notes: CSV, Parquet or JSON lines of person_id, date, text and birth. Codes become concepts
    through --catalog and the mapping file, words through the strings of --catalog and the pack's phrases.
    """
    from datetime import UTC, datetime

    from engine.linking.pooled import PooledLinker
    from engine.settings import Settings
    from graph_loaders.contribution import Bounds
    from graph_loaders.load import load, load_facts
    from ontology.catalog import open_catalog
    from ontology.errors import ConfigError
    from ontology.pack import load_pack

    found = load_pack(pack)
    settings = Settings.load()
    if format != "facts" and path is None:
        raise ConfigError(f"load {format} needs PATH: what to read")
    if guess:
        if format != "table":
            raise ConfigError("--guess is for tables: dualalign load table PATH --guess")
        from graph_loaders.guess import guess as guessed

        click.echo(guessed(str(path), found, dictionary), nl=False)
        return
    if graph is None:
        raise ConfigError("load needs --graph: the graph to write")
    if (most_onsets is None) != (most_years is None):
        raise ConfigError("--most-onsets and --most-years belong together; give both, or neither")
    bounds = None if most_onsets is None or most_years is None else Bounds(most_onsets, most_years)
    target, password = settings.graph_target(graph), settings.neo4j_password
    options: dict[str, Any] = {"visits": True} if visits else {}
    if format == "facts":
        report = load_facts(found, target, password=password, dry_run=dry_run)
    else:
        assert path is not None
        with progress(None, f"loading {format}: persons") as step:
            report = load(
                format,
                path,
                found,
                target,
                mapping=mapping,
                catalog=open_catalog(catalog, cache=settings.cache) if catalog else None,
                cohort=cohort,
                bounds=bounds,
                password=password,
                dry_run=dry_run,
                keep_persons=keep_persons,
                notes=notes,
                linker=PooledLinker(processes, catalog, pack, settings.cache) if processes > 1 else None,
                cache=settings.cache,
                today=datetime.now(UTC).date(),
                progress=step,
                **options,
            )
    if as_json:
        echo_json(report.as_data())
        return
    table(f"loaded {format}", ["what", "count"], list(report.rows()))
    for issue in report.issues:
        warn(str(issue))
