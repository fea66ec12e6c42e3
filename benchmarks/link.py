"""Sentences a second through each tier of the linker, on one core, and what it finds; the last line is JSON.

    python benchmarks/link.py [--sentences 10000] [--scispacy 500] [--spacy-model NAME] [--context]
    python benchmarks/link.py --strings 3000000 --concepts 1000000 [--cache FOLDER]

The first links sentences made of HPO strings in changing surroundings: 80 % as they stand, 10 % with one letter less, more,
other or exchanged with the next, 10 % with their words in another order. A string counts as found when a mention that
overlaps it has its concept among the candidates.

`scispacy` is scispaCy over the same strings, on some of the same sentences. Its own models are on no package index, so its
mentions come from elsewhere:
- spans given: `CandidateGenerator` alone, told where the string stands: no tokenizer, no mentions.
- runs of words: the whole pipeline end to end (`nlp.pipe`): spaCy's English tokenizer, runs of words that are no function words as
  mentions, scispaCy's `AbbreviationDetector` and `EntityLinker`.
- our spans: the same with the spans of our two tiers as mentions.
- the model of `--spacy-model`: the same with its entities and noun chunks as mentions.

The second does the same over a generated vocabulary, for speed, memory and opening; index and process are its own.

Rates are by process CPU time, wall time stands beside them: `cold` is the first pass over the sentences, `warm` the second.
What was loaded before a pass is frozen (`gc.freeze`): a collection of all that numba and spaCy keep takes as long as a pass of
the exact tier, and comes in one pass or another by chance.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ontology.concept import Concept

OPENINGS = (
    "Daughter reports",
    "Per wife,",
    "Patient denies",
    "No evidence of",
    "Her son has noticed",
    "History of",
    "Possible",
    "On examination there is",
)
ENDINGS = (
    "since the spring.",
    "at this visit.",
    "over the past two years.",
    "on most days, he says.",
    "but sleep is good.",
    "with meals in the evening.",
)
LEAST = 0.7  # least similarity of scispaCy's candidates, as it has it
LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Sentence(NamedTuple):
    text: str
    kind: str
    cui: str
    start: int
    end: int


class Linked(NamedTuple):
    """A mention as scispaCy has it."""

    start: int
    end: int
    candidates: list[tuple[str, float]]


class Generated:
    """A vocabulary of any size that takes no memory: names of two to five words out of 60,000 made of syllables."""

    def __init__(self, strings: int, concepts: int) -> None:
        self.size, self.each = concepts, max(1, strings // concepts)
        self.fingerprint = f"generated {strings} {concepts}"

    def __len__(self) -> int:
        return self.size

    def string(self, concept: int, alias: int) -> str:
        draw = random.Random(concept * 1_000_003 + alias)  # noqa: S311 - which words, not a secret
        return " ".join(self.word(int(60_000 * draw.random() ** 2)) for _ in range(draw.randint(2, 5)))

    @staticmethod
    def word(number: int) -> str:
        out = ""
        number = number * 7919 % 1_000_003 + 50
        while number:
            number, at = divmod(number, 70)
            out += "bdfglmnprstvkz"[at // 5] + "aeiou"[at % 5]
        return out + ("sis", "tic", "ma", "n")[len(out) // 2 % 4]

    def strings(self) -> Iterator[tuple[str, str, bool]]:
        for concept in range(self.size):
            for alias in range(self.each):
                yield self.string(concept, alias), f"C{concept:07}", alias == 0

    def values(self) -> Iterator[Concept]:
        return iter(())  # no definitions, no codings

    @staticmethod
    def get(_cui: str, default: object = None) -> object:
        return default


def slip(text: str, draw: random.Random) -> str:
    while True:
        at = draw.randrange(len(text))
        other = draw.choice(LETTERS)
        kind = draw.randrange(4)
        if not text[at].isalpha() or (kind == 3 and not text[at + 1 : at + 2].isalpha()):
            continue
        out = text[:at] + ("", other + text[at], other, text[at + 1 : at + 2] + text[at])[kind]
        out += text[at + (2 if kind == 3 else 1) :]
        if out != text:
            return out


def reordered(text: str, draw: random.Random) -> str:
    words = text.split()
    shuffled = words[:]
    while shuffled == words:
        draw.shuffle(shuffled)
    return " ".join(shuffled)


def sentences(count: int, pick: Callable[[random.Random], tuple[str, str]]) -> list[Sentence]:
    draw = random.Random(7)  # noqa: S311 - which sentences, not a secret
    made = []
    while len(made) < count:
        said, cui = pick(draw)
        kind = {8: "typo", 9: "order"}.get(len(made) % 10, "exact")
        if kind == "order" and len(set(said.split())) < 2:
            continue
        said = slip(said, draw) if kind == "typo" else reordered(said, draw) if kind == "order" else said
        opening = draw.choice(OPENINGS)
        start = len(opening) + 1
        made.append(Sentence(f"{opening} {said} {draw.choice(ENDINGS)}", kind, cui, start, start + len(said)))
    return made


def timed(count: int, work: Iterable[Any]) -> tuple[list[Any], dict[str, int]]:
    gc.collect()
    gc.freeze()
    wall, cpu = time.perf_counter(), time.process_time()
    out = list(work)
    return out, {
        "per_cpu_s": round(count / (time.process_time() - cpu)),
        "per_wall_s": round(count / (time.perf_counter() - wall)),
    }


def recall(made: list[Sentence], found: list[Any]) -> dict[str, float]:
    n, right = Counter[str](), Counter[str]()
    for one, mentions in zip(made, found, strict=True):
        n[one.kind] += 1
        right[one.kind] += any(
            cui == one.cui for m in mentions if m.start < one.end and one.start < m.end for cui, _ in m.candidates
        )
    return {kind: round(right[kind] / n[kind], 4) for kind in sorted(n)}


def memory() -> int:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def tiers(catalog: Any, made: list[Sentence], cache: Path) -> dict[str, Any]:
    from ontology.linker import CatalogLinker

    figures: dict[str, Any] = {}
    texts = [one.text for one in made]
    wall, cpu = time.perf_counter(), time.process_time()
    next(CatalogLinker(catalog, cache=cache, context=False).link(["warm up, wanderring"]))
    figures["build_s"], figures["build_cpu_s"] = (
        round(time.perf_counter() - wall, 2),
        round(time.process_time() - cpu, 2),
    )
    figures["build_memory_mb"] = memory()
    figures["index_mb"] = round(sum(path.stat().st_size for path in cache.glob("*.arrays")) / 1e6, 1)
    wall = time.perf_counter()
    exact = CatalogLinker(catalog, cache=cache, context=False, fuzzy=False)
    figures["open_s"] = round(time.perf_counter() - wall, 3)
    both = CatalogLinker(catalog, cache=cache, context=False)
    for name, linker in (("exact", exact), ("both", both)):
        next(linker.link(["atrial septal defect (ASD)"]))  # loads scispaCy's detector
        found, cold = timed(len(texts), linker.link(texts))
        again, warm = timed(len(texts), linker.link(texts))
        assert again == found
        figures[name] = {"cold": cold, "warm": warm, "recall": recall(made, found)}
    figures["memory_mb"] = memory()
    return figures


def scispacy(catalog: Any, made: list[Sentence], cache: Path, model: str | None) -> dict[str, dict[str, Any]]:
    """ScispaCy on the same sentences and strings, by how it gets its mentions."""
    from ontology.linking.candidates import generator
    from ontology.linking.lexicon import open_index

    generate = generator(open_index(catalog, cache), cache)
    said = [one.text[one.start : one.end] for one in made]
    generate(said[:5], 30)
    found, rate = timed(
        len(made), (one for first in range(0, len(said), 64) for one in generate(said[first : first + 64], 30))
    )
    n, right = Counter[str](), Counter[str]()
    for one, candidates in zip(made, found, strict=True):
        n[one.kind] += 1
        right[one.kind] += any(c.concept_id == one.cui and max(c.similarities) >= LEAST for c in candidates)
    figures = {"spans given": rate | {"recall": {kind: round(right[kind] / n[kind], 4) for kind in sorted(n)}}}
    texts = [one.text for one in made]
    for name, nlp in pipelines(generate, catalog, cache, model):
        list(nlp.pipe(texts[:5]))
        docs, rate = timed(len(texts), nlp.pipe(texts))
        linked = [
            [Linked(ent.start_char, ent.end_char, ent._.kb_ents) for ent in doc.ents if ent._.kb_ents] for doc in docs
        ]
        figures[name] = rate | {"recall": recall(made, linked)}
    return figures


def pipelines(generate: Any, catalog: Any, cache: Path, model: str | None) -> Iterator[tuple[str, Any]]:
    """Whole pipelines: tokenizer, mentions, scispaCy's abbreviations, scispaCy's `EntityLinker`."""
    import warnings

    warnings.simplefilter("ignore")  # what their imports deprecate is not this bench's to say
    import spacy
    from scispacy.abbreviation import AbbreviationDetector
    from scispacy.linking import EntityLinker
    from spacy.language import Language
    from spacy.util import filter_spans

    from ontology.linker import CatalogLinker
    from ontology.linking.words import FUNCTION_WORDS

    link = EntityLinker(
        candidate_generator=generate,
        resolve_abbreviations=True,
        k=30,
        threshold=LEAST,
        filter_for_definitions=False,
        max_entities_per_mention=10,
    )
    ours = CatalogLinker(catalog, cache=cache, context=False)

    @Language.component("runs")
    def runs(doc: Any) -> Any:
        spans, first = [], None
        for at in range(len(doc) + 1):
            inside = at < len(doc) and doc[at].is_alpha and doc[at].lower_ not in FUNCTION_WORDS
            if inside and first is None:
                first = at
            elif not inside and first is not None:
                spans.append(doc[first:at])
                first = None
        doc.set_ents([span_of(doc, span.start, span.end) for span in spans])
        return doc

    @Language.component("our_spans")
    def our_spans(doc: Any) -> Any:
        (mentions,) = ours([doc.text])
        spans = (doc.char_span(m.start, m.end, label="CONCEPT", alignment_mode="expand") for m in mentions)
        doc.set_ents(filter_spans(span for span in spans if span is not None))
        return doc

    @Language.component("chunks")
    def chunks(doc: Any) -> Any:
        trimmed = (
            doc[chunk[1].i : chunk.end] if len(chunk) > 1 and chunk[0].pos_ in {"DET", "PRON"} else chunk
            for chunk in doc.noun_chunks
        )
        doc.set_ents(filter_spans([*doc.ents, *(span_of(doc, chunk.start, chunk.end) for chunk in trimmed)]))
        return doc

    def span_of(doc: Any, start: int, end: int) -> Any:
        from spacy.tokens import Span

        return Span(doc, start, end, label="CONCEPT")

    Language.component("scispacy_abbreviations", func=AbbreviationDetector(spacy.blank("en")))
    Language.component("scispacy_links", func=link)
    for name, detector in (("runs of words", "runs"), ("our spans", "our_spans"), (f"{model}", "chunks")):
        if detector == "chunks" and model is None:
            continue
        nlp = spacy.load(model) if detector == "chunks" and model else spacy.blank("en")
        for component in (detector, "scispacy_abbreviations", "scispacy_links"):
            nlp.add_pipe(component)
        yield name, nlp


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=10_000)
    parser.add_argument(
        "--scispacy", type=int, default=500, metavar="N", help="sentences for scispaCy; 0 leaves it out"
    )
    parser.add_argument("--spacy-model", help="an installed spaCy or scispaCy model that finds mentions for scispaCy")
    parser.add_argument("--context", action="store_true", help="assertion and informant, too")
    parser.add_argument("--strings", type=int, help="strings of a generated vocabulary")
    parser.add_argument("--concepts", type=int, default=1_000_000, help="its concepts")
    parser.add_argument("--cache", type=Path, help="folder for the index (default: one that goes away)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cache = options.cache or Path(folder)
        if options.strings:
            catalog: Any = Generated(options.strings, options.concepts)
            made = sentences(
                options.sentences,
                lambda draw: (
                    catalog.string(number := draw.randrange(len(catalog)), draw.randrange(catalog.each)),
                    f"C{number:07}",
                ),
            )
        else:
            from ontology.catalog import open_catalog

            catalog = open_catalog("hpo", cache=cache)
            strings = [(string, concept.cui) for concept in catalog.values() for string in concept.strings]
            strings = [pair for pair in strings if len(pair[0]) > 5]
            made = sentences(options.sentences, lambda draw: draw.choice(strings))
        figures: dict[str, Any] = {"sentences": len(made)} | tiers(catalog, made, cache)
        if options.context:
            from ontology.linker import CatalogLinker

            linker = CatalogLinker(catalog, cache=cache)
            texts = [one.text for one in made]
            _, cold = timed(len(texts), linker.link(texts))
            _, warm = timed(len(texts), linker.link(texts))
            figures["with_context"] = {"cold": cold, "warm": warm}
        if options.scispacy and not options.strings:
            some = made[:: max(1, len(made) // options.scispacy)]
            some = [one for kind in ("exact", "typo", "order") for one in made if one.kind == kind][
                :: len(made) // len(some)
            ]
            figures["scispacy"] = scispacy(catalog, some, cache, options.spacy_model)
            ours = figures["both"]["cold"]["per_cpu_s"]
            figures["times_scispacy"] = {
                name: round(ours / one["per_cpu_s"], 1) for name, one in figures["scispacy"].items()
            }
    for name, value in figures.items():
        if name in {"scispacy", "times_scispacy"}:
            print(f"{name:16}" + "".join(f"\n  {of:14} {figure}" for of, figure in value.items()))
        else:
            print(f"{name:16} {value}")
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
