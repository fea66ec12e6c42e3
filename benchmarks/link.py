"""Sentences a second through each tier of the linker, on one core; the last line is JSON.

    python benchmarks/link.py [--sentences 4000]

The text is made of the pack's phrases in changing surroundings: 80 % as they stand, 20 % with a letter or their order changed.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

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


def changed(text: str, draw: random.Random) -> str:
    words = text.split()
    if len(words) > 1 and draw.random() < 0.5:
        draw.shuffle(words)
        return " ".join(words)
    place = draw.randrange(1, len(text))
    return text[:place] + text[place + 1 :]


def rate(count: int, work: object) -> float:
    start = time.perf_counter()
    for _ in work:  # type: ignore[attr-defined]
        pass
    return round(count / (time.perf_counter() - start), 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sentences", type=int, default=4000)
    count = parser.parse_args().sentences
    from ontology.catalog import open_catalog, pack_catalog
    from ontology.context import Context
    from ontology.lexicon import Lexicon
    from ontology.linker import CatalogLinker
    from ontology.pack import load_pack

    start = time.perf_counter()
    pack = load_pack()
    catalog = pack_catalog(pack, base=open_catalog("hpo"))
    figures: dict[str, float] = {"concepts": len(catalog), "catalog_s": round(time.perf_counter() - start, 2)}
    start = time.perf_counter()
    Context()
    figures["context_open_s"] = round(time.perf_counter() - start, 2)
    start = time.perf_counter()
    lexicon = Lexicon(catalog.values())
    figures |= {"forms": len(lexicon), "lexicon_s": round(time.perf_counter() - start, 2)}
    draw = random.Random(7)  # noqa: S311 - which sentences, not a secret
    texts = []
    for number in range(count):
        phrase = draw.choice(pack.phrases).text
        said = changed(phrase, draw) if number % 5 == 4 else phrase
        texts.append(f"{draw.choice(OPENINGS)} {said} {draw.choice(ENDINGS)}")
    figures["exact_per_s"] = rate(count, (lexicon.find(text) for text in texts))
    with tempfile.TemporaryDirectory() as folder:
        for name in ("index_build_s", "index_open_s"):
            linker = CatalogLinker(catalog, cache=Path(folder))
            start = time.perf_counter()
            found = list(linker.link(["wanderring"]))
            figures[name] = round(time.perf_counter() - start, 2)
    assert found[0]
    figures["exact_context_per_s"] = rate(count, CatalogLinker(catalog, fuzzy=False).link(texts))
    figures["all_per_s"] = rate(count, linker.link(texts))
    figures["all_again_per_s"] = rate(count, linker.link(texts))
    figures["memory_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
