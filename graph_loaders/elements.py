"""`Node`, `Edge` and `GraphElements`: a graph as plain values, in canonical order, with a fingerprint."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Edge", "GraphElements", "Node", "Value", "canonical_json", "misfit"]

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
            if old is not element and canonical_json(old) != canonical_json(element):  # as text: 1, 1.0 and True differ
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


def misfit(value: object) -> str:
    """Why `value` cannot be a property (`Value`), in words; "" when it can.

    >>> misfit(["a", "b"]), misfit(None), misfit(float("nan"))
    ('', 'None (leave the key out instead)', 'nan (not a finite number)')
    """
    why = ""
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            why = "text with half a surrogate pair"
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            why = "an integer of more than 64 bits"
    elif isinstance(value, float):
        if not math.isfinite(value):
            why = f"{value} (not a finite number)"
    elif isinstance(value, list):
        why = _misfit_list(value)
    elif value is None:
        why = "None (leave the key out instead)"
    else:
        why = f"a {type(value).__module__}.{type(value).__name__}".replace("builtins.", "")
    return why


def _misfit_list(values: list[Any]) -> str:
    for kind in (str, int, float):
        if all(isinstance(item, kind) and not isinstance(item, bool) for item in values):
            return next((f"a list with {why}" for why in map(misfit, values) if why), "")
    return "a list that is not all text, all integers or all floats"


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
