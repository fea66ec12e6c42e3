"""A generated UMLS release in Rich Release Format: build it into a catalog, open it, search it.

`python benchmarks/catalog.py` makes 3 million strings of 1 million concepts (invented words of a medical shape, the same
every time), 4 million relations, definitions and ranks, and prints time, peak memory, size, and latencies of search.
`--concepts 20000` is a quick look; `--keep FOLDER` keeps the release and the catalog for other benchmarks.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from itertools import accumulate
from pathlib import Path

SABS = ("SNOMEDCT_US", "MSH", "NCI", "ICD10CM", "LNC", "MDR", "CHV", "RXNORM", "MTH", "HPO")
TTYS = ("PT", "SY", "MH", "ET", "LN", "PN")
STEMS = """cardi neur nephr hepat gastr derm oste arthr my encephal pneum haemat cyt angi aden chondr ophthalm ot rhin
laryng""".split()  # noqa: SIM905 - reads better than a list
TAILS = """itis osis oma opathy algia ectomy ology aemia plegia trophy scopy graphy ase ide ine ate ol one il
amide""".split()  # noqa: SIM905 - same
COMMON = """disease disorder syndrome acute chronic of the left right structure finding type with without and due to in
primary secondary malignant benign neoplasm pain injury fracture infection procedure product oral tablet mg injection upper
lower""".split()  # noqa: SIM905 - same
TYPES = ("T047", "T184", "T121", "T109", "T033", "T061", "T023", "T191", "T200", "T116")


def vocabulary(rng: random.Random, size: int) -> list[str]:
    """Words of a medical shape, no two alike."""
    words: dict[str, None] = {}
    syllables = [a + b for a in "bcdfglmnprstvz" for b in ("a", "e", "i", "o", "u", "ar", "en", "ol")]
    while len(words) < size:
        middle = "".join(rng.choices(syllables, k=rng.choice((0, 1, 1, 2, 2, 3))))
        words[f"{rng.choice(STEMS)}o{middle}{rng.choice(TAILS)}"] = None
    return list(words)


def generate(folder: Path, concepts: int, seed: int = 5) -> dict[str, int]:
    """The release; about three strings a concept, common words as often as in a real one."""
    rng = random.Random(seed)  # noqa: S311 - a benchmark
    rare = vocabulary(rng, max(2000, concepts // 4))
    weights = list(accumulate(1 / (rank + 20) for rank in range(len(rare))))
    common = list(accumulate(1 / (rank + 3) for rank in range(len(COMMON))))
    folder.mkdir(parents=True, exist_ok=True)
    strings = atoms = relations = 0
    files = {
        name: (folder / f"{name}.RRF").open("w", encoding="utf-8", newline="\n")
        for name in ("MRCONSO", "MRSTY", "MRDEF", "MRREL", "MRRANK")
    }

    def words() -> str:
        size = rng.choice((1, 2, 2, 3, 3, 4, 5, 7))
        picked = [
            rng.choices(COMMON, cum_weights=common)[0]
            if rng.random() < 0.45
            else rng.choices(rare, cum_weights=weights)[0]
            for _ in range(size)
        ]
        if all(word in COMMON for word in picked):
            picked.append(rng.choice(rare))
        return " ".join(picked)

    for rank, (sab, tty) in enumerate([(sab, tty) for sab in SABS for tty in TTYS]):
        files["MRRANK"].write(f"{rank:04d}|{sab}|{tty}|N|\n")
    for at in range(concepts):
        cui = f"C{at * 7 + 5:07d}"
        first = words().capitalize()
        names = dict.fromkeys([first, *(words() for _ in range(rng.choice((0, 1, 1, 2, 2, 3, 4, 3))))])
        if rng.random() < 0.3:
            names[f"{first}, {rng.choice(COMMON)}"] = None
        strings += len(names)
        for place, name in enumerate(names):
            for copy in range(2 if rng.random() < 0.25 else 1):
                atoms += 1
                sab, tty = rng.choice(SABS), rng.choice(TTYS)
                status, form, preferred = ("P", "PF", "Y") if place == copy == 0 else ("S", "VO", "N" if copy else "Y")
                code = "NOCODE" if sab == "MTH" else f"{rng.randrange(10**8)}"
                files["MRCONSO"].write(
                    f"{cui}|ENG|{status}|L{atoms:07d}|{form}|S{atoms:07d}|{preferred}|A{atoms:08d}|||{code}|{sab}|{tty}|{code}|{name}|0|N|256|\n"
                )
        for tui in {rng.choice(TYPES) for _ in range(rng.choice((1, 1, 1, 2)))}:
            files["MRSTY"].write(f"{cui}|{tui}|B2.2.1|Some type|AT{at:08d}|256|\n")
        if rng.random() < 0.15:
            text = " ".join(words() for _ in range(6))
            files["MRDEF"].write(f"{cui}|A{atoms:08d}|AT{at:08d}||NCI|{text}.|N|256|\n")
        for _ in range(min(at, 2)):
            relations += 2
            above = f"C{rng.randrange(at) * 7 + 5:07d}"
            sab = rng.choice(SABS)
            for one, other, rel, rela in ((cui, above, "PAR", "inverse_isa"), (above, cui, "CHD", "isa")):
                files["MRREL"].write(f"{one}|A1|AUI|{rel}|{other}|A2|AUI|{rela}|R{relations}||{sab}|{sab}|||N|256|\n")
    for file in files.values():
        file.close()
    return {"concepts": concepts, "strings": strings, "atoms": atoms, "relations": relations}


def build(release: Path, out: Path) -> None:
    """In a process of its own, so that the peak of its memory is its own."""
    from ontology.catalog_build import Source, build_catalog
    from ontology.readers import umls

    def progress(what: str, done: int) -> None:
        if os.environ.get("SHOW_STEPS"):
            print(f"{time.perf_counter() - begun:7.1f} s  {what} {done}", file=sys.stderr)

    begun = time.perf_counter()
    report = build_catalog([Source("generated", lambda reading: umls.read(release, reading))], out, progress=progress)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "build_s": round(time.perf_counter() - begun, 1),
                "build_cpu_s": round(time.process_time(), 1),
                "build_peak_gb": round(usage.ru_maxrss / 1e6, 2),
                "catalog_gb": round(out.stat().st_size / 1e9, 3),
                **report.counts,
            }
        )
    )


def queries(catalog: object, rng: random.Random, size: int) -> dict[str, list[str]]:
    """What people type, by kind: whole names, some words of one, one word, a slip, the beginning, common words."""
    names = [string for at, (string, _, _) in enumerate(catalog.strings()) if at % 997 == 0]
    rng.shuffle(names)
    picked = names[:size]

    def slip(text: str) -> str:
        at = rng.randrange(len(text))
        return rng.choice(
            (
                text[:at] + text[at + 1 :],
                text[:at] + rng.choice("aeiourstln") + text[at + 1 :],
                text[:at] + "x" + text[at:],
            )
        )

    return {
        "whole name": picked,
        "two words of it": [" ".join(rng.sample(name.split(), min(2, len(name.split())))) for name in picked],
        "one word": [rng.choice(name.split()) for name in picked],
        "one letter off": [slip(name) for name in picked],
        "beginning": [name[: max(4, len(name) * 2 // 3)] for name in picked],
        "common words": [" ".join(rng.sample(COMMON, rng.choice((1, 2, 3)))) for _ in picked],
    }


def look(path: Path, size: int) -> None:
    """Opens and searches, in a process of its own."""
    import ontology.catalog_store  # noqa: F401 - imports are not what is timed
    from ontology.catalog import open_catalog

    rng = random.Random(11)  # noqa: S311 - a benchmark
    begun = time.perf_counter()
    catalog = open_catalog(path)
    facts = (len(catalog), catalog.fingerprint[:12], len(catalog.sources))
    opened = time.perf_counter() - begun
    asked = queries(catalog, rng, size)
    catalog.close()
    rows, every = {}, []
    for kind, texts in asked.items():
        times = []
        found = 0
        for text in texts:
            begun = time.perf_counter()
            results = catalog.search(text)
            times.append(1000 * (time.perf_counter() - begun))
            found += bool(results)
        every += times
        times.sort()
        rows[kind] = {
            "p50_ms": round(times[len(times) // 2], 2),
            "p95_ms": round(times[int(len(times) * 0.95)], 2),
            "found": f"{found}/{len(texts)}",
        }
    hit = sum(any(text in concept.strings for concept, _ in catalog.search(text)) for text in asked["whole name"][:100])
    every.sort()
    begun = time.perf_counter()
    count = sum(1 for _ in catalog.strings())
    print(
        json.dumps(
            {
                "open_ms": round(1000 * opened, 2),
                "facts": facts,
                "search": rows,
                "search_p50_ms": round(every[len(every) // 2], 2),
                "search_p95_ms": round(every[int(len(every) * 0.95)], 2),
                "whole_names_found_first_ten": f"{hit}/100",
                "strings_s": round(time.perf_counter() - begun, 1),
                "strings": count,
                "look_peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
            }
        )
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--concepts", type=int, default=1_000_000)
    options.add_argument("--queries", type=int, default=300, help="of each kind")
    options.add_argument("--keep", type=Path)
    options.add_argument("--step", choices=("generate", "build", "look"))
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.keep or Path(temporary)
        release, out = folder / "META", folder / "generated.catalog"
        if asked.step == "build":
            build(release, out)
        elif asked.step == "look":
            look(out, asked.queries)
        else:
            begun = time.perf_counter()
            if not (release / "MRREL.RRF").exists():
                made = generate(release, asked.concepts)
                size = sum(file.stat().st_size for file in release.iterdir()) / 1e9
                print(
                    json.dumps(
                        {**made, "release_gb": round(size, 3), "generate_s": round(time.perf_counter() - begun, 1)}
                    )
                )
            if asked.step is None:
                same = ["--keep", str(folder), "--queries", str(asked.queries)]
                for step in ("build", "look"):
                    subprocess.run([sys.executable, __file__, *same, "--step", step], check=True)


if __name__ == "__main__":
    main()
