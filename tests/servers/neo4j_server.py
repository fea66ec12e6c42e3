"""A real Neo4j for tests, benchmarks and development: the user's own, else one in Docker, else one made of Maven artefacts.

`python tests/servers/neo4j_server.py` runs one until Ctrl-C and says how to reach it. Version and settings come from
docker-compose.yml, so what is tested is what users start.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import compose_file
from neo4j_jars import Missing, jars_and_java

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

START_SECONDS = 180.0
_WATCH = Path(__file__).with_name("watch.py")


class NoServer(Exception):
    """None of the three ways leads to a server; the message is one line that says what is missing."""


class Neo4jServer:
    """A running server. `home` is its folder (None where it is not ours); `can_stop` says whether `stop` and `start` work.

    `settings` are those it was started with, by name; `origin` is `yours`, `docker` or `maven`.
    """

    origin = "yours"
    can_stop = False
    home: Path | None = None

    def __init__(self, uri: str, user: str, password: str, settings: Mapping[str, str] | None = None) -> None:
        self.uri, self.user, self.password = uri, user, password
        self.settings = dict(settings or {})

    def stop(self) -> None:
        """Stops it; the data stay."""
        raise NotImplementedError("a server of yours is not stopped by tests")

    def start(self) -> None:
        """Starts it again, on the same port."""
        raise NotImplementedError("a server of yours is not started by tests")

    def kill(self) -> None:
        """Ends it at once, as a power cut would."""
        raise NotImplementedError("a server of yours is not killed by tests")

    def close(self) -> None:
        """Ends what `find` began, and removes its folder."""

    def __repr__(self) -> str:
        return f"<Neo4j {self.origin} at {self.uri}>"


class MavenServer(Neo4jServer):
    """The community server as a child process on a free loopback port, in a folder of its own."""

    origin = "maven"
    can_stop = True

    def __init__(self, jars: Path, java: str) -> None:
        super().__init__("", "neo4j", secrets.token_urlsafe(16), compose_file.settings())
        self._jars, self._java = jars, java
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None
        self.home = Path(tempfile.mkdtemp(prefix="dualalign-neo4j-"))
        try:
            self._first_start()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int | None:
        """The process id, while it runs."""
        return self._process.pid if self._process is not None else None

    def _first_start(self) -> None:
        for attempt in range(3):  # another program may take the port between the look and the start
            self._port = _free_port()
            self.uri = f"neo4j://127.0.0.1:{self._port}"
            self._configure()
            try:
                self._launch("neo4j")
            except NoServer:
                if attempt == 2 or "in use" not in self.console():
                    raise
            else:
                break
        with _driver(self.uri, self.user, "neo4j") as driver:
            driver.execute_query(
                "ALTER CURRENT USER SET PASSWORD FROM $old TO $new", old="neo4j", new=self.password, database_="system"
            )

    def _configure(self) -> None:
        assert self.home is not None
        conf = self.home / "conf"
        for folder in (conf, self.home / "import", self.home / "logs"):
            folder.mkdir(exist_ok=True)
        self.settings |= {
            "server.bolt.listen_address": f"127.0.0.1:{self._port}",
            "server.bolt.advertised_address": f"127.0.0.1:{self._port}",
            "server.http.enabled": "false",
            "server.https.enabled": "false",
            "dbms.security.auth_enabled": "true",
        }
        lines = [f"{name}={value}\n" for name, value in sorted(self.settings.items())]
        (conf / "neo4j.conf").write_text("".join(lines), encoding="utf-8")

    def _launch(self, password: str) -> None:
        heap = self.settings.get("server.memory.heap.max_size", "1G")
        opens = [f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in ("java.nio", "java.io", "sun.nio.ch")]
        command = [
            self._java, *opens, f"-Xmx{heap}", "-XX:+UseG1GC", "-cp", f"{self._jars}/*", "org.neo4j.server.CommunityEntryPoint",
            f"--home-dir={self.home}", f"--config-dir={self.home}/conf",
        ]  # fmt: skip
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("NEO4J_", "DUALALIGN_", "JAVA_TOOL_"))}
        assert self.home is not None
        with (self.home / "logs" / "console.log").open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
            )  # a session of its own: Ctrl-C in the terminal ends the tests first, and they end it
        self._watcher = subprocess.Popen(
            [sys.executable, "-I", _WATCH, str(self._process.pid), str(self.home)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        self._wait(password)

    def _wait(self, password: str) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self._process is None or self._process.poll() is not None:
                raise NoServer(f"the Neo4j server ended while it started: {self._last_words()}")
            if _answers(self.uri, self.user, password):
                return
            time.sleep(0.2)
        raise NoServer(f"the Neo4j server did not answer within {START_SECONDS:.0f} s: {self._last_words()}")

    def console(self) -> str:
        """What the server has printed since it was last started."""
        assert self.home is not None
        return (self.home / "logs" / "console.log").read_text(encoding="utf-8", errors="replace")

    def _last_words(self) -> str:
        return " | ".join(line.strip() for line in self.console().splitlines()[-3:]) or "it printed nothing"

    def start(self) -> None:
        if self._process is None:
            self._launch(self.password)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.kill()  # it would remove the folder
            watcher.wait()
            assert watcher.stdin is not None
            watcher.stdin.close()
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def close(self) -> None:
        self._end(signal.SIGKILL)  # its folder goes with it: there is nothing to save
        if self.home is not None:
            shutil.rmtree(self.home, ignore_errors=True)


class DockerServer(Neo4jServer):
    """The image of docker-compose.yml through testcontainers, on a loopback port, with the same settings."""

    origin = "docker"
    can_stop = True

    def __init__(self) -> None:
        from testcontainers.core.container import DockerContainer

        service = compose_file.service()
        port = _free_port()
        super().__init__(f"neo4j://127.0.0.1:{port}", "neo4j", secrets.token_urlsafe(16), compose_file.settings())
        variables = {name: str(value) for name, value in service["environment"].items()}
        variables |= {
            "NEO4J_AUTH": f"neo4j/{self.password}",
            "NEO4J_server_bolt_advertised__address": f"127.0.0.1:{port}",
        }
        self._container = DockerContainer(service["image"], env=variables)
        self._container.ports["7687/tcp"] = ("127.0.0.1", port)  # type: ignore[assignment] # docker takes (address, port)
        try:
            self._container.start()
            self._wait()
        except BaseException:
            self.close()
            raise

    def _wait(self) -> None:
        end = time.monotonic() + START_SECONDS
        while not _answers(self.uri, self.user, self.password):
            if time.monotonic() > end:
                raise NoServer(f"Neo4j in Docker did not answer within {START_SECONDS:.0f} s")
            time.sleep(0.5)

    def start(self) -> None:
        self._container.get_wrapped_container().start()
        self._wait()

    def stop(self) -> None:
        self._container.get_wrapped_container().stop()

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def close(self) -> None:
        self._container.stop()


def find(environment: Mapping[str, str] | None = None) -> Neo4jServer:
    """A server: of `DUALALIGN_NEO4J_URI`, else in Docker, else of Maven artefacts. NoServer says what is missing for all of them."""
    known = os.environ if environment is None else environment
    if known.get("DUALALIGN_NEO4J_URI"):
        return _yours(known)
    if docker_answers():
        return DockerServer()
    try:
        return MavenServer(*jars_and_java())
    except Missing as reason:
        raise NoServer(f"no Neo4j for these tests: no DUALALIGN_NEO4J_URI, no Docker engine, and {reason}") from None


def _yours(known: Mapping[str, str]) -> Neo4jServer:
    uri, user, password = (known.get(f"DUALALIGN_NEO4J_{name}", "") for name in ("URI", "USER", "PASSWORD"))
    file = known.get("DUALALIGN_NEO4J_PASSWORD_FILE")
    if file and not password:
        try:
            password = Path(file).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, ValueError):
            raise NoServer(f"DUALALIGN_NEO4J_PASSWORD_FILE names {file}, which cannot be read") from None
    if not password:
        raise NoServer("DUALALIGN_NEO4J_URI is set and DUALALIGN_NEO4J_PASSWORD is not: tests cannot enter that server")
    server = Neo4jServer(uri, user or "neo4j", password)
    if not _answers(server.uri, server.user, server.password):
        raise NoServer(f"DUALALIGN_NEO4J_URI names {server.uri}, which does not let {server.user} in")
    return server


def docker_answers() -> bool:
    """Whether a Docker engine is there: something listens at its socket, and says so within five seconds."""
    host = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if host.startswith("unix://"):  # asked first, since docker's own client leaves a socket open where nobody listens
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(host.removeprefix("unix://"))
            except OSError:
                return False
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env(timeout=5)
    except (DockerException, RuntimeError):  # the latter: tests may not reach an engine on another machine
        return False
    try:
        return bool(client.ping())
    except (DockerException, OSError):
        return False
    finally:
        client.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _driver(uri: str, user: str, password: str) -> Iterator[Any]:
    from neo4j import GraphDatabase

    with GraphDatabase.driver(uri.replace("neo4j", "bolt", 1), auth=(user, password), connection_timeout=5) as driver:
        yield driver


def _answers(uri: str, user: str, password: str) -> bool:
    """Whether the server lets us in; one that wants the first password changed does, too."""
    from neo4j.exceptions import DriverError, Neo4jError

    try:
        with _driver(uri, user, password) as driver, driver.session(database="system") as session:
            session.run("SHOW DEFAULT DATABASE YIELD currentStatus").consume()  # no retries: whoever asks waits
    except Neo4jError as error:
        return "CredentialsExpired" in (error.code or "")
    except (DriverError, OSError):
        return False
    return True


@contextlib.contextmanager
def running() -> Iterator[Neo4jServer]:
    """A server for a block of code."""
    server = find()
    try:
        yield server
    finally:
        server.close()


def main() -> None:
    """Runs a server until it is interrupted."""
    try:
        with running() as server, tempfile.NamedTemporaryFile("w", prefix="dualalign-neo4j-password-") as file:
            file.write(server.password)
            file.flush()
            print(f"# {server!r}; Ctrl-C ends it. In another shell:")
            print(f"export DUALALIGN_NEO4J_URI={server.uri} DUALALIGN_NEO4J_PASSWORD_FILE={file.name}", flush=True)
            ends = {signal.SIGINT, signal.SIGTERM}
            signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # only now: the server must not inherit it
            signal.sigwait(ends)
    except NoServer as reason:
        sys.exit(str(reason))


if __name__ == "__main__":
    main()
