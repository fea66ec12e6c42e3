"""What every linker promises, kept by the catalog linker with real spaCy and scispaCy."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ontology.catalog import Catalog
from ontology.concept import Concept, Cui
from ontology.linker import CatalogLinker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ontology.mention import Linker, Mention

CATALOG = Catalog(
    [
        Concept(Cui("C0233563"), "wandering"),
        Concept(Cui("C0751295"), "memory loss", aliases=("loss of memory", "forgetfulness")),
        Concept(Cui("C0002395"), "Alzheimer's disease"),
        Concept(Cui("C0018524"), "hallucinations", aliases=("seeing things",)),
        Concept(Cui("C0085631"), "agitation"),
        Concept(Cui("C0233794"), "memory impairment", aliases=("memory loss",)),
        Concept(Cui("C0003123"), "poor appetite"),
    ]
)


@pytest.fixture(scope="module")
def linker(tmp_path_factory: pytest.TempPathFactory) -> Linker:
    return CatalogLinker(CATALOG, cache=tmp_path_factory.mktemp("linker"))


def link(linker: Linker, text: str) -> tuple[Mention, ...]:
    (mentions,) = linker.link([text])
    return mentions


def test_a_mention_says_what_where_whether_and_by_whom(linker: Linker) -> None:
    (mention,) = link(linker, "Daughter denies wandering.")
    assert (mention.start, mention.end, mention.text) == (16, 25, "wandering")
    assert (mention.cui, mention.assertion, mention.informant) == ("C0233563", "absent", "daughter")


def test_a_string_of_two_concepts_keeps_both_the_one_that_annotators_meant_more_often_first(linker: Linker) -> None:
    (mention,) = link(linker, "Memory loss is worse.")
    assert mention.candidates == (("C0233794", 1.0), ("C0751295", 0.9956))


@pytest.mark.parametrize(
    ("text", "said", "cui"),
    [
        ("Wife reports wanderring at night.", "wanderring", "C0233563"),
        ("Seen for Alzhiemer's disease.", "Alzhiemer's disease", "C0002395"),
        ("He has a very poor apetite.", "poor apetite", "C0003123"),
        ("There was an impairment of memory.", "impairment of memory", "C0233794"),
        ("Vivid halucinations today.", "halucinations", "C0018524"),
    ],
)
def test_misspelt_and_reordered_strings_are_found_below_exact_ones(
    linker: Linker, text: str, said: str, cui: str
) -> None:
    (mention,) = link(linker, text)
    assert (mention.text, mention.cui) == (said, cui)
    assert mention.candidates[0][1] < 0.99


@pytest.mark.parametrize(
    "text",
    [
        "Wondering about the weather.",
        "Her memory, a loss.",
        "Memory without loss.",
        "Loss or memory?",
        "Navigation was fine.",
        "An agitator spoke.",
        "",
        " ",
    ],
)
def test_ordinary_words_are_no_mentions(linker: Linker, text: str) -> None:
    assert link(linker, text) == ()


def test_a_word_of_two_definitions_is_no_misspelling_of_another() -> None:
    texts = ["He was wanderung.", "A tremer was seen.", "He wanders."]
    alone = [Concept(Cui("C0233563"), "wandering"), Concept(Cui("C0040822"), "tremor")]
    defined = [replace(concept, definition="Not wanderung in a tremer's house.") for concept in alone]
    assert [len(found) for found in CatalogLinker(Catalog(alone)).link(texts)] == [1, 1, 0]
    assert [len(found) for found in CatalogLinker(Catalog(defined)).link(texts)] == [0, 0, 0]
    assert [len(found) for found in CatalogLinker(Catalog(defined[:1] + alone[1:])).link(texts)] == [1, 1, 0]


def test_a_season_is_no_fall() -> None:
    linker = CatalogLinker(Catalog([Concept(Cui("C0085639"), "falls")]), fuzzy=False)
    texts = ["Dental cleaning is due in the fall.", "He had a fall."]
    assert [len(found) for found in linker.link(texts)] == [0, 1]


def test_without_the_near_tier_only_exact_strings_are_found() -> None:
    plain = CatalogLinker(CATALOG, fuzzy=False)
    assert [len(mentions) for mentions in plain.link(["wanderring", "wandering"])] == [0, 1]


def test_texts_come_back_lazily_in_order_and_number(linker: Linker) -> None:
    def endless() -> Iterator[str]:
        for number in itertools.count():
            yield "wandering" if number % 3 == 0 else "nothing"

    first = itertools.islice(linker.link(endless()), 200)
    assert [len(mentions) for mentions in first] == [int(number % 3 == 0) for number in range(200)]


def test_together_and_alone_give_the_same(linker: Linker) -> None:
    texts = [
        "Wife denies wanderring.",
        "loss of memry",
        "Mother had dementia of memory loss.",
        "agitation " * 40,
        "x",
    ] * 30
    assert list(linker.link(texts)) == [link(linker, text) for text in texts]


def test_two_linkers_agree_with_and_without_files(linker: Linker, tmp_path: Path) -> None:
    texts = ["Wife denies wanderring, poor apetite and halucinations.", "Impairment of memory; agitation."]
    expected = list(linker.link(texts))
    assert list(CatalogLinker(CATALOG).link(texts)) == expected
    for _ in range(2):
        assert list(CatalogLinker(CATALOG, cache=tmp_path).link(texts)) == expected


def test_an_empty_catalog_links_nothing() -> None:
    assert list(CatalogLinker(Catalog()).link(["wandering"])) == [()]


@pytest.mark.parametrize(
    "text",
    [
        "\x00wandering\x00",
        "\u202ewandering\u202c and agitation",
        "🧠 wandering 🧓🏽 agitation",
        "\ud800 wandering \udfff",
        "wandering" + "\u0301" * 50,
        bytes(range(256)).decode("latin-1") + " wandering",
        "wandering\r\n\r\nagitation\u2028agitation",
        "ﬁ İ ŉ ǰ wandering",
        "(" * 2000 + "wandering" + ")" * 2000,
    ],
)
def test_hostile_text_is_read_with_right_offsets(linker: Linker, text: str) -> None:
    mentions = link(linker, text)
    assert mentions
    assert all(text[mention.start : mention.end] == mention.text for mention in mentions)


def test_ten_megabytes_in_one_line_are_linked(linker: Linker) -> None:
    piece = "wanderring then agitation and nothing more to say of it \u00e9 "
    text = piece * (10_000_000 // len(piece))
    assert len(link(linker, text)) == 2 * (10_000_000 // len(piece))
