"""`dualalign graph`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.output import echo_json, json_option, opened, pack_option, pairs, progress, table, warn
from ontology.errors import ConfigError

if TYPE_CHECKING:
    from engine.graph import TrajectoryGraph


@click.group("graph")
def command() -> None:
    """Look into the trajectory graph: info, next, query, export, fit-report, verify; release it, merge several; copy, drop."""


@command.command("info")
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


@command.command("next")
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

    graph, concept = _split(arguments, "CONCEPT")
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


@command.command("query")
@click.argument("arguments", nargs=-1, required=True, metavar="[GRAPH] CYPHER")
@click.option("--param", multiple=True, metavar="NAME=VALUE", help="A parameter of the query; may be repeated.")
@click.option("--timeout", type=float, default=30.0, show_default=True, help="Seconds.")
@click.option("--limit", type=int, default=10_000, show_default=True, help="Most rows.")
@pack_option
@json_option
def query(arguments: tuple[str, ...], param: tuple[str, ...], timeout: float, limit: int, pack: str | None, as_json: bool) -> None:  # fmt: skip # noqa: E501 - one option a parameter
    """Ask in read-only Cypher: MATCH (a:Concept)-[p:PRECEDES]->(b) WHERE a.cui = $cui RETURN b.name."""
    graph, cypher = _split(arguments, "CYPHER")
    values = pairs(param, "--param", "cui=C0085632", str)
    with opened(graph, pack) as found:
        rows = found.query(cypher, timeout=timeout, limit=limit, **values)
        if as_json:
            echo_json(rows)
            return
        table(f"{len(rows)} rows", list(rows[0]) if rows else ["nothing"], [list(row.values()) for row in rows])


@command.command("fit-report")
@click.argument("graph", required=False)
@click.option("--table", "table_", metavar="CSV", help="The cohort: a table of visits (with --mapping).")
@click.option("--mapping", metavar="TOML", help="From its columns to concepts, as for `load table`.")
@click.option("--trajectories", metavar="JSONL", help="The cohort as trajectories, one JSON object a line.")
@click.option(
    "--persons", metavar="COHORT", help="The cohort that the graph keeps the persons of (load --keep-persons)."
)
@click.option("--folds", type=click.IntRange(2), default=5, show_default=True, help="Folds of persons.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the folds.")
@click.option(
    "--halvings",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="For the nine fidelity figures; 20 is good.",
)
@click.option(
    "--published",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Trajectories to sample and compare with published figures and orders; 20000 is good.",
)
@click.option("--no-chain", is_flag=True, help="Without the first-order chain, which is simulated and slow.")
@click.option("--html", metavar="FILE", help="Write a page with calibration plots as well.")
@click.option(
    "--out", metavar="CSV", help="Scores by fold, person and interval. It names persons: keep it where the data may be."
)
@pack_option
@json_option
def fit_report_(graph: str | None, table_: str | None, mapping: str | None, trajectories: str | None, persons: str | None, folds: int, seed: int, halvings: int, published: int, no_chain: bool, html: str | None, out: str | None, pack: str | None, as_json: bool) -> None:  # fmt: skip # noqa: E501 - one option a parameter
    """How good the fit is: held-out scores beside baselines, calibration, and every parameter with its sources.

    Scores need persons, and a graph keeps none unless it was told to: give the cohort's table or trajectories, or --persons.
    Without, the parameters are shown.
    """
    from engine.audit.fit_report import fit_report, kept_cohort, table_cohort, trajectory_cohort
    from engine.writers._whole import whole

    if bool(table_) != bool(mapping) or sum(map(bool, (table_, trajectories, persons))) > 1:
        raise ConfigError("give the cohort as --table with --mapping, as --trajectories, or as --persons")
    with opened(graph, pack) as found:
        cohort = None
        if table_ and mapping:
            cohort = table_cohort(table_, mapping, found)
        elif trajectories:
            cohort = trajectory_cohort(trajectories, found)
        elif persons:
            cohort = kept_cohort(persons, found)
        elif out:
            raise ConfigError("scores by person need persons; give --table with --mapping, --trajectories or --persons")
        with progress(folds + halvings, "fits") as tick:
            report = fit_report(
                found,
                cohort,
                folds=folds,
                seed=seed,
                halvings=halvings,
                chain=not no_chain,
                published=published,
                progress=tick,
            )
    if out:
        report.write_csv(out)
        warn(f"scores by person in {out}")
    if html:
        with whole(html) as part:
            Path(part).write_text(report.to_html(), encoding="utf-8")
        warn(f"page in {html}")
    if as_json:
        echo_json(report.as_data())
        return
    for title, head, rows in report.tables():
        table(title, head, rows)


@command.command("export")
@click.argument("arguments", nargs=-1, required=True, metavar="[GRAPH] PATH")
@pack_option
def export(arguments: tuple[str, ...], pack: str | None) -> None:
    """Write the graph to PATH: .ttl (Turtle), .graphml, .json (node-link) or .graph."""
    graph, path = _split(arguments, "PATH")
    if graph is not None:
        _refuse_private(graph)
    with opened(graph, pack) as found:
        unreleased = [c["id"] for c in found.stats()["cohorts"] if not c.get("released")]
        _write(found, Path(path))
    if unreleased:
        warn(f"not released, so it holds exact small counts: {', '.join(unreleased)} (see dualalign graph release)")
    warn(f"written to {path}")


@command.command("copy")
@click.argument("source")
@click.argument("target")
@click.option("--private", is_flag=True, help="Take private cohorts along; they stay private.")
@click.option("--dry-run", is_flag=True, help="Read and compare, and write nothing.")
@json_option
def copy_(source: str, target: str, private: bool, dry_run: bool, as_json: bool) -> None:
    """Copy the graph SOURCE to TARGET: files or Neo4j addresses, in either direction. Both then have one fingerprint."""
    from engine.settings import Settings
    from graph_loaders.copy import copy

    settings = Settings.load()
    report = copy(
        settings.graph_target(source),
        settings.graph_target(target),
        password=settings.neo4j_password,
        private=private,
        dry_run=dry_run,
    )
    if as_json:
        echo_json(report.as_data())
        return
    table(
        f"copied to {report.target}" if report.written else "nothing to write", ["what", "value"], list(report.rows())
    )


@command.command("release")
@click.argument("private")
@click.argument("public")
@click.option("--min-cell", type=int, default=11, show_default=True, help="Fewest persons of a count that leaves.")
@click.option("--epsilon", type=float, help="Add noise instead: the privacy loss of one person (extra: privacy).")
@click.option(
    "--delta", type=float, default=0.0, show_default=True, help="With --epsilon: 0 is pure, 1e-6 needs less noise."
)
@click.option("--total-epsilon", type=float, help="Budget of all releases of a cohort, set once (default: no reserve).")
@click.option("--total-delta", type=float, help="Likewise.")
@click.option("--cohort", multiple=True, metavar="OLD=NEW", help="Its id outside; may be repeated.")
@click.option("--source", default="", metavar="TEXT", help="What the released cohort says of its source.")
@click.option("--dry-run", is_flag=True, help="Report what would leave; write nothing, spend nothing.")
@json_option
def release_(private: str, public: str, min_cell: int, epsilon: float | None, delta: float, total_epsilon: float | None, total_delta: float | None, cohort: tuple[str, ...], source: str, dry_run: bool, as_json: bool) -> None:  # fmt: skip # noqa: E501 - one option a parameter
    """Write to PUBLIC what may leave of PRIVATE: small counts withheld, or noise added; the ledger stays in PRIVATE."""
    import datetime as dt

    from engine.settings import Settings
    from graph_loaders.release import Terms, release

    settings = Settings.load()
    terms = Terms(
        min_cell=min_cell,
        epsilon=epsilon,
        delta=delta,
        epsilon_total=total_epsilon,
        delta_total=total_delta,
        rename=pairs(cohort, "--cohort", "paquid=site-a", str),
        source=source,
        date=dt.datetime.now(dt.UTC).date().isoformat(),
    )
    with progress(None, "checked") as tick:
        report = release(
            settings.graph_target(private),
            settings.graph_target(public),
            terms,
            password=settings.neo4j_password,
            dry_run=dry_run,
            progress=tick,
        )
    if as_json:
        echo_json(report.as_data())
        return
    table("released", ["what", "value"], list(report.rows()))


@command.command("merge")
@click.argument("graphs", nargs=-1, required=True)
@click.option("-o", "--out", required=True, metavar="GRAPH", help="The new graph.")
@click.option("--map", "map_", metavar="CSV", help="Concepts that changed: a line FROM,TO of CUIs each.")
@click.option(
    "--pack", metavar="FOLDER", help="Take the facts from this pack ('alzheimer': the shipped one) where packs differ."
)
@click.option("--dry-run", is_flag=True, help="Compare and report, and write nothing.")
@json_option
def merge_(graphs: tuple[str, ...], out: str, map_: str | None, pack: str | None, dry_run: bool, as_json: bool) -> None:
    """Merge released GRAPHS of several institutions: cohorts stay, and `merged` adds them up, with I² and tau."""
    from engine.settings import Settings
    from graph_loaders.merge import merge, read_mapping
    from ontology.pack import load_pack

    settings = Settings.load()
    report = merge(
        [settings.graph_target(graph) for graph in graphs],
        settings.graph_target(out),
        pack=None if pack is None else load_pack(None if pack == "alzheimer" else pack),
        mapping=read_mapping(map_) if map_ else None,
        password=settings.neo4j_password,
        dry_run=dry_run,
    )
    if as_json:
        echo_json(report.as_data())
        return
    table("merged", ["what", "value"], list(report.rows()))


@command.command("verify")
@click.argument("graph")
@json_option
def verify_(graph: str, as_json: bool) -> None:
    """Check every invariant of GRAPH: schema, counts, circles, sources, and what a release promised. Exit 1 with errors."""
    from engine.settings import Settings
    from graph_loaders.stores import open_store
    from graph_loaders.verify import verify

    settings = Settings.load()
    with open_store(settings.graph_target(graph), password=settings.neo4j_password) as store:
        issues = verify(store.read(private=True))
    if as_json:
        fields = ("severity", "code", "message", "where", "hint")
        echo_json([{name: str(getattr(issue, name)) for name in fields} for issue in issues])
    else:
        for issue in issues:
            click.echo(str(issue))
        warn(f"{len(issues)} issues in {graph}" if issues else f"{graph} is sound")
    if any(issue.severity == "error" for issue in issues):
        sys.exit(1)


@command.command("drop")
@click.argument("graph")
@click.option("--cohort", default="", metavar="ID", help="Remove this cohort only.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def drop(graph: str, cohort: str, yes: bool) -> None:
    """Remove GRAPH: its file, or its part of a server's database. Other graphs there, and nodes of others, stay."""
    from engine.settings import Settings
    from graph_loaders import copy

    settings = Settings.load()
    target = settings.graph_target(graph)
    what = f"the cohort {cohort} of {target}" if cohort else f"the graph {target}"
    if not yes and not sys.stdin.isatty():
        raise ConfigError(f"{what} was not removed: there is nobody to ask; say --yes")
    if not yes:
        click.confirm(f"Remove {what}?", abort=True, err=True)
    copy.drop(target, cohort=cohort, password=settings.neo4j_password)
    warn(f"removed {what}")


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


def _split(arguments: tuple[str, ...], name: str) -> tuple[str | None, str]:
    if len(arguments) == 1:
        return None, arguments[0]
    if len(arguments) == 2:  # noqa: PLR2004 - GRAPH and the other one
        return arguments[0], arguments[1]
    raise ConfigError(
        f"{len(arguments)} arguments were given; give [GRAPH] {name}, the second in quotes: {sys.argv[-1]!r}"
    )
