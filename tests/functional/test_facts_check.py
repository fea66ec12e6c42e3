import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_cohort_from_facts_alone_has_no_impossible_order_and_stays_near_the_figures():
    done = subprocess.run(
        [sys.executable, "benchmarks/facts_check.py", "20000"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    summary = json.loads(done.stdout.splitlines()[-1])
    rows = {row["fact"]: row for row in summary["rows"]}
    assert summary["impossible_orders"] == 0
    assert summary["mean_abs_error_later_visits"] <= 5
    assert all(row["kendall_tau"] == 1 for row in summary["order"] if row["use"] == "fit")
    assert abs(rows["period-any-symptom"]["error"]) < 3
    assert abs(rows["survival-men"]["model"] / 4.2 - 1) < 0.1
    assert abs(rows["baseline-any-symptom"]["error"]) < 3
    assert not rows["prevalence-ad-65-plus-all"]["used"]
    assert abs(rows["prevalence-ad-65-plus-all"]["error"]) < 3
