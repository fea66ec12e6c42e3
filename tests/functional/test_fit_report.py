"""`dualalign graph fit-report`: scores of persons who were held out, in a table, JSON, a page and a CSV."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

MAPPING = Path(__file__).resolve().parents[1] / "scenarios" / "paquid" / "mapping.toml"


def run(*arguments):
    command = [sys.executable, "-P", "-m", "engine.cli", "graph", "fit-report", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_scores_of_paquid_are_above_the_bar_and_the_csv_adds_up_to_them(shared_data, tmp_path):
    out, page = tmp_path / "scores.csv", tmp_path / "fit.html"
    table = shared_data / "paquid" / "paquid.csv"
    done = run("--table", table, "--mapping", MAPPING, "--no-chain", "--out", out, "--html", page, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    fitted, gompertz = found["held_out"]["models"][:2]
    assert fitted["P"] >= -6.552
    assert fitted["T"] >= -3.22
    assert gompertz["gain"] >= 0.5
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert len(rows) == found["held_out"]["intervals"] == 1750
    assert sum(float(row["log_p"]) for row in rows) / found["held_out"]["persons"] == pytest.approx(
        fitted["P"], abs=1e-4
    )
    text = page.read_text()
    assert text.count("<svg") == 10
    assert "<script" not in text
    assert all(row["source"] for row in found["parameters"])
    assert {"event": "C0234985", "needs": "C0311394"}.items() <= found["requires_candidates"][0].items()


def test_without_persons_the_parameters_are_shown_and_scores_are_not():
    done = run("--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["held_out"] is None
    assert {row["source"] for row in found["parameters"]} >= {"steinberg2008, zhao2016", "peters2015"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--table", "x.csv"], "--mapping"),
        (["--out", "x.csv"], "need persons"),
        (["--trajectories", "nowhere.jsonl"], "cannot be read"),
    ],
)
def test_a_cohort_that_is_half_given_or_not_there_is_refused_in_one_sentence(arguments, message):
    done = run(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_published_figures_and_orders_stand_beside_the_model_where_they_are_asked_for():
    done = run("--published", "5000", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    rows = {row["fact"]: row for row in found["published"]}
    assert rows["survival-men"]["used"]
    assert abs(rows["survival-men"]["model"] / 4.2 - 1) < 0.1
    assert all(row["kendall_tau"] == 1 for row in found["orders"] if row["use"] == "fit")
    assert {"times:jost1996", "order:geras", "order:adl"} <= {row["series"] for row in found["orders"]}
