"""`dualalign graph`: one module a noun."""

from __future__ import annotations

import click

from engine.cli.graph.copy import copy_, drop
from engine.cli.graph.export import export
from engine.cli.graph.fit_report import fit_report_
from engine.cli.graph.look import info, next_, query
from engine.cli.graph.release import merge_, release_, verify_

__all__ = ["command"]


@click.group("graph")
def command() -> None:
    """Look into the trajectory graph: info, next, query, export, fit-report, verify; release it, merge several; copy, drop."""


for one in (info, next_, query, export, fit_report_, verify_, release_, merge_, copy_, drop):
    command.add_command(one)
