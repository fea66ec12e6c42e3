"""A UMLS release: names, types, definitions, codes and parents out of its rows, and what bad rows get. All content is invented."""

from __future__ import annotations

import gzip
import random
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from ontology.catalog import Catalog
from ontology.concept import Coding, Concept, Cui
from ontology.errors import SourceError
from ontology.readers import umls
from ontology.readers.reading import Reading
from ontology.readers.umls import Filters

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Release:
    """Rows by file; written as a META folder."""

    rows: dict[str, list[str]] = field(default_factory=dict)

    def atom(self, cui, text, sab="MSH", code="D1", *, lat="ENG", status="PPFY", tty="MH", suppress="N"):
        ts, stt, pref = status[0], status[1:-1], status[-1]
        self.add("MRCONSO", f"{cui}|{lat}|{ts}|L1|{stt}|S1|{pref}|A1||||{sab}|{tty}|{code}|{text}|0|{suppress}|256|")
        return self

    def add(self, name, *rows):
        self.rows.setdefault(name, []).extend(rows)
        return self

    def write(self, folder: Path) -> Path:
        folder.mkdir(exist_ok=True)
        for name, rows in self.rows.items():
            (folder / f"{name}.RRF").write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
        return folder


EVERYTHING = Filters()


def small() -> Release:
    release = Release()
    release.atom("C9000001", "Zorbism", status="PPFY").atom(
        "C9000001", "Zorbism syndrome", "SNOMEDCT_US", "77", status="SVON"
    )
    release.atom("C9000001", "the zorbs", "CHV", "1", status="SPFY").atom("C9000001", "Zorbisme", "MSHFRE", lat="FRE")
    release.atom("C9000002", "Blarg of limb", "ICD10CM", "G309", status="PPFY").atom("C9000003", "Quux")
    release.add("MRSTY", "C9000001|T047|B2|Disease or Syndrome|AT1|256|", "C9000002|T184|B2|Sign or Symptom|AT2|256|")
    release.add(
        "MRDEF",
        "C9000001|A1|AT1||SNOMEDCT_US|Second.|N|256|",
        "C9000001|A1|AT1||MSH|First.|N|256|",
        "C9000001|A1|AT1||MSHFRE|Autre.|N||",
    )
    release.add(
        "MRREL",
        "C9000002|A|AUI|PAR|C9000001|A|AUI||R1||MSH|MSH|||N||",
        "C9000001|A|AUI|CHD|C9000002|A|AUI|isa|R2||MSH|MSH|||N||",
    )
    release.add(
        "MRREL",
        "C9000003|A|AUI|RB|C9000002|A|AUI||R3||MSH|MSH|||N||",
        "C9000003|A|AUI|PAR|C9000001|A|AUI|part_of|R4||MSH|MSH|||N||",
    )
    release.add("MRREL", "C9000003|A|AUI|RO|C9000001|A|AUI||R5||MSH|MSH|||N||")
    return release


def read(folder: Path, filters: Filters = EVERYTHING) -> tuple[dict[str, Concept], Reading]:
    reading = Reading()
    return {concept.cui: concept for concept in umls.read(folder, reading, filters)}, reading


def test_rows_become_concepts(tmp_path: Path) -> None:
    found, reading = read(small().write(tmp_path))
    one = found["C9000001"]
    assert one == Concept(
        Cui("C9000001"),
        "Zorbism",
        ("Zorbism syndrome",),
        ("T047",),
        "First.",
        (Coding("MSH", "D1"), Coding("CHV", "1"), Coding("SNOMEDCT_US", "77")),
        (),
        "MSH; CHV; SNOMEDCT_US",
        ("the zorbs",),
    )
    assert found["C9000002"].codings == (Coding("ICD10CM", "G30.9"),)
    assert found["C9000002"].parents == ("C9000001",)
    assert found["C9000003"].parents == ("C9000002",)
    assert {f.code: f.count for f in reading.findings} == {
        "other-language": 1,
        "foreign-definition": 1,
        "other-relation": 1,
    }
    assert [s.name for s in reading.sources] == ["UMLS Metathesaurus", "CHV", "ICD10CM", "MSH", "SNOMEDCT_US"]


