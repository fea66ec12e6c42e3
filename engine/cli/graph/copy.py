"""`dualalign graph copy` and `drop`: whole graphs, in files and on servers."""

from __future__ import annotations

import sys

import click

from engine.cli.output import echo_json, json_option, table, warn
from ontology.errors import ConfigError

__all__ = ["copy_", "drop"]


@click.command("copy")
@click.argument("source")
@click.argument("target")
@click.option("--private", is_flag=True, help="Take private cohorts along; they stay private.")
@click.option("--dry-run", is_flag=True, help="Read and compare, and write nothing.")
@json_option
def copy_(source: str, target: str, private: bool, dry_run: bool, as_json: bool) -> None:
    """Copy the graph SOURCE to TARGET: files or Neo4j addresses, in either direction. Both then have one fingerprint."""
    from engine.settings import Settings
    from graph_loaders.copy import copy

    settings = Settings.load()
    report = copy(
        settings.graph_target(source),
        settings.graph_target(target),
        password=settings.neo4j_password,
        private=private,
        dry_run=dry_run,
    )
    if as_json:
        echo_json(report.as_data())
        return
    table(
        f"copied to {report.target}" if report.written else "nothing to write", ["what", "value"], list(report.rows())
    )


@click.command("drop")
@click.argument("graph")
@click.option("--cohort", default="", metavar="ID", help="Remove this cohort only.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def drop(graph: str, cohort: str, yes: bool) -> None:
    """Remove GRAPH: its file, or its part of a server's database. Other graphs there, and nodes of others, stay."""
    from engine.settings import Settings
    from graph_loaders import copy

    settings = Settings.load()
    target = settings.graph_target(graph)
    what = f"the cohort {cohort} of {target}" if cohort else f"the graph {target}"
    if not yes and not sys.stdin.isatty():
        raise ConfigError(f"{what} was not removed: there is nobody to ask; say --yes")
    if not yes:
        click.confirm(f"Remove {what}?", abort=True, err=True)
    copy.drop(target, cohort=cohort, password=settings.neo4j_password)
    warn(f"removed {what}")
