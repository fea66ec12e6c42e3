"""The server that tests run against: where it comes from, what it is like, that it goes away, and that it is what users start."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml
from neo4j import GraphDatabase
from neo4j.exceptions import Neo4jError

import compose_file
import neo4j_jars
import neo4j_server as servers

SERVERS = Path(servers.__file__).parent
ROOT = SERVERS.parents[1]
COMPOSE = yaml.safe_load(compose_file.COMPOSE.read_text(encoding="utf-8"))


@contextmanager
def session(server, database="neo4j"):
    with (
        GraphDatabase.driver(server.uri, auth=(server.user, server.password)) as driver,
        driver.session(database=database) as opened,
    ):
        yield opened


@contextmanager
def web(status=200):
    """A web server on loopback that keeps what it was asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self._answer()

        def do_GET(self):
            asked.append(self.path)
            self._answer()

        def _answer(self):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"a,b\n")

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port, asked
        finally:
            server.shutdown()
            thread.join()


# What users start


def test_compose_file_meets_the_specification(tmp_path):
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    assert subprocess.run([*check, compose_file.COMPOSE], check=False, capture_output=True).returncode == 0
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text(
        compose_file.COMPOSE.read_text(encoding="utf-8").replace("interval: 5s", "intervall: 5s"), encoding="utf-8"
    )
    assert subprocess.run([*check, wrong], check=False, capture_output=True).returncode == 1


def test_compose_itself_accepts_the_file_and_refuses_it_without_a_password():
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], check=False, capture_output=True).returncode:
        pytest.skip("no `docker compose` here; the file is checked against the specification's schema alone")
    command = [docker, "compose", "--file", compose_file.COMPOSE, "--profile", "gpu", "config", "--quiet"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DUALALIGN_NEO4J")}
    given = {**clean, "DUALALIGN_NEO4J_PASSWORD": "a password"}
    assert subprocess.run(command, env=given, check=False, capture_output=True).returncode == 0
    without = subprocess.run(command, env=clean, check=False, capture_output=True, text=True)
    assert without.returncode != 0
    assert "at least 8 characters" in without.stderr


@pytest.mark.parametrize("name", sorted(COMPOSE["services"]))
def test_every_service_is_pinned_on_loopback_and_says_how_it_feels_and_for_whom(name):
    service = COMPOSE["services"][name]
    assert re.fullmatch(r"[\w/-]+:v?\d+\.\d+\.\d+(-\w+)?", service["image"])
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert service["healthcheck"]["test"][0] == "CMD-SHELL"
    assert {volume.partition(":")[0] for volume in service["volumes"]} <= set(COMPOSE["volumes"])
    text = compose_file.COMPOSE.read_text(encoding="utf-8")
    assert re.search(rf"# Who needs it: .+\n(  #.*\n)*  {name}:\n", text)


def test_no_password_is_written_in_the_compose_file():
    auth = COMPOSE["services"]["neo4j"]["environment"]["NEO4J_AUTH"]
    assert re.fullmatch(r"neo4j/\$\{DUALALIGN_NEO4J_PASSWORD:\?[^}]+\}", auth)  # `:?` refuses to start without one
    assert "profiles" not in COMPOSE["services"]["neo4j"]
    assert COMPOSE["services"]["vllm"]["profiles"] == ["gpu"]


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (500, False)])
def test_vllm_is_healthy_when_it_completes_a_text(status, healthy):
    if shutil.which("curl") is None:
        pytest.skip("no curl here: the health check of vLLM is not run")
    check = COMPOSE["services"]["vllm"]["healthcheck"]["test"][1]
    check = re.sub(r"\$\{VLLM_MODEL:-([^}]+)\}", r"\1", check)
    with web(status) as (port, asked):
        done = subprocess.run(["sh", "-c", check.replace(":8000/", f":{port}/")], check=False, capture_output=True)
    assert (done.returncode == 0) == healthy
    (body,) = [yaml.safe_load(text) for text in asked]
    assert body == {"model": "meta-llama/Llama-3.1-8B-Instruct", "prompt": "ok", "max_tokens": 1}


