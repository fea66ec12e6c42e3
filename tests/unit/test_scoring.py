"""The scorer's figures are those that a pencil gives."""

from __future__ import annotations

import json

import numpy as np
import pytest

from engine.linking import Annotation, Document
from engine.linking.problems import Problems
from engine.scoring import DEFINITIONS, paired, score
from engine.scoring.figures import Table
from engine.scoring.matching import match
from ontology.concept import Concept, Cui
from ontology.errors import SourceError

TEXT = "Daughter denies apathy, wandering and memory loss; mother had dementia."
CATALOG = {Cui(f"C000000{n}"): Concept(Cui(f"C000000{n}"), f"name {n}", types=("T047",)) for n in (1, 2, 3)}


def note(*annotations: Annotation, name: str = "a", text: str = TEXT) -> Document:
    return Document(text, name, f"{name}.txt", annotations=annotations)


def mark(start: int, end: int, *cuis: str, **more: object) -> Annotation:
    return Annotation(start, end, cuis, **more)


GOLD = note(
    mark(16, 22, "C0000001", types=("T184",), assertion="absent", informant="daughter"),  # correct
    mark(24, 33, "C0000002", types=("T184",), assertion="absent", informant="daughter"),  # incorrect, right at 2
    mark(38, 49, "C0000003", types=("T033",), assertion="absent", informant="daughter"),  # partial
    mark(51, 57, "C0000009", types=("T033",), assertion="family"),  # partial-incorrect, out of vocabulary
    mark(62, 70, "C0000001", types=("T047",), assertion="family"),  # missing
)
PREDICTED = note(
    mark(0, 8, "C0000002", types=("T184",)),  # spurious
    mark(16, 22, "C0000001", types=("T184",), assertion="absent", informant="daughter"),
    mark(24, 33, "C0000003", "C0000002", types=("T184",), assertion="present", informant="daughter"),
    mark(38, 44, "C0000003", types=("T033",), assertion="absent", informant="clinician"),
    mark(51, 61, "C0000001", types=("T047",), assertion="family"),
)


@pytest.fixture(scope="module")
def found():
    return score([(GOLD, PREDICTED)], catalog=CATALOG, replicates=0)


def values(triple) -> list[float]:
    return [round(triple[name].value, 6) for name in ("precision", "recall", "f1")]


def test_spans_count_boundaries_and_overlaps(found):
    assert values(found.spans["strict"]) == [0.4, 0.4, 0.4]
    assert values(found.spans["overlap"]) == [0.8, 0.8, 0.8]
    assert values(found.spans["muc"]) == [0.6, 0.6, 0.6]


def test_linking_counts_right_concepts(found):
    assert values(found.linking["strict"]) == [0.2, 0.2, 0.2]
    assert values(found.linking["overlap"]) == [0.4, 0.4, 0.4]


def test_accuracy_is_of_pairs_at_one_and_at_five(found):
    assert (found.accuracy["at_1"].count, found.accuracy["at_1"].of) == (2, 4)
    assert (found.accuracy["at_5"].count, found.accuracy["at_5"].of) == (3, 4)


def test_the_sixth_candidate_counts_for_nothing():
    many = note(mark(16, 22, *(f"C000001{n}" for n in range(5)), "C0000001"))
    assert score([(note(mark(16, 22, "C0000001")), many)], replicates=0).accuracy["at_5"].value == 0


def test_in_vocabulary_recall_says_its_denominator(found):
    assert found.in_vocabulary["gold"] == 4
    assert (found.in_vocabulary["overlap"]["recall"].count, found.in_vocabulary["overlap"]["recall"].of) == (2, 4)
    assert found.in_vocabulary["strict"]["recall"].value == 0.25
    assert found.in_vocabulary["overlap"]["precision"].of == 5
    assert (found.in_vocabulary["at_1"].count, found.in_vocabulary["at_1"].of) == (2, 3)


def test_types_count_each_side_by_its_own(found):
    assert list(found.types) == ["T033", "T184", "T047"]
    sign = found.types["T184"]
    assert (sign["gold"], sign["predicted"]) == (2, 3)
    assert values(sign["strict"]) == [round(2 / 3, 6), 1.0, 0.8]
    assert sign["linked"].value == 0.5
    assert found.types["T047"]["overlap"]["recall"].value == 0
    assert found.types["T047"]["overlap"]["precision"].value == 1


def test_types_come_from_the_catalog_where_the_gold_does_not_say_them():
    pair = (note(mark(16, 22, "C0000001")), note(mark(16, 22, "C0000001")))
    assert list(score([pair], catalog=CATALOG, replicates=0).types) == ["T047"]
    assert list(score([pair], replicates=0).types) == []


def test_confusions_have_gold_rows(found):
    said = found.confusion["assertion"]
    assert said.labels == ("absent", "family", "present")
    assert said.counts["absent"] == {"absent": 2, "family": 0, "present": 1}
    assert (said.accuracy.count, said.accuracy.of) == (3, 4)
    assert said.kappa == pytest.approx((0.75 - (3 * 2 + 1 * 1) / 16) / (1 - 7 / 16))
    assert said.classes["absent"]["recall"].value == pytest.approx(2 / 3)
    assert found.confusion["informant"].counts["daughter"] == {"clinician": 1, "daughter": 2}


