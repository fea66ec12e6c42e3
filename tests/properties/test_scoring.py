"""What holds of every score."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.linking import Annotation, Document
from engine.scoring import score
from engine.scoring.matching import Kind, match

CUIS = st.lists(st.sampled_from([f"C000000{n}" for n in range(4)]), max_size=3, unique=True).map(tuple)
ANNOTATIONS = st.lists(
    st.builds(
        lambda start, length, cuis: Annotation(start, start + length, cuis),
        st.integers(0, 30),
        st.integers(1, 8),
        CUIS,
    ),
    max_size=8,
)
DOCUMENTS = st.lists(st.tuples(ANNOTATIONS, ANNOTATIONS), max_size=5)


def documents(pairs):
    text = "x" * 40
    return [(Document(text, annotations=tuple(gold)), Document(text, annotations=tuple(said))) for gold, said in pairs]


@given(ANNOTATIONS, ANNOTATIONS)
def test_every_mention_is_answered_once(gold, predicted):
    answers = match(gold, predicted)
    assert sorted(map(repr, gold)) == sorted(repr(a.gold) for a in answers if a.gold)
    assert sorted(map(repr, predicted)) == sorted(repr(a.predicted) for a in answers if a.predicted)
    for answer in answers:
        if answer.gold and answer.predicted:
            assert answer.gold.start < answer.predicted.end
            assert answer.predicted.start < answer.gold.end


@given(ANNOTATIONS, ANNOTATIONS)
def test_no_pair_is_left_that_could_have_been_made(gold, predicted):
    answers = match(gold, predicted)
    missing = [a.gold for a in answers if a.kind is Kind.MISSING]
    spurious = [a.predicted for a in answers if a.kind is Kind.SPURIOUS]
    assert not any(one.start < other.end and other.start < one.end for one in missing for other in spurious)


@given(ANNOTATIONS, ANNOTATIONS, st.randoms())
def test_the_order_of_mentions_changes_no_count(gold, predicted, draw):
    kinds = sorted(a.kind for a in match(gold, predicted))
    draw.shuffle(gold)
    draw.shuffle(predicted)
    assert sorted(a.kind for a in match(gold, predicted)) == kinds


@given(DOCUMENTS)
def test_figures_are_shares_and_in_their_order(pairs):
    found = score(documents(pairs), replicates=20)
    for triple in (*found.spans.values(), *found.linking.values()):
        for figure in triple.values():
            if figure.value is not None:
                assert 0 <= figure.value <= 1
                assert figure.low is None or 0 <= figure.low <= figure.high <= 1
    strict, muc, overlap = (found.spans[name]["recall"].count for name in ("strict", "muc", "overlap"))
    assert strict <= muc <= overlap
    assert found.linking["strict"]["recall"].count <= found.linking["overlap"]["recall"].count
    assert found.accuracy["at_1"].count <= found.accuracy["at_5"].count <= found.accuracy["at_5"].of
    assert sum(found.errors.values()) == found.gold + found.predicted - overlap


@given(DOCUMENTS)
def test_gold_and_predicted_change_places_and_so_do_precision_and_recall(pairs):
    one, other = score(documents(pairs), replicates=0), score(documents([(b, a) for a, b in pairs]), replicates=0)
    assert one.spans["strict"]["precision"] == other.spans["strict"]["recall"]
    assert one.spans["strict"]["f1"] == other.spans["strict"]["f1"]


@given(DOCUMENTS)
def test_what_is_gold_scores_one(pairs):
    gold = [(a, a) for a, _ in documents(pairs)]
    found = score(gold, replicates=0)
    for triple in (*found.spans.values(), *found.linking.values()):
        assert all(figure.value in {None, 1.0} for figure in triple.values())
    assert found.errors["correct"] == found.gold
