"""`dualalign graph export`: other programs' forms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.graph.arguments import split
from engine.cli.output import opened, pack_option, warn
from ontology.errors import ConfigError

if TYPE_CHECKING:
    from engine.graph import TrajectoryGraph

__all__ = ["export"]


@click.command("export")
@click.argument("arguments", nargs=-1, required=True, metavar="[GRAPH] PATH")
@pack_option
def export(arguments: tuple[str, ...], pack: str | None) -> None:
    """Write the graph to PATH: .ttl (Turtle), .graphml, .json (node-link) or .graph."""
    graph, path = split(arguments, "PATH")
    if graph is not None:
        _refuse_private(graph)
    with opened(graph, pack) as found:
        unreleased = [c["id"] for c in found.stats()["cohorts"] if not c.get("released")]
        _write(found, Path(path))
    if unreleased:
        warn(f"not released, so it holds exact small counts: {', '.join(unreleased)} (see dualalign graph release)")
    warn(f"written to {path}")


def _refuse_private(graph: str) -> None:
    from engine.settings import Settings
    from graph_loaders.stores import open_store

    settings = Settings.load()
    with open_store(settings.graph_target(graph), password=settings.neo4j_password) as store:
        cohorts = [n for n in store.read(private=True).nodes if n.label == "Cohort" and n.properties.get("private")]
    if cohorts:
        raise ConfigError(
            f"{graph} keeps the persons of {cohorts[0].key} and cannot be exported; "
            "load it again without persons, and write that with: dualalign graph release"
        )


def _write(found: TrajectoryGraph, path: Path) -> None:
    from engine.writers._whole import whole
    from graph_loaders import interchange
    from graph_loaders.stores import open_store

    kind = path.suffix
    if kind == ".graph":
        with open_store(path, create=True) as store:
            store.write(found.elements)
        return
    if kind not in {".ttl", ".graphml", ".json"}:
        raise ConfigError(f"{path} ends with {kind!r}; a graph can be written as .ttl, .graphml, .json or .graph")
    with whole(path) as part:
        if kind == ".ttl":
            interchange.write_turtle(found.elements, part)
        elif kind == ".graphml":
            interchange.write_graphml(found.elements, part)
        else:
            part.write_text(
                json.dumps(interchange.to_json(found.elements), ensure_ascii=False) + "\n", encoding="utf-8"
            )