def test_error_kinds_are_counted_and_the_commonest_listed(found):
    assert found.errors == {
        "correct": 1, "incorrect": 1, "partial": 1, "partial-incorrect": 1, "missing": 1, "spurious": 1,
    }  # fmt: skip
    assert {row["kind"] for row in found.commonest} == {
        "incorrect",
        "partial",
        "partial-incorrect",
        "missing",
        "spurious",
    }
    wrong = next(row for row in found.commonest if row["kind"] == "incorrect")
    assert (wrong["gold_text"], wrong["gold_cui"], wrong["predicted_cui"], wrong["predicted_name"], wrong["first"]) == (
        "wandering", "C0000002", "C0000003", "name 3", "a:24",
    )  # fmt: skip


def test_a_missed_mention_outside_the_catalog_is_counted_but_not_listed():
    result = score([(note(mark(16, 22, "C0000009")), note())], catalog=CATALOG, replicates=0)
    assert result.errors["missing"] == 1
    assert result.commonest == []


def test_gold_without_a_concept_counts_for_spans_only():
    result = score([(note(mark(16, 22)), note(mark(16, 22, "C0000001")))], replicates=0)
    assert result.spans["strict"]["f1"].value == 1
    assert result.linking["strict"]["precision"].value is None
    assert result.linking["strict"]["recall"].of == 0


def test_nested_mentions_find_their_own_answers():
    outer, inner = mark(0, 20, "C0000001"), mark(5, 10, "C0000002")
    answers = match([outer, inner], [inner, outer])
    assert [answer.kind.value for answer in answers] == ["correct", "correct"]


def test_everything_in_a_score_is_json_and_defined(found):
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert data["in_vocabulary"]["overlap"]["recall"] == {
        "value": 0.5,
        "low": None,
        "high": None,
        "count": 2.0,
        "of": 4.0,
    }
    assert set(DEFINITIONS) >= {
        "spans.strict",
        "spans.overlap",
        "linking.strict",
        "accuracy.at_5",
        "in_vocabulary",
        "interval",
    }
    assert data["definitions"] == DEFINITIONS


def test_no_documents_and_no_mentions_give_no_figures():
    for pairs in ([], [(note(), None)], [(note(), note())]):
        result = score(pairs, replicates=10)
        assert result.spans["strict"]["f1"].value is None
        json.dumps(result.to_json(), allow_nan=False)


def test_an_interval_is_that_of_resampled_documents():
    """Of 400 documents with one mention each, right with a chance of 0.7: the interval is the binomial one."""
    rng = np.random.default_rng(3)
    pairs = [
        (note(mark(0, 8, "C0000001")), note(mark(0, 8, "C0000001" if right else "C0000002"))) for right in rng.random(400) < 0.7
    ]  # fmt: skip
    figure = score(pairs, replicates=2000, seed=1).accuracy["at_1"]
    spread = 1.96 * (figure.value * (1 - figure.value) / 400) ** 0.5
    assert figure.low == pytest.approx(figure.value - spread, abs=0.006)
    assert figure.high == pytest.approx(figure.value + spread, abs=0.006)
    assert figure == score(pairs, replicates=2000, seed=1).accuracy["at_1"]


def test_one_document_that_holds_everything_widens_the_interval():
    """400 mentions in two documents, all right in one and all wrong in the other, are two observations and not 400."""
    table = Table([{"right": 200, "all": 200}, {"all": 200}], replicates=500, rng=np.random.default_rng(0))  # type: ignore[list-item]
    figure = table.share({"right": 1}, {"all": 1})
    assert (figure.value, figure.low, figure.high) == (0.5, 0.0, 1.0)


def test_documents_meet_by_name_or_by_order():
    one, two = note(name="a", text="x"), note(name="b", text="y")
    assert list(paired([one, two], [two, one], Problems())) == [(one, one), (two, two)]
    nameless = [Document("x"), Document("y")]
    assert [p.text for _, p in paired([one, two], nameless, Problems())] == ["x", "y"]


def test_what_was_not_predicted_is_missed_and_said():
    problems = Problems()
    pairs = list(paired([note(mark(0, 8, "C0000001")), note(name="b")], [note(name="b"), note(name="z")], problems))
    assert pairs[0][1] is None
    assert problems.counts == {"not-predicted": 1, "no-gold": 1}
    assert score(pairs, replicates=0).errors["missing"] == 1


def test_another_text_under_the_same_name_is_refused():
    with pytest.raises(SourceError, match=r"another text than a\.txt from character 2 on \('Z', not 'c'\)"):
        list(paired([note(text="abc")], [note(text="abZ")], Problems()))
    with pytest.raises(SourceError, match="two predicted documents are called 'a'"):
        list(paired([note()], [note(), note()], Problems()))
    with pytest.raises(SourceError, match="two gold documents are called 'a'"):
        list(paired([note(), note()], [note()], Problems()))
