"""The linker on human annotation: MedMentions ST21pv, training part, with the vocabulary of HPO, DOID and SYMP.

    python benchmarks/medmentions.py [--errors 10] [--exact] [--part dev|held-out|all]
    python benchmarks/medmentions.py --count ontology/linking/meant.csv

Each abstract is linked as one text; the gold spans are not given to the linker. Every second abstract is for development (`dev`),
the others are held out. How often a concept was meant in the half for development breaks ties (`ontology/linking/meant.csv`), so
its own figures flatter: those of the other half are what to expect. What the figures count:

- in vocabulary: gold mentions whose CUI is a concept of the vocabulary; the denominator of both recalls.
- recall: such mentions that the linker has with the same span and the same first CUI.
- precision: of the gold mentions in the vocabulary that the linker has with the same span, those with the right CUI.
- either: the same two with a CUI counted as right when it ties for the first place (a string that is two concepts' name).
- overlap recall: such mentions that a linked mention with the right first CUI overlaps.
- strict precision: of all linked mentions, those that are a gold mention, span and CUI. MedMentions leaves many
  mentions of general words unmarked (left, acute, onset), so this is a lower bound for clinical use.

`exact lower case` is the reference: the longest strings found by comparing in lower case.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import re
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ontology.catalog import Catalog
    from ontology.mention import Mention

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


HEAD = """\
# How often annotators meant a concept: counted in every second abstract (1,318 abstracts) of the training part of
# MedMentions ST21pv (Mohan and Li, AKBC 2019; CC0), concepts of HPO, DOID and SYMP.
# Made by benchmarks/medmentions.py --count; ranks concepts that share a string.
cui,meant
"""


class Abstract(NamedTuple):
    id: str
    text: str
    gold: list[tuple[int, int, str]]


def vocabulary(cache: Path | None = None) -> Catalog:
    from ontology.catalog import Catalog, open_catalog
    from ontology.concept import Coding, Concept, parse_cui
    from ontology.readers import obo

    labels: dict[str, list[str]] = {}
    codes: dict[str, list[Coding]] = {}
    cuis: dict[str, list[str]] = {}
    with (DATA / "doid" / "allXREFinDO.tsv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            system, _, code = row["xref"].partition(":")
            codes.setdefault(row["id"], [Coding("DOID", row["id"])])
            if system == "UMLS_CUI" and re.fullmatch("C[0-9]{7}", code):
                labels.setdefault(code, []).append(row["label"])
                cuis.setdefault(code, []).append(row["id"])
            elif system.startswith(("SNOMEDCT", "MESH", "ICD10CM")):
                codes[row["id"]].append(Coding("SNOMEDCT_US" if system.startswith("SNOMEDCT") else system, code))
    doid = [
        Concept(
            parse_cui(cui),
            names[0],
            tuple(names[1:]),
            codings=tuple(coding for term in cuis[cui] for coding in codes[term]),
            source="DOID",
        )
        for cui, names in labels.items()
    ]
    hpo = open_catalog("hpo", cache=cache)
    return Catalog([*hpo.values(), *doid, *obo.read(DATA / "symp" / "symp.obo")])


def abstracts(part: str) -> Iterator[Abstract]:
    with gzip.open(DATA / "medmentions" / "st21pv_train.jsonl.gz", "rt", encoding="utf-8") as file:
        for number, line in enumerate(file):
            if part != "all" and (number % 2 == 0) != (part == "dev"):
                continue
            raw = json.loads(line)
            words: list[str] = []
            gold = []
            for sentence in raw["sentences"]:
                gold += [(len(words) + m["start"], len(words) + m["end"], m["cui"]) for m in sentence["mentions"]]
                words += sentence["tokens"]
            starts = [0]
            for word in words:
                starts.append(starts[-1] + len(word) + 1)
            yield Abstract(raw["pmid"], " ".join(words), [(starts[a], starts[b] - 1, cui) for a, b, cui in gold])


def compared(catalog: Catalog, texts: Iterable[str]) -> Iterator[list[tuple[int, int, list[str]]]]:
    """The reference: longest strings in lower case from left to right."""
    strings: dict[str, set[str]] = {}
    for concept in catalog.values():
        for string in concept.strings:
            strings.setdefault(string.lower(), set()).add(concept.cui)
    for text in texts:
        lower = text.lower()
        words = [match.span() for match in re.finditer(r"\S+", lower)]
        found = []
        at = 0
        while at < len(words):
            for last in range(min(len(words), at + 12), at, -1):
                start, end = words[at][0], words[last - 1][1]
                if lower[start:end] in strings:
                    found.append((start, end, sorted(strings[lower[start:end]])))
                    at = last
                    break
            else:
                at += 1
        yield found


def ties(mention: Mention) -> list[str]:
    """The CUIs of a mention whose score is the best one's (to what ranking by context moves)."""
    best = mention.candidates[0][1]
    return [cui for cui, score in mention.candidates if score >= best - 0.0051]


