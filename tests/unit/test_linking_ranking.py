"""What a text explains, expects and says besides decides what a string means; a model's spans go scispaCy's way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import spacy

from ontology.catalog import Catalog
from ontology.concept import Coding, Concept, Cui
from ontology.errors import MissingExtra
from ontology.linker import CatalogLinker, Linker
from ontology.linking.abbreviations import abbreviations
from ontology.linking.candidates import generator
from ontology.linking.lexicon import open_index

if TYPE_CHECKING:
    from pathlib import Path

DEFECT, AUTISM, HEART, COLD, ILLNESS, FEVER, RECALL = (Cui(f"C000000{n}") for n in range(1, 8))
CATALOG = Catalog(
    [
        Concept(DEFECT, "atrial septal defect", parents=(HEART,)),
        Concept(AUTISM, "autism", aliases=("ASD",)),
        Concept(HEART, "heart disease"),
        Concept(COLD, "cold", aliases=("low temperature",), types=("T070",)),
        Concept(ILLNESS, "cold", aliases=("common cold",), types=("T047",), parents=(FEVER,)),
        Concept(FEVER, "febrile illness"),
        Concept(RECALL, "impaired verbal recall"),
    ]
)


def linked(text: str, **options: object) -> list[tuple[str, Cui]]:
    (mentions,) = Linker(CATALOG, context=False, **options)([text])  # type: ignore[arg-type]
    return [(mention.text, mention.cui) for mention in mentions]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("an atrial septal defect (ASD)", {"ASD": "atrial septal defect"}),
        ("a deep vein thrombosis ( DVT ) of", {"DVT": "deep vein thrombosis"}),
        ("seen (ASD)", {}),
        ("(ASD)", {}),
        ("no long form here (XQZ)", {}),
        ("heart (2019) and heart (see below)", {}),
    ],
)
def test_abbreviations_lead_to_their_long_form(text: str, found: dict[str, str]) -> None:
    assert {short: text[slice(*place)] for short, place in abbreviations(text).items()} == found


def test_an_abbreviation_means_what_the_text_says_it_does() -> None:
    assert linked("ASD was seen.") == [("ASD", AUTISM)]
    assert linked("ASD: an atrial septal defect (ASD).") == [
        ("ASD", DEFECT),
        ("atrial septal defect", DEFECT),
        ("ASD", DEFECT),
    ]


def test_an_abbreviation_of_no_concept_is_no_mention() -> None:
    assert linked("A suite of drawers (ASD) with heart disease; ASD again.") == [("heart disease", HEART)]


def test_an_expected_concept_comes_first_and_the_others_stay() -> None:
    assert linked("cold") == [("cold", ILLNESS)]
    assert linked("cold", prefer=[COLD]) == [("cold", COLD)]
    candidates = {len(m.candidates) for (m,) in Linker(CATALOG, context=False)(["cold", "a cold"])}
    assert candidates == {2}


def test_two_neighbours_in_the_text_decide_a_tie() -> None:
    one, two, up, down = (Cui(f"C000002{n}") for n in range(4))
    catalog = Catalog(
        [
            Concept(one, "block"),
            Concept(two, "block", aliases=("heart block",), parents=(up,)),
            Concept(up, "conduction disease"),
            Concept(down, "complete arrest", parents=(two,)),
        ]
    )
    linker = Linker(catalog, context=False)
    tops = [[m.cui for m in mentions] for mentions in linker(["block", "block, conduction disease, complete arrest"])]
    assert tops == [[one], [two, up, down]]


def test_of_equal_concepts_the_coded_one_comes_first() -> None:
    plain = Concept(Cui("C0000010"), "gait")
    coded = Concept(Cui("C0000011"), "gait", codings=(Coding("SNOMEDCT_US", "63448001"),))
    (mention,) = next(Linker(Catalog([plain, coded]), context=False)(["gait"]))
    assert [cui for cui, _ in mention.candidates] == [coded.cui, plain.cui]


def test_the_short_name_the_call_and_link_are_one() -> None:
    assert Linker is CatalogLinker
    linker = Linker(CATALOG, context=False)
    assert list(linker(["heart disease"])) == list(linker.link(["heart disease"]))


def test_scispacys_generator_ranks_the_same_strings() -> None:
    found = generator(open_index(CATALOG, None))(["atrial septal defct", "qqqq"], 5)
    assert found[0][0].concept_id == DEFECT
    assert found[1] == []


def test_the_spans_of_a_model_are_linked_where_no_string_is(tmp_path: Path) -> None:
    model = spacy.blank("en")
    model.add_pipe("entity_ruler").add_patterns(
        [{"label": "X", "pattern": "impaired verbal recalling"}, {"label": "X", "pattern": "more"}]
    )
    model.to_disk(tmp_path / "model")
    text = "She has heart disease, impaired verbal recalling and more."
    assert linked(text) == [("heart disease", HEART)]
    assert linked(text, model=str(tmp_path / "model"), cache=tmp_path) == [
        ("heart disease", HEART),
        ("impaired verbal recalling", RECALL),
    ]


def test_a_model_that_is_not_installed_is_named_with_the_way_out() -> None:
    with pytest.raises(MissingExtra, match="en_no_such_model"):
        Linker(CATALOG, context=False, model="en_no_such_model")
