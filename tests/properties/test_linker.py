"""Whatever the text: offsets are right, mentions are in order and apart, and the answer is always the same."""

from __future__ import annotations

from functools import lru_cache

from hypothesis import given, settings
from hypothesis import strategies as st

from ontology.catalog import Catalog
from ontology.concept import Concept, Cui
from ontology.linker import CatalogLinker
from ontology.linking.fold import DROPPED, KIND, folded
from ontology.mention import Assertion, Informant

STRINGS = ("wandering", "memory loss", "Alzheimer's disease", "MCI", "poor appetite", "fall", "low mood")
CATALOG = Catalog(Concept(Cui(f"C{number:07}"), string) for number, string in enumerate(STRINGS, 1))
PIECES = (
    *STRINGS,
    *(string.upper() for string in STRINGS),
    *(
        "wanderring",
        "los of memory",
        "Alzhiemer’s",
        "daughter denies",
        "no",
        "history of",
        "if",
        "mother had",
        "per wife,",
        "patient",
        "but",
    ),
    *(
        " ",
        "  ",
        "\n",
        ". ",
        ", ",
        "; ",
        "(",
        ")",
        "-",
        "’s",
        "'",
        "\u200b",
        "\u0301",
        "\u202e",
        "\x00",
        "🧠",
        "İ",
        "ß",
        "ﬁ",
        "@",
        "^",
    ),
)
TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from(PIECES), max_size=25).map(" ".join),
    st.lists(st.sampled_from(PIECES), max_size=25).map("".join),
)


@lru_cache(maxsize=1)
def linker() -> CatalogLinker:
    return CatalogLinker(CATALOG)


@settings(max_examples=400)
@given(TEXTS)
def test_offsets_are_right_and_mentions_apart(text: str) -> None:
    (mentions,) = linker().link([text])
    before = 0
    for mention in mentions:
        assert before <= mention.start < mention.end <= len(text)
        assert text[mention.start : mention.end] == mention.text
        assert mention.text == mention.text.strip()
        assert list(mention.candidates) == sorted(mention.candidates, key=lambda pair: (-pair[1], pair[0]))
        assert all(cui in CATALOG and 0 < score <= 1 for cui, score in mention.candidates)
        assert mention.assertion in Assertion
        assert mention.informant in Informant
        before = mention.end


@settings(max_examples=100)
@given(st.lists(TEXTS, max_size=6))
def test_together_and_alone_give_the_same(texts: list[str]) -> None:
    assert list(linker().link(texts)) == [mentions for text in texts for mentions in linker().link([text])]


@settings(max_examples=100)
@given(
    st.sampled_from(STRINGS),
    st.sampled_from(("", "Wife says ", "x, ", "(", "“", "\n")),
    st.sampled_from(("", ".", ", y", ")", "”", "\n", "?")),
)
def test_a_string_of_the_catalog_is_found_wherever_it_stands(string: str, before: str, after: str) -> None:
    (mentions,) = linker().link([before + string + after])
    assert [mention.text for mention in mentions] == [string]
    assert CATALOG[mentions[0].cui].name == string


@given(st.lists(st.text(max_size=40), max_size=5))
def test_every_character_is_folded_in_its_place(texts: list[str]) -> None:
    numbers, starts = folded(texts)
    assert starts.tolist() == [sum(map(len, texts[:at])) for at in range(len(texts) + 1)]
    assert len(numbers) == starts[-1]
    assert ((numbers & KIND) > 0).all()
    assert ((numbers & KIND) <= DROPPED).all()


@settings(max_examples=200)
@given(st.sampled_from(("wandering", "appetite", "Alzheimer")), st.integers(1, 8), st.sampled_from("bdkqxz"), st.data())
def test_one_letter_more_less_or_other_is_still_found(word: str, at: int, letter: str, data: st.DataObject) -> None:
    at = min(at, len(word) - 2)
    slips = (word[:at] + word[at + 1 :], word[:at] + letter + word[at:], word[:at] + letter + word[at + 1 :])
    slip = data.draw(st.sampled_from(slips))
    string = {"wandering": "{}", "appetite": "poor {}", "Alzheimer": "{}'s disease"}[word].format(slip)
    (mentions,) = linker().link([f"Seen for {string} today."])
    assert [mention.text for mention in mentions] == [string]
