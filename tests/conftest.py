"""No test reaches beyond this machine, and none writes to the user's cache."""

from __future__ import annotations

import ipaddress
import os
import socket
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

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

_connect = socket.socket.connect
_connect_ex = socket.socket.connect_ex


class NetworkBlocked(RuntimeError):
    """A test tried to reach another machine."""


def _check(address: object) -> None:
    if not isinstance(address, tuple):  # a Unix socket
        return
    host = str(address[0])
    try:
        allowed = ipaddress.ip_address(host).is_loopback
    except ValueError:
        allowed = host == "localhost"
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
