"""Stores that keep a graph: a file (SQLite with an embedded Cypher engine), later a server."""
