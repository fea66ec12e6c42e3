"""`score`: predicted mentions against gold ones, as a `Score` that is JSON and tables."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.scoring.confusion import Confusion
from engine.scoring.figures import DEFINITIONS, Figure, Table
from engine.scoring.matching import Kind, match

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from engine.linking.document import Annotation, Document
    from engine.scoring.matching import Answer
    from ontology.concept import Concept

__all__ = ["Score", "score"]

_FIRST = 5  # candidates that count for accuracy at 5
_SHOWN = 60  # characters of a text in a list of errors
_PAIRED = (Kind.CORRECT, Kind.INCORRECT, Kind.PARTIAL, Kind.PARTIAL_INCORRECT)
_RIGHT = (Kind.CORRECT, Kind.PARTIAL)
_Triple = dict[str, Figure]


@dataclass(frozen=True, slots=True)
class Score:
    """Figures by name. `DEFINITIONS` says what each means. `types` by semantic type, most frequent first; `commonest` errors: kind, gold
    text and CUI, predicted text and CUI, how often, one place (with a catalog, without the missing mentions that it has no concept for).
    """

    documents: int
    gold: int
    gold_with_cui: int
    predicted: int
    spans: dict[str, _Triple]
    linking: dict[str, _Triple]
    accuracy: _Triple
    in_vocabulary: dict[str, Any]
    types: dict[str, dict[str, Any]]
    confusion: dict[str, Confusion]
    errors: dict[str, int]
    commonest: list[dict[str, Any]] = field(default_factory=list)
    replicates: int = 0
    level: float = 0.95

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the definitions."""
        return {
            "documents": self.documents,
            "gold": self.gold,
            "gold_with_cui": self.gold_with_cui,
            "predicted": self.predicted,
            **{
                name: _plain(getattr(self, name))
                for name in ("spans", "linking", "accuracy", "in_vocabulary", "types", "confusion")
            },
            "errors": self.errors,
            "commonest": self.commonest,
            "bootstrap": {"unit": "document", "replicates": self.replicates, "level": self.level},
            "definitions": DEFINITIONS,
        }


def _plain(value: Any) -> Any:
    if isinstance(value, Figure | Confusion):
        return value.to_json()
    return {key: _plain(one) for key, one in value.items()} if isinstance(value, dict) else value


def score(
    pairs: Iterable[tuple[Document, Document | None]],
    *,
    catalog: Mapping[Any, Concept] | None = None,
    replicates: int = 1000,
    seed: int = 0,
    commonest: int = 10,
) -> Score:
    """Scores documents, each with what was predicted for it (None: nothing).

    `catalog`: the vocabulary of the in-vocabulary figures, of semantic types that the annotations do not say, and of names.
    `replicates`: of the bootstrap (0: no intervals). `commonest`: how many of the commonest errors are listed. Memory grows
    with the documents by a few counts each.

    >>> from engine.linking.document import Annotation, Document
    >>> gold = Document("apathy", annotations=(Annotation(0, 6, ("C0085632",)),))
    >>> score([(gold, gold)], replicates=0).linking["strict"]["f1"].value
    1.0
    """
    counted = _Counted(catalog)
    for gold, predicted in pairs:
        counted.add(gold, predicted)
    table = Table(counted.rows, replicates=replicates, rng=np.random.default_rng(seed))
    return Score(
        documents=len(counted.rows),
        gold=table.total("gold"),
        gold_with_cui=table.total("gold-cui"),
        predicted=table.total("predicted"),
        spans={
            "strict": _triple(table, {Kind.CORRECT: 1, Kind.INCORRECT: 1}, "predicted", "gold"),
            "overlap": _triple(table, dict.fromkeys(_PAIRED, 1), "predicted", "gold"),
            "muc": _triple(
                table,
                {Kind.CORRECT: 1, Kind.INCORRECT: 1, Kind.PARTIAL: 0.5, Kind.PARTIAL_INCORRECT: 0.5},
                "predicted",
                "gold",
            ),
        },
        linking={
            "strict": _triple(table, {"right-strict": 1}, "judged", "gold-cui"),
            "overlap": _triple(table, {"right-strict": 1, "right-partial": 1}, "judged", "gold-cui"),
        },
        accuracy={
            "at_1": table.share({"at-1": 1}, {"paired-cui": 1}),
            "at_5": table.share({"at-5": 1}, {"paired-cui": 1}),
        },
        in_vocabulary=_in_vocabulary(table) if catalog is not None else {},
        types=_types(table),
        confusion={part: Confusion.of(table, part) for part in ("assertion", "informant")},
        errors={kind.value: table.total(kind) for kind in Kind},
        commonest=counted.commonest(commonest),
        replicates=replicates,
        level=table.level,
    )


