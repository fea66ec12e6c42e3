"""Nothing of a source that names a person is in the bytes of a graph; one that keeps persons cannot leave by any door."""

from __future__ import annotations

import csv
import datetime as dt
import json
import random
import re
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from graph_loaders import interchange
from graph_loaders.copy import copy
from graph_loaders.elements import GraphElements, Node
from graph_loaders.load import load
from graph_loaders.merge import merge
from graph_loaders.persons import Kept, kept
from graph_loaders.release import Terms, release
from graph_loaders.stores import open_store
from graph_loaders.stores.neo4j_store import Neo4jStore
from graph_loaders.trajectory import Persona, Trajectory
from graph_loaders.verify import verify
from ontology.catalog import Catalog
from ontology.concept import Coding, Concept, Cui
from ontology.errors import ConfigError
from ontology.pack import load_pack

if TYPE_CHECKING:
    from pathlib import Path

CATALOG = Catalog([Concept(Cui("C0002395"), "Alzheimer's disease", codings=(Coding("SNOMEDCT_US", "26929004"),))])
PERSONS = 60


@pytest.fixture(scope="module")
def pack():
    return load_pack()


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """OMOP as CSV, with numbers, names and dates that would be known again; half the persons live past 90."""
    folder, rng = tmp_path_factory.mktemp("cdm"), random.Random(11)  # noqa: S311 - invented numbers
    numbers = [rng.randrange(10**11, 10**12) for _ in range(PERSONS)]
    births = [dt.date(1910 + i % 30, 1 + i % 12, 1 + i % 28) for i in range(PERSONS)]
    tables = {
        "person": (
            "person_id,gender_concept_id,year_of_birth,month_of_birth,day_of_birth,person_source_value",
            [(n, 8532, b.year, b.month, b.day, f"Quillfeather-{n}") for n, b in zip(numbers, births, strict=True)],
        ),
        "observation_period": (
            "person_id,observation_period_start_date,observation_period_end_date",
            [(n, "2003-02-17", "2019-11-23") for n in numbers],
        ),
        "death": ("person_id,death_date", [(n, "2018-07-29") for n in numbers[::3]]),
        "concept": ("concept_id,vocabulary_id,concept_code", [(378419, "SNOMED", "26929004")]),
        "condition_occurrence": (
            "person_id,condition_concept_id,condition_start_date,condition_source_value",
            [(n, 378419, f"201{i % 8}-{1 + i % 12:02}-{1 + i % 27:02}", f"Zyxomma-{n}") for i, n in enumerate(numbers)],
        ),
        "note": (
            "person_id,note_date,note_text",
            [(n, "2011-03-04", f"Mrs Quillfeather {n} wanders") for n in numbers],
        ),
    }
    for name, (head, rows) in tables.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            file.write(head + "\n")
            csv.writer(file, lineterminator="\n").writerows(rows)
    return folder


def telling(folder: Path) -> set[bytes]:
    """Every word, number of eight digits or more, and date of the source, in the forms that they could be written in."""
    found: set[bytes] = set()
    for file in folder.iterdir():
        text = file.read_text(encoding="utf-8")
        found |= {word.encode() for word in re.findall(r"\d{8,}|Quillfeather|Zyxomma|wanders", text)}
        for year, month, day in re.findall(r"(\d{4})-(\d\d)-(\d\d)", text):
            date = dt.date(int(year), int(month), int(day))
            found |= {form.encode() for form in (f"{date}", f"{date:%Y%m%d}", f"{date:%d/%m/%Y}", f"{date:%d.%m.%Y}")}
    for line in (folder / "person.csv").read_text().splitlines()[1:]:
        _, _, *birth, _ = line.split(",")
        found.add(dt.date(*map(int, birth)).isoformat().encode())
    for number in re.findall(rb"\d{12}", b" ".join(found)):  # as binary integers too
        found |= {int(number).to_bytes(8, "big")[2:], int(number).to_bytes(8, "little")[:6]}
    return found


@pytest.mark.parametrize("keep", [False, True], ids=["aggregate", "with persons"])
def test_no_identifier_name_text_or_date_is_in_the_bytes_of_a_graph(keep, pack, source, tmp_path):
    graph = tmp_path / "g.graph"
    report = load("omop", source, pack, graph, catalog=CATALOG, cohort="ward", keep_persons=keep)
    assert (report.persons, report.kept) == (PERSONS, PERSONS if keep else 0)
    words = telling(source)
    assert len(words) > 200
    for file in tmp_path.iterdir():
        raw = file.read_bytes()
        assert [word for word in words if word in raw] == []
    planted = next(word for word in words if len(word) == 12)
    graph.write_bytes(graph.read_bytes() + planted)
    assert any(word in graph.read_bytes() for word in words)  # the search finds what is there


@pytest.fixture
def graph(pack, source, tmp_path) -> Path:
    load("omop", source, pack, tmp_path / "p.graph", catalog=CATALOG, cohort="ward", keep_persons=True)
    return tmp_path / "p.graph"


def test_persons_come_back_as_they_were_but_for_hundredths_of_a_year_and_ages_above_90(graph, pack, source):
    from graph_loaders.mapping import read_code_mapping
    from graph_loaders.onset import Tally, trajectories
    from graph_loaders.readers import omop

    mapping, tally = read_code_mapping(None, pack, cohort="ward"), Tally()
    meant = trajectories(omop.read(source, mapping, tally), tally, mapping.look_up(CATALOG))
    with open_store(graph) as store:
        elements = store.read(private=True)
        found = list(kept(elements, "ward"))
        assert not any(node.label == "Person" for node in store.read().nodes)
    assert verify(elements) == ()

    def shown(person: Trajectory):
        ages = (person.entry_age, person.exit_age, *(o.age for o in person.onsets))
        return [min(round(age, 2), 90.0) for age in ages], person.died, person.persona, [o.cui for o in person.onsets]

    assert sorted(map(repr, map(shown, found))) == sorted(map(repr, map(shown, meant)))
    assert len({person.id for person in found}) == PERSONS
    assert max(person.exit_age for person in found) == 90.0


