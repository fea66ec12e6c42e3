"""Runs that stop: killed, on a full disk, in parts, in a folder of another run; what is made in the end is the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.runs import generate
from ontology.errors import RunConflict, StoreError
from run_files import contents


def test_a_changed_recipe_over_an_old_run_is_refused_with_the_difference(graph, tmp_path):
    with generate(graph, 6, seed=1, out=tmp_path / "run") as run:
        list(run)
    before = contents(tmp_path / "run")
    with pytest.raises(RunConflict, match="seed: 1 there, 2 asked"):
        generate(graph, 6, seed=2, out=tmp_path / "run")
    assert contents(tmp_path / "run") == before


def test_a_folder_with_other_files_is_refused(graph, tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(RunConflict, match="holds other files"):
        generate(graph, 6, out=tmp_path)


def test_two_writers_of_one_folder_are_refused(graph, tmp_path):
    with generate(graph, 6, out=tmp_path / "run"), pytest.raises(StoreError, match="another process"):
        generate(graph, 6, out=tmp_path / "run")


def test_a_forked_run_stands_beside_the_old_one_and_goes_on_as_itself(graph, tmp_path):
    with generate(graph, 6, seed=1, out=tmp_path / "run") as run:
        old = list(run)
    with pytest.raises(RunConflict, match=r"--fork"):
        generate(graph, 6, seed=2, out=tmp_path / "run")
    with generate(graph, 6, seed=2, out=tmp_path / "run", fork=True) as run:
        new = list(run)
        assert run.folder is not None
        assert run.folder.path == tmp_path / "run-2"
    with generate(graph, 6, seed=2, out=tmp_path / "run", fork=True) as run:
        assert list(run) == new != old
    with generate(graph, 6, seed=1, out=tmp_path / "run", fork=True) as run:
        assert list(run) == old
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run-2"]


@pytest.mark.parametrize("cut", [1, 7, 200, 1500])
def test_a_torn_tail_is_cut_and_made_again(graph, tmp_path, cut):
    with generate(graph, 20, seed=6, out=tmp_path / "run") as run:
        list(run)
    whole = contents(tmp_path / "run")
    path = tmp_path / "run" / "records.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    with generate(graph, 20, seed=6, out=tmp_path / "run") as run:
        list(run)
    assert contents(tmp_path / "run") == whole


def test_a_run_in_parts_is_the_run_in_one_go(graph, tmp_path):
    with generate(graph, 90, seed=8, out=tmp_path / "whole") as run:
        list(run)
    for stop in (1, 30, 65, 90):
        with generate(graph, 90, seed=8, out=tmp_path / "parts") as run:
            run._batch = 16
            records = iter(run)
            for _ in range(stop):
                next(records, None)
            records.close()
    with generate(graph, 90, seed=8, out=tmp_path / "parts") as run:
        list(run)
    assert contents(tmp_path / "whole") == contents(tmp_path / "parts")


def test_kill_9_in_the_middle_changes_no_byte(tmp_path):
    command = [sys.executable, "-m", "engine.cli", "generate", "-n", "400", "--seed", "3", "--catalog", "pack"]
    subprocess.run([*command, "--out", str(tmp_path / "whole")], check=True, capture_output=True)
    kills = 0
    for _ in range(60):
        process = subprocess.Popen([*command, "--out", str(tmp_path / "killed")], stderr=subprocess.PIPE)
        records = tmp_path / "killed" / "records.jsonl"
        size = records.stat().st_size if records.exists() else 0
        while process.poll() is None and (not records.exists() or records.stat().st_size <= size) and kills < 3:
            time.sleep(0.01)
        if process.poll() is None and kills < 3:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.communicate()
        if process.returncode == 0:
            break
    assert kills >= 2
    assert contents(tmp_path / "whole") == contents(tmp_path / "killed")


def test_no_space_left_is_one_sentence_and_the_run_goes_on(graph, tmp_path):
    target = Path("/dev/full")
    if not target.exists():
        pytest.skip("no /dev/full on this system")
    run = generate(graph, 10, seed=1, out=tmp_path / "run")
    run._batch = 4
    records = iter(run)
    next(records)
    assert run.folder is not None
    with target.open("wb") as full:
        os.dup2(full.fileno(), run.folder._files["records.jsonl"].fileno())
    with pytest.raises(StoreError, match=r"No space left on device.*goes on where it stopped"):
        list(records)
    run.close()
    assert (tmp_path / "run" / "records.jsonl").read_bytes().count(b"\n") == 4
    with generate(graph, 10, seed=1, out=tmp_path / "run") as again:
        assert len(list(again)) == 10


@pytest.fixture
def small_disk(tmp_path):
    """A disk of one megabyte of its own, which root may make."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("a disk cannot be made here: mount needs root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_ends_the_command_cleanly_and_it_goes_on_once_there_is_room(graph, tmp_path, small_disk):
    command = [
        sys.executable,
        "-m",
        "engine.cli",
        "generate",
        "-n",
        "1700",
        "--seed",
        "3",
        "--catalog",
        "pack",
        "--out",
    ]
    ended = subprocess.run([*command, str(small_disk / "run")], capture_output=True, text=True, check=False)
    assert ended.returncode == 3, ended.stderr
    assert "No space left on device" in ended.stderr
    assert "Traceback" not in ended.stderr
    kept = (small_disk / "run" / "records.jsonl").read_bytes()
    assert kept.endswith(b"\n")
    assert kept.count(b"\n") > 100
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    with generate(graph, 1700, seed=3, out=small_disk / "run") as run:
        list(run)
    with generate(graph, 1700, seed=3, out=tmp_path / "whole") as run:
        list(run)
    assert contents(small_disk / "run") == contents(tmp_path / "whole")


def test_a_read_only_disk_is_one_sentence_and_what_was_there_stays(graph, small_disk):
    with generate(graph, 20, seed=3, out=small_disk / "run") as run:
        next(iter(run))
    before = (small_disk / "run" / "records.jsonl").read_bytes()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StoreError, match=r"Read-only file system.*choose an --out"):
        generate(graph, 20, seed=3, out=small_disk / "run")
    with pytest.raises(StoreError, match="Read-only file system"):
        generate(graph, 20, seed=3, out=small_disk / "other")
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert (small_disk / "run" / "records.jsonl").read_bytes() == before
