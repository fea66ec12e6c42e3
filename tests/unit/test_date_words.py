"""Date words mean a day counted from the note's own: the middle of what is said, never later than the note."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph_loaders.date_words import said_day
from ontology.mention import TimeKind, Timex
from ontology.qualifiers import read_times

NOTE, BIRTH = dt.date(2020, 6, 15), dt.date(1940, 5, 1)


def day(words: str, note: dt.date = NOTE) -> str:
    found = said_day([time for *_, time in read_times(words)], note, BIRTH)
    return str(found[0]) if found else ""


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("for two years", "2018-06-15"),
        ("for 18 months", "2018-12-15"),
        ("over the past six months", "2019-12-15"),
        ("over the past year", "2019-06-15"),
        ("a two-year history of", "2018-06-15"),
        ("for 2-3 years", "2017-12-15"),
        ("x 3 weeks", "2020-05-25"),
        ("for 3/12", "2020-03-15"),
        ("two years ago", "2018-06-15"),
        ("3 weeks ago", "2020-05-25"),
        ("six months prior", "2019-12-15"),
        ("began three months ago", "2020-03-15"),
        ("yesterday", "2020-06-14"),
        ("last week", "2020-06-08"),
        ("last month", "2020-05-15"),
        ("last year", "2019-06-15"),
        ("last monday", "2020-06-08"),
        ("last friday", "2020-06-12"),
        ("last christmas", "2019-12-25"),
        ("since last easter", "2020-04-12"),
        ("last spring", "2020-04-15"),
        ("since last summer", "2019-07-15"),
        ("in winter of 2018", "2019-01-15"),
        ("in March", "2020-03-15"),
        ("in September", "2019-09-15"),
        ("in June", "2020-06-15"),
        ("since March 2019", "2019-03-15"),
        ("since 2019", "2019-07-02"),
        ("in early 2018", "2018-03-01"),
        ("in late 2018", "2018-11-01"),
        ("since 2020", "2020-03-24"),  # half of what has passed of the year
        ("on 2019-03-04", "2019-03-04"),
        ("since age 70", "2010-10-31"),
        ("for 3 hours", "2020-06-15"),
        ("today", "2020-06-15"),
    ],
)
def test_date_words_mean_a_day(words, meant):
    assert day(words) == meant


@pytest.mark.parametrize(
    "words",
    ["for years", "for several years", "since his stroke", "nightly", "at night", "twice a week", "in two weeks", "next month",
     "since 2031", "in 1931", "for 90 years", "on 2019-02-30", "for 999 decades"],
)  # fmt: skip
def test_what_is_vague_or_future_or_before_birth_is_no_day(words):
    assert day(words) == ""


def test_the_29th_of_february_goes_back_to_the_28th():
    assert day("for one year", dt.date(2020, 2, 29)) == "2019-02-28"


@given(
    st.builds(Timex, st.sampled_from(TimeKind), st.text(max_size=20), st.sampled_from(
        ["", "P2Y", "-P9M", "P99999Y", "PT3H", "2019", "0000", "9999-12", "2019-13", "XXXX-02", "XXXX-WI", "2019-SP", "2019-02-30",
         "PRESENT_REF", "P0.5Y", "x"])),
    st.dates(dt.date(1940, 5, 1), dt.date(2030, 1, 1)),
)  # fmt: skip
def test_a_day_lies_between_birth_and_note_whatever_is_said(time, note):
    found = said_day([time], note, BIRTH)
    assert found is None or BIRTH <= found[0] <= note


@given(st.text(max_size=60), st.dates(dt.date(1941, 1, 1), dt.date(2030, 1, 1)))
def test_any_text_is_a_day_or_none(text, note):
    said_day([time for *_, time in read_times(text)], note, BIRTH)
