"""No test reaches beyond this machine, and none writes to the user's cache."""

from __future__ import annotations

import ipaddress
import os
import socket
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from neo4j_server import Neo4jServer

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"

settings.register_profile("dualalign", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("dualalign")

_cache = tempfile.TemporaryDirectory(prefix="dualalign-tests-")
os.environ["DUALALIGN_CACHE"] = os.environ.get("DUALALIGN_TEST_CACHE") or _cache.name
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["HF_DATASETS_CACHE"] = str(Path(_cache.name) / "hf-datasets")
for _name in ("DUALALIGN_MODEL_URL", "DUALALIGN_MODEL_KEY", "OPENAI_API_KEY"):
    os.environ.pop(_name, None)

# A Neo4j that the user offers is reached through the fixture alone, never by a test that forgot to say which server it means.
_offered = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("DUALALIGN_NEO4J_")}
_server_host = urlsplit(_offered.get("DUALALIGN_NEO4J_URI", "")).hostname or ""

_connect = socket.socket.connect
_connect_ex = socket.socket.connect_ex


class NetworkBlocked(RuntimeError):
    """A test tried to reach another machine."""


@cache
def _server_addresses() -> frozenset[str]:
    """Where the user's own Neo4j is: the one machine beyond this one that tests may reach."""
    if not _server_host:
        return frozenset()
    return frozenset({_server_host, *(str(found[4][0]) for found in socket.getaddrinfo(_server_host, None))})


def _check(address: object) -> None:
    if not isinstance(address, tuple):  # a Unix socket
        return
    host = str(address[0])
    try:
        allowed = ipaddress.ip_address(host).is_loopback
    except ValueError:
        allowed = host == "localhost"
    allowed = allowed or host in _server_addresses()
    if not allowed:
        raise NetworkBlocked(f"tests reach no other machine; this one tried {address}")


def _guarded_connect(self: socket.socket, address: object) -> None:
    _check(address)
    return _connect(self, address)


def _guarded_connect_ex(self: socket.socket, address: object) -> int:
    _check(address)
    return _connect_ex(self, address)


socket.socket.connect = _guarded_connect
socket.socket.connect_ex = _guarded_connect_ex


@pytest.fixture(scope="session")
def cache_dir() -> Path:
    """The cache folder of this test session."""
    return Path(os.environ["DUALALIGN_CACHE"])


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data beside the project; skips with one line where there is none."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared/data beside the project: this test reads real data from there")
    return SHARED


@pytest.fixture(scope="session")
def neo4j_server() -> Iterator[Neo4jServer]:
    """A real Neo4j, started for the first test that asks and ended with the session; without one these tests are skipped.

    With CI=true they fail: what was meant to run did not.
    """
    import neo4j_server as servers

    try:
        server = servers.find(_offered)
    except servers.NoServer as reason:
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail(str(reason), pytrace=False)
        pytest.skip(str(reason))
    yield server
    server.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`-m neo4j` finds every test that asks for the server by name."""
    for item in items:
        if "neo4j_server" in getattr(item, "fixturenames", ()):
            item.add_marker("neo4j")
