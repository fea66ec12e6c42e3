"""`dualalign sample`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from engine.cli.output import criteria_of, criteria_options, echo_json, json_option, opened, pack_option, progress, warn

if TYPE_CHECKING:
    from engine.graph import TrajectoryGraph
    from engine.sampling.conditional import Probability
    from engine.sampling.criteria import Criteria


@click.command("sample")
@click.argument("graph", required=False)
@click.option("-n", type=click.IntRange(0), default=10, show_default=True, help="How many trajectories.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--mode",
    type=click.Choice(["exact", "table"]),
    default="exact",
    show_default=True,
    help="table forgets all but the last onset: faster, an approximation.",
)
@click.option(
    "--processes", type=click.IntRange(1), default=1, show_default=True, help="Any number gives the same bytes."
)
@click.option("--dry-run", is_flag=True, help="Only say how probable the criteria are and how they would be met.")
@criteria_options
@pack_option
@click.option("--words", is_flag=True, help="Print them in words instead of JSON lines.")
@json_option
def command(
    graph: str | None,
    n: int,
    seed: int,
    mode: str,
    processes: int,
    pack: str | None,
    *,
    dry_run: bool,
    words: bool,
    as_json: bool,
    **asked: Any,
) -> None:
    """Draw clinically plausible trajectories, as JSON lines."""
    with opened(graph, pack) as found:
        criteria = criteria_of(found, asked)
        if dry_run:
            figures = found.probability(criteria=criteria)
            if as_json:
                echo_json({**asdict(figures), "ess": figures.ess})
            else:
                click.echo(_said(figures))
            return
        if mode == "table":
            warn("table mode is an approximation: each step remembers the last onset alone")
        if words:
            _in_words(found, criteria, n, seed, mode)
        else:
            _lines(found, criteria, n, seed, mode, processes)
        if mode == "exact":
            figures = found.probability(criteria=criteria)
            if figures.method != "none":
                warn(_said(figures))


def _in_words(found: TrajectoryGraph, criteria: Criteria, n: int, seed: int, mode: str) -> None:
    from engine.words import describe

    for trajectory in islice(found.sample(n, seed=seed, criteria=criteria, mode=mode), n):
        click.echo("\n".join(describe(trajectory, found.pack)) + "\n")


def _lines(found: TrajectoryGraph, criteria: Criteria, n: int, seed: int, mode: str, processes: int) -> None:
    from engine.sampling.parallel import json_lines

    with progress(n, "trajectories") as done:
        for lines, _, _ in json_lines(found.model, criteria, n, seed, mode=mode, processes=processes):
            sys.stdout.buffer.write(lines)
            for _ in range(lines.count(b"\n")):
                done("")
    sys.stdout.flush()


def _said(figures: Probability) -> str:
    if figures.method == "none":
        return "nothing is asked of the path: every draw meets the criteria"
    text = f"probability of the criteria {figures.probability:.3g} (SE {figures.se:.2g})"
    if figures.method == "rejection":
        return f"{text}, met by rejection"
    how = {"pass": "an exact backward pass", "particles": "the rates of the moment"}[figures.method]
    return (
        f"{text}, met by particles steered by {how}: effective share {figures.ess:.2f} "
        f"(at worst {figures.worst:.2f}), distinct ancestors {figures.ancestors:.2f}"
    )
