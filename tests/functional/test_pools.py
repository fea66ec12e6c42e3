"""Workers in other processes and on Ray: the same bytes, and what is lost with them."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.runs import generate
from engine.runs.outcome import Slot
from engine.runs.pools import ProcessPool
from ontology.errors import ConfigError, WorkerLost
from pool_workers import killed_at_three, telling
from run_files import contents

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def whole(graph, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "run"
    with generate(graph, 300, seed=4, out=out) as run:
        list(run)
    return contents(out)


def test_a_worker_process_that_is_killed_ends_the_run_with_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("DUALALIGN_TEST_MARK", str(tmp_path / "mark"))
    pool = ProcessPool(killed_at_three, 2)
    try:
        pool.submit([Slot(3)])
        with pytest.raises(WorkerLost, match=r"give the same command again, with fewer --workers"):
            pool.next()
    finally:
        pool.close()
    assert (tmp_path / "mark").read_text() == "killed"


def test_worker_processes_see_the_environment_of_now(monkeypatch):
    for value in ("first", "second", None):
        if value is None:
            monkeypatch.delenv("DUALALIGN_TEST_TOLD")
        else:
            monkeypatch.setenv("DUALALIGN_TEST_TOLD", value)
        pool = ProcessPool(telling, 1)
        try:
            pool.submit([Slot(0)])
            assert pool.next() == [value]
        finally:
            pool.close()


@pytest.mark.slow
def test_ray_on_this_machine_gives_the_bytes_of_one_process(graph, whole, tmp_path):
    pytest.importorskip("ray", reason="the ray extra is not installed")
    with generate(graph, 300, seed=4, out=tmp_path / "ray", ray="local", workers=2) as run:
        list(run)
    assert contents(tmp_path / "ray") == whole


@pytest.mark.slow
def test_a_ray_actor_that_is_killed_loses_nothing(graph, whole, tmp_path):
    ray = pytest.importorskip("ray", reason="the ray extra is not installed")
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        with generate(graph, 300, seed=4, out=tmp_path / "ray", ray="local", workers=2) as run:
            records = iter(run)
            next(records)
            mine = [row for row in _actors() if row != os.getpid()]
            assert len(mine) == 2
            os.kill(mine[0], signal.SIGKILL)
            list(records)
    finally:
        ray.shutdown()
    assert contents(tmp_path / "ray") == whole


@pytest.mark.slow
def test_a_node_that_dies_in_the_middle_loses_nothing(tmp_path):
    """A cluster of a head and two nodes with one CPU each; three actors are asked for, one node goes, and nobody takes its place."""
    pytest.importorskip("ray", reason="the ray extra is not installed")
    secret = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    command = [sys.executable, "-m", "engine.cli", "generate", "-n", "1500", "--seed", "4", "--catalog", "pack"]
    subprocess.run([*command, "--out", tmp_path / "one"], check=True, capture_output=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    nodes, log = [], (tmp_path / "nodes.log").open("w")

    def node(*more: str) -> None:
        here = ["--node-ip-address", "127.0.0.1", "--object-store-memory", str(2**27), "--block"]
        order = [Path(sys.executable).with_name("ray"), "start", *here, *more]
        env = os.environ | secret | {"RAY_USAGE_STATS_ENABLED": "0"}
        nodes.append(subprocess.Popen(order, start_new_session=True, stdout=log, stderr=log, env=env))

    def kill(process: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    try:
        node("--head", "--port", address.rpartition(":")[2], "--num-cpus", "0", "--include-dashboard", "false")
        _await(lambda: _listens(address))
        told = subprocess.run(
            [*command, "--ray", address], env=_without_token(tmp_path), capture_output=True, text=True, check=False
        )
        assert told.returncode == 2, told.stderr
        assert "asks for its token: set RAY_AUTH_MODE=token" in told.stderr
        node("--address", address, "--num-cpus", "1")
        node("--address", address, "--num-cpus", "1")
        asked = [*command, "--out", tmp_path / "many", "--ray", address, "--workers", "3"]
        (tmp_path / ".ray").mkdir()  # the file that Ray looks for of itself
        (tmp_path / ".ray/auth_token").write_text(secret["RAY_AUTH_TOKEN"])
        held = _without_token(tmp_path) | {"RAY_AUTH_MODE": "token"}
        with subprocess.Popen(asked, env=held, stderr=subprocess.PIPE) as run:
            written = tmp_path / "many/records.jsonl"
            _await(
                lambda: (written.exists() and written.stat().st_size and len(_actors()) == 2) or run.poll() is not None
            )
            kill(nodes[1])
            said = run.communicate(timeout=180)[1].decode()
        assert run.returncode == 0, said
    finally:
        for process in nodes:
            kill(process)
        log.close()
    assert contents(tmp_path / "many") == contents(tmp_path / "one")


def _without_token(home: Path) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH_")}
    return plain | {"HOME": str(home)}


def _await(met: Callable[[], object], seconds: float = 180) -> None:
    until = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < until
        time.sleep(0.05)


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def _actors() -> list[int]:
    """Process ids of the actors of the Ray that this process started."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                line = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if line.startswith(b"ray::_Remote") and _descends(int(folder.name)):
                found.append(int(folder.name))
    return found


def _descends(process: int) -> bool:
    while process > 1:
        if process == os.getpid():
            return True
        try:
            process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return False


def test_a_cluster_that_is_not_there_is_one_sentence(graph):
    pytest.importorskip("ray", reason="the ray extra is not installed")
    with pytest.raises(ConfigError, match=r"no Ray cluster at '127\.0\.0\.1:1'"):
        list(generate(graph, 2, ray="127.0.0.1:1"))


@pytest.mark.slow
def test_worker_processes_end_with_a_run_that_is_killed(tmp_path):
    command = [sys.executable, "-m", "engine.cli", "generate", "-n", "5000", "--seed", "3", "--catalog", "pack"]
    process = subprocess.Popen(
        [*command, "--workers", "2", "--out", str(tmp_path / "run")],
        stderr=subprocess.DEVNULL,
        env={**os.environ, "DUALALIGN_TEST_RUN": str(tmp_path)},
    )
    records = tmp_path / "run" / "records.jsonl"
    while process.poll() is None and not (records.exists() and records.stat().st_size):
        time.sleep(0.05)
    process.kill()
    process.wait()
    until = time.monotonic() + 30
    while _marked(str(tmp_path)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not _marked(str(tmp_path))


def _marked(mark: str) -> list[str]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and folder.name != str(os.getpid()):
            try:
                if f"DUALALIGN_TEST_RUN={mark}\0".encode() in (folder / "environ").read_bytes():
                    found.append(folder.name)
            except OSError:
                continue
    return found
