"""Progress of a run: rates count from the beginning, or from where a run went on."""

from __future__ import annotations

import time
from types import SimpleNamespace

from engine.cli.progress import run_progress
from engine.runs import RunReport


def shown(monkeypatch, capsys, steps):
    """What is told when at each time of `steps` so many requests and records are there."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    run = SimpleNamespace(report=RunReport(100))
    with run_progress(run) as step:
        for now[0], requested, accepted in steps:
            run.report.requested, run.report.accepted = requested, accepted
            step()
    return capsys.readouterr().err


def test_the_first_records_count_with_the_time_that_they_took(monkeypatch, capsys):
    assert "rate 0.2 records/s; left 7 min 40 s" in shown(monkeypatch, capsys, [(40.0, 8, 8)])


def test_what_was_there_before_counts_for_nothing(monkeypatch, capsys):
    assert "rate 0.5 records/s" in shown(monkeypatch, capsys, [(1.0, 0, 60), (41.0, 90, 80)])
