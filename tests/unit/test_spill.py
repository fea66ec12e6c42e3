"""The temporary file of what does not fit in memory: readable by no one else, gone whatever happens."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from graph_loaders.spill import Spill


def test_what_is_spilled_can_be_opened_by_no_one_else_and_is_gone_whatever_happens(tmp_path, monkeypatch):
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    child = (
        "import os, sys, time\nfrom graph_loaders.spill import Spill\nwith Spill() as people:\n"
        "    for i in range(60000): people.add(str(i % 999), b'x' * 400)\n    next(iter(people))\n"
        "    print('ready', flush=True)\n    time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE, env={**os.environ})
    try:
        assert process.stdout is not None
        process.stdout.readline()
        if Path("/proc").is_dir():
            opened = [fd for fd in Path(f"/proc/{process.pid}/fd").iterdir() if str(tmp_path) in str(fd.readlink())]
            assert opened, "nothing was spilled"
            assert all(" (deleted)" in str(fd.readlink()) and fd.stat().st_mode & 0o777 == 0o600 for fd in opened)
        assert not list(tmp_path.iterdir())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert not list(tmp_path.iterdir())


def test_a_spill_has_no_name_while_it_is_there_and_leaves_none(tmp_path, monkeypatch):
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    with Spill() as people:
        people.add("a", b"x" * 10_000_000)
        assert list(people)
        assert not list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())
