"""`dualalign link`."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from engine.cli.output import echo_json, pack_option, warn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.linking.run import LinkReport

_INTERRUPTED = 130


@click.command("link")
@click.argument("file", default="-")
@click.option("--catalog", metavar="NAME", help="hpo, pack, or a catalog file.  [default: the pack over hpo]")
@pack_option
@click.option(
    "--from",
    "from_format",
    metavar="FORMAT",
    help="text, jsonl, parquet, brat or pubtator.  [default: as FILE is called]",
)
@click.option("--jsonl", is_flag=True, help="The same as --from jsonl.")
@click.option(
    "--to", "to_format", metavar="FORMAT", help="jsonl, brat, conll or docbin.  [default: as --out is called, or jsonl]"
)
@click.option("--out", metavar="PATH", help="File or folder that appears when all is done.  [default: stdout]")
@click.option(
    "--processes", type=int, default=1, show_default=True, help="Processes that link; the output is the same."
)
@click.option(
    "--text-field", default="text", show_default=True, metavar="NAME", help="Field or column that holds the text."
)
@click.option(
    "--id-field", default="id", show_default=True, metavar="NAME", help="Field or column that names the document."
)
@click.option(
    "--keep", multiple=True, metavar="NAME", help="A field or column to carry to the output; may be repeated."
)
@click.option("--encoding", default="utf-8", show_default=True, metavar="NAME", help="Encoding of plain text.")
@click.option("--exact", is_flag=True, help="Only strings of the catalog and their inflected forms: faster.")
@click.option(
    "--model", metavar="NAME", help="A spaCy or scispaCy model whose entities and noun chunks are linked too."
)
@click.option(
    "--no-context", is_flag=True, help="No assertion and informant: all present, all by the clinician; faster."
)
@click.option("--types", is_flag=True, help="Label entities by semantic type (TUI) where the catalog has it.")
@click.option("--skip-bad", is_flag=True, help="Leave out lines that cannot be read; counted, and the exit code is 1.")
@click.option("--show", is_flag=True, help="Print the texts with their concepts marked, for reading.")
@click.option("--dry-run", is_flag=True, help="Read everything, link nothing: what is there and what is wrong with it.")
@click.option("--json", "as_json", is_flag=True, help="With --out or --dry-run: print the report as JSON.")
def command(file: str, jsonl: bool, as_json: bool, show: bool, **asked: Any) -> int:
    """Find concepts in text, with assertion and informant.

    FILE (- for stdin) holds a text a line; or JSON lines, Parquet, a BRAT folder, PubTator. Without --out, one JSON line for each text.
    """
    from engine.linking.readers import Asked
    from engine.linking.run import Vocabulary, link_file
    from engine.settings import Settings

    if jsonl:
        asked["from_format"] = "jsonl"
    if show:
        asked["to_format"] = "show"
    vocabulary = Vocabulary(
        asked.pop("catalog"),
        asked.pop("pack"),
        Settings.load().cache,
        fuzzy=not asked.pop("exact"),
        model=asked.pop("model"),
        context=not asked.pop("no_context"),
    )
    fields = Asked(asked.pop("text_field"), asked.pop("id_field"), asked.pop("keep"), asked.pop("encoding"))
    typed = file == "-" and sys.stdin.isatty()
    quiet = asked["out"] is None and not asked["dry_run"]
    start = time.perf_counter()
    with _meter(hidden=quiet and sys.stdout.isatty()) as progress:
        try:
            report = link_file(file, vocabulary=vocabulary, asked=fields, each=typed, progress=progress, **asked)
        except KeyboardInterrupt:
            warn(f"dualalign: stopped{'' if quiet else '; nothing was written'}")
            raise click.exceptions.Exit(_INTERRUPTED) from None
    if as_json and not quiet:
        echo_json(report.to_json())
    for line in report.problems.lines():
        warn(line)
    if not quiet:
        warn(_summary(report, time.perf_counter() - start, asked["out"]))
    return 1 if report.problems.left_out else 0


def _summary(report: LinkReport, seconds: float, out: str | None) -> str:
    read = f"{report.documents:,} texts, {report.characters:,} characters"
    if out is None:
        return f"{read}; nothing linked"
    assertions = ", ".join(f"{n:,} {name}" for name, n in report.assertions.most_common())
    mentions = f"{report.mentions:,} mentions{f' ({assertions})' if assertions else ''} in {report.linked:,} of them"
    return f"{read}; {mentions}; {seconds:.1f} s; written to {out}"


@contextmanager
def _meter(*, hidden: bool) -> Iterator[Callable[[LinkReport], None] | None]:
    """A line on stderr that counts, where that is a terminal that nothing else is written to."""
    if hidden or not sys.stderr.isatty():
        yield None
        return
    start = last = time.monotonic()

    def count(report: LinkReport) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > 1:
            last = now
            rate = report.documents / (now - start)
            click.echo(
                f"\r{report.documents:,} texts, {report.mentions:,} mentions, {rate:,.0f} texts/s\033[K",
                nl=False,
                err=True,
            )

    try:
        yield count
    finally:
        click.echo("\r\033[K", nl=False, err=True)
