"""`dualalign demo`: the whole chain, in one command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from engine.cli.output import opened, progress, table, warn

if TYPE_CHECKING:
    from engine.graph import TrajectoryGraph
    from engine.record import Record
    from engine.runs import Run


@click.command("demo")
@click.option("--out", default="runs/demo", show_default=True, metavar="DIR", help="Run folder.")
@click.option("-n", type=click.IntRange(1), default=30, show_default=True, help="How many sentences.")
@click.option("--model", help="Who writes.  [default: local where it is installed, else template]")
@click.option("--seed", type=int, default=7, show_default=True)
def command(out: str, n: int, model: str | None, seed: int) -> None:
    """The whole chain from the shipped pack: graph, trajectories, sentences, audit. Needs no file."""
    from engine.runs import generate

    with opened(None, None) as graph:
        stats = graph.stats()
        table(
            f"the graph: {stats['pack']}, published facts and declared assumptions",
            ["nodes", "", "edges", " "],
            _side_by_side(list(stats["nodes"].items()), list(stats["edges"].items())),
        )
        _trajectories(graph, seed)
        chosen = model or _model()
        click.echo(f"{n} sentences by the model {chosen!r}, each validated against its plan")
        with generate(graph, n, model=chosen, seed=seed, out=out) as run:
            records = []
            with progress(n, "sentences") as step:
                for record in run:
                    records.append(record)
                    step(f"{run.report.acceptance:.0%} accepted")
            for record in records:
                click.echo(f"  {record.label:<24} {marked(record)}")
            _losses(run)
        _coverage(graph, out)
    click.echo(
        f"\nfiles in {out}: records.jsonl, rejected.jsonl, README.md (data set card), recipe.toml, manifest.json, audit.html"
    )
    click.echo(f"  open them with: datasets.load_dataset({out!r})   or: dualalign export csv {out} records.csv")


def _model() -> str:
    from engine.verbalization.local import available

    if available():
        return "local"
    warn("the local model is not installed, so templates write; README.md says how to install it")
    return "template"


def _side_by_side(left: list[tuple[str, int]], right: list[tuple[str, int]]) -> list[tuple[object, ...]]:
    from itertools import zip_longest

    return [(*a, *b) for a, b in zip_longest(left, right, fillvalue=("", ""))]


def _trajectories(graph: TrajectoryGraph, seed: int) -> None:
    from engine.sampling.explain import explain_onset
    from engine.words import describe

    click.echo("three sampled trajectories")
    for trajectory in graph.sample(3, seed=seed):
        why = [explain_onset(graph.model, trajectory, step) for step in range(len(trajectory.onsets))]
        click.echo("\n".join(describe(trajectory, graph.pack, why, most=14)) + "\n")


def marked(record: Record) -> str:
    """The sentence with its spans marked: `[apathy|C0085632 present]`, planned ones with a star.

    Spans that overlap an earlier one are left out.
    """
    text, at = "", 0
    for span in record.spans:
        if span.start < at:
            continue
        star = "*" if span.planned else ""
        text += record.text[at : span.start] + f"[{span.text}|{star}{span.cui} {span.assertion}]"
        at = span.end
    return text + record.text[at:]


def _losses(run: Run) -> None:
    data = run.report.as_data()
    click.echo(f"\n{data['accepted']} accepted, {data['rejected']} refused (acceptance {data['acceptance']:.3f})")
    table("refused for", ["reason", "texts"], list(data["by_code"].items()) or [("nothing", 0)])


def _coverage(graph: TrajectoryGraph, out: str) -> None:
    from pathlib import Path

    from engine.audit import audit
    from engine.cli.records import records_path
    from engine.writers._whole import whole

    report = audit(records_path(out), graph)
    for title, head, rows in report.tables():
        table(title, head, rows)
    with whole(Path(out) / "audit.html") as part:
        part.write_text(report.to_html(), encoding="utf-8")
