"""MEDS: the standard's test data loads; a wrong schema is one clear error; every dated row is used or skipped."""

from __future__ import annotations

import datetime as dt
from datetime import date

import pytest

from graph_loaders.load import load
from graph_loaders.mapping import read_code_mapping
from graph_loaders.onset import Tally, trajectories
from graph_loaders.readers import meds
from ontology.catalog import Catalog
from ontology.concept import Coding, Concept, Cui
from ontology.errors import DualAlignError, SourceError

CATALOG = Catalog([Concept(Cui("C0002395"), "Alzheimer's disease", codings=(Coding("ICD10CM", "G30.9"),))])
D = dt.datetime
ROWS = [
    (1, None, "GENDER//F", None),
    (1, D(1930, 1, 1), "MEDS_BIRTH", None),
    (1, D(2005, 1, 1), "VISIT//OUT", None),
    (1, D(2010, 1, 1), "ICD10CM//G30.9", None),
    (1, D(2011, 1, 1), "LNC//72106-8", 20.0),
    (1, D(2012, 1, 1), "MEDS_DEATH", None),
    (2, None, "ICD10CM//G30.9", None),
    (2, D(1940, 1, 1), "MEDS_BIRTH", None),
    (2, D(1939, 1, 1), "ICD10CM//G30.9", None),
    (2, D(2099, 1, 1), "ICD10CM//G30.9", None),
    (2, D(2010, 1, 1), "ICD10CM//G30.9", None),
    (3, D(2010, 1, 1), "ICD10CM//G30.9", None),
]


def shard(folder, rows, name="0.parquet", **types):
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {
        "subject_id": pa.int64(),
        "time": pa.timestamp("us"),
        "code": pa.string(),
        "numeric_value": pa.float32(),
    } | types
    (folder / "data" / "train").mkdir(parents=True, exist_ok=True)
    columns = list(zip(*rows, strict=True)) if rows else [[]] * 4
    table = pa.table(
        {
            n: pa.array(list(c)).cast(k) if c else pa.array([], k)
            for (n, k), c in zip(kinds.items(), columns, strict=True)
        }
    )
    pq.write_table(table, folder / "data" / "train" / name)
    return folder


def test_every_dated_row_is_used_or_skipped_for_a_reason(pack, tmp_path):
    path, tally = shard(tmp_path / "d", ROWS), Tally(today=date(2026, 1, 1))
    mapping = read_code_mapping(None, pack, cohort="x")
    one, two = trajectories(meds.read(path, mapping, tally), tally, mapping.look_up(CATALOG))
    assert (one.entry_age, one.exit_age, one.died) == (75.001, 81.999, True)
    assert [(o.cui, o.age) for o in one.onsets] == [("C0002395", 80.0)]
    assert one.persona.traits == {"sex": "female"}
    assert [o.after for o in two.onsets] == [None]
    assert dict(tally.skipped) == {
        "row without a date": 1,
        "dated before birth": 1,
        "dated in the future": 1,
        "person without a birth date": 1,
        "code without a concept": 2,
    }
    assert tally.read == tally.used + tally.skipped.total()


def test_a_subject_in_two_shards_is_counted_once(pack, tmp_path):
    path = shard(shard(tmp_path / "d", ROWS), ROWS[:6], "1.parquet")
    report = load("meds", path, pack, tmp_path / "g", cohort="x", catalog=CATALOG)
    assert report.skipped["subject in two places"] == 6
    assert report.persons == 3


def test_a_wrong_schema_is_one_clear_error_and_no_graph(pack, tmp_path):
    import pyarrow as pa

    for number, (name, kind) in enumerate(
        (("subject_id", pa.string()), ("time", pa.string()), ("numeric_value", pa.string()))
    ):
        path = shard(tmp_path / f"d{number}", ROWS, **{name: kind})
        with pytest.raises(SourceError, match="MEDS schema"):
            load("meds", path, pack, tmp_path / "g", cohort="x", catalog=CATALOG)
    assert not (tmp_path / "g").exists()


@pytest.mark.parametrize("keep", [0, 4, 100, 400])
def test_a_truncated_shard_is_one_clear_error(keep, pack, tmp_path):
    path = shard(tmp_path / "d", ROWS)
    file = path / "data" / "train" / "0.parquet"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DualAlignError, match="cannot be read"):
        load("meds", path, pack, tmp_path / "g", cohort="x", catalog=CATALOG)
    assert not (tmp_path / "g").exists()
