"""What a text explains, expects and says besides decides what a string means; a model's spans go scispaCy's way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import spacy

from ontology.catalog import Catalog
from ontology.concept import Coding, Concept, Cui, parse_cui
from ontology.errors import MissingExtra
from ontology.linker import CatalogLinker, Linker
from ontology.linking.abbreviations import abbreviations
from ontology.linking.candidates import generator
from ontology.linking.index import ALIAS, Index, Named
from ontology.linking.lexicon import meant, open_index
from ontology.linking.tiers import Tiers

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
        ("deep vein thromboses (DVTs)", {"DVT": "deep vein thromboses"}),
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


def test_three_neighbours_in_the_text_decide_a_tie() -> None:
    one, two, up, down, beside = (Cui(f"C000002{n}") for n in range(5))
    catalog = Catalog(
        [
            Concept(one, "block"),
            Concept(two, "block", aliases=("heart block",), parents=(up,)),
            Concept(up, "conduction disease"),
            Concept(down, "complete arrest", parents=(two,)),
            Concept(beside, "slow rhythm", parents=(up,)),
        ]
    )
    linker = Linker(catalog, context=False)
    texts = ["block", "block, conduction disease, complete arrest, slow rhythm"]
    tops = [[m.cui for m in mentions] for mentions in linker(texts)]
    assert tops == [[one], [two, up, down, beside]]


def test_of_concepts_with_one_name_the_one_comes_first_that_annotators_meant() -> None:
    rare, usual = Cui("C0000011"), Cui("C0000012")
    strings = [Named(0, "block", 0), Named(1, "block", 0)]
    first = {
        used: [
            cui for cui, _ in Tiers(Index.build([rare, usual], strings, meant=counts)).find(["block"])[0][0].candidates
        ]
        for used, counts in {"never": {}, "often": {usual: 20}}.items()
    }
    assert first == {"never": [rare, usual], "often": [usual, rare]}


def test_a_synonym_that_another_vocabulary_names_a_concept_leads_to_it_where_annotators_meant_that() -> None:
    one, other = Cui("C0000011"), Cui("C0000012")
    strings = [Named(0, "depression", 0), Named(0, "depressive disorder", ALIAS), Named(1, "depressive disorder", 0)]
    found = Tiers(Index.build([one, other], strings, meant={other: 60})).find(["depression"])
    assert [cui for cui, _ in found[0][0].candidates] == [other, one]
    assert [cui for cui, _ in Tiers(Index.build([one, other], strings)).find(["depression"])[0][0].candidates] == [one]


def test_the_table_of_what_annotators_meant_counts_concepts() -> None:
    counts = meant()
    assert min(counts.values()) >= 1
    assert counts["C0011570"] > counts["C0011581"]
    assert [parse_cui(cui) for cui in counts] == sorted(counts)


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
