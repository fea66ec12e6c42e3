"""`dualalign sample`."""

from __future__ import annotations

import sys
from typing import Any

import click

from engine.cli.output import criteria_of, criteria_options, opened, pack_option, warn


@click.command("sample")
@click.argument("graph", required=False)
@click.option("-n", type=click.IntRange(0), default=10, show_default=True, help="How many trajectories.")
@click.option("--seed", type=int, default=0, show_default=True)
@criteria_options
@pack_option
@click.option("--words", is_flag=True, help="Print them in words instead of JSON lines.")
def command(graph: str | None, n: int, seed: int, pack: str | None, words: bool, **asked: Any) -> None:
    """Draw clinically plausible trajectories, as JSON lines."""
    from graph_loaders.trajectory import write_jsonl

    with opened(graph, pack) as found:
        trajectories = found.sample(n, seed=seed, criteria=criteria_of(found, asked))
        if words:
            from engine.words import describe

            for trajectory in trajectories:
                click.echo("\n".join(describe(trajectory, found.pack)) + "\n")
        else:
            write_jsonl(trajectories, sys.stdout)
        report = getattr(trajectories, "report", None)
        if report is not None and report.tried > report.accepted:
            warn(f"{report.accepted} of {report.tried} draws met the criteria ({report.accepted / report.tried:.1%})")
