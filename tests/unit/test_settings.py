from __future__ import annotations

import os
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from engine.settings import Settings
from graph_loaders.stores.address import ServerAddress
from ontology.errors import ConfigError

CANARY = "s3cr3t-canary"


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    for name in list(os.environ):
        if name.startswith("DUALALIGN_NEO4J"):
            monkeypatch.delenv(name)


def test_flag_wins_over_environment_over_default(monkeypatch):
    assert Settings.load().neo4j_user == "neo4j"
    monkeypatch.setenv("DUALALIGN_NEO4J_USER", "reader")
    assert Settings.load().neo4j_user == "reader"
    assert Settings.load(neo4j_user="ann").neo4j_user == "ann"


def test_an_address_wins_over_the_environment(monkeypatch):
    monkeypatch.setenv("DUALALIGN_NEO4J_URI", "bolt://home:7000/research?graph=clinic")
    monkeypatch.setenv("DUALALIGN_NEO4J_USER", "reader")
    monkeypatch.setenv("DUALALIGN_NEO4J_DATABASE", "trial")
    found = Settings.load()
    assert found.graph_target("neo4j://ann@host/own?graph=x") == ServerAddress("neo4j://host:7687", "ann", "own", "x")
    assert found.graph_target("neo4j://host") == ServerAddress("neo4j://host:7687", "reader", "trial", "dualalign")
    assert found.graph_target("neo4j://") == ServerAddress("bolt://home:7000", "reader", "research", "clinic")
    assert found.graph_target("neo4j:///?graph=x").graph == "x"


def test_files_stay_files():
    assert Settings.load().graph_target("ad.graph") == "ad.graph"
    assert Settings.load().graph_target(Path("ad.graph")) == Path("ad.graph")


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_password_may_stand_in_a_file(monkeypatch, tmp_path, ending):
    file = tmp_path / "password"
    file.write_bytes(f"{CANARY} ü{ending}".encode())
    monkeypatch.setenv("DUALALIGN_NEO4J_PASSWORD_FILE", str(file))
    assert Settings.load().neo4j_password == f"{CANARY} ü"
    assert Settings.load(neo4j_password="other").neo4j_password == "other"


def test_a_password_given_twice_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("DUALALIGN_NEO4J_PASSWORD", CANARY)
    monkeypatch.setenv("DUALALIGN_NEO4J_PASSWORD_FILE", str(tmp_path / "password"))
    with pytest.raises(ConfigError, match="both set; keep one") as caught:
        Settings.load()
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"", b"\n", b"two\nlines", b"\xff\xfe", b"x" * 5000])
def test_a_password_file_that_cannot_be_used_is_named_and_not_shown(monkeypatch, tmp_path, content):
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("DUALALIGN_NEO4J_PASSWORD_FILE", str(file))
    with pytest.raises(ConfigError, match="DUALALIGN_NEO4J_PASSWORD_FILE names") as caught:
        Settings.load()
    assert str(file) in str(caught.value)
    assert "xxx" not in str(caught.value)
    assert "lines" not in str(caught.value).replace("one line", "")


def test_secrets_do_not_show():
    found = replace(Settings.load(), neo4j_password=CANARY, model_key=CANARY)
    assert CANARY not in repr(found)
    assert CANARY not in str(found)
    assert CANARY not in f"{found}"


def test_a_process_that_opens_no_graph_gets_no_password():
    found = replace(Settings.load(), neo4j_password=CANARY, model_key="key")
    assert CANARY not in asdict(found.without_secrets()).values()
    assert found.without_secrets().model_key == "key"


def test_the_bounds_of_model_calls_are_read_from_the_environment(monkeypatch):
    monkeypatch.setenv("DUALALIGN_MODEL_TIMEOUT", "2.5")
    monkeypatch.setenv("DUALALIGN_MODEL_CONCURRENCY", "8")
    found = Settings.load()
    assert (found.model_timeout, found.model_concurrency, found.model_tokens) == (2.5, 8, None)
    assert Settings.load(model_timeout=1.0).model_timeout == 1.0


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "inf", "1,2"])
def test_a_time_out_that_is_no_time_is_refused(monkeypatch, text):
    monkeypatch.setenv("DUALALIGN_MODEL_TIMEOUT", text)
    with pytest.raises(ConfigError, match=r"DUALALIGN_MODEL_TIMEOUT is .* it takes a number of at least 0\.1"):
        Settings.load()
