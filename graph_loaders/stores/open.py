"""`open_store`: the store at a file's name or a server's address."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from graph_loaders.stores.address import PASSWORD_WAY, ServerAddress, is_server, parse
from graph_loaders.stores.sqlite_store import SqliteStore
from ontology.errors import ConfigError, MissingGraph

if TYPE_CHECKING:
    from graph_loaders.stores.port import GraphStore

__all__ = ["open_store"]


def open_store(target: str | Path | ServerAddress, *, create: bool = False, password: str = "") -> GraphStore:
    """The store at `target`: a file, `:memory:`, or a graph on a Neo4j server, which `password` opens.

    Raises:
        MissingGraph: there is no such graph and `create` is not set.
        StoreError: a server that does not answer.
        SourceError: the file is not a graph, or of a later version.
        ConfigError: an address that cannot be; no password for a server.

    >>> with open_store(":memory:") as store:
    ...     store.read().nodes
    ()
    """
    if is_server(target):
        address = target if isinstance(target, ServerAddress) else parse(str(target))
        if not password:
            raise ConfigError(f"there is no password for {address}; {PASSWORD_WAY}")
        from graph_loaders.stores.neo4j_store import Neo4jStore

        return Neo4jStore(address, password, create=create)
    path = str(target)
    if path != ":memory:" and not create and not Path(path).exists():
        raise MissingGraph(path)
    return SqliteStore(path)
