from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph_loaders.stores import open_store
from graph_loaders.stores.address import SCHEMES, ServerAddress, is_server, parse
from ontology.errors import ConfigError

CANARY = "s3cr3t-canary"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_is_an_address(scheme):
    assert parse(f"{scheme}://host") == ServerAddress(f"{scheme}://host:7687")
    assert parse(f"{scheme.upper()}://host").uri == f"{scheme}://host:7687"


def test_what_an_address_says_wins_over_its_base():
    base = ServerAddress("bolt://home:1", "reader", "research", "clinic")
    assert parse("neo4j://ann@host:7000/trial?graph=one", base) == ServerAddress(
        "neo4j://host:7000", "ann", "trial", "one"
    )
    assert parse("neo4j://host", base) == ServerAddress("neo4j://host:7687", "reader", "research", "clinic")
    assert parse("neo4j://", base) == base


def test_special_signs_in_a_user_and_addresses_by_number():
    address = parse("bolt://a%40b%3A@[::1]:7001/db1")
    assert (address.uri, address.user) == ("bolt://[::1]:7001", "a@b:")
    assert parse(str(address)) == address


names = st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,62}", fullmatch=True)
databases = st.from_regex(r"[a-z][a-z0-9.-]{2,62}", fullmatch=True).filter(lambda name: name != "system")


@given(
    scheme=st.sampled_from(SCHEMES),
    host=st.sampled_from(["localhost", "127.0.0.1", "[::1]", "graphs.example"]),
    port=st.integers(1, 65535),
    user=st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=20),
    database=databases,
    graph=names,
)
def test_an_address_is_read_as_it_is_shown(scheme, host, port, user, database, graph):
    address = ServerAddress(f"{scheme}://{host}:{port}", user, database, graph)
    assert parse(str(address)) == address


@pytest.mark.parametrize(
    "target",
    [
        f"neo4j://neo4j:{CANARY}@host",
        f"neo4j://:{CANARY}@host",
        f"bolt+s://neo4j:{CANARY}@host:7687/db1?graph=x",
        f"neo4j://neo4j:a/{CANARY}@host",
        f"neo4j://neo4j:a#{CANARY}@host",
        f"neo4j://neo4j:a?{CANARY}@host",
        f"neo4j://neo4j:a@{CANARY}@host",
        f"neo4j://neo4j:[{CANARY}@host",
        f"https://neo4j:{CANARY}@host/x.graph",
        f"neo4j://host?password={CANARY}",
        f"neo4j://host?graph=x&password={CANARY}",
    ],
)
def test_a_password_in_an_address_is_refused_and_never_repeated(target):
    with pytest.raises(ConfigError) as caught:
        parse(target)
    assert CANARY not in str(caught.value)
    assert CANARY not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert "password" in str(caught.value)
    assert "\n" not in str(caught.value)


@given(password=st.text(min_size=8).filter(lambda text: "@" not in text), before=st.sampled_from(["neo4j", ""]))
def test_no_password_however_it_is_written_comes_back(password, before):
    with pytest.raises(ConfigError) as caught:
        parse(f"neo4j://{before}:{password}@host")
    assert str(caught.value).startswith("a password in the neo4j:// address")


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("https://host/x.graph", "name a file, or a Neo4j server by neo4j://"),
        ("neo4j://host:port", "is no address of a graph"),
        ("neo4j://host:70000", "is no address of a graph"),
        ("neo4j://[::1", "is no address of a graph"),
        ("neo4j://ho st", "names no host that can be"),
        ("neo4j://@/db1", "no host"),
        ("neo4j://:7687", "no host"),
        ("neo4j://host/a/b", "cannot be the name of a database"),
        ("neo4j://host/x", "cannot be the name of a database of graphs: 3 to 63 letters"),
        ("neo4j://host/system", "that one is the server's own"),
        ("neo4j://host/db1#x", "a part after '#'"),
        ("neo4j://host?policy=eu", "the parameter graph alone, and not policy"),
        ("neo4j://host?graph=", "cannot be the name of a graph"),
        ("neo4j://host?graph=a&graph=b", "cannot be the name of a graph"),
        ("neo4j://host?graph=a%60b", "cannot be the name of a graph"),
        ("neo4j://host?graph=1st", "cannot be the name of a graph"),
        (f"neo4j://host?graph={'a' * 64}", "cannot be the name of a graph"),
    ],
)
def test_what_cannot_be_an_address_is_one_sentence_with_the_way_out(target, why):
    with pytest.raises(ConfigError, match=why) as caught:
        parse(target)
    assert "\n" not in str(caught.value)


def test_files_are_no_addresses():
    for name in ("ad.graph", ":memory:", "a:b", "./neo4j:/x", Path("neo4j://host")):
        assert not is_server(name)


def test_a_server_without_a_password_is_not_asked():
    with pytest.raises(ConfigError, match=r"no password for neo4j://.*graph=dualalign; set DUALALIGN_NEO4J_PASSWORD"):
        open_store("neo4j://192.0.2.1")
