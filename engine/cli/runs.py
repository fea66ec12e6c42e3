"""`dualalign runs`: list, show and compare run folders."""

from __future__ import annotations

from typing import Any

import click

from engine.cli.output import echo_json, json_option, table


@click.group("runs")
def command() -> None:
    """List, show and compare the run folders that `generate --out` makes."""


@command.command("list")
@click.argument("folder", default="runs")
@json_option
def list_runs(folder: str, *, as_json: bool) -> None:
    """The runs in FOLDER: their state, records and acceptance."""
    from engine.runs.summary import find_runs, summarize

    found = [summarize(path).as_data() for path in find_runs(folder)]
    if as_json:
        echo_json(found)
        return
    head = ["folder", "run", "model", "state", "records", "of", "lost", "acceptance"]
    table(f"runs in {folder}", head, [_row(run) for run in found])


def _row(run: dict[str, Any]) -> list[Any]:
    counts = run["counts"]
    return [
        run["path"],
        run["run"],
        run["recipe"].get("model", "template"),
        run["state"],
        counts["accepted"],
        counts["n"],
        counts["lost"],
        counts["acceptance"],
    ]


@command.command("show")
@click.argument("folder")
@json_option
def show(folder: str, *, as_json: bool) -> None:
    """One run: its recipe, what became of every request, quotas, and why texts were refused."""
    from engine.runs.summary import summarize

    run = summarize(folder).as_data()
    if as_json:
        echo_json(run)
        return
    counts = run["counts"]
    table(f"{folder}: {run['state']}", ["", ""], [["run", run["run"]], *_flat(run["recipe"])])
    click.echo(
        "requested {requested} = accepted {accepted} + rejected {rejected} + dead-lettered {dead_lettered}".format(
            **counts
        )
    )
    click.echo(
        "sentences: {n} asked for, {accepted} there, {lost} given up; acceptance {acceptance}\n".format(**counts)
    )
    table("quotas", ["quota", "records", "asked for"], [[key, *pair] for key, pair in counts["by_quota"].items()])
    rows = [[code, n, next(iter(run["examples"].get(code, [])), "")] for code, n in counts["by_code"].items()]
    if rows:
        table("refused or failed for", ["code", "texts", "for instance"], rows)


def _flat(recipe: dict[str, Any]) -> list[list[Any]]:
    return [[name, value] for name, value in recipe.items() if name != "quotas" and value]


@command.command("compare")
@click.argument("one")
@click.argument("other")
@json_option
def compare_runs(one: str, other: str, *, as_json: bool) -> None:
    """Two runs side by side: what differs in their recipes, counts, labels, reasons, and sentences that both hold."""
    from engine.runs.summary import compare, summarize

    found = compare(summarize(one), summarize(other))
    if as_json:
        echo_json(found)
        return
    head = ["", one, other]
    table(
        "recipes",
        head,
        [[name, *map(_short, pair)] for name, pair in found["recipe"].items()] or [["the same", "", ""]],
    )
    counts = [
        *found["counts"].items(),
        ("acceptance", found["acceptance"]),
        ("distinct texts", found["distinct_texts"]),
    ]
    table("counts", head, [[name, *pair] for name, pair in counts])
    table("labels", head, [[name, *pair] for name, pair in found["by_label"].items()])
    if found["by_code"]:
        table("refused or failed for", head, [[name, *pair] for name, pair in found["by_code"].items()])
    click.echo(f"sentences in both: {found['texts_in_both']}")


def _short(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"{text[:12]}…" if len(text) == 64 else text  # noqa: PLR2004 - a fingerprint