def bytes_of(text):
    """A size in the ways Neo4j writes it (`1G`, `1.00GiB`), in bytes; anything else as it is."""
    size = re.fullmatch(r"([\d.]+)([KMG])(iB)?", text)
    return float(size[1]) * 1024 ** " KMG".index(size[2]) if size else text


def test_settings_in_the_compose_file_are_those_the_server_runs_with(neo4j_server):
    if neo4j_server.origin == "yours":
        pytest.skip("the server of DUALALIGN_NEO4J_URI has settings of its own")
    wanted = {name: bytes_of(value) for name, value in compose_file.settings().items() if "internal." not in name}
    with session(neo4j_server) as asked:
        rows = asked.run("SHOW SETTINGS YIELD name, value WHERE name IN $names RETURN name, value", names=list(wanted))
        assert {row["name"]: bytes_of(row["value"]) for row in rows} == wanted
        version = asked.run("CALL dbms.components() YIELD versions RETURN versions[0] AS v").single()["v"]
    assert version == compose_file.version()


def test_the_server_fetches_no_address_and_reads_no_file(neo4j_server):
    if neo4j_server.origin == "yours":
        pytest.skip("the server of DUALALIGN_NEO4J_URI has settings of its own")
    with web() as (port, asked), session(neo4j_server) as opened:
        for url in (
            f"http://127.0.0.1:{port}/x.csv",
            f"http://localhost:{port}/x.csv",
            "file:///x.csv",
            "file:///etc/passwd",
        ):
            with pytest.raises(Neo4jError):
                opened.run("LOAD CSV FROM $url AS row RETURN row", url=url).consume()
    assert asked == []


def test_a_query_may_not_take_the_whole_memory_of_the_server(neo4j_server):
    if neo4j_server.origin == "yours":
        pytest.skip("the server of DUALALIGN_NEO4J_URI has settings of its own")
    with session(neo4j_server) as opened:
        with pytest.raises(Neo4jError, match=r"db\.memory.transaction\.max"):
            opened.run(
                "UNWIND range(1, 40000000) AS x WITH collect({x: x, y: toString(x)}) AS many RETURN size(many)"
            ).consume()
        assert opened.run("RETURN 1 AS x").single()["x"] == 1


# The server of the tests


def test_a_password_is_needed(neo4j_server):
    with (
        GraphDatabase.driver(neo4j_server.uri, auth=(neo4j_server.user, "neo4j")) as driver,
        pytest.raises(Neo4jError) as caught,
    ):
        driver.verify_connectivity()
    assert caught.value.code == "Neo.ClientError.Security.Unauthorized"
    assert neo4j_server.password not in repr(neo4j_server)


