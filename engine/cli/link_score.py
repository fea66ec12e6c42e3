"""`dualalign link-score`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from engine.cli.output import echo_json, json_option, table, warn

if TYPE_CHECKING:
    from engine.scoring.confusion import Confusion
    from engine.scoring.figures import Figure
    from engine.scoring.scorer import Score


@click.command("link-score")
@click.argument("gold")
@click.argument("predicted")
@click.option(
    "--catalog",
    metavar="NAME",
    help="The vocabulary that was linked with: gives the in-vocabulary figures, types and names.",
)
@click.option("--from-gold", metavar="FORMAT", help="jsonl, brat or pubtator.  [default: as GOLD is called]")
@click.option("--from-predicted", metavar="FORMAT", help="The same for PREDICTED.")
@click.option(
    "--replicates",
    type=click.IntRange(0),
    default=1000,
    show_default=True,
    help="Of the bootstrap over documents; 0: no intervals.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the bootstrap.")
@click.option(
    "--commonest",
    type=click.IntRange(0),
    default=10,
    show_default=True,
    help="How many of the commonest errors to list.",
)
@click.option("--skip-bad", is_flag=True, help="Leave out lines that cannot be read; counted, and the exit code is 1.")
@click.option("--define", is_flag=True, help="Print what each figure means, with its source.")
@json_option
def command(gold: str, predicted: str, catalog: str | None, as_json: bool, define: bool, **asked: Any) -> int:
    """Score the mentions in PREDICTED against those that people marked in GOLD.

    Both are JSON lines as `dualalign link` writes them (or records of a run, or tokenised MedMentions), BRAT folders or PubTator.
    `dualalign link GOLD --out PREDICTED` predicts on the same texts.
    """
    from engine.linking.linker import open_vocabulary
    from engine.linking.problems import Problems
    from engine.linking.readers import Asked, read
    from engine.scoring import DEFINITIONS, paired, score
    from engine.settings import Settings

    problems = Problems(skip_bad=asked.pop("skip_bad"))
    fields = Asked(annotations=True)
    pairs = paired(
        read(gold, problems, asked.pop("from_gold"), fields),
        read(predicted, problems, asked.pop("from_predicted"), fields),
        problems,
    )
    vocabulary = open_vocabulary(catalog, cache=Settings.load().cache) if catalog else None
    found = score(pairs, catalog=vocabulary, **asked)
    if as_json:
        echo_json({**found.to_json(), "problems": dict(problems.counts)})
    else:
        _tables(found, catalog)
        if define:
            table("what each figure means", ["figure", "definition"], DEFINITIONS.items())
    for line in problems.lines():
        warn(line)
    return 1 if problems.left_out else 0


def _tables(found: Score, catalog: str | None) -> None:
    gold = f"{found.gold:,} gold mentions ({found.gold_with_cui:,} with a CUI)"
    counts = f"{found.documents:,} documents, {gold}, {found.predicted:,} predicted"
    rows = [
        [f"{part} {how}", *(_shown(triple[name]) for name in ("precision", "recall", "f1")), _counts(triple["recall"])]
        for part, group in (("span", found.spans), ("linking", found.linking))
        for how, triple in group.items()
    ]
    if known := found.in_vocabulary:
        rows += [
            [
                f"in vocabulary {how}",
                *(_shown(known[how][name]) for name in ("precision", "recall", "f1")),
                _counts(known[how]["recall"]),
            ]
            for how in ("strict", "overlap")
        ]
    between = f" ({found.level:.0%} intervals)" if found.replicates else ""
    table(f"{counts}{between}", ["figure", "precision", "recall", "F1", "found of gold"], rows)
    accuracies = [
        [f"CUI accuracy at {at[-1]}", _shown(found.accuracy[at]), _counts(found.accuracy[at])]
        for at in ("at_1", "at_5")
    ]
    if known:
        accuracies += [
            [f"in vocabulary, at {at[-1]}", _shown(known[at]), _counts(known[at])] for at in ("at_1", "at_5")
        ]
    table("concepts of paired mentions", ["figure", "value", "of pairs"], accuracies)
    if found.types:
        head = ["type", "gold", "predicted", "strict F1", "overlap P", "overlap R", "linked"]
        table("by semantic type", head, [[name, *_type(row)] for name, row in found.types.items()])
    for part, confusion in found.confusion.items():
        if confusion.labels:
            _confusion(part, confusion)
    table("error kinds", list(found.errors), [list(found.errors.values())])
    if found.commonest:
        head = ["times", "kind", "gold", "predicted", "first at"]
        table("commonest errors", head, [_error(error) for error in found.commonest])
    if not catalog:
        warn("without --catalog there are no in-vocabulary figures")


def _shown(figure: Figure) -> str:
    if figure.value is None:
        return "-"
    between = f" ({figure.low:.3f}-{figure.high:.3f})" if figure.low is not None else ""
    return f"{figure.value:.3f}{between}"


def _counts(figure: Figure) -> str:
    return f"{figure.count:,.10g}/{figure.of:,.10g}"


def _type(row: dict[str, Any]) -> list[Any]:
    return [
        row["gold"],
        row["predicted"],
        _shown(row["strict"]["f1"]),
        _shown(row["overlap"]["precision"]),
        _shown(row["overlap"]["recall"]),
        _shown(row["linked"]),
    ]


def _confusion(part: str, confusion: Confusion) -> None:
    kappa = "" if confusion.kappa is None else f", kappa {confusion.kappa:.3f}"
    title = f"{part}: rows gold, columns predicted; accuracy {_shown(confusion.accuracy)} of {confusion.accuracy.of:,.0f}{kappa}"
    rows = [
        [label, *(confusion.counts[label][said] for said in confusion.labels), _shown(confusion.classes[label]["f1"])]
        for label in confusion.labels
    ]
    table(title, ["", *confusion.labels, "F1"], rows)


def _error(error: dict[str, Any]) -> list[Any]:
    sides = [
        " ".join(part for part in (error[f"{side}_text"], error[f"{side}_cui"], error[f"{side}_name"]) if part)
        for side in ("gold", "predicted")
    ]
    return [error["times"], error["kind"], *sides, error["first"]]
