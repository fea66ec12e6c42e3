"""Stores that keep a graph: a file (SQLite with an embedded Cypher engine), later a server."""

from graph_loaders.stores.port import GraphStore
from graph_loaders.stores.sqlite_store import SqliteStore, open_store

__all__ = ["GraphStore", "SqliteStore", "open_store"]
