"""Every command that takes a GRAPH gives the same on a server as on a file; no password shows; mistakes are one sentence."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import traceback

import pytest

from bolt_stub import bolt_stub
from engine import Settings, open_graph
from graph_loaders.stores import open_store
from graph_loaders.stores.address import ServerAddress
from ontology.errors import ConfigError, DualAlignError, StoreError

WRONG = "wr0ng-canary-5e1f"
MAPPING = """
cohort = "clinic"
source = "memory clinic"
[person]
id = "id"
age = "age"
[traits.sex]
column = "sex"
values = { F = "female", M = "male" }
[[events]]
cui = "C0085632"
column = "npi_apathy"
when = ">= 1"
[[events]]
cui = "C0234985"
column = "mmse"
when = "< 24"
"""
VISITS = "id,age,sex,mmse,npi_apathy\n1,71,F,28,0\n1,73,F,25,1\n1,75,F,21,1\n2,80,M,26,0\n2,82,M,22,0\n2,83,M,19,1\n"
NEXT = "MATCH (a:Concept)-[p:PRECEDES]->(b:Concept) WHERE a.cui = $cui RETURN b.name AS next, p.persons AS n ORDER BY next, n"


class Server:
    """The server as the command line sees it: an address a graph, and what has to be in the environment."""

    def __init__(self, server):
        self.server, self.made = server, []
        self.environment = {"DUALALIGN_NEO4J_PASSWORD": server.password}

    def address(self):
        found = ServerAddress(self.server.uri, self.server.user, graph=f"t{secrets.token_hex(6)}")
        self.made.append(found)
        return str(found)

    def clean(self):
        for address in self.made:
            try:
                store = open_store(address, password=self.server.password)
            except StoreError:
                continue
            store.drop_graph()


@pytest.fixture(scope="module")
def server(neo4j_server):
    found = Server(neo4j_server)
    yield found
    found.clean()


def dualalign(*arguments, cwd=None, **environment):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DUALALIGN_NEO4J")}
    return subprocess.run(
        [sys.executable, "-P", "-m", "engine.cli", *map(str, arguments)],
        cwd=cwd, env={**clean, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def commands(graph, folder):
    """Each command that takes a GRAPH, in an order that builds one up."""
    (folder / "visits.csv").write_text(VISITS)
    (folder / "visits.toml").write_text(MAPPING)
    table = ("load", "table", "visits.csv", "--mapping", "visits.toml", "--graph", graph, "--json")
    return {
        "load facts": ("load", "facts", "--graph", graph, "--json"),
        "load table": table,
        "info": ("graph", "info", graph, "--json"),
        "query": ("graph", "query", graph, NEXT, "--param", "cui=C0085632", "--json"),
        "next": ("graph", "next", graph, "Apathy", "--sex", "female", "--json"),
        "json": ("graph", "export", graph, "graph.json"),
        "copy": ("graph", "copy", graph, "copy.graph", "--json"),
        "sample": ("sample", graph, "-n", "5", "--seed", "7"),
        "generate": (
            "generate",
            graph,
            "-n",
            "12",
            "--seed",
            "7",
            "--catalog",
            "pack",
            "--workers",
            "2",
            "--out",
            "run",
        ),
        "audit": ("audit", "run", "--graph", graph, "--catalog", "pack", "--html", "audit.html", "--json"),
    }


def outcome(graph, folder, environment):
    """What every command prints and leaves behind, with the graph's own name taken out."""
    done = {name: dualalign(*asked, cwd=folder, **environment) for name, asked in commands(graph, folder).items()}
    printed = {
        name: (one.returncode, one.stdout.replace(str(graph), "GRAPH"), one.stderr.replace(str(graph), "GRAPH"))
        for name, one in done.items()
    }
    files = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    return printed, files


@pytest.fixture(scope="module")
def on_the_server(server, tmp_path_factory):
    return outcome(server.address(), tmp_path_factory.mktemp("server"), server.environment)


@pytest.fixture(scope="module")
def in_a_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("file")
    printed, files = outcome("ad.graph", folder, {})
    del files["ad.graph"]
    return printed, files


