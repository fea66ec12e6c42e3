"""`dualalign graph fit-report`: how good the fit is."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli.output import echo_json, json_option, opened, pack_option, progress, table, warn
from ontology.errors import ConfigError

__all__ = ["fit_report_"]


@click.command("fit-report")
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
