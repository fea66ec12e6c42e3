"""Coverage counts what is there, and says what is missing only when that is a surprise."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import audit, generate
from engine.audit.coverage import wilson
from engine.testing import make_trajectory, tiny_graph
from engine.words import describe, persona_in_words
from graph_loaders.trajectory import Persona
from ontology.concept import Cui
from ontology.errors import ConfigError, SourceError


@pytest.fixture(scope="module")
def graph():
    with tiny_graph() as opened:
        yield opened


@pytest.fixture(scope="module")
def records(graph):
    return list(generate(graph, 60, seed=3))


@given(st.integers(0, 500), st.integers(1, 500))
def test_an_interval_holds_its_share(count, more):
    total = count + more
    low, high = wilson(count, total)
    assert 0 <= low <= count / total <= high <= 1


def test_planned_and_written_are_counted_by_concept_and_part(graph, records):
    figures = audit(records, graph).coverage
    planned = Counter(record.cui for record in records if record.cui)
    assert {row.cui: row.planned for row in figures.concepts if row.planned} == dict(planned)
    by_label = {row.value: row.sentences for row in figures.strata if row.axis == "label"}
    assert by_label == dict(Counter(record.label for record in records))
    for axis in ("stage", "informant", "assertion", "sex", "race", "age"):
        assert sum(row.sentences for row in figures.strata if row.axis == axis) == len(records)
    assert sum(row.expected for row in figures.concepts) == pytest.approx(1, abs=0.01)
    assert sum(row.share for row in figures.concepts) == pytest.approx(1)


def test_an_accepted_run_has_nothing_wrong(graph, records):
    assert [issue for issue in audit(records, graph).issues if issue.severity == "error"] == []


def test_a_record_without_its_concept_and_a_repeated_one_are_errors(graph, records):
    planned = next(record for record in records if record.cui)
    report = audit([replace(planned, spans=()), planned, planned], graph)
    assert Counter(i.code for i in report.issues if i.severity == "error") == {"not-written": 1, "duplicate-id": 2}


def test_a_concept_that_should_have_come_is_reported_missing(graph, records):
    one = next(record for record in records if record.cui)
    report = audit([replace(one, id=f"r{i}") for i in range(900)], graph)
    missing = {issue.where for issue in report.issues if issue.code == "concept-missing"}
    assert missing
    assert one.cui not in missing


def test_few_sentences_are_no_surprise(graph, records):
    report = audit(records[:5], graph)
    assert not [issue for issue in report.issues if issue.code == "concept-missing"]
    assert "label-missing" in {issue.code for issue in report.coverage.issues}


def test_the_page_escapes_what_comes_from_data(graph, records):
    hostile = replace(records[0], id="<img src=x onerror=alert(1)>", label="<b>x</b>", stage="<script>")
    page = audit([hostile, hostile], graph).to_html()
    assert "<img" not in page
    assert "<script" not in page
    assert "&lt;b&gt;x&lt;/b&gt;" in page


def test_a_file_that_is_not_there_or_no_record_is_named(graph, tmp_path):
    with pytest.raises(ConfigError, match=r"none\.jsonl is no run folder"):
        audit(tmp_path / "none.jsonl", graph)
    (tmp_path / "bad.jsonl").write_text('{"text": 3}\n', encoding="utf-8")
    with pytest.raises(SourceError, match=r"bad\.jsonl:1"):
        audit(tmp_path / "bad.jsonl", graph)


def test_a_trajectory_in_words_keeps_every_onset_in_order(graph):
    trajectory = make_trajectory((Cui("C0085632"), 75.0), (Cui("C0011581"), 72.0))
    lines = list(describe(trajectory, graph.pack, ["a", "b"]))
    assert "Depression" in lines[2]
    assert "Apathy, 3.0 years later; b" in lines[3]
    assert lines[-1].endswith("end of follow-up")
    assert list(describe(trajectory, graph.pack, most=1))[2].endswith("and 2 more")


def test_a_persona_in_words(graph):
    persona = Persona({"sex": "female", "race": "hispanic"}, ("diabetes", "hypertension"))
    assert persona_in_words(persona, graph.pack) == "woman (Hispanic) with diabetes and hypertension"
    assert persona_in_words(Persona(), graph.pack) == "person"
