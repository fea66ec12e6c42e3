"""What commands share: tables, JSON, progress, and the options that say which graph and which patients."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import click

from ontology.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from engine.graph import TrajectoryGraph
    from engine.sampling.criteria import Criteria

__all__ = [
    "catalog_option",
    "criteria_of",
    "criteria_options",
    "json_option",
    "lines_of",
    "opened",
    "pack_option",
    "progress",
    "table",
    "warn",
]

pack_option = click.option("--pack", metavar="FOLDER", help="Disease pack (default: the shipped alzheimer).")
catalog_option = click.option(
    "--catalog", metavar="NAME", help="Vocabulary to link with: hpo, pack, a built .catalog or a vocabulary's file."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


@contextmanager
def opened(target: str | None, pack: str | None, catalog: str | None = None) -> Iterator[TrajectoryGraph]:
    """A graph, closed when the block ends."""
    from engine.graph import open_graph

    with open_graph(target, pack=pack, catalog=catalog) as graph:
        yield graph


def criteria_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which patients."""
    for option in reversed(
        (
            click.option("--sex", help="female or male."),
            click.option("--age", metavar="FROM-TO", help="Age at diagnosis in years: 80-90, 80- or -75."),
            click.option("--risk", multiple=True, metavar="ID", help="A risk factor the persona has; may be repeated."),
            click.option(
                "--trait", multiple=True, metavar="AXIS=VALUE", help="A trait, such as race=black; may be repeated."
            ),
            click.option("--include", multiple=True, metavar="CUI", help="A concept that must begin; may be repeated."),
            click.option(
                "--exclude", multiple=True, metavar="CUI", help="A concept that must not begin; may be repeated."
            ),
            click.option("--start", metavar="CUI", help="The concept that begins first."),
            click.option("--stage", default="", help="A stage that must be reached."),
            click.option("--min-onsets", type=int, default=0, help="At least this many onsets."),
            click.option("--max-onsets", type=int, help="At most this many onsets."),
            click.option("--window", type=float, metavar="YEARS", help="Length of follow-up from entry."),
        )
    ):
        function = option(function)
    return function


def criteria_of(graph: TrajectoryGraph, asked: dict[str, Any]) -> Criteria:
    """Takes the criteria options out of `asked`."""
    traits = dict(_pair(text, "--trait", "race=black") for text in asked.pop("trait"))
    return graph.criteria(
        sex=asked.pop("sex"),
        age=_ages(asked.pop("age")),
        traits=traits,
        risk_factors=asked.pop("risk"),
        include=asked.pop("include"),
        exclude=asked.pop("exclude"),
        start=asked.pop("start"),
        stage=asked.pop("stage").removeprefix("stage:"),
        min_onsets=asked.pop("min_onsets"),
        max_onsets=asked.pop("max_onsets"),
        window_years=asked.pop("window"),
    )


def pairs(texts: Iterable[str], option: str, example: str, kind: Callable[[str], Any]) -> dict[str, Any]:
    """`NAME=VALUE` options as a dictionary; ConfigError shows the one that is not."""
    found = {}
    for text in texts:
        name, value = _pair(text, option, example)
        try:
            found[name] = kind(value)
        except ValueError:
            raise ConfigError(f"{option} {text!r}: {value!r} is not a number; write it as {example}") from None
    return found


def _pair(text: str, option: str, example: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise ConfigError(f"{option} {text!r} is not NAME=VALUE; write it as {option} {example}")
    return name, value


def _ages(text: str | None) -> tuple[float | None, float | None]:
    if text is None:
        return (None, None)
    low, dash, high = text.partition("-")
    try:
        ages = (float(low) if low else None, float(high) if high else None) if dash else (float(low), float(low) + 1)
    except ValueError:
        raise ConfigError(f"--age {text!r} is not a range of years; write it as 80-90, 80- or -75") from None
    if ages[0] is not None and ages[1] is not None and ages[0] >= ages[1]:
        raise ConfigError(f"--age {text!r} is empty; the first age must be below the second")
    return ages


@contextmanager
def lines_of(path: str) -> Iterator[IO[bytes]]:
    """The lines of a file, or of standard input for `-`."""
    if path == "-":
        yield sys.stdin.buffer
        return
    try:
        file = open(path, "rb")  # noqa: PTH123, SIM115 - the block below closes it
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", path) from None
    with file:
        yield file


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[Any]], *, err: bool = False) -> None:
    """A table, without colour or lines where it is not a terminal."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(stderr=err, highlight=False, width=None if sys.stdout.isatty() else 120)
    shown = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for name in head:
        shown.add_column(name, overflow="fold")
    for row in rows:
        shown.add_row(*(escape(_text(cell)) for cell in row))
    console.print(shown)


def _text(cell: Any) -> str:
    return f"{cell:.3g}" if isinstance(cell, float) else str(cell)


def echo_json(value: Any) -> None:
    """JSON to stdout."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def warn(sentence: str) -> None:
    """A line to stderr."""
    click.echo(sentence, err=True)


@contextmanager
def progress(total: int | None, what: str) -> Iterator[Callable[[str], None]]:
    """A bar on stderr where that is a terminal; silent elsewhere. Call the value once for each thing done."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total, note="")
        yield lambda note: bar.update(task, advance=1, note=note)
