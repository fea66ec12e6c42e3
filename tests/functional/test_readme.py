"""The README's commands and code are run as a reader would type them, in order, in one folder."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from graph_loaders.stores import ServerAddress, open_store
from ontology.errors import MissingGraph

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SERVER = "neo4j://127.0.0.1:7687"
BLOCKS = re.findall(r"^```(console|python)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands(block: str) -> list[str]:
    """Each `$ ` line with the lines that follow it (here-documents)."""
    found = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append(line[2:])
        elif found:
            found[-1] += f"\n{line}"
    return [command for command in found if "# not run" not in command]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("readme")


@pytest.fixture(scope="module")
def environment():
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def run(command: list[str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def on_a_server(neo4j_server):
    """Puts a graph of its own on the server of the tests in the place of the README's address; and what its password needs."""
    address = ServerAddress(neo4j_server.uri, neo4j_server.user, graph=f"readme-{secrets.token_hex(4)}")
    given = {"DUALALIGN_NEO4J_PASSWORD": neo4j_server.password}
    yield lambda text: text.replace(SERVER, str(address)), given
    try:
        store = open_store(address, password=neo4j_server.password)
    except MissingGraph:
        return
    store.drop_graph()


def block_of(number, request, environment):
    """The kind, text and environment of a block; one with a server's address runs against the server of the tests."""
    kind, block = BLOCKS[number]
    if not needs_server(block):
        return kind, block, environment
    changed, given = request.getfixturevalue("on_a_server")
    return kind, changed(block), {**environment, **given}


def needs_server(block):
    return any(SERVER in text for text in (commands(block) or [block]))


@pytest.mark.slow
@pytest.mark.parametrize(
    "number",
    [pytest.param(i, marks=pytest.mark.neo4j) if needs_server(text) else i for i, (_, text) in enumerate(BLOCKS)],
)
def test_every_block_runs_as_it_is_written(number, folder, environment, request):
    kind, block, environment = block_of(number, request, environment)
    if kind == "python":
        done = run([sys.executable, "-c", block], folder, environment)
        assert done.returncode == 0, done.stderr
        assert "False" not in done.stdout  # where an example compares two things, they are the same
        return
    for command in commands(block):
        done = run(["bash", "-euo", "pipefail", "-c", command], folder, environment)
        allowed = {0, 1} if "audit" in command else {0}  # an audit of few sentences may report what is missing
        assert done.returncode in allowed, f"{command}\n{done.stderr}"
        assert "Traceback" not in done.stderr


def test_every_command_of_the_table_exists(environment):
    done = subprocess.run(["dualalign", "--help"], env=environment, capture_output=True, text=True, check=True)
    listed = set(re.findall(r"^  ([a-z][a-z-]*) {2,}", done.stdout, re.MULTILINE))
    table = set(re.findall(r"^\| `([a-z-]+)", README, re.MULTILINE))
    assert table == listed


def test_every_option_that_the_readme_uses_is_in_the_help(environment):
    for command in [c for kind, block in BLOCKS if kind == "console" for c in commands(block)]:
        for part in re.findall(r"dualalign ([^|]*)", command):
            words = part.split()
            name = words[:2] if words[0] in {"graph", "catalog"} else words[:1]
            done = subprocess.run(
                ["dualalign", *name, "--help"], env=environment, capture_output=True, text=True, check=True
            )
            for option in re.findall(r"(?<![\w-])(--?[a-z-]+)", part):
                assert re.search(rf"(^|[\s,]){option}\b", done.stdout), f"{option} is not an option of {' '.join(name)}"
