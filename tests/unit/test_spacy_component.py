"""`nlp.add_pipe("dualalign_linker")`: what a user of spaCy expects of it."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import warnings

import pytest

from ontology.errors import ConfigError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import spacy

LINES = [
    {"concept_id": "C0233569", "canonical_name": "Wandering", "aliases": ["wandering"], "types": ["T184"]},
    {"concept_id": "C0497327", "canonical_name": "Dementia", "aliases": ["dementia"], "types": ["T048"]},
]
TEXT = "Wife denies wandering; mother had dementia."


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    path = tmp_path_factory.mktemp("component") / "tiny.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in LINES), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def nlp(catalog):
    made = spacy.blank("en")
    made.add_pipe("dualalign_linker", config={"catalog": catalog, "fuzzy": False})
    return made


def test_it_is_there_without_an_import_of_ours(catalog):
    code = f"""if True:
        import sys, warnings
        warnings.simplefilter("ignore")
        import spacy
        nlp = spacy.blank("en")
        assert "ontology.linker" not in sys.modules
        nlp.add_pipe("dualalign_linker", config=dict(catalog={catalog!r}, fuzzy=False))
        print([ent.kb_id_ for ent in nlp({TEXT!r}).ents])
    """
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['C0233569', 'C0497327']\n"


def test_entities_have_concept_and_attributes(nlp):
    wandering, dementia = nlp(TEXT).ents
    assert (wandering.text, wandering.label_, wandering.kb_id_) == ("wandering", "CONCEPT", "C0233569")
    assert (wandering._.assertion, wandering._.informant) == ("absent", "wife")
    assert (wandering._.concept_name, wandering._.kb_ents) == ("Wandering", [("C0233569", 1.0)])
    assert dementia._.assertion == "family"
    assert [token.ent_kb_id_ for token in wandering] == ["C0233569"]


def test_documents_together_are_as_documents_alone(nlp):
    texts = [TEXT, "", "  ", "No wandering."] * 3
    alone = [[(e.start, e.end, e.kb_id_, e._.assertion) for e in nlp(text).ents] for text in texts]
    assert [
        [(e.start, e.end, e.kb_id_, e._.assertion) for e in doc.ents] for doc in nlp.pipe(texts, batch_size=5)
    ] == alone
    pairs = list(nlp.pipe([(TEXT, 1)], as_tuples=True))
    assert [(len(doc.ents), number) for doc, number in pairs] == [(2, 1)]


def test_several_processes_give_the_same(nlp):
    texts = [TEXT, "No wandering."] * 4
    found = [[(e.kb_id_, e._.assertion) for e in doc.ents] for doc in nlp.pipe(texts, n_process=2, batch_size=2)]
    assert found == [[(e.kb_id_, e._.assertion) for e in nlp(text).ents] for text in texts]


def test_entities_of_others_stay_where_they_do_not_overlap(catalog):
    def pipeline(**config: object) -> object:
        made = spacy.blank("en")
        rules = made.add_pipe("entity_ruler")
        rules.add_patterns(
            [{"label": "PERSON", "pattern": "Wife"}, {"label": "BEHAVIOUR", "pattern": "denies wandering"}]
        )
        made.add_pipe("dualalign_linker", config={"catalog": catalog, "fuzzy": False, "label": "type", **config})
        return made(TEXT)

    assert [(e.text, e.label_) for e in pipeline().ents] == [
        ("Wife", "PERSON"),
        ("wandering", "T184"),
        ("dementia", "T048"),
    ]
    kept = pipeline(overwrite_ents=False, spans_key="linked")
    assert [(e.text, e.label_) for e in kept.ents] == [
        ("Wife", "PERSON"),
        ("denies wandering", "BEHAVIOUR"),
        ("dementia", "T048"),
    ]
    assert [span.text for span in kept.spans["linked"]] == ["wandering", "dementia"]


def test_a_pipeline_is_saved_and_loaded(nlp, tmp_path):
    nlp.to_disk(tmp_path / "nlp")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = spacy.load(tmp_path / "nlp")
    assert [e.kb_id_ for e in again(TEXT).ents] == [e.kb_id_ for e in nlp(TEXT).ents]
    component = pickle.loads(pickle.dumps(nlp.get_pipe("dualalign_linker")))  # noqa: S301 - our own bytes, as spaCy's processes send them
    assert [e.kb_id_ for e in component(nlp.make_doc(TEXT)).ents] == ["C0233569", "C0497327"]


def test_an_unknown_catalog_is_named_when_the_pipeline_is_made():
    with pytest.raises(ConfigError, match="did you mean 'hpo'"):
        spacy.blank("en").add_pipe("dualalign_linker", config={"catalog": "hppo"})
    with pytest.raises(ValueError, match="fuzy"):
        spacy.blank("en").add_pipe("dualalign_linker", config={"fuzy": True})
