from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.runs.duplicates import DuplicateIndex, similarity

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


@given(st.lists(sentences, max_size=25))
def test_nothing_is_refused_that_is_no_near_duplicate_and_no_copy_is_taken(texts):
    index, kept = DuplicateIndex(), []
    for text in texts:
        if index.add(text):
            assert all(similarity(text, other) < 1 for other in kept)
            kept.append(text)
        else:
            assert any(similarity(text, other) >= 0.8 for other in kept)
    assert len(index) == len(kept)


@given(st.lists(sentences, max_size=25))
def test_texts_are_looked_up_where_the_run_keeps_them(texts):
    kept: list[str] = []
    index, own = DuplicateIndex(text_of=lambda number: kept[number]), DuplicateIndex()
    for text in texts:
        new = index.add(text)
        if new:
            kept.append(text)
        index.settle()
        assert own.add(text) is new


def test_among_very_many_sentences_that_share_their_words_near_ones_are_found_and_others_are_not():
    whos = ("wife", "husband", "son", "daughter", "patient", "caregiver")
    said = [
        f"{who} {verb} {degree} {sign} in the {when} at {where}"
        for who in whos
        for verb in ("reports", "describes", "notes", "denies")
        for degree in ("marked", "mild")
        for sign in ("apathy", "wandering", "agitation", "low mood", "memory loss", "falls", "poor sleep")
        for when in ("morning", "evening", "night")
        for where in ("home", "church")
    ]
    index = DuplicateIndex()
    taken = [text for text in said if index.add(text)]
    assert len(taken) == len(said) > 2000
    assert not any(index.add(text.upper() + ".") for text in taken)
    longer = [text + " today" for text in taken]
    near = [text for text in longer if any(similarity(text, other) >= 0.8 for other in [text.removesuffix(" today")])]
    missed = sum(index.add(text) for text in near)
    assert missed <= 0.1 * len(near)


def test_an_index_without_a_threshold_takes_everything():
    index = DuplicateIndex(0)
    assert index.add("same")
    assert index.add("same")


def test_memory_is_some_sixty_bytes_a_sentence():
    import tracemalloc

    def text(number: int) -> str:
        return " ".join(f"{number:020b}").translate({48: "yes", 49: f"no{chr(97 + number % 26)}"})

    tracemalloc.start()
    index = DuplicateIndex(text_of=text)
    for number in range(8_000):
        if index.add(text(number)):
            index.settle()
    whole = tracemalloc.get_traced_memory()[0]
    index._of.cache_clear()  # the texts it has read last: so many at most, however many there are
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert used / 8_000 < 75
    assert whole < 8_000_000


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
