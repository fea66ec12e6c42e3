"""Scenarios: folders that a clinician can read. Adding a folder adds a test."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

SCENARIOS = sorted(path.parent for path in (Path(__file__).resolve().parents[1] / "scenarios").glob("*/scenario.toml"))


def shown(kind: str, keys: list[str], stdout: str) -> str:
    if kind == "json":
        data = json.loads(stdout)
        return json.dumps({key: data[key] for key in keys}, indent=2, ensure_ascii=False) + "\n"
    rows = [json.loads(line) for line in stdout.splitlines()]
    if kind == "mentions":
        lines = [
            f"{m['text']} | {m['name']} | {m['assertion']} | {m['informant']}" for row in rows for m in row["mentions"]
        ]
    else:
        lines = [" | ".join((r["label"], r["name"], r["assertion"], r["informant"], r["text"])) for r in rows]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("folder", SCENARIOS, ids=lambda folder: folder.name)
def test_a_scenario_gives_what_its_folder_expects(folder, tmp_path, request):
    scenario = tomllib.loads((folder / "scenario.toml").read_text(encoding="utf-8"))
    command = scenario["command"]
    if any("{shared}" in word for word in command):
        shared = request.getfixturevalue("shared_data")
        command = [word.replace("{shared}", str(shared)) for word in command]
    shutil.copytree(folder, tmp_path / "here")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "engine.cli", *command],
        cwd=tmp_path / "here",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == scenario.get("exit", 0), done.stderr
    expected = (folder / scenario["expected"]).read_text(encoding="utf-8")
    assert shown(scenario["show"], scenario.get("keys", []), done.stdout) == expected
    assert (folder / "README.md").exists()
    assert not list((tmp_path / "here").glob("*.graph"))
