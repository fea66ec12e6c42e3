"""A build is whole or leaves the old catalog; what it left out is said; sources of several kinds come together."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from ontology.catalog import open_catalog
from ontology.catalog_build import Source, build_catalog
from ontology.catalog_formats import Options, source_of
from ontology.catalog_store import StoredCatalog
from ontology.concept import Coding, Concept, Cui
from ontology.errors import ConfigError, SourceError, StoreError, UnknownConcept

if TYPE_CHECKING:
    from pathlib import Path

ATOM = "{}|ENG|P|L1|PF|S1|Y|A1||||MSH|MH|{}|{}|0|N|256|\n"
OLD, NEW, GONE = "C9000008", "C9000001", "C9000009"
OBO = f"""format-version: 1.2
data-version: 7
ontology: made
property_value: dc:title "Made up" xsd:string
property_value: terms:license https://creativecommons.org/publicdomain/zero/1.0/

[Term]
id: SYMP:1
name: Zorb
synonym: "Zorbing" EXACT []
xref: UMLS_CUI:{OLD}
xref: MESH:D000009

[Term]
id: SYMP:2
name: Lonely
is_a: SYMP:1

[Term]
id: SYMP:3
name: Gone
xref: UMLS_CUI:{GONE}
is_a: SYMP:2
"""


@pytest.fixture
def meta(tmp_path: Path) -> Path:
    folder = tmp_path / "META"
    folder.mkdir()
    (folder / "MRCONSO.RRF").write_text(
        ATOM.format(NEW, "D1", "Zorbism") + ATOM.format("C9000002", "D2", "Blarg"), encoding="utf-8"
    )
    (folder / "MRCUI.RRF").write_text(f"{OLD}|2020AA|SY|||{NEW}|Y|\n{GONE}|2021AB|DEL|||||\n", encoding="utf-8")
    rows = f"C9000002|A|AUI|PAR|{NEW}|A|AUI||R||MSH|MSH|||N||\n{NEW}|A|AUI|PAR|C9000002|A|AUI||R||MSH|MSH|||N||\n"
    (folder / "MRREL.RRF").write_text(rows + f"{NEW}|A|AUI|PAR|C9999999|A|AUI||R||MSH|MSH|||N||\n", encoding="utf-8")
    return folder


def test_several_vocabularies_come_together_and_what_was_merged_is_followed(meta: Path, tmp_path: Path) -> None:
    (tmp_path / "a.obo").write_text(OBO, encoding="utf-8")
    out = tmp_path / "my.catalog"
    sources = [source_of("umls", meta), source_of("obo", tmp_path / "a.obo", Options(own_codes=True))]
    report = build_catalog(sources, out)
    catalog = StoredCatalog(out)
    assert list(catalog) == [NEW, "C9000002", GONE, "SYMP:2"]
    one = catalog[Cui(NEW)]
    assert (one.name, one.aliases, one.source) == ("Zorbism", ("Zorb", "Zorbing"), "MSH; SYMP")
    assert catalog.lookup(Coding("MeSH", "D000009")) == (NEW,)
    assert catalog[Cui("SYMP:2")].parents == (NEW,)
    assert catalog.descendants(Cui(NEW)) == {"C9000002", "SYMP:2", GONE}
    assert catalog.current(Cui(OLD)) == NEW
    with pytest.raises(UnknownConcept, match=f"2020AA: it was merged into {NEW} Zorbism"):
        catalog[Cui(OLD)]
    counts = {f.code: (f.count, f.examples) for f in catalog.findings}
    assert counts["merged-cui"] == (2, [(OLD, f"into {NEW} in 2020AA"), (OLD, f"into {NEW}, as a parent")])
    assert counts["retired-cui"] == (1, [(GONE, "since 2021AB")])
    assert counts["cyclic-is-a"] == (2, [(NEW, "Zorbism"), ("C9000002", "Blarg")])
    assert counts["missing-parent"][0] == 1
    assert counts["own-code"][0] == 1
    assert [(s.name, s.version, s.licence, bool(s.sha256)) for s in catalog.sources] == [
        ("UMLS Metathesaurus", "", "UMLS Metathesaurus License: the content is yours to use and not to pass on", True),
        ("MSH", "", "UMLS restriction level 0: no further restriction", False),
        ("Made up", "7", "CC0-1.0", True),
    ]
    assert report.as_data()["sources"] == [json.loads(json.dumps(row)) for row in report.as_data()["sources"]]
    again = build_catalog([source_of("catalog", out)], tmp_path / "again.catalog")
    assert again.fingerprint == report.fingerprint
    assert StoredCatalog(tmp_path / "again.catalog").current(Cui(OLD)) == NEW


def test_a_retired_concept_is_said_to_be_retired(meta: Path, tmp_path: Path) -> None:
    build_catalog([source_of("umls", meta)], tmp_path / "a.catalog")
    with pytest.raises(UnknownConcept, match="retired since 2021AB, without a successor"):
        open_catalog(tmp_path / "a.catalog")[Cui(GONE)]


def test_the_same_sources_give_the_same_bytes(meta: Path, tmp_path: Path) -> None:
    (tmp_path / "a.obo").write_text(OBO, encoding="utf-8")
    digests = set()
    for name in ("a", "b"):
        build_catalog([source_of("umls", meta), source_of("obo", tmp_path / "a.obo")], tmp_path / name)
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1


def test_a_dry_run_reports_and_leaves_nothing(meta: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    report = build_catalog([source_of("umls", meta)], tmp_path / "a.catalog", dry_run=True)
    assert report.path is None
    assert report.counts["concepts"] == 2
    assert sorted(tmp_path.iterdir()) == before


def broken(_):
    yield Concept(Cui(NEW), "Zorbism")
    raise SourceError("is broken", "x", 7)


@pytest.mark.parametrize("fault", ["reader", "empty", "disk"])
def test_a_build_that_fails_leaves_the_old_catalog(fault: str, meta: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.catalog"
    build_catalog([source_of("umls", meta)], out)
    before, there = out.read_bytes(), sorted(tmp_path.iterdir())
    if fault == "disk":
        script = (
            "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))\n"
            "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "from engine.cli import main; sys.argv = ['dualalign', 'catalog', 'build', 'umls', sys.argv[1], '--out', sys.argv[2]]; main()"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, str(meta), str(out)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 3
        assert "was not written" in done.stderr
        assert "Traceback" not in done.stderr
    else:
        source = Source("bad", broken if fault == "reader" else lambda _: iter(()))
        with pytest.raises(SourceError):
            build_catalog([source_of("umls", meta), source], out)
    assert out.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == there


SLOW = """
import sys
from ontology.catalog_build import Source, build_catalog
from ontology.concept import Concept, Cui
def read(reading):
    print("begun", flush=True)
    for number in range(200_000):
        yield Concept(Cui(f"C{number:07d}"), f"name {number} of it", ("other name " + str(number),))
