"""A store of every kind, over which suites of this folder run: a new one is one more parameter of `new_store`. The pack, and a mapping."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from fhir_reading import MAPPING
from graph_loaders.mapping import read_code_mapping
from graph_loaders.stores import open_store
from graph_loaders.stores.address import ServerAddress
from graph_loaders.stores.neo4j_store import Neo4jStore
from ontology.pack import load_pack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from graph_loaders.mapping import CodeMapping
    from graph_loaders.stores import GraphStore
    from neo4j_server import Neo4jServer
    from ontology.pack import Pack

NEO4J = pytest.param("neo4j", marks=pytest.mark.neo4j)


@pytest.fixture(params=["sqlite-file", "sqlite-memory", NEO4J])
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], GraphStore]]:
    """Makes empty stores, and closes them."""
    if request.param == "neo4j":
        yield request.getfixturevalue("new_graph")
        return
    made: list[GraphStore] = []

    def make() -> GraphStore:
        target = ":memory:" if request.param == "sqlite-memory" else tmp_path / f"{len(made)}.graph"
        made.append(open_store(target, create=True))
        return made[-1]

    yield make
    for store in made:
        store.close()


@pytest.fixture
def store(new_store: Callable[[], GraphStore]) -> GraphStore:
    """One empty store."""
    return new_store()


@pytest.fixture
def new_graph(neo4j_server: Neo4jServer) -> Iterator[Callable[[], Neo4jStore]]:
    """Makes graphs of fresh names in the one database of the server, and drops them."""
    made: list[ServerAddress] = []

    def make() -> Neo4jStore:
        address = ServerAddress(neo4j_server.uri, neo4j_server.user, "neo4j", f"t{secrets.token_hex(6)}")
        made.append(address)
        opened.append(Neo4jStore(address, neo4j_server.password, create=True))
        return opened[-1]

    opened: list[Neo4jStore] = []
    yield make
    for store in opened:
        store.close()
    for address in made:
        Neo4jStore(address, neo4j_server.password, create=True).drop_graph()


@pytest.fixture
def graph(new_graph: Callable[[], Neo4jStore]) -> Neo4jStore:
    """One empty graph on the server."""
    return new_graph()


@pytest.fixture(scope="module")
def pack() -> Pack:
    """The shipped pack."""
    return load_pack()


@pytest.fixture(scope="module")
def mapping(pack: Pack, tmp_path_factory: pytest.TempPathFactory) -> CodeMapping:
    """Of FHIR; a format with other codes has its own."""
    path = tmp_path_factory.mktemp("mapping") / "m.toml"
    path.write_text(MAPPING)
    return read_code_mapping(path, pack)
