"""The use cases over whole graphs: copy one to another store, and drop one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graph_loaders.schema import NodeType
from ontology.errors import ConfigError, MissingGraph

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graph_loaders.elements import GraphElements
    from graph_loaders.stores.address import ServerAddress

__all__ = ["CopyReport", "copy", "drop"]


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What a copy did: the fingerprint is of both graphs. `left_out` counts private cohorts that were not taken along."""

    source: str
    target: str
    nodes: int
    edges: int
    left_out: int
    fingerprint: str
    written: bool

    def as_data(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def rows(self) -> Iterator[tuple[str, object]]:
        """What and value, for a table."""
        yield "source", self.source
        yield "target", self.target
        yield "nodes", self.nodes
        yield "edges", self.edges
        yield "private cohorts left out", self.left_out
        yield "fingerprint", self.fingerprint
        yield "written", self.written


def copy(
    source: str | Path | ServerAddress,
    target: str | Path | ServerAddress,
    *,
    password: str = "",
    private: bool = False,
    dry_run: bool = False,
) -> CopyReport:
    """Copies a graph to another store, in one transaction; the copy has the fingerprint of its source, whatever the stores.

    Copying twice changes nothing. `private` takes private cohorts along; they stay private in the copy.

    Raises:
        ConfigError: the target already holds another graph; nothing is written.
        StoreError: no graph at `source`; a store that failed.
    """
    from graph_loaders.stores import open_store

    with open_store(source, password=password) as store:
        everything, seen = store.read(private=True), store.read()
    elements = everything if private else seen
    there = _existing(target, password)
    written = not dry_run and there != elements
    if there is not None and there != elements and any(there):
        raise ConfigError(
            f"{target} holds another graph already ({len(there.nodes)} nodes, {len(there.edges)} edges); "
            f"name another, or remove it first with: dualalign graph drop '{target}'"
        )
    if written:
        with open_store(target, create=True, password=password) as store:
            store.write(elements)
            found = store.read(private=True)
        if found != elements:
            raise ConfigError(f"{target} was written to by someone else meanwhile; compare it with {source}")
    cohorts = [sum(n.label == NodeType.COHORT for n in graph.nodes) for graph in (everything, elements)]
    return CopyReport(
        str(source),
        str(target),
        len(elements.nodes),
        len(elements.edges),
        cohorts[0] - cohorts[1],
        elements.fingerprint,
        written,
    )


def _existing(target: str | Path | ServerAddress, password: str) -> GraphElements | None:
    """What the target holds; None where there is no graph yet."""
    from graph_loaders.stores import open_store
    from graph_loaders.stores.address import is_server

    if not is_server(target) and not Path(str(target)).exists():
        return None
    try:
        with open_store(target, password=password) as store:
            return store.read(private=True)
    except MissingGraph:
        return None


def drop(target: str | Path | ServerAddress, *, cohort: str = "", password: str = "") -> None:
    """Removes a graph (its file, or its part of the server's database), or one `cohort` of it.

    Raises:
        ConfigError: the graph has no such cohort.
        StoreError: there is no such graph, or its store failed.
        SourceError: the file is not a graph: it is left alone.
    """
    from graph_loaders.stores import open_store
    from graph_loaders.stores.neo4j_store import Neo4jStore

    with open_store(target, password=password) as store:
        if cohort:
            names = [n.key for n in store.read(private=True).nodes if n.label == NodeType.COHORT]
            if cohort not in names:
                raise ConfigError(f"{target} has no cohort {cohort!r}; it has {', '.join(names) or 'none'}")
            store.drop(cohort)
            return
        if isinstance(store, Neo4jStore):
            store.drop_graph()
            return
    Path(str(target)).unlink()
