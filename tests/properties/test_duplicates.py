from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.runs.duplicates import DuplicateIndex, _shingles

words = st.sampled_from(
    [
        "wife",
        "reports",
        "apathy",
        "for",
        "months",
        "with",
        "falls",
        "and",
        "no",
        "fear",
        "of",
        "the",
        "dark",
        "3",
        "12",
        "since",
    ]
)
sentences = st.lists(words, min_size=1, max_size=14).map(" ".join)


def similar(a: str, b: str, threshold: float = 0.8) -> bool:
    x, y = _shingles(a), _shingles(b)
    return len(x & y) >= threshold * len(x | y)


@given(st.lists(sentences, max_size=25))
def test_the_index_says_what_comparing_every_pair_says(texts):
    index, kept = DuplicateIndex(), []
    for text in texts:
        new = not any(similar(text, other) for other in kept)
        assert index.add(text) is new
        if new:
            kept.append(text)


@given(st.lists(sentences, max_size=8), st.lists(sentences, max_size=8), st.lists(sentences, max_size=8))
def test_a_refused_batch_leaves_no_trace(first, batch, then):
    index, other = DuplicateIndex(), DuplicateIndex()
    for text in first:
        index.add(text)
        other.add(text)
    copies = index.add_all(batch)
    if copies:
        assert [index.add(text) for text in then] == [other.add(text) for text in then]
    else:
        assert all(not index.add(text) for text in batch)


def test_numbers_case_and_punctuation_do_not_make_a_sentence_new():
    index = DuplicateIndex()
    assert index.add("Wife reports apathy for 3 months.")
    assert not index.add("wife reports apathy; for 12 months")
    assert index.add("Husband describes getting lost on familiar roads.")