def scored(
    catalog: Catalog, documents: list[Abstract], linked: Iterable[list[tuple[int, int, list[str]]]]
) -> tuple[dict[str, float], Counter[tuple[str, str, str, str]]]:
    n = Counter[str]()
    errors: Counter[tuple[str, str, str, str]] = Counter()
    for document, found in zip(documents, linked, strict=True):
        at = {(start, end): cuis for start, end, cuis in found}
        n["linked"] += len(at)
        gold = {(start, end): cui for start, end, cui in document.gold}
        n["strict"] += sum(gold.get(span) == cuis[0] for span, cuis in at.items())
        for (start, end), cui in gold.items():
            if cui not in catalog:
                continue
            n["in vocabulary"] += 1
            cuis = at.get((start, end))
            overlapping = [(a, b, c) for a, b, c in found if a < end and start < b]
            n["overlap"] += any(c[0] == cui for _, _, c in overlapping)
            said, name = document.text[start:end], catalog[cui].name
            if cuis is None:
                kind = "missed"
                instead = ""
                if overlapping:
                    a, b, c = overlapping[0]
                    kind = "span"
                    instead = f"{document.text[a:b]} = {catalog[c[0]].name}"
                errors[kind, said.lower(), f"{cui} {name}", instead] += 1
                continue
            n["same span"] += 1
            n["right"] += cuis[0] == cui
            n["either"] += cui in cuis
            if cuis[0] != cui:
                errors["concept", said.lower(), f"{cui} {name}", f"{cuis[0]} {catalog[cuis[0]].name}"] += 1
    total, same = n["in vocabulary"], n["same span"]
    figures = {
        "in_vocabulary": total,
        "recall": n["right"] / total,
        "precision": n["right"] / same,
        "recall_either": n["either"] / total,
        "precision_either": n["either"] / same,
        "recall_overlap": n["overlap"] / total,
        "strict_precision": n["strict"] / n["linked"],
        "linked": n["linked"],
    }
    return {name: round(value, 4) for name, value in figures.items()}, errors


def write_meant(catalog: Catalog, out: Path) -> None:
    """Writes how often each concept of the vocabulary was meant in the abstracts for development."""
    found = Counter(cui for document in abstracts("dev") for _, _, cui in document.gold if cui in catalog)
    with out.open("w", encoding="utf-8") as file:
        file.write(HEAD)
        file.writelines(f"{cui},{found[cui]}\n" for cui in sorted(found))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--errors", type=int, default=10)
    parser.add_argument("--exact", action="store_true", help="the exact tier alone")
    parser.add_argument("--part", choices=("dev", "held-out", "all", "both"), default="both")
    parser.add_argument("--cache", type=Path, help="folder for the parsed ontology and the index")
    parser.add_argument("--count", type=Path, help="only write the table of how often each concept was meant")
    options = parser.parse_args()
    if not DATA.is_dir():
        print(f"{DATA} is missing: the corpus and two vocabularies are read from there", file=sys.stderr)
        return 2
    from ontology.linker import CatalogLinker

    catalog = vocabulary(options.cache)
    if options.count:
        write_meant(catalog, options.count)
        return 0
    linker = CatalogLinker(catalog, cache=options.cache, fuzzy=not options.exact, context=False)
    result: dict[str, object] = {"concepts": len(catalog), "strings": sum(len(c.strings) for c in catalog.values())}
    for part in ("dev", "held-out", "all") if options.part == "both" else (options.part,):
        documents = list(abstracts(part))
        start = time.process_time()
        linked = [[(m.start, m.end, ties(m)) for m in mentions] for mentions in linker.link(d.text for d in documents)]
        seconds = time.process_time() - start
        figures, errors = scored(catalog, documents, linked)
        reference, _ = scored(catalog, documents, compared(catalog, (d.text for d in documents)))
        result[part] = {
            "abstracts": len(documents),
            "cpu_s": round(seconds, 2),
            "linker": figures,
            "exact lower case": reference,
        }
        print(f"\n{part}: {len(documents)} abstracts, {figures['in_vocabulary']:,.0f} mentions in vocabulary")
        print(f"{'':22}{'exact lower case':>18}{'linker':>10}")
        for name, value in figures.items():
            print(f"{name:22}{reference[name]:>18,}{value:>10,}")
        if part != "held-out":
            for kind in ("missed", "span", "concept"):
                some = {key: count for key, count in errors.items() if key[0] == kind}
                print(f"\n{kind}: {sum(some.values()):,}")
                for (_, said, meant, instead), count in Counter(some).most_common(options.errors):
                    print(f"{count:5}  {said!r} is {meant}" + (f", not {instead}" if instead else ""))
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
