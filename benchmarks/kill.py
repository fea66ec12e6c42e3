"""SIGKILL in the middle of `generate`, at random times: are the files those of an undisturbed run?

python benchmarks/kill.py [KILLS] [SENTENCES]              templates
python benchmarks/kill.py --server [KILLS] [SENTENCES]     a model server on loopback: calls made again are counted too
Last line: JSON.

A run is made in a copy (fork) of a process that has opened the graph, so that a kill costs no start of Python; one kill in ten
strikes the command itself, started from nothing. Four kills in five come once that process has written records, at a time from
then on; the others at a time from its start, so also while it reads what is there, or before it writes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

FILES = ("records.jsonl", "rejected.jsonl", "dead.jsonl", "manifest.json", "README.md", "recipe.toml")
SERVER = """
import sys
from faulty_model import FaultyModel
with FaultyModel(latency=0.05, answer=lambda prompt: "Blood pressure was 128/76 at the visit today.") as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""
COLD = 10  # one in so many
EARLY = 5  # one in so many comes at any time from the start
LONGEST = 1.0  # seconds to a kill from the first record of this process, at most


def size(target: Path) -> int:
    """Bytes of records on disk."""
    records = target / "records.jsonl"
    return records.stat().st_size if records.exists() else 0


def forked(work: Callable[[], Any]) -> int:
    """The process id of a copy of this process that does `work` and ends."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


def cold(arguments: list[str], target: Path) -> int:
    """The process id of the command."""
    log = subprocess.DEVNULL
    command = [sys.executable, "-m", "engine.cli", "generate", *arguments, "--out", str(target)]
    return subprocess.Popen(command, stdout=log, stderr=log).pid


def await_records(child: int, target: Path, begun: int) -> None:
    """Returns once the process has written records or has ended."""
    while size(target) <= begun and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        time.sleep(0.002)


def ended(child: int, within: float) -> int | None:
    """The exit code of a process that ended by itself, or None."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    return None


def check(whole: Path, target: Path) -> dict[str, int]:
    """How many files differ, and what is wrong with the records."""
    lines = (target / "records.jsonl").read_bytes().split(b"\n")
    right = (whole / "records.jsonl").read_bytes().split(b"\n")
    return {
        "different_files": sum((target / name).read_bytes() != (whole / name).read_bytes() for name in FILES),
        "torn": int(lines[-1] != b""),
        "missing": len(set(right) - set(lines)),
        "wrong": len(set(lines) - set(right)),
        "duplicate": len(lines) - len(set(lines)),
    }


def kill(kills: int, arguments: list[str], work: Callable[[Path], Any], home: Path) -> dict[str, int]:
    """Kills runs at random times until there were `kills`; every run is made to its end and compared."""
    chance = random.Random(1)  # noqa: S311 - times of kills, the same each run
    begun, whole = time.perf_counter(), home / "whole"
    if (code := ended(forked(lambda: work(whole)), 3600)) != 0:
        sys.exit(f"the undisturbed run ended with {code}")
    print(f"undisturbed: {time.perf_counter() - begun:.1f} s", flush=True)
    done = runs = writing = 0
    found = dict.fromkeys(("different_files", "torn", "missing", "wrong", "duplicate"), 0)
    while done < kills:
        runs += 1
        target, code = home / f"run{runs}", None
        for kept in (home / "cache").glob("answers.sqlite3*"):
            kept.unlink()  # every run asks the model itself
        while done < kills and code is None:
            begun_size = size(target)
            child = cold(arguments, target) if done % COLD == COLD - 1 else forked(lambda: work(target))  # noqa: B023 - used at once
            if chance.random() * EARLY >= 1:
                await_records(child, target, begun_size)
            code = ended(child, chance.uniform(0, LONGEST))
            if code is None:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                done += 1
                writing += size(target) > begun_size
                if done % 20 == 0:
                    print(f"kill {done} in run {runs}: {writing} while records were being written", flush=True)
        if code is None:
            code = ended(forked(lambda: work(target)), 3600)  # noqa: B023 - used at once
        if code != 0:
            sys.exit(f"a resumed run ended with {code}")
        for name, count in check(whole, target).items():
            found[name] += count
        print(f"run {runs} whole after {done} kills: {found}", flush=True)
    return {"kills": done, "kills_while_writing": writing, "runs": runs, **found}


def main() -> None:
    """Kills runs of templates, or of a model server."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kills", nargs="?", type=int, default=20)
    parser.add_argument("sentences", nargs="?", type=int, default=2000)
    parser.add_argument("--server", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if asked.server:
            figures = with_server(asked.kills, asked.sentences, Path(folder))
        else:
            arguments = ["-n", str(asked.sentences), "--seed", "3", "--catalog", "pack"]
            figures = kill(asked.kills, arguments, opened(asked.sentences), Path(folder))
        print(json.dumps({"sentences": asked.sentences, **figures}))


def opened(sentences: int, **options: Any) -> Callable[[Path], Any]:
    """Makes a run in a folder, with a graph that is open already."""
    from engine import generate, open_graph

    graph = open_graph(catalog="pack")
    list(generate(graph, 20, seed=1))
    return lambda target: [None for _ in generate(graph, sentences, seed=3, out=target, **options)]


def with_server(kills: int, sentences: int, home: Path) -> dict[str, int]:
    """Runs that a server on loopback writes; counts the calls that were made again because of kills."""
    servers = Path(__file__).parent.parent / "tests/servers"
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=servers) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        url = process.stdout.readline().decode().strip()
        os.environ |= {"DUALALIGN_MODEL_URL": url, "DUALALIGN_CACHE": str(home / "cache")}
        model = {"model": "vllm:m", "quotas": {"none": sentences}, "near_duplicate": 0.0}
        arguments = ["--model", "vllm:m", "--label", f"none={sentences}", "--near-duplicate", "0"]
        arguments += ["-n", str(sentences), "--seed", "3", "--catalog", "pack"]
        work = opened(sentences, **model)
        figures = kill(kills, arguments, work, home)
        figures["in_flight_at_most"] = 64
        with urllib.request.urlopen(f"{url.removesuffix('/v1')}/asked") as answer:  # noqa: S310 - our own server
            counts = json.load(answer)
        process.stdin.close()
    calls = sum(counts.values())
    return {**figures, "model_calls": calls, "repeated_calls": calls - sentences * (1 + figures["runs"])}


if __name__ == "__main__":
    main()
