"""What holds of every catalog."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ontology.catalog import Catalog
from ontology.concept import Concept, parse_cui

CUIS = st.integers(0, 12).map(lambda number: parse_cui(f"C{number:07d}"))
CONCEPTS = st.lists(
    st.builds(Concept, CUIS, st.text(min_size=1, max_size=12), parents=st.lists(CUIS, max_size=3).map(tuple)),
    max_size=12,
)


@given(CONCEPTS)
def test_ancestors_and_descendants_mirror_each_other(concepts: list[Concept]) -> None:
    catalog = Catalog(concepts)
    for one in catalog:
        assert one not in catalog.ancestors(one)
        for other in catalog:
            assert (other in catalog.ancestors(one)) == (one in catalog.descendants(other))


@given(CONCEPTS, CONCEPTS)
def test_a_sum_holds_every_concept_and_string(first: list[Concept], second: list[Concept]) -> None:
    both = Catalog(first) + Catalog(second)
    assert set(both) == {concept.cui for concept in (*first, *second)}
    for concept in (*first, *second):
        assert set(concept.strings) <= set(both[concept.cui].strings)


@given(CONCEPTS)
def test_the_fingerprint_does_not_depend_on_the_order_of_concepts(concepts: list[Concept]) -> None:
    catalog = Catalog(concepts)
    assert Catalog(reversed(list(catalog.values()))).fingerprint == catalog.fingerprint


@given(CONCEPTS, st.text(max_size=20))
def test_a_search_is_ranked_and_what_is_found_exactly_comes_first(concepts: list[Concept], text: str) -> None:
    catalog = Catalog(concepts)
    scores = [score for _, score in catalog.search(text)]
    assert scores == sorted(scores, reverse=True)
    exact = catalog.find(text)
    if exact and scores:
        assert catalog.search(text)[0][0].cui in exact