def test_keys_of_two_loads_have_nothing_in_common_and_the_second_load_leaves_no_byte_of_the_first(graph, pack, source):
    def keys() -> set[str]:
        with open_store(graph) as store:
            return {node.key for node in store.read(private=True).nodes if node.label == "Person"}

    first = keys()
    load("omop", source, pack, graph, catalog=CATALOG, cohort="ward", keep_persons=True)
    assert len(first) == PERSONS
    assert not first & keys()
    load("omop", source, pack, graph, catalog=CATALOG, cohort="ward")
    assert keys() == set()
    assert [key for key in first if key.encode() in graph.read_bytes()] == []


def test_persons_leave_by_no_door(graph, pack, source, tmp_path):
    with open_store(graph) as store:
        elements = store.read(private=True)
        seen = store.read()
        assert store.query("MATCH (n:Person) RETURN n.id AS id") == []
        assert store.query("MATCH (n:Cohort) RETURN n.id AS id") == []
    for door in (
        lambda: interchange.to_networkx(elements),
        lambda: interchange.to_json(elements),
        lambda: interchange.to_rdf(elements),
        lambda: interchange.write_graphml(elements, tmp_path / "x.graphml"),
        lambda: interchange.write_turtle(elements, tmp_path / "x.ttl"),
        lambda: release(graph, tmp_path / "x.graph", Terms()),
        lambda: merge([graph, graph], tmp_path / "x.graph"),
        lambda: load("omop", source, pack, "neo4j://127.0.0.1:1", catalog=CATALOG, cohort="w", keep_persons=True),
        lambda: Neo4jStore.write(_server(), elements),
    ):
        with pytest.raises(ConfigError, match=r"person|private cohort"):
            door()
    report = copy(graph, tmp_path / "copy.graph")
    assert report.left_out == 1
    with open_store(tmp_path / "copy.graph") as store:
        assert store.read(private=True) == seen
    keys = [node.key.encode() for node in elements.nodes if node.label == "Person"]
    assert not any(key in (tmp_path / "copy.graph").read_bytes() for key in keys)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copy.graph", "p.graph"]


def _server() -> Neo4jStore:
    """A store that is not connected: persons are refused before anything is asked of the server."""
    from graph_loaders.stores.address import parse

    store = Neo4jStore.__new__(Neo4jStore)
    store.address = parse("neo4j://127.0.0.1:1")
    return store


def test_what_keeps_persons_says_so(graph, tmp_path):
    shown = run("graph", "info", graph)
    assert "private" in shown.output
    assert str(PERSONS) in shown.output
    with pytest.raises(ConfigError, match="keeps the persons of ward"):
        run("graph", "export", graph, tmp_path / "x.ttl")
    assert run("graph", "verify", graph).exit_code == 0
    with pytest.raises(ConfigError, match="keeps no persons of 'other'"):
        run("graph", "fit-report", graph, "--persons", "other", "--no-chain")


def test_fits_are_judged_by_the_persons_kept_as_by_their_table(pack, tmp_path):
    rng = random.Random(3)  # noqa: S311 - invented persons
    rows = []
    for person in range(40):
        start, onset = rng.uniform(65, 80), rng.uniform(66, 90)
        rows += [f"{person},{start + 2 * k:.2f},{20 if start + 2 * k > onset else 28}" for k in range(3)]
    table, mapping, graph = tmp_path / "visits.csv", tmp_path / "visits.toml", tmp_path / "v.graph"
    table.write_text("\n".join(["ID,age,MMSE", *rows]) + "\n")
    mapping.write_text(
        'cohort = "v"\nsource = "invented"\n[person]\nid = "ID"\nage = "age"\n'
        '[[events]]\ncui = "C0234985"\ncolumn = "MMSE"\nwhen = "< 24"\n'
    )
    load("table", table, pack, graph, mapping=mapping, keep_persons=True)
    options = ("--no-chain", "--folds", "2", "--json")
    by_kept = json.loads(run("graph", "fit-report", graph, "--persons", "v", *options).output)["held_out"]
    by_table = json.loads(run("graph", "fit-report", graph, "--table", table, "--mapping", mapping, *options).output)[
        "held_out"
    ]
    assert by_kept["persons"] == by_table["persons"] == 40
    assert by_kept["intervals"] == by_table["intervals"]
    assert abs(by_kept["models"][0]["P"] - by_table["models"][0]["P"]) < 0.3  # other folds: the keys are random


def run(*arguments):
    from engine.cli import cli

    return CliRunner().invoke(cli, [str(a) for a in arguments], catch_exceptions=False)


def test_persons_without_a_private_cohort_or_above_90_are_found_by_verify():
    watched = Kept("ward")
    list(watched.watch([Trajectory("a", Persona(), 70.0, 95.0), Trajectory("a", Persona(), 70.0, 80.0)]))
    one, two = watched.nodes.values()  # one identifier twice: two persons
    assert (one.properties["exit_age"], two.properties["exit_age"]) == (90.0, 80.0)
    assert {i.code for i in verify(GraphElements.of([one]))} == {"person-shown"}
    old = Node("Person", "k", {**one.properties, "exit_age": 95.0})
    assert "age-shown" in {i.code for i in verify(GraphElements.of([old]))}
