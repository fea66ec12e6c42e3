"""`dualalign export`."""

from __future__ import annotations

import click

from engine.cli.output import lines_of, warn


@click.command("export")
@click.argument("format")
@click.argument("run")
@click.argument("path")
def command(format: str, run: str, path: str) -> None:  # noqa: A002 - the word users type
    """Write records in another FORMAT: csv, docbin, huggingface or jsonl. RUN is a run folder, a .jsonl file or -."""
    from engine.cli.records import records_path
    from engine.runs import read_records
    from engine.writers import write

    place = records_path(run)
    with lines_of(place) as lines:
        count = write(read_records(lines, place), format, path)
    warn(f"{count} records in {path}")
