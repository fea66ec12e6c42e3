"""`Node`, `Edge` and `GraphElements`: a graph as plain values, in canonical order, with a fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Edge", "GraphElements", "Node", "Value"]

Value = str | int | float | bool | list[str] | list[int] | list[float]
"""What a property may hold: Neo4j's scalar types and lists of one type. Never None: leave the key out."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node: its label and key identify it (`Node("Concept", "C0002395", {"name": ...})`)."""

    label: str
    key: str
    properties: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Edge:
    """An edge between (label, key) pairs; `key` tells edges of one type between the same nodes apart (the cohort, the source)."""

    type: str
    start: tuple[str, str]
    end: tuple[str, str]
    key: str = ""
    properties: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GraphElements:
    """Nodes and edges. Build with `GraphElements.of`, which sorts and refuses two elements of one identity that differ."""

    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()

    @classmethod
    def of(cls, elements: Iterable[Node | Edge]) -> GraphElements:
        """Canonical order, repeats dropped; ValueError names an identity with two different contents."""
        nodes: dict[tuple[str, str], Node] = {}
        edges: dict[tuple[str, tuple[str, str], tuple[str, str], str], Edge] = {}
        for element in elements:
            if isinstance(element, Node):
                old: Node | Edge = nodes.setdefault((element.label, element.key), element)
            else:
                old = edges.setdefault((element.type, element.start, element.end, element.key), element)
            if dict(old.properties) != dict(element.properties):
                raise ValueError(
                    f"two different {type(element).__name__.lower()}s for one identity: {old} and {element}"
                )
        return cls(tuple(nodes[k] for k in sorted(nodes)), tuple(edges[k] for k in sorted(edges)))

    def __iter__(self) -> Iterator[Node | Edge]:
        yield from self.nodes
        yield from self.edges

    def __add__(self, other: GraphElements) -> GraphElements:
        return GraphElements.of((*self, *other))

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the canonical JSON of every element: the same graph gives the same value on every store."""
        digest = hashlib.sha256()
        for element in self:
            digest.update(canonical_json(element).encode())
            digest.update(b"\n")
        return digest.hexdigest()


def canonical_json(element: Node | Edge) -> str:
    """One line of JSON with sorted keys."""
    row: dict[str, Any]
    if isinstance(element, Node):
        row = {"label": element.label, "key": element.key}
    else:
        row = {"type": element.type, "start": element.start, "end": element.end, "key": element.key}
    return json.dumps(
        {**row, "properties": dict(element.properties)}, sort_keys=True, ensure_ascii=False, separators=(",", ":")
    )
