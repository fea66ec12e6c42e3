"""`dualalign generate`."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from engine.cli.output import (
    catalog_option,
    criteria_of,
    criteria_options,
    echo_json,
    json_option,
    lines_of,
    opened,
    pack_option,
    pairs,
    table,
    warn,
)
from engine.cli.progress import run_progress
from engine.processes import collect_seldom

if TYPE_CHECKING:
    from engine.graph import TrajectoryGraph
    from engine.runs import Run

_PARTIAL = 5
"""Exit code of a run that ended without some of its sentences."""


@click.command("generate")
@click.argument("graph", required=False)
@click.option("-n", type=int, help="How many sentences (default: 100, or the recipe's).")
@click.option("--model", help="template, local, vllm:NAME, ollama:NAME or PROVIDER:NAME.  [default: template]")
@click.option(
    "--out",
    metavar="DIR",
    help="Run folder; the same command goes on where it stopped. Without it: JSON lines to stdout.",
)
@click.option("--recipe", metavar="FILE", help="A recipe in TOML; flags win over it.")
@click.option("--seed", type=int)
@click.option("--label", "quotas", multiple=True, metavar="LABEL=N", help="Quota of a label; may be repeated.")
@click.option(
    "--quota",
    "strata",
    multiple=True,
    metavar="AXIS:VALUE=N",
    help="Quota of a stage, informant, assertion, risk or trait (stage:mild=20); `*` is every other value; may be repeated.",
)
@click.option(
    "--near-duplicate",
    type=click.FloatRange(0, 1),
    metavar="0-1",
    help="Similarity from which a sentence is refused as a copy; 0: none is.  [default: 0.8]",
)
@click.option(
    "--guidance", type=click.Choice(["both", "persona", "trajectory", "none"]), help="Which alignments guide the text."
)
@click.option(
    "--assertion", "assertions", multiple=True, metavar="NAME=WEIGHT", help="Mix of assertions; may be repeated."
)
@click.option(
    "--decoding",
    multiple=True,
    metavar="NAME=VALUE",
    help="How the model is asked: temperature, max_tokens, samples, together, candidates, structured, seeded, brief; may be repeated.",
)
@click.option("--attempts", type=int, help="Tries a plan: the first and its repairs.")
@click.option("--rounds", type=int, help="Plans a slot before the run stops.")
@click.option(
    "--trajectories", metavar="FILE", help="Given trajectories (JSON lines, - for stdin): a sentence for each onset."
)
@click.option(
    "--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes; the bytes stay the same."
)
@click.option(
    "--ray",
    metavar="ADDRESS",
    help="Work on a Ray cluster (HOST:PORT, auto) or in Ray on this machine (local); --workers: how many actors.",
)
@click.option("--fork", is_flag=True, help="Where --out holds a run of another recipe, begin a new one beside it.")
@click.option("--dry-run", is_flag=True, help="Show what would be made, and write nothing.")
@criteria_options
@pack_option
@catalog_option
@json_option
def command(
    graph: str | None, pack: str | None, catalog: str | None, as_json: bool, dry_run: bool, **asked: Any
) -> int:
    """Write labelled sentences, each validated against its plan.

    Ends with 0 when every quota is met, 5 when sentences had to be given up (each is named in dead.jsonl or rejected.jsonl), 3 when the
    model's server or the disk failed and 4 when a budget is spent: after either the same command goes on.
    """
    with opened(graph, pack, catalog) as found, ExitStack() as stack:
        run = _run(found, asked, stack, dry_run=dry_run)
        if dry_run:
            _show(found, run)
            return 0
        with run_progress(run) as step:
            for place, record in enumerate(run):
                if place == 0:
                    collect_seldom()  # again: all that the run needs is loaded by now
                step()
                if run.folder is None:
                    from engine.runs.folder import record_line

                    sys.stdout.write(record_line(record))
        _report(run, as_json=as_json)
        return _PARTIAL if run.report.lost else 0


def _run(found: TrajectoryGraph, asked: dict[str, Any], stack: ExitStack, *, dry_run: bool) -> Run:
    from dataclasses import fields

    from engine.runs import generate
    from engine.sampling.criteria import Criteria
    from graph_loaders.trajectory import read_jsonl

    given = asked.pop("trajectories")
    criteria = criteria_of(found, asked)
    trajectories = None
    if given:
        trajectories = read_jsonl(stack.enter_context(lines_of(given)), given)
    if any(getattr(criteria, f.name) != getattr(Criteria(), f.name) for f in fields(Criteria)):
        asked["criteria"] = criteria
    asked["quotas"] = {
        **pairs(asked["quotas"], "--label", "neuropsychiatric=20", int),
        **pairs(asked.pop("strata"), "--quota", "stage:mild=20", int),
    }
    asked["assertions"] = pairs(asked["assertions"], "--assertion", "absent=0.2", float) or None
    asked["decoding"] = pairs(asked["decoding"], "--decoding", "samples=4", _number) or None
    if dry_run:
        asked["out"], asked["ray"] = None, None
    run = generate(found, asked.pop("n"), trajectories=trajectories, keep=False, **asked)
    stack.enter_context(run)
    return run


def _number(text: str) -> float:
    """A number, or `true` and `false` as 1 and 0."""
    return float({"true": "1", "false": "0"}.get(text.lower(), text))


def _show(found: TrajectoryGraph, run: Run) -> None:
    from engine.runs.recipe import write_recipe

    click.echo(write_recipe(run.recipe))
    warn(f"{run.recipe.n} {run.recipe.unit} slots over {found.name}; nothing was written")


def _report(run: Run, *, as_json: bool) -> None:
    data = run.report.as_data()
    if as_json and run.folder is not None:
        echo_json(data)
        return
    report = run.report
    place = f" in {run.folder.path}" if run.folder is not None else ""
    warn(
        f"{report.accepted} records{place}; {report.requested} texts asked for = {report.accepted} accepted + {report.rejected} refused "
        f"+ {report.dead_lettered} failed for good (acceptance {report.acceptance:.3f})"
    )
    if report.lost:
        where = f"{run.folder.path}/dead.jsonl and rejected.jsonl name" if run.folder is not None else "--out keeps"
        warn(f"{report.lost} sentences were given up: {where} each (`given_up`)")
    if report.by_code:
        table("refused or failed for", ["code", "texts"], list(data["by_code"].items()), err=True)