build_catalog([Source("slow", read)], sys.argv[1])
"""


@pytest.mark.parametrize("after", [0.05, 0.6, 1.5])
def test_a_killed_build_leaves_the_old_catalog_and_the_next_one_cleans_up(
    after: float, meta: Path, tmp_path: Path
) -> None:
    out = tmp_path / "a.catalog"
    build_catalog([source_of("umls", meta)], out)
    before = out.read_bytes()
    child = subprocess.Popen([sys.executable, "-c", SLOW, str(out)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    time.sleep(after)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert out.read_bytes() == before
    assert list(StoredCatalog(out)) == [NEW, "C9000002"]
    assert [one for one in tmp_path.iterdir() if one.name.startswith(".a.catalog")]
    build_catalog([source_of("umls", meta)], out)
    assert not [one for one in tmp_path.iterdir() if one.name.startswith(".a.catalog")]


def test_a_file_that_is_no_catalog_is_not_replaced(meta: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="no catalog"):
        build_catalog([source_of("umls", meta)], tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine"
    with sqlite3.connect(tmp_path / "other.db") as db:
        db.execute("CREATE TABLE mine (a)")
    with pytest.raises(ConfigError, match="no catalog"):
        build_catalog([source_of("umls", meta)], tmp_path / "other.db")
    (tmp_path / "in-the-way").touch()
    with pytest.raises(StoreError):
        build_catalog([source_of("umls", meta)], tmp_path / "in-the-way" / "a.catalog")


@pytest.mark.parametrize("damage", ["cut", "foreign", "later", "garbled"])
def test_a_damaged_or_foreign_catalog_is_refused_with_the_way_out(damage: str, meta: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.catalog"
    build_catalog([source_of("umls", meta)], out)
    data = bytearray(out.read_bytes())
    if damage == "cut":
        data = data[: len(data) // 2]
    elif damage == "foreign":
        data[68:72] = b"abcd"
    elif damage == "later":
        data[60:64] = (99).to_bytes(4)
    else:
        data[8192:] = os.urandom(len(data) - 8192)
    out.write_bytes(data)
    with pytest.raises(SourceError, match="build"):
        dict(StoredCatalog(out))


def test_hostile_text_is_cleaned_and_said(tmp_path: Path) -> None:
    names = (
        "a\x00b\x1b[31m",
        "x\u202ey",
        "half \ud800 pair",
        "<script>alert(1)</script>",
        "N" * 200_000,
        "tab\tnew\nline",
    )
    concepts = [Concept(Cui(f"C900000{at}"), name) for at, name in enumerate(names)]
    build_catalog([Source("odd", lambda _: iter(concepts))], tmp_path / "a.catalog")
    catalog = StoredCatalog(tmp_path / "a.catalog")
    assert [c.name for c in catalog.values()] == ["ab[31m", "xy", "half \ufffd pair", *names[3:]]
    assert catalog.findings.count("control-characters") == 3
    assert catalog.search("alert script")[0][0].cui == "C9000003"
    assert catalog.find("N" * 200_000) == ("C9000004",)
