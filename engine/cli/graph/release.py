"""`dualalign graph release`, `merge` and `verify`: what may leave an institution, and what came."""

from __future__ import annotations

import sys

import click

from engine.cli.output import echo_json, json_option, pairs, progress, table, warn

__all__ = ["merge_", "release_", "verify_"]


@click.command("release")
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


@click.command("merge")
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


@click.command("verify")
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
