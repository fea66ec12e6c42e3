"""`dualalign load`."""

from __future__ import annotations

import click

from engine.cli.output import echo_json, json_option, pack_option, table, warn
from ontology.errors import ConfigError

_FORMATS = ("facts", "table")


@click.command("load")
@click.argument("format", metavar="FORMAT")
@click.argument("path", required=False)
@click.option(
    "--graph", required=True, metavar="GRAPH", help="Graph file or server's address; made where there is none."
)
@click.option("--mapping", metavar="FILE", help="table: TOML from columns to concepts.")
@click.option("--cohort", metavar="ID", help="Name of the cohort (default: the mapping's).")
@click.option("--most-onsets", type=int, help="Of a person, that are counted; a release with noise needs it.")
@click.option("--most-years", type=float, help="Of a person, likewise.")
@click.option("--dry-run", is_flag=True, help="Read and report, and write nothing.")
@pack_option
@json_option
def command(format: str, path: str | None, graph: str, mapping: str | None, cohort: str | None, most_onsets: int | None, most_years: float | None, dry_run: bool, pack: str | None, as_json: bool) -> None:  # fmt: skip # noqa: A002, E501 - the word users type; one option a parameter
    """Load data into a graph. FORMAT is facts (the pack's published facts) or table (PATH: CSV, with --mapping)."""
    from difflib import get_close_matches

    from engine.settings import Settings
    from graph_loaders.contribution import Bounds
    from graph_loaders.load import load_facts, load_table
    from ontology.pack import load_pack

    found = load_pack(pack)
    settings = Settings.load()
    target, password = settings.graph_target(graph), settings.neo4j_password
    if format == "facts":
        report = load_facts(found, target, password=password, dry_run=dry_run)
    elif format == "table":
        if path is None or mapping is None:
            raise ConfigError("load table needs PATH (a CSV file) and --mapping (TOML from its columns to concepts)")
        if (most_onsets is None) != (most_years is None):
            raise ConfigError("--most-onsets and --most-years belong together; give both, or neither")
        bounds = None if most_onsets is None or most_years is None else Bounds(most_onsets, most_years)
        report = load_table(
            path, mapping, found, target, cohort=cohort, bounds=bounds, password=password, dry_run=dry_run
        )
    else:
        near = get_close_matches(format, _FORMATS, 1, 0)[0]
        raise ConfigError(f"{format!r} is not a format to load; the nearest is {near!r}, all are {', '.join(_FORMATS)}")
    if as_json:
        echo_json(report.as_data())
        return
    table(f"loaded {format}", ["what", "count"], list(report.rows()))
    for issue in report.issues:
        warn(str(issue))
