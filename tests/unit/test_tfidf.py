"""The index of 3-grams answers exactly, comes back from its files, and trusts no file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ontology.linking.tfidf import TfidfIndex

if TYPE_CHECKING:
    from pathlib import Path

STRINGS = ["memory loss", "weight loss", "tremor", "loss of appetite", "memory impairment"]


def nearest(index: TfidfIndex, text: str, k: int = 3) -> list[tuple[str, float]]:
    near, distances = index.knnQueryBatch(index.vectorizer.transform([text]), k=k)[0]
    return [(index.strings[i], round(float(1 - d), 5)) for i, d in zip(near, distances, strict=True)]


def test_the_nearest_string_is_the_one_with_the_same_words() -> None:
    index = TfidfIndex.build(STRINGS)
    assert nearest(index, "memory loss")[0] == ("memory loss", 1.0)
    assert nearest(index, "loss memory", 1) == [("memory loss", 1.0)]
    assert nearest(index, "qqqq") == []


def test_answers_are_those_of_the_dense_product() -> None:
    index = TfidfIndex.build(STRINGS)
    query = index.vectorizer.transform(["memory of weight loss"])
    dense = (query @ index.vectors.T).toarray()[0]
    near, distances = index.knnQueryBatch(query, k=3)[0]
    assert list(near) == list(np.lexsort((np.arange(len(dense)), -dense))[:3])
    assert np.allclose(1 - distances, dense[near])


def test_equals_are_answered_in_the_order_of_the_strings() -> None:
    index = TfidfIndex.build(["tremor one", "one tremor", "gait"])
    assert [string for string, _ in nearest(index, "tremor one", 1)] == ["tremor one"]
    assert [string for string, _ in nearest(index, "one tremor", 1)] == ["tremor one"]


def test_an_index_comes_back_from_its_files(tmp_path: Path) -> None:
    first = TfidfIndex.cached(STRINGS, tmp_path / "new")
    (path,) = (tmp_path / "new").glob("*.npz")
    before = path.stat().st_mtime_ns
    again = TfidfIndex.cached(STRINGS, tmp_path / "new")
    assert path.stat().st_mtime_ns == before
    assert nearest(again, "memry los") == nearest(first, "memry los")
    assert sorted(file.suffix for file in path.parent.iterdir()) == [".json", ".npz"]


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def _pickled(path: Path) -> None:
    np.savez(path, **dict.fromkeys(("data", "indices", "indptr", "idf"), np.array([{}], dtype=object)))


def _out_of_range(path: Path) -> None:
    with np.load(path) as arrays:
        content = dict(arrays)
    content["indices"] = content["indices"] + 10_000
    np.savez(path, **content)


def _other_head(path: Path) -> None:
    path.with_suffix(".json").write_text(json.dumps({"strings": [], "grams": []}))


def _no_head(path: Path) -> None:
    path.with_suffix(".json").write_text("[]")


@pytest.mark.parametrize("damage", [_cut, _pickled, _out_of_range, _other_head, _no_head])
def test_a_damaged_file_is_refused_with_the_way_out_and_built_anew(tmp_path: Path, damage: object) -> None:
    expected = nearest(TfidfIndex.cached(STRINGS, tmp_path), "memry los")
    (path,) = tmp_path.glob("*.npz")
    damage(path)  # type: ignore[operator]
    with pytest.raises(ValueError, match="delete it and it is built anew"):
        TfidfIndex.open(path)
    assert nearest(TfidfIndex.cached(STRINGS, tmp_path), "memry los") == expected
    assert nearest(TfidfIndex.open(path), "memry los") == expected
