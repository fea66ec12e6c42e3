"""Stores that keep a graph: a file (SQLite with an embedded Cypher engine) or a Neo4j server, behind one port."""

from graph_loaders.stores.address import ServerAddress
from graph_loaders.stores.open import open_store
from graph_loaders.stores.port import GraphStore
from graph_loaders.stores.sqlite_store import SqliteStore

__all__ = ["GraphStore", "ServerAddress", "SqliteStore", "open_store"]