@pytest.mark.slow
def test_every_command_prints_the_same_on_both_stores(on_the_server, in_a_file):
    printed, expected = on_the_server[0], in_a_file[0]
    for name, (code, out, err) in printed.items():
        assert code in ({0, 1} if name == "audit" else {0}), f"{name}: {err}"
        assert (code, out, err) == expected[name], name


@pytest.mark.slow
def test_every_file_is_the_same_on_both_stores(on_the_server, in_a_file):
    files, expected = on_the_server[1], in_a_file[1]
    assert files.keys() == expected.keys()
    assert "run/records.jsonl" in files
    names = [name for name in files if files[name] != expected[name]]
    assert names == []  # copy.graph included: the file of a graph that was on a server is the file of one that was not


@pytest.mark.slow
def test_no_password_is_printed_or_left_behind(on_the_server, server):
    printed, files = on_the_server
    secret = server.server.password
    assert secret not in str(printed)
    assert [name for name, data in files.items() if secret.encode() in data] == []
    if server.server.home is not None:
        logs = list((server.server.home / "logs").rglob("*"))
        assert logs
        assert [path.name for path in logs if path.is_file() and secret.encode() in path.read_bytes()] == []


@pytest.mark.slow
def test_a_graph_goes_to_a_server_and_back_byte_by_byte(server, tmp_path):
    address = server.address()
    dualalign("load", "facts", "--graph", tmp_path / "one.graph")
    there = dualalign("graph", "copy", tmp_path / "one.graph", address, "--json", **server.environment)
    back = dualalign("graph", "copy", address, tmp_path / "two.graph", "--json", **server.environment)
    assert json.loads(there.stdout)["fingerprint"] == json.loads(back.stdout)["fingerprint"]
    assert (tmp_path / "one.graph").read_bytes() == (tmp_path / "two.graph").read_bytes()
    again = dualalign("graph", "copy", tmp_path / "one.graph", address, "--json", **server.environment)
    assert json.loads(again.stdout)["written"] is False


def test_the_environment_fills_in_what_an_address_leaves_out(server, tmp_path):
    address = ServerAddress(server.server.uri, server.server.user, graph=f"t{secrets.token_hex(6)}")
    server.made.append(address)
    (tmp_path / "password").write_text(f"{server.server.password}\n")
    given = {
        "DUALALIGN_NEO4J_URI": server.server.uri,
        "DUALALIGN_NEO4J_USER": server.server.user,
        "DUALALIGN_NEO4J_PASSWORD_FILE": str(tmp_path / "password"),
    }
    done = dualalign("load", "facts", "--graph", f"neo4j:///?graph={address.graph}", "--json", **given)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["graph"] == str(address)


# What goes wrong


def refused(server, address, code, *parts, **environment):
    """Reading and loading are both refused in one sentence that shows no password."""
    for asked in (("graph", "info", address), ("load", "facts", "--graph", address)):
        done = dualalign(*asked, **{**server.environment, **environment})
        assert done.returncode == code, done.stderr
        assert done.stdout == ""
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
        for part in parts:
            assert part in done.stderr
        assert WRONG not in done.stderr
        assert server.server.password not in done.stderr


def test_a_wrong_password_is_refused_without_showing_it(server):
    refused(
        server,
        server.address(),
        2,
        "refuses the user 'neo4j'",
        "set DUALALIGN_NEO4J_PASSWORD",
        DUALALIGN_NEO4J_PASSWORD=WRONG,
    )


def test_a_user_that_the_server_does_not_know_is_named(server):
    uri = server.server.uri.replace("://", "://nobody@")
    refused(server, uri, 2, "refuses the user 'nobody'")


def test_a_database_that_the_server_does_not_have_is_named(server):
    refused(server, f"{server.server.uri}/nosuch", 2, "no database 'nosuch'", "name one of its own")


def test_a_port_where_nobody_listens_is_named(server):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for scheme in ("neo4j", "bolt"):
        refused(server, f"{scheme}://127.0.0.1:{port}", 3, f"127.0.0.1:{port}", "check that it runs")


def test_an_encrypted_address_of_a_server_that_does_not_encrypt_says_so(server):
    refused(server, server.server.uri.replace("neo4j://", "bolt+s://"), 3, "bolt+s://")


