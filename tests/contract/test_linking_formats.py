"""Every format of `dualalign link`: what goes in comes out, and what cannot be read is said with its place."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import re
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from engine.linking import Document, Linker, readers, row, writers
from engine.linking.problems import Problems
from engine.linking.readers import Asked
from ontology.concept import Concept, Cui
from ontology.errors import ConfigError, SourceError
from ontology.mention import Assertion, Informant, Mention

CATALOG = {
    Cui("C0233569"): Concept(Cui("C0233569"), "Wandering", aliases=("wandering",), types=("T184",)),
    Cui("C0085632"): Concept(Cui("C0085632"), "Apathy"),
    Cui("C0002395"): Concept(Cui("C0002395"), "Alzheimer's disease", types=("T047",)),
}
TEXT = "Daughter denies wandering.\nSeen for Alzheimer’s\r\ndisease — 100% “fine”\ttoday. Apathy!"
WANTED = Asked(annotations=True)


@pytest.fixture(scope="module")
def linker() -> Linker:
    return Linker(CATALOG, fuzzy=False)


def read(path: object, asked: Asked = WANTED, **options: object) -> list[Document]:
    return list(readers.read(str(path), Problems(), asked=asked, **options))


def mention(start: int, end: int, cui: str, text: str = TEXT, **more: object) -> Mention:
    return Mention(start, end, text[start:end], ((Cui(cui), 1.0),), **more)


MENTIONS = (
    mention(16, 25, "C0233569", assertion=Assertion.ABSENT, informant=Informant.DAUGHTER),
    mention(TEXT.index("Alz"), TEXT.index(" —"), "C0002395"),
    mention(TEXT.index("Apathy"), TEXT.index("Apathy") + 6, "C0085632"),
)


def write(linked: list[tuple[Document, tuple[Mention, ...]]], name: str, out: Path, *, types: bool = False) -> None:
    with writers.sink(name, out) as take:
        take(writers.rendering(name, CATALOG, types=types)(linked))


# in


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_every_line_of_a_text_is_a_document_whatever_its_end(ending, tmp_path):
    (tmp_path / "a.txt").write_bytes(f"\ufeffone{ending}{ending}two\x0b\x85\u2028still two".encode())
    assert [d.text for d in read(tmp_path / "a.txt")] == ["one", "", "two\x0b\x85\u2028still two"]


def test_bytes_that_are_no_text_are_counted_and_replaced(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"fine\n\xff\xfe\x00caf\xe9\n")
    problems = Problems()
    texts = [d.text for d in readers.read(str(tmp_path / "a.txt"), problems)]
    assert texts == ["fine", "\ufffd\ufffd\x00caf\ufffd"]
    assert problems.counts == {"not-text": 1}
    assert "a.txt:2" in str(problems.issues[0])
    assert read(tmp_path / "a.txt", Asked(encoding="latin-1"))[1].text == "ÿþ\x00café"


@pytest.mark.parametrize("name", ["utf-17", "utf-16", "", "rot13", "base64"])
def test_an_encoding_that_cannot_be_is_refused(name, tmp_path):
    (tmp_path / "a.txt").write_bytes(b"x")
    with pytest.raises(ConfigError, match="--encoding"):
        read(tmp_path / "a.txt", Asked(encoding=name))


def test_json_lines_keep_what_is_asked_for_and_nothing_else(tmp_path):
    line = {"note": "Apathy.", "note_id": 7, "mrn": "secret", "site": {"ward": 3}}
    with gzip.open(tmp_path / "a.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write(f"\n{json.dumps(line)}\n")
    (found,) = read(tmp_path / "a.jsonl.gz", Asked(text="note", id="note_id", keep=("site",)))
    assert (found.text, found.id, found.kept) == ("Apathy.", "7", {"site": {"ward": 3}})
    assert found.place.endswith("a.jsonl.gz:2")
    assert row(found, (), CATALOG) == {"id": "7", "site": {"ward": 3}, "text": "Apathy.", "mentions": []}


BAD_LINES = {
    "no JSON": "{",
    "an array": "[1]",
    "deep": "[" * 200_000,
    "no text": '{"note": "x"}',
    "null": '{"text": null}',
    "a number": '{"text": 7}',
    "NaN": '{"text": "x", "a": NaN}',
    "offsets": '{"text": "x", "mentions": [{"start": 0, "end": 2, "cui": "C0000001"}]}',
    "offsets in words": '{"text": "x", "mentions": [{"start": "0", "end": 1}]}',
    "mentions": '{"text": "x", "mentions": 3}',
    "tokens": '{"sentences": [{"tokens": "abc"}]}',
    "token offsets": '{"sentences": [{"tokens": ["a"], "mentions": [{"start": 0, "end": 2, "cui": "C0000001"}]}]}',
}


@pytest.mark.parametrize("what", BAD_LINES)
def test_a_bad_line_names_its_number_or_is_left_out_and_counted(what, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"text": "one"}}\n{BAD_LINES[what]}\n{{"text": "three"}}\n', encoding="utf-8")
    with pytest.raises(SourceError, match=r"a\.jsonl:2: .*--skip-bad") as raised:
        read(path)
    assert raised.value.line == 2
    problems = Problems(skip_bad=True)
    assert [d.text for d in readers.read(str(path), problems, asked=WANTED)] == ["one", "three"]
    assert problems.left_out == 1


def test_a_wrong_text_field_names_those_that_are_there(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"note": "x"}\n', encoding="utf-8")
    with pytest.raises(SourceError, match="'text' is not there; --text-field names another, such as note"):
        read(tmp_path / "a.jsonl")


def test_half_a_surrogate_pair_can_be_written_again(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a\\ud83d b", "id": "\\udc00", "k": ["\\ud83d"]}\n', encoding="utf-8")
    (found,) = read(tmp_path / "a.jsonl", Asked(keep=("k",)))
    assert (found.text, found.id, found.kept) == ("a\ufffd b", "\ufffd", {"k": ["\ufffd"]})
    assert json.dumps(row(found, (), CATALOG), ensure_ascii=False).encode()


def test_tokenised_sentences_become_a_text_with_characters_for_tokens(tmp_path):
    data = {
        "pmid": "1",
        "sentences": [
            {"tokens": ["No", "apathy", "."], "mentions": [{"start": 1, "end": 2, "cui": "C0085632"}]},
            {"tokens": ["Seen", "for", "Alzheimer", "'s", "disease"], "mentions": [{"start": 2, "end": 5, "cui": "C0002395"}]},
        ],
    }  # fmt: skip
    (tmp_path / "a.jsonl").write_text(json.dumps(data) + "\n", encoding="utf-8")
    (found,) = read(tmp_path / "a.jsonl")
    assert found.id == "1"
    assert found.text == "No apathy .\nSeen for Alzheimer 's disease"
    assert [found.text[a.start : a.end] for a in found.annotations] == ["apathy", "Alzheimer 's disease"]
    assert [a.cuis for a in found.annotations] == [("C0085632",), ("C0002395",)]


def test_what_medmentions_says_a_mention_is_stands_at_its_place(shared_data):
    path = shared_data / "medmentions" / "st21pv_train.jsonl.gz"
    documents = [d for d, _ in zip(readers.read(str(path), Problems(), asked=WANTED), range(50), strict=False)]
    with gzip.open(path, "rt", encoding="utf-8") as file:
        sentences = [one for line, _ in zip(file, range(50), strict=False) for one in json.loads(line)["sentences"]]
    said = [mention["text"] for one in sentences for mention in one["mentions"]]
    assert [d.text[a.start : a.end] for d in documents for a in d.annotations] == said


@pytest.fixture
def parquet(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    data = {
        "id": ["a", "b", "c"],
        "text": pa.array(["Apathy.", "", "No wandering."]).dictionary_encode(),
        "seen": [dt.date(2019, 3, day) for day in (1, 2, 3)],
        "none": pa.array([None, None, "x"]),
        "count": [1, 2, 3],
        "raw": pa.array([b"ok", b"\xff", b""]).cast(pa.binary()),
    }
    parquet.write_table(pa.table(data), tmp_path / "a.parquet", row_group_size=2)
    return tmp_path / "a.parquet"


def test_parquet_rows_are_documents_over_row_groups(parquet):
    found = read(parquet, Asked(keep=("seen", "count")))
    assert [(d.id, d.text) for d in found] == [("a", "Apathy."), ("b", ""), ("c", "No wandering.")]
    assert found[2].kept == {"seen": "2019-03-03", "count": 3}
    assert [d.text for d in read(parquet.parent, Asked(keep=()))] == [d.text for d in found]
    assert [d.text for d in read(parquet, Asked(text="raw"))] == ["ok", "\ufffd", ""]


def test_parquet_says_which_column_or_row_is_wrong(parquet):
    with pytest.raises(ConfigError, match="no column 'tex'; it has text"):
        read(parquet, Asked(text="tex"))
    with pytest.raises(ConfigError, match="no column 'mrn'"):
        read(parquet, Asked(keep=("mrn",)))
    with pytest.raises(ConfigError, match="no column 'note_id'"):
        read(parquet, Asked(id="note_id"))
    with pytest.raises(SourceError, match="'none' is null"):
        read(parquet, Asked(text="none"))
    with pytest.raises(SourceError, match="holds int, not text"):
        read(parquet, Asked(text="count"))
    parquet.write_bytes(parquet.read_bytes()[:-9])
    with pytest.raises(SourceError, match="not a Parquet file"):
        read(parquet)


def test_pubtator_documents_hold_their_mentions(tmp_path):
    (tmp_path / "a.pubtator").write_text(
        "1|t|Apathy in AD.\n1|a|Wandering too.\n1\t0\t6\tApathy\tT184,T048\tUMLS:C0085632\n1\t14\t23\tWandering\tT184\tC0233569\n"
        "1\tCID\tD003000\tD001523\n\n2|t|None\n2|a|\n2\t0\t4\tNone\tT033\t-1\n",
        encoding="utf-8",
    )
    one, two = read(tmp_path / "a.pubtator")
    assert (one.id, one.text) == ("1", "Apathy in AD.\nWandering too.")
    assert [(one.text[a.start : a.end], a.cuis, a.types) for a in one.annotations] == [
        ("Apathy", ("C0085632",), ("T184", "T048")),
        ("Wandering", ("C0233569",), ("T184",)),
    ]
    assert [a.cuis for a in two.annotations] == [()]


@pytest.mark.parametrize("line", ["1\t0\t99\tx\tT1\tC0000001", "1\t0\tx\tx\tT1\tC0000001", "word"])
def test_a_bad_line_of_pubtator_is_named(line, tmp_path):
    (tmp_path / "a.pubtator").write_text(f"1|t|Apathy\n1|a|x\n{line}\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"a\.pubtator:3"):
        read(tmp_path / "a.pubtator")


def test_brat_pieces_notes_and_attributes_are_read_and_what_is_lost_is_said(tmp_path):
    text = "No apathy.\nLoss of short-term and long-term memory."
    (tmp_path / "n.txt").write_text(text, encoding="utf-8", newline="\n")
    (tmp_path / "n.ann").write_text(
        "T1\tSign 3 9\tapathy\nN1\tReference T1 UMLS:C0085632\tApathy\nA1\tNegation T1\nA2\tInformant T1 Wife\n"
        "T2\tSign 11 29;44 50\tLoss of short-term memory\nN2\tReference T2 UMLS:C0701811\tx\nN3\tReference T2 UMLS:C0751295\ty\n"
        "N4\tReference T2 SNOMED:1\tz\nT3\tSign 3 9\tother\nR1\tCauses Arg1:T1 Arg2:T2\t\n#1\tAnnotatorNotes T1\tsure\n*\tEquiv T1 T3\n",
        encoding="utf-8",
    )  # fmt: skip
    problems = Problems()
    (found,) = readers.read(str(tmp_path), problems, asked=WANTED)
    first, _, last = found.annotations
    assert (first.cuis, first.assertion, first.informant, first.types) == (("C0085632",), "absent", "wife", ("Sign",))
    assert (last.start, last.end, last.cuis) == (11, 50, ("C0701811", "C0751295"))
    assert problems.counts == {"discontinuous": 1, "not-umls": 1, "other-text": 1}


@pytest.mark.parametrize(
    "line",
    [
        "T1\tSign 3 99\tx",
        "T1\tSign 9 3\tx",
        "T1\tSign x y\tx",
        "T1 Sign 1 2 x",
        "N1\tReference T9 UMLS:C0085632\tx",
        "Z\tx",
    ],
)
def test_a_bad_line_of_brat_is_named(line, tmp_path):
    (tmp_path / "n.txt").write_text("No apathy.", encoding="utf-8")
    (tmp_path / "n.ann").write_text(f"{line}\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"n\.ann:1"):
        read(tmp_path)


@pytest.mark.parametrize("path", ["no-such.txt", "no-such.jsonl", "no-such.parquet", "no-such.ann", "a.gz"])
def test_a_file_that_is_not_there_is_named(path, tmp_path):
    with pytest.raises(SourceError, match=re.escape(Path(path).stem)):
        read(tmp_path / path)


def test_a_cut_archive_is_named(tmp_path):
    whole = gzip.compress(b"Apathy.\n" * 1000)
    (tmp_path / "a.txt.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match="cut short"):
        read(tmp_path / "a.txt.gz")


def test_an_unknown_format_names_the_nearest():
    with pytest.raises(ConfigError, match="nearest is 'parquet'"):
        read("x", format="parket")
    with pytest.raises(ConfigError, match="nearest is 'docbin'"), writers.sink("docbim", None):
        pass


# out


def test_json_lines_show_each_attribute_and_leave_out_what_is_empty():
    shown = row(Document(TEXT), MENTIONS, CATALOG)["mentions"]
    assert list(shown[0]) == [
        "start", "end", "text", "cui", "name", "score", "assertion", "informant", "candidates",
    ]  # fmt: skip
    assert (shown[0]["assertion"], shown[0]["informant"], shown[0]["candidates"]) == (
        "absent",
        "daughter",
        [["C0233569", 1.0]],
    )


def test_brat_reads_back_to_what_was_written_even_over_a_line_end(tmp_path):
    write([(Document(TEXT, "ward/n 1"), MENTIONS), (Document("", "empty"), ())], "brat", tmp_path / "out")
    assert (tmp_path / "out" / "ward" / "n 1.txt").read_bytes() == TEXT.encode()
    lines = (tmp_path / "out" / "ward" / "n 1.ann").read_text(encoding="utf-8").splitlines()
    assert lines[:4] == [
        "T1\tCONCEPT 16 25\twandering",
        "N1\tReference T1 UMLS:C0233569\tWandering",
        "A1\tAssertion T1 absent",
        "A2\tInformant T1 daughter",
    ]
    assert "T2\tCONCEPT 36 47;49 56\tAlzheimer’s disease" in lines
    problems = Problems()
    empty, found = readers.read(str(tmp_path / "out"), problems, asked=WANTED)
    assert (empty.text, empty.id, empty.annotations) == ("", "empty", ())
    assert (found.text, found.id) == (TEXT, "ward/n 1")
    assert [(a.start, a.end, a.cuis, a.assertion, a.informant) for a in found.annotations] == [
        (m.start, m.end, (m.cui,), m.assertion, m.informant) for m in MENTIONS
    ]
    assert not problems.counts
    assert "Assertion\tArg:<ENTITY>, Value:absent|" in (tmp_path / "out" / "annotation.conf").read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "..", ".hidden", "a/../../b", "a\x00b", "x" * 4000, "é\n\t:*?", "C:\\x"]
)
def test_no_identifier_leads_out_of_the_folder(name, tmp_path):
    write([(Document("Apathy", name), ())], "brat", tmp_path / "in" / "out")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert all(path.is_relative_to(tmp_path / "in" / "out") for path in files)
    assert [path.read_bytes() for path in files if path.suffix == ".txt"] == [b"Apathy"]


def test_two_documents_of_one_name_are_refused_and_nothing_stays(tmp_path):
    with pytest.raises(ConfigError, match="two documents are called 'a'"):
        write([(Document("x", "a"), ()), (Document("y", "a"), ())], "brat", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_not_replaced(tmp_path):
    (tmp_path / "gold").mkdir()
    (tmp_path / "gold" / "a.ann").write_text("T1", encoding="utf-8")
    for name in ("brat", "docbin"):
        with pytest.raises(ConfigError, match="there already"):
            write([], name, tmp_path / "gold")


def test_conll_is_read_by_spacy_with_the_same_entities(tmp_path):
    write(
        [(Document(TEXT), MENTIONS), (Document(""), ()), (Document("a\u3000b \x1c c\u2028d"), ())],
        "conll",
        tmp_path / "a.conll",
    )
    data = (tmp_path / "a.conll").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in data.split("\n") if line and not line.startswith("-DOCSTART-")]
    assert all(len(fields) == 5 for fields in rows)
    assert ["wandering", "C0233569", "absent", "daughter", "B-CONCEPT"] in rows
    assert data.count("-DOCSTART- -X- O O\n\n") == 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from spacy.training.converters import conll_ner_to_docs
    docs = list(conll_ner_to_docs(data, n_sents=0, no_print=True))
    assert [ent.text for ent in docs[0].ents] == ["wandering", "Alzheimer ’s disease", "Apathy"]


def test_a_conll_entity_takes_each_token_it_touches_and_stays_in_one_sentence(tmp_path):
    text = "Dr. Alz. Disease-like wanderings"
    two = (mention(4, 16, "C0002395", text), mention(text.index("wander"), text.index("wander") + 9, "C0233569", text))
    write([(Document(text), two)], "conll", tmp_path / "a.conll", types=True)
    tags = [line.rsplit("\t", 1)[-1] for line in (tmp_path / "a.conll").read_text(encoding="utf-8").splitlines()[2:]]
    assert tags == ["O", "B-T047", "I-T047", "I-T047", "O", "O", "B-T184", ""]


def test_a_docbin_is_read_by_plain_spacy(tmp_path):
    linked = [(Document(TEXT, "n1", kept={"ward": 3}), MENTIONS), (Document(""), ()), (Document("   "), ())]
    write(linked, "docbin", tmp_path / "a.spacy", types=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import spacy
    from spacy.tokens import DocBin

    docs = list(DocBin().from_disk(tmp_path / "a.spacy").get_docs(spacy.blank("en").vocab))
    assert [doc.text for doc in docs] == [TEXT, "", "   "]
    assert [(e.text, e.kb_id_, e.label_) for e in docs[0].ents] == [
        (m.text, m.cui, label) for m, label in zip(MENTIONS, ("T184", "T047", "CONCEPT"), strict=True)
    ]
    assert [span.kb_id_ for span in docs[0].spans["concepts"]] == [m.cui for m in MENTIONS]
    assert (docs[0].user_data["id"], docs[0].user_data["kept"]) == ("n1", {"ward": 3})
    first = docs[0].ents[0]
    assert (first._.assertion, first._.informant, first._.concept_name) == ("absent", "daughter", "Wandering")


def test_many_documents_go_to_several_docbins(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.linking.writers.docbin.SHARD", 2)
    render = writers.rendering("docbin", CATALOG)
    with writers.sink("docbin", tmp_path / "out") as take:
        for at in range(5):
            take(render([(Document(f"text {at}"), ())]))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"part-{n:05d}.spacy" for n in (1, 2, 3)]


@pytest.mark.parametrize("name", ["brat", "docbin"])
def test_what_is_no_stream_asks_for_a_place(name):
    with pytest.raises(ConfigError, match="--out"), writers.sink(name, None):
        pass


@pytest.mark.parametrize("name", writers.formats())
def test_a_failure_leaves_nothing_half_written(name, tmp_path):
    def fails() -> None:
        raise SourceError("torn", "x", 3)

    render = writers.rendering(name, CATALOG)
    with pytest.raises(SourceError, match="torn"), writers.sink(name, tmp_path / "out") as take:  # noqa: PT012 - it fails midway
        take(render([(Document(TEXT, "a"), MENTIONS)]))
        fails()
    assert list(tmp_path.iterdir()) == []


def test_shown_text_cannot_act_on_a_terminal(tmp_path):
    text = "\x1b[2J\u202eApathy\x07"
    write([(Document(text, "\x1b]0;x"), (mention(5, 11, "C0085632", text),))], "show", tmp_path / "a")
    shown = (tmp_path / "a").read_text(encoding="utf-8")
    assert shown == "<U+001B>]0;x: <U+001B>[2J<U+202E>[Apathy](C0085632, Apathy)<U+0007>\n"


HOSTILE = {
    "bidi": "\u202eApathy\u202c \u2066wandering\u2069 \u200f.",
    "controls": "Apathy\x00\x01\x1b[31m wandering\x7f",
    "combining": "A\u0301" * 2000 + " apathy",
    "astral": "😀" * 500 + " apathy 👨‍👩‍👧 wandering",
    "no spaces": "x" * 100_000,
    "tags": "<script>alert(1)</script> apathy {{7*7}} ${x} %s %n",
    "newlines": "apathy\r\r\n\n\n\x0b\x0cwandering",
    "formula": "=cmd|' /C calc'!A0 apathy",
    "tabs": "apathy\twandering\t\t",
}


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("name", writers.formats())
def test_hostile_text_goes_through_every_writer(what, name, linker, tmp_path):
    text = HOSTILE[what]
    linked = [(Document(text, what), linker(text))]
    assert all(text[m.start : m.end] == m.text for m in linked[0][1])
    write(linked, name, tmp_path / "out", types=True)
    if name in {"brat", "jsonl"}:
        (found,) = read(tmp_path / "out", format=name)
        assert found.text == text
        assert [(a.start, a.end, a.cuis[0]) for a in found.annotations] == [
            (m.start, m.end, m.cui) for m in linked[0][1]
        ]


@dataclass(frozen=True, slots=True)
class Told(Mention):
    remark: str = ""
    parts: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    words: str


def test_more_attributes_of_a_mention_are_shown_where_they_are_said(tmp_path):
    first = MENTIONS[0]
    plain = Told(first.start, first.end, first.text, first.candidates)
    shown = row(Document(TEXT), [replace(plain, remark="mild", parts=(Kept("at night"),)), plain], CATALOG)["mentions"]
    assert (shown[0]["remark"], shown[0]["parts"]) == ("mild", [{"words": "at night"}])
    assert not {"remark", "parts"} & set(shown[1])