class _Counted:
    """What is counted of each document."""

    def __init__(self, catalog: Mapping[Any, Concept] | None) -> None:
        self._catalog = catalog
        self.rows: list[Counter[Any]] = []
        self._errors: Counter[tuple[str, ...]] = Counter()
        self._places: dict[tuple[str, ...], str] = {}

    def add(self, gold: Document, predicted: Document | None) -> None:
        row: Counter[Any] = Counter()
        for answer in match(gold.annotations, predicted.annotations if predicted else ()):
            row[answer.kind] += 1
            row.update(self._of(answer))
            if answer.kind is not Kind.CORRECT and not self._out_of_reach(answer):
                self._error(answer, gold)
        self.rows.append(row)

    def _of(self, answer: Answer) -> Iterator[Any]:
        gold, predicted = answer.gold, answer.predicted
        if gold is not None:
            yield "gold"
            yield from (("type", kind, "gold") for kind in self._types(gold))
            if gold.cuis:
                yield "gold-cui"
        if predicted is not None:
            yield "predicted"
            yield from (("type", kind, "predicted") for kind in self._types(predicted))
            if gold is None or gold.cuis:
                yield "judged"
        known = gold is not None and self._catalog is not None and any(cui in self._catalog for cui in gold.cuis)
        if known:
            yield "known"
        if gold is not None and predicted is not None:
            yield from self._pair(answer, gold, predicted, known=known)

    def _pair(self, answer: Answer, gold: Annotation, predicted: Annotation, *, known: bool) -> Iterator[Any]:
        how = "strict" if answer.strict else "partial"
        for one, side in ((gold, "gold"), (predicted, "predicted")):
            yield from (("type", kind, f"{side}-{how}") for kind in self._types(one))
        for part, said, heard in (
            ("assertion", gold.assertion, predicted.assertion),
            ("informant", gold.informant, predicted.informant),
        ):
            if said and heard:
                yield (part, said, heard)
        if not gold.cuis:
            return
        yield from ("paired-cui", "known-paired") if known else ("paired-cui",)
        if answer.kind in _RIGHT:
            yield from ("at-1", f"right-{how}")
            yield from ("known-at-1", f"known-right-{how}") if known else ()
            yield from (("type", kind, "linked") for kind in self._types(gold))
        if not set(gold.cuis).isdisjoint(predicted.cuis[:_FIRST]):
            yield from ("at-5", "known-at-5") if known else ("at-5",)

    def _types(self, one: Annotation) -> tuple[str, ...]:
        if one.types or self._catalog is None:
            return one.types
        return next((self._catalog[cui].types for cui in one.cuis[:1] if cui in self._catalog), ())

    def _out_of_reach(self, answer: Answer) -> bool:
        """Whether a mention was missed that the catalog has no concept for: no linker over it could find that."""
        missed = answer.gold if answer.kind is Kind.MISSING else None
        return missed is not None and self._catalog is not None and not any(c in self._catalog for c in missed.cuis)

    def _error(self, answer: Answer, document: Document) -> None:
        sides = []
        for one in (answer.gold, answer.predicted):
            said = document.text[one.start : one.end].lower() if one else ""
            sides += [" ".join(said.split())[:_SHOWN], one.cuis[0] if one and one.cuis else ""]
        key = (answer.kind.value, *sides)
        self._errors[key] += 1
        one = answer.gold or answer.predicted
        self._places.setdefault(key, f"{document.id or document.place}:{one.start if one else 0}")

    def commonest(self, most: int) -> list[dict[str, Any]]:
        """The errors that come most often; ties by their words."""
        ranked = sorted(self._errors.items(), key=lambda pair: (-pair[1], pair[0]))[:most]
        return [
            {
                "kind": key[0],
                "gold_text": key[1],
                "gold_cui": key[2],
                "gold_name": self._name(key[2]),
                "predicted_text": key[3],
                "predicted_cui": key[4],
                "predicted_name": self._name(key[4]),
                "times": times,
                "first": self._places[key],
            }
            for key, times in ranked
        ]

    def _name(self, cui: str) -> str:
        return self._catalog[cui].name if cui and self._catalog is not None and cui in self._catalog else ""


def _triple(table: Table, parts: dict[Any, float], predicted: str, gold: str) -> _Triple:
    return {
        "precision": table.share(parts, {predicted: 1}),
        "recall": table.share(parts, {gold: 1}),
        "f1": table.harmonic(parts, {predicted: 1}, {gold: 1}),
    }


def _in_vocabulary(table: Table) -> dict[str, Any]:
    return {
        "gold": table.total("known"),
        "strict": _triple(table, {"known-right-strict": 1}, "judged", "known"),
        "overlap": _triple(table, {"known-right-strict": 1, "known-right-partial": 1}, "judged", "known"),
        "at_1": table.share({"known-at-1": 1}, {"known-paired": 1}),
        "at_5": table.share({"known-at-5": 1}, {"known-paired": 1}),
    }


def _types(table: Table) -> dict[str, dict[str, Any]]:
    names = {key[1] for key in table.keys() if isinstance(key, tuple) and key[0] == "type"}  # noqa: SIM118 - a table is no mapping
    found = {}
    for name in sorted(names, key=lambda one: (-table.total(("type", one, "gold")), one)):
        gold, predicted = ("type", name, "gold"), ("type", name, "predicted")
        row: dict[str, Any] = {"gold": table.total(gold), "predicted": table.total(predicted)}
        for how, kinds in (("strict", ("strict",)), ("overlap", ("strict", "partial"))):
            right = {("type", name, f"predicted-{kind}"): 1.0 for kind in kinds}
            got = {("type", name, f"gold-{kind}"): 1.0 for kind in kinds}
            row[how] = {
                "precision": table.share(right, {predicted: 1}),
                "recall": table.share(got, {gold: 1}),
                "f1": table.harmonic_of((right, {predicted: 1}), (got, {gold: 1})),
            }
        row["linked"] = table.share({("type", name, "linked"): 1}, {gold: 1})
        found[name] = row
    return found
