"""`dualalign graph info`, `next` and `query`: what a graph holds."""

from __future__ import annotations

import click

from engine.cli.graph.arguments import split
from engine.cli.output import echo_json, json_option, opened, pack_option, pairs, table

__all__ = ["info", "next_", "query"]


@click.command("info")
@click.argument("graph", required=False)
@pack_option
@json_option
def info(graph: str | None, pack: str | None, as_json: bool) -> None:
    """What the graph holds: nodes, edges, cohorts, persons, fingerprint."""
    with opened(graph, pack) as found:
        data = found.stats()
        if as_json:
            echo_json(data)
            return
        table(f"graph {data['graph']}", ["what", "value"], [[k, data[k]] for k in ("pack", "fingerprint", "persons")])
        for part in ("nodes", "edges"):
            table(part, ["type", "count"], list(data[part].items()))
        if data["cohorts"]:
            shown = [
                [c["id"], c.get("source", ""), c.get("persons", 0), c.get("person_years", 0.0), c["fitted_from"]]
                for c in data["cohorts"]
            ]
            table("cohorts", ["id", "source", "persons", "person-years", "fitted from"], shown)
        if data["private"]:
            shown = [[c["id"], c["persons"], c["kept"]] for c in data["private"]]
            table("private: neither shown above nor exported nor released", ["id", "persons", "kept one by one"], shown)


@click.command("next")
@click.argument("arguments", nargs=-1, required=True, metavar="[GRAPH] CONCEPT")
@click.option("--sex", help="female or male.")
@click.option("--age", metavar="FROM-TO", help="Age at diagnosis in years.")
@click.option("--risk", multiple=True, metavar="ID", help="A risk factor; may be repeated.")
@click.option("--trait", multiple=True, metavar="AXIS=VALUE", help="A trait; may be repeated.")
@click.option("--limit", type=click.IntRange(1), default=15, show_default=True)
@click.option("--seed", type=int, default=0)
@pack_option
@json_option
def next_(arguments: tuple[str, ...], sex: str | None, age: str | None, risk: tuple[str, ...], trait: tuple[str, ...], limit: int, seed: int, pack: str | None, as_json: bool) -> None:  # fmt: skip # noqa: E501 - one option a parameter
    """What begins after CONCEPT (a CUI or a name), how likely, and when."""
    from engine.cli.output import _ages

    graph, concept = split(arguments, "CONCEPT")
    with opened(graph, pack) as found:
        rows = found.next(
            concept,
            sex=sex,
            age=_ages(age),
            traits=pairs(trait, "--trait", "race=black", str),
            risk_factors=risk,
            limit=limit,
            seed=seed,
        )
        if as_json:
            echo_json(rows)
            return
        table(f"after {concept}", list(rows[0]) if rows else ["nothing follows"], [list(row.values()) for row in rows])


@click.command("query")
@click.argument("arguments", nargs=-1, required=True, metavar="[GRAPH] CYPHER")
@click.option("--param", multiple=True, metavar="NAME=VALUE", help="A parameter of the query; may be repeated.")
@click.option("--timeout", type=float, default=30.0, show_default=True, help="Seconds.")
@click.option("--limit", type=int, default=10_000, show_default=True, help="Most rows.")
@pack_option
@json_option
def query(arguments: tuple[str, ...], param: tuple[str, ...], timeout: float, limit: int, pack: str | None, as_json: bool) -> None:  # fmt: skip # noqa: E501 - one option a parameter
    """Ask in read-only Cypher: MATCH (a:Concept)-[p:PRECEDES]->(b) WHERE a.cui = $cui RETURN b.name."""
    graph, cypher = split(arguments, "CYPHER")
    values = pairs(param, "--param", "cui=C0085632", str)
    with opened(graph, pack) as found:
        rows = found.query(cypher, timeout=timeout, limit=limit, **values)
        if as_json:
            echo_json(rows)
            return
        table(f"{len(rows)} rows", list(rows[0]) if rows else ["nothing"], [list(row.values()) for row in rows])