@pytest.mark.parametrize("form", ["zip", "gz", "parent"])
def test_a_release_may_be_packed(tmp_path: Path, form: str) -> None:
    plain, _ = read(small().write(tmp_path / "META"))
    place = tmp_path
    if form == "zip":
        place = tmp_path / "2026AA.zip"
        with zipfile.ZipFile(place, "w") as archive:
            for file in sorted((tmp_path / "META").iterdir()):
                archive.write(file, f"2026AA/META/{file.name}")
            archive.writestr("2026AA/META/release.dat", "umls.release.name=2026AA\n")
    elif form == "gz":
        place = tmp_path / "packed"
        place.mkdir()
        for file in (tmp_path / "META").iterdir():
            (place / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
    found, reading = read(place)
    assert found == plain
    assert reading.sources[0].version == ("2026AA" if form == "zip" else "")
    assert len(reading.sources[0].sha256) == 64


def test_the_order_of_rows_changes_nothing_but_which_of_equals_is_first(tmp_path: Path) -> None:
    release = small()
    plain, _ = read(release.write(tmp_path / "a"))
    rng = random.Random(3)  # noqa: S311 - a shuffle
    for rows in release.rows.values():
        rng.shuffle(rows)
    again, _ = read(release.write(tmp_path / "b"))
    assert again == plain


def test_filters_leave_out_and_say_so(tmp_path: Path) -> None:
    release = small().atom("C9000004", "Old thing", suppress="O").write(tmp_path)
    found, reading = read(release, Filters(sources=frozenset({"SNOMEDCT_US"})))
    assert {cui: (concept.name, concept.aliases) for cui, concept in found.items()} == {
        "C9000001": ("Zorbism syndrome", ())
    }
    assert reading.findings.count("other-source") == 5
    found, reading = read(release, Filters(languages=("FRE",)))
    assert [concept.name for concept in found.values()] == ["Zorbisme"]
    found, reading = read(release, Filters(languages=("FRE", "ENG")))
    assert found[Cui("C9000001")].name == "Zorbisme"
    found, reading = read(release, Filters(types=frozenset({"T184"})))
    assert list(found) == ["C9000002"]
    assert reading.findings.count("other-type") == 2
    assert reading.findings.count("suppressed") == 1
    found, _ = read(release, Filters(suppressed=True))
    assert found[Cui("C9000004")].name == "Old thing"


def test_the_preferred_name_of_a_part_is_the_one_of_highest_rank(tmp_path: Path) -> None:
    release = (
        Release()
        .atom("C9000001", "low", "NCI", status="SVON", tty="SY")
        .atom("C9000001", "high", "MSH", status="SVON", tty="MH")
    )
    release.add("MRRANK", "0400|MSH|MH|N|", "0100|NCI|SY|N|")
    found, _ = read(release.write(tmp_path))
    assert (found[Cui("C9000001")].name, found[Cui("C9000001")].aliases) == ("high", ("low",))


def test_two_preferred_names_are_said(tmp_path: Path) -> None:
    release = Release().atom("C9000001", "one").atom("C9000001", "two").write(tmp_path)
    found, reading = read(release)
    assert (found[Cui("C9000001")].name, found[Cui("C9000001")].aliases) == ("one", ("two",))
    assert [(f.code, f.count, f.examples) for f in reading.findings] == [("two-names", 1, [("C9000001", "one | two")])]


GOOD = b"C9000001|ENG|P|L1|PF|S1|Y|A1||||MSH|MH|D1|Zorbism|0|N|256|\n"


@pytest.mark.parametrize(
    ("row", "code", "line"),
    [
        (b"C9000002|ENG|P\n", "wrong-columns", 2),
        (b"C9000002|ENG|P|L1|PF|S1|Y|A1||||MSH|MH|D1|Zor|b|ism|0|N|256|\n", "wrong-columns", 2),
        (b"C9000002|ENG|P|L1|PF|S1|Y|A1||||MSH|MH|D1|Zor", "truncated-row", 2),
        (b"C9000002|ENG|P|L1|PF|S1|Y|A1||||MSH|MH|D1|Zorb\xefsm|0|N|256|\n", "not-utf8", 2),
        (b"C9000002|ENG|P|L1|PF|S1|Y|A1||||MSH|MH|D1|Zorb\x81sm|0|N|256|\n", "unreadable-bytes", 2),
        (b"X9000002|ENG|P|L1|PF|S1|Y|A1||||MSH|MH|D1|Zorb|0|N|256|\n", "malformed-id", 2),
        (b"C9000002|ENG|P|L1|PF|S1|Y|A1||||MSH|MH|D1||0|N|256|\n", "empty-name", 2),
        ("C９000002|ENG|P|L1|PF|S1|Y|A1||||MSH|MH|D1|Zorb|0|N|256|\n".encode(), "malformed-id", 2),
        (bytes(range(128, 160)) + b"\x00\n", "unreadable-bytes", 2),
    ],
)
def test_a_bad_row_is_counted_with_its_line_and_the_rest_is_read(
    tmp_path: Path, row: bytes, code: str, line: int
) -> None:
    (tmp_path / "MRCONSO.RRF").write_bytes(
        GOOD + row + b"" if code == "truncated-row" else GOOD + row + GOOD.replace(b"1|ENG", b"3|ENG")
    )
    found, reading = read(tmp_path)
    assert "C9000001" in found
    assert [(f.code, f.count, f.examples[0][0]) for f in reading.findings] == [(code, 1, f"MRCONSO.RRF:{line}")]
    assert (Cui("C9000002") in found) == (code == "not-utf8")
    if code == "not-utf8":
        assert found[Cui("C9000002")].name == "Zorbïsm"


def test_unknown_and_malformed_semantic_types_are_counted(tmp_path: Path) -> None:
    release = (
        Release()
        .atom("C9000001", "a")
        .add("MRSTY", "C9000001|T998|B|New|AT|256|", "C9000001|47|B|Odd|AT|256|")
        .write(tmp_path)
    )
    found, reading = read(release)
    assert found[Cui("C9000001")].types == ("T998",)
    assert [(f.code, f.examples[0][0]) for f in reading.findings] == [
        ("malformed-type", "MRSTY.RRF:2"),
        ("unknown-type", "MRSTY.RRF:1"),
    ]


@pytest.mark.parametrize("damage", ["gz", "zip", "utf16", "folder", "nothing"])
def test_what_cannot_be_read_is_one_clear_error(tmp_path: Path, damage: str) -> None:
    place = tmp_path
    if damage == "gz":
        packed = gzip.compress(random.Random(1).randbytes(5000).hex().encode() + b"\n" + GOOD * 2000)  # noqa: S311
        (tmp_path / "MRCONSO.RRF.gz").write_bytes(packed[: len(packed) // 2])
    elif damage == "zip":
        place = tmp_path / "a.zip"
        place.write_bytes(b"PK\x03\x04 no")
    elif damage == "utf16":
        (tmp_path / "MRCONSO.RRF").write_text(GOOD.decode() * 9, encoding="utf-16")
    elif damage == "nothing":
        place = tmp_path / "none"
    with pytest.raises(SourceError) as caught:
        read(place)
    assert str(place) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_sample_of_a_real_release_is_read(shared_data: Path) -> None:
    found, reading = read(shared_data / "umls_sample" / "META")
    assert Catalog(found.values()).lookup(Coding("MeSH", "D015060")) == ("C0000039",)
    assert found[Cui("C0000005")].strings == ("(131)I-Macroaggregated Albumin", "(131)I-MAA")
    assert found[Cui("C0000039")].types == ("T109", "T121")
    assert not len(reading.findings)
