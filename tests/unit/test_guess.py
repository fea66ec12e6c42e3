"""`load table --guess`: a first mapping that can be used as it is where the columns are known."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from engine.cli.load import command
from graph_loaders.guess import guess
from graph_loaders.readers import table
from ontology.concept import Cui
from ontology.errors import SourceError
from ontology.pack import load_pack


@pytest.fixture(scope="module")
def pack():
    return load_pack()


def test_known_columns_make_a_mapping_that_loads(tmp_path, pack):
    path = tmp_path / "uds.csv"
    path.write_text("NACCID,NACCAGE,SEX,NACCMMSE,APA,NACCGDS,DEPD,WEIGHT\nx,70,2,20,1,7,0,60\nx,72,2,29,0,2,0,61\n")
    (tmp_path / "m.toml").write_text(guess(path, pack))
    mapping = table.read_mapping(tmp_path / "m.toml", pack)
    assert (mapping.person, mapping.age, mapping.cohort) == ("NACCID", "NACCAGE", "uds")
    assert {rule.cui for rule in mapping.events} == {"C0234985", "C0085632", "C0011581"}
    assert "#   WEIGHT" in (tmp_path / "m.toml").read_text()


def test_a_dictionary_names_columns_that_are_not_known(tmp_path, pack):
    (tmp_path / "t.csv").write_text("subject_id,dob,visit_date,gender,q17,zz\na,1940,2010-01-01,F,20,1\n")
    (tmp_path / "d.csv").write_text(
        'Feature,CURIE,Definition,A,B\nMini-Mental State Examination (MMSE),x,y,q17,"m1, m2"\n'
    )
    text = guess(tmp_path / "t.csv", pack, tmp_path / "d.csv")
    assert 'column = "q17"' in text
    (tmp_path / "m.toml").write_text(text)
    mapping = table.read_mapping(tmp_path / "m.toml", pack)
    assert (mapping.date, mapping.birth) == ("visit_date", "dob")
    assert mapping.traits["sex"] == ("gender", {"F": "female"})
    (tmp_path / "d.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SourceError, match="no data dictionary"):
        guess(tmp_path / "t.csv", pack, tmp_path / "d.csv")


@given(
    st.lists(
        st.text(st.characters(exclude_characters=",\r\n", exclude_categories=["Cs"]), min_size=1),
        min_size=1,
        unique=True,
    )
)
def test_any_names_make_a_file_that_is_toml(tmp_path_factory, pack, names):
    import csv
    import tomllib

    path = tmp_path_factory.mktemp("g") / "t.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerow(names)
    try:
        text = guess(path, pack)
    except SourceError:
        return
    assert isinstance(tomllib.loads(text)["person"], dict)


def test_the_command_prints_it_and_needs_no_graph(tmp_path):
    (tmp_path / "t.csv").write_text("id,age,mmse\na,70,20\n")
    found = CliRunner().invoke(command, ["table", str(tmp_path / "t.csv"), "--guess"])
    assert found.exit_code == 0
    assert '[[events]]\ncui = "C0234985"\ncolumn = "mmse"' in found.stdout
    assert Cui("C0234985") in found.stdout
