"""What every store asks of elements before it writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graph_loaders.elements import GraphElements
from graph_loaders.schema import check, place
from ontology.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from graph_loaders.elements import Edge, Node

__all__ = ["checked", "loose"]


def checked(elements: Iterable[Node | Edge], graph: object) -> GraphElements:
    """The elements in canonical order, all of the schema.

    Raises:
        ConfigError: elements that the schema does not have, every one of them named.
        StoreError: two contents for one identity.
    """
    try:
        batch = elements if isinstance(elements, GraphElements) else GraphElements.of(elements)
    except (TypeError, ValueError) as error:
        raise StoreError(f"nothing was written to {graph}: {error}") from None
    if issues := check(batch):
        raise ConfigError(f"nothing was written to {graph}: {len(issues)} faults in the elements", issues)
    return batch


def loose(edge: Edge, end: tuple[str, str], graph: object) -> StoreError:
    """The error for an edge without one of its nodes."""
    return StoreError(
        f"nothing was written to {graph}: {place(edge)} has no node {' '.join(end)}; write the node with it"
    )
