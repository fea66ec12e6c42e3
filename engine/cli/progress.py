"""Progress of a run for people: on a terminal a panel that is redrawn, in a log a line now and then."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.runs import Run, RunReport

__all__ = ["run_progress", "state"]

_REDRAW, _LOG = 0.5, 30.0  # seconds
_REASONS, _QUOTAS = 3, 6


def state(report: RunReport, begun: int, seconds: float) -> dict[str, str]:
    """What there is to say: accepted of all, rate, time left, tokens a second and cost where a model counts them, the quotas that are
    furthest behind, and the reasons that most texts were refused for. `begun`: records that were there `seconds` ago.

    >>> from engine.runs import RunReport
    >>> state(RunReport(10, accepted=5, requested=6, rejected=1), 1, 2.0)["rate"]
    '2.0 records/s'
    """
    rate = (report.accepted - begun) / seconds if seconds > 0 else 0.0
    found = {
        "accepted": f"{report.accepted} of {report.n} ({report.acceptance:.1%} of {report.requested} texts)",
        "rate": f"{rate:.1f} records/s",
    }
    if rate > 0:
        found["left"] = _span(max(0, report.n - report.accepted - report.lost) / rate)
    if tokens := report.usage.prompt_tokens + report.usage.answer_tokens:
        found["tokens"] = f"{tokens} ({tokens / max(seconds, 1e-9):.0f}/s)"
    if report.usage.money:
        found["cost"] = f"{report.usage.money:.4f}"
    if report.lost:
        found["given up"] = str(report.lost)
    quotas = sorted(report.as_data()["by_quota"].items(), key=lambda item: item[1][0] / item[1][1])
    if quotas:
        found["quotas"] = ", ".join(f"{key} {met}/{asked}" for key, (met, asked) in quotas[:_QUOTAS])
    if reasons := report.by_code.most_common(_REASONS):
        found["refused"] = ", ".join(f"{code} {count}" for code, count in reasons)
    return found


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


@contextmanager
def run_progress(run: Run) -> Iterator[Callable[[], None]]:
    """Shows how a run goes, on stderr; call the value once for each record. What was there before counts as begun, not as made."""
    first, began, last = 0, time.monotonic(), time.monotonic()
    terminal = sys.stderr.isatty()
    show, close = _panel() if terminal else (_line, lambda: None)

    def step() -> None:
        nonlocal first, began, last
        now = time.monotonic()
        if not run.report.requested:  # still reading what is there
            first, began = run.report.accepted, now
        if now - last >= (_REDRAW if terminal else _LOG):
            last = now
            show(state(run.report, first, now - began))

    try:
        yield step
    finally:
        close()


def _line(told: dict[str, str]) -> None:
    sys.stderr.write("; ".join(f"{name} {text}" for name, text in told.items()) + "\n")
    sys.stderr.flush()


def _panel() -> tuple[Callable[[dict[str, str]], None], Callable[[], None]]:
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table

    live = Live(console=Console(stderr=True, highlight=False), auto_refresh=False, transient=True)
    live.start()

    def show(told: dict[str, str]) -> None:
        grid = Table.grid(padding=(0, 2))
        for name, text in told.items():
            grid.add_row(name, text)
        live.update(grid, refresh=True)

    return show, live.stop
