"""`dualalign audit`."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli.output import catalog_option, echo_json, json_option, opened, pack_option, table, warn


@click.command("audit")
@click.argument("run")
@click.option("--graph", metavar="GRAPH", help="Graph to compare with (default: the shipped pack's facts).")
@click.option("--html", metavar="FILE", help="Write a page as well.")
@pack_option
@catalog_option
@json_option
def command(
    run: str, graph: str | None, html: str | None, pack: str | None, catalog: str | None, as_json: bool
) -> None:
    """What a data set covers. RUN is a run folder, a .jsonl file of records, a .txt of sentences, or -.

    Exits with 0 when nothing is wrong and with 1 when it reports issues.
    """
    from engine.audit import audit
    from engine.cli.records import records_path
    from engine.writers._whole import whole

    with opened(graph, pack, catalog) as found:
        report = audit(records_path(run), found)
        if html:
            with whole(html) as part:
                Path(part).write_text(report.to_html(), encoding="utf-8")
            warn(f"page in {html}")
    if as_json:
        echo_json(report.as_data())
    else:
        for title, head, rows in report.tables():
            table(title, head, rows)
        for issue in report.issues:
            warn(str(issue))
    click.get_current_context().exit(1 if report.issues else 0)
