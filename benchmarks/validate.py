"""Sentences per second through the validation alone and with the linker, on one core; the last line is JSON.

    python benchmarks/validate.py [--seconds 3] [--catalog hpo]

Sentences and plans are those of tests/validator/sentences.csv that are to be accepted (they pass every rule, which is
the slowest way through), each made new by two more words so that no cache helps.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from engine.plan import Plan
from engine.validation import Validator
from graph_loaders.trajectory import Persona
from ontology.catalog import open_catalog, pack_catalog
from ontology.linker import CatalogLinker
from ontology.mention import Assertion, Informant
from ontology.pack import load_pack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ontology.pack import Pack

SENTENCES = Path(__file__).parents[1] / "tests" / "validator" / "sentences.csv"
WORDS = [start + end for start in "bcdfghklmnprst" for end in ("ar", "el", "om", "ust", "int", "ay")]


def fresh(texts: list[str]) -> Iterator[str]:
    """Endlessly the sentences, each with another pair of words before the full stop."""
    for round_ in itertools.count():
        for number, text in enumerate(texts):
            first, second = divmod(round_ * 7 + number, len(WORDS))
            yield f"{text[:-1]} {WORDS[first % len(WORDS)]} {WORDS[second]}."


def plan_of(row: dict[str, str], pack: Pack) -> Plan:
    label, concept = pack.label(row["label"]), pack.concept(row["cui"]) if row["cui"] else None
    return Plan(
        label.id,
        label.definition,
        cui=concept.cui if concept else None,
        name=concept.name if concept else "",
        phrase=concept.name.lower() if concept else "",
        assertion=Assertion(row["assertion"]),
        informant=Informant(row["informant"]),
        persona=Persona({"sex": row["sex"]}),
        age=float(row["age"]),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--catalog", default="hpo")
    options = parser.parse_args()
    pack = load_pack()
    catalog = pack_catalog(pack, base=None if options.catalog == "pack" else open_catalog(options.catalog))
    validator, linker = Validator(pack, catalog), CatalogLinker(catalog)
    with SENTENCES.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["expect"] == "accept"]
    texts = [row["text"] for row in rows]
    plans = [plan_of(row, pack) for row in rows]
    mentions = list(linker.link(texts))

    done, begun = 0, time.process_time()
    for plan, text, linked in zip(itertools.cycle(plans), fresh(texts), itertools.cycle(mentions), strict=False):
        validator.validate(plan, text, linked)
        done += 1
        if done % 200 == 0 and time.process_time() - begun > options.seconds:
            break
    alone = done / (time.process_time() - begun)

    done, begun = 0, time.process_time()
    pairs = zip(itertools.cycle(plans), fresh(texts), strict=False)
    while time.process_time() - begun < options.seconds:
        some = list(itertools.islice(pairs, 200))
        for (plan, text), linked in zip(some, linker.link(text for _, text in some), strict=True):
            validator.validate(plan, text, linked)
            done += 1
    both = done / (time.process_time() - begun)

    print(f"validation alone: {alone:,.0f} sentences a second; with the linker: {both:,.0f}")
    print(json.dumps({"validated_per_second": round(alone), "linked_and_validated_per_second": round(both)}))


if __name__ == "__main__":
    main()