def test_a_host_that_does_not_exist_is_named(server):
    refused(server, "neo4j://no-such-host.invalid", 3, "no-such-host.invalid")


def test_a_password_in_an_address_is_refused_without_showing_it(server):
    refused(server, f"neo4j://neo4j:{WRONG}@127.0.0.1:7687", 2, "a password in the neo4j:// address")


def test_a_server_without_a_password_says_how_to_give_one(server):
    refused(
        server, server.server.uri, 2, "no password for", "DUALALIGN_NEO4J_PASSWORD_FILE", DUALALIGN_NEO4J_PASSWORD=""
    )


def test_a_graph_that_is_not_there_is_named_with_the_command_that_makes_it(server):
    address = server.address()
    done = dualalign("graph", "info", address, **server.environment)
    assert done.returncode == 3
    assert f"dualalign load facts --graph '{address}'" in done.stderr


@pytest.mark.parametrize("create", [False, True])
@pytest.mark.parametrize(
    ("agent", "why"), [("Neo4j/5.12.0", "5.13 or later"), ("Neo4j/4.4.44", "5.13"), ("Memgraph/3.1", "Neo4j")]
)
def test_an_old_server_and_another_product_are_refused_before_anything_is_asked(agent, why, create):
    with bolt_stub(agent) as (uri, asked), pytest.raises(ConfigError, match=why) as caught:
        open_store(uri, create=create, password=WRONG)
    assert agent in str(caught.value)
    assert "\n" not in str(caught.value)
    assert WRONG not in str(caught.value)
    assert asked
    assert 0x10 not in asked  # RUN


# Where a password could show


def shown(error):
    """All that Python knows how to print of an error."""
    return "".join(traceback.format_exception(error, chain=True)) + repr(error) + repr(error.__dict__)


def test_no_password_in_any_error_or_repr(server):
    known = Settings.load(neo4j_password=WRONG, neo4j_user=server.server.user)
    assert WRONG not in repr(known)
    for uri in (
        server.server.uri,
        f"{server.server.uri}/nosuch",
        "bolt://127.0.0.1:9",
        f"bolt://neo4j:{WRONG}@127.0.0.1",
    ):
        with pytest.raises(DualAlignError) as caught:
            open_graph(uri, settings=known)
        assert WRONG not in shown(caught.value)


def test_no_password_in_what_an_open_graph_shows_of_itself(server):
    secret = server.server.password
    known = Settings.load(neo4j_password=secret)
    address = server.address()
    open_store(address, create=True, password=secret).close()
    with open_graph(address, settings=known) as graph:
        told = [
            repr(graph),
            repr(graph.store),
            repr(graph.settings),
            graph._repr_html_(),
            str(graph.stats()),
            graph.name,
        ]
        told += [repr(vars(graph)), repr(vars(graph.store))]
    assert secret not in "".join(told)


def test_no_password_in_the_logs_of_the_driver(server, tmp_path):
    script = """
import logging, sys
logging.basicConfig(level=logging.DEBUG, filename=sys.argv[2])
from engine import open_graph
from graph_loaders.stores import open_store
from engine.settings import Settings
known = Settings.load()
open_store(sys.argv[1], create=True, password=known.neo4j_password).close()
with open_graph(sys.argv[1]) as graph:
    graph.query("MATCH (n:Concept) RETURN count(n) AS n")
    print(graph, graph.store, graph.settings)
"""
    log = tmp_path / "debug.log"
    done = subprocess.run(
        [sys.executable, "-c", script, server.address(), log],
        env={**os.environ, **server.environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    text = log.read_text(encoding="utf-8")
    assert "LOGON" in text  # the driver did log what it sent
    assert server.server.password not in text + done.stdout + done.stderr


def test_worker_processes_get_no_password(server, monkeypatch):
    from engine.runs.generate import generate

    known = Settings.load(neo4j_password=server.server.password)
    with open_graph(settings=known, catalog="pack") as graph:
        run = generate(graph, 2, seed=1, workers=2)
    import pickle

    assert server.server.password.encode() not in pickle.dumps(run._pool)