@pytest.mark.slow
def test_what_was_written_is_there_after_a_power_cut(neo4j_server):
    if not neo4j_server.can_stop:
        pytest.skip("a server of yours is not killed")
    with session(neo4j_server) as opened:
        opened.run("CREATE (:NotOurs {x: 1})").consume()
    neo4j_server.kill()
    neo4j_server.start()
    with session(neo4j_server) as opened:
        assert opened.run("MATCH (n:NotOurs) RETURN count(n) AS n").single()["n"] == 1
        opened.run("MATCH (n:NotOurs) DELETE n").consume()


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").exists() and " Z " in Path(f"/proc/{pid}/stat").read_text()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_watched_process_and_its_folder_go_with_the_one_who_started_them(tmp_path, how):
    folder = tmp_path / "home"
    folder.mkdir()
    script = """
        import subprocess, sys, time
        child = subprocess.Popen(["sleep", "600"], start_new_session=True)
        subprocess.Popen([sys.executable, "-I", sys.argv[1], str(child.pid), sys.argv[2]], stdin=subprocess.PIPE, start_new_session=True)
        print(child.pid, flush=True)
        time.sleep(600)
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), SERVERS / "watch.py", folder], stdout=subprocess.PIPE, text=True
    )
    pid = int(parent.stdout.readline())
    time.sleep(0.3)
    parent.send_signal(how)
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 20
    while not (gone(pid) and not folder.exists()) and time.monotonic() < end:
        time.sleep(0.1)
    assert gone(pid)
    assert not folder.exists()


# What is missing


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine with nothing on its path, no Docker, and an empty cache."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    monkeypatch.setenv("DUALALIGN_TEST_CACHE", str(tmp_path / "cache"))
    (tmp_path / "bin").mkdir()
    return tmp_path


def tool(folder, name, text):
    path = folder / "bin" / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_a_machine_without_java_is_told_so_in_one_line(bare):
    with pytest.raises(servers.NoServer, match=r"no Docker engine, and no java 17 \(apt-get install") as caught:
        servers.find({})
    assert "\n" not in str(caught.value)


def test_an_old_java_is_named(bare):
    tool(bare, "java", "echo 'openjdk version \"11.0.2\"' >&2")
    with pytest.raises(servers.NoServer, match="java is 11, below 17"):
        servers.find({})


def test_a_machine_without_maven_is_told_so(bare):
    tool(bare, "java", "echo 'openjdk version \"17.0.2\"' >&2")
    with pytest.raises(servers.NoServer, match="java without mvn"):
        servers.find({})


def test_a_resolution_that_fails_leaves_nothing_behind(bare):
    tool(bare, "java", "echo 'openjdk version \"17.0.2\"' >&2")
    tool(bare, "mvn", "echo '[ERROR] Could not transfer artifact'; exit 1")
    with pytest.raises(servers.NoServer, match=r"Maven could not resolve.*Could not transfer"):
        servers.find({})
    assert list((bare / "cache").iterdir()) == []


def test_a_cache_that_lost_a_jar_is_made_anew(bare):
    tool(bare, "java", "echo 'openjdk version \"17.0.2\"' >&2")
    copied = '/bin/mkdir "$1"; echo x > "$1/a.jar"; echo x > "$1/b.jar"'
    tool(bare, "mvn", f'for a; do case $a in -DoutputDirectory=*) set -- "${{a#*=}}";; esac; done\n{copied}')
    jars, _ = neo4j_jars.jars_and_java()
    assert sorted(path.name for path in jars.iterdir()) == ["a.jar", "b.jar"]
    (jars / "a.jar").unlink()
    jars, _ = neo4j_jars.jars_and_java()
    assert sorted(path.name for path in jars.iterdir()) == ["a.jar", "b.jar"]
    assert [path.name for path in (bare / "cache").iterdir()] == [f"neo4j-{compose_file.version()}"]


def test_a_server_of_yours_that_does_not_let_tests_in_is_named(bare):
    given = {"DUALALIGN_NEO4J_URI": "bolt://127.0.0.1:1", "DUALALIGN_NEO4J_PASSWORD": "s3cr3t-canary"}
    with pytest.raises(servers.NoServer, match="which does not let neo4j in") as caught:
        servers.find(given)
    assert "canary" not in str(caught.value)
    with pytest.raises(servers.NoServer, match="DUALALIGN_NEO4J_PASSWORD is not"):
        servers.find({"DUALALIGN_NEO4J_URI": "bolt://127.0.0.1:1"})


@pytest.mark.parametrize(("ci", "outcome"), [("true", "failed"), ("", "skipped")])
def test_tests_without_a_server_are_skipped_loudly_and_fail_in_ci(bare, ci, outcome):
    (bare / "test_one.py").write_text("def test_one(neo4j_server): pass\ndef test_two(neo4j_server): pass\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", ROOT / "pyproject.toml", "--rootdir", ROOT, "-p", "tests_conftest",
         bare / "test_one.py"],
        env={**os.environ, "CI": ci, "PYTHONPATH": str(_plugin(bare))}, cwd=bare, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "no Neo4j for these tests: no DUALALIGN_NEO4J_URI, no Docker engine, and no java 17" in done.stdout
    assert re.search(rf"2 {outcome if outcome == 'skipped' else 'errors?'}", done.stdout), done.stdout


def _plugin(folder):
    """The project's conftest under a name that a test elsewhere can load."""
    path = folder / "plugin"
    path.mkdir()
    (path / "tests_conftest.py").symlink_to(ROOT / "tests" / "conftest.py")
    return path
