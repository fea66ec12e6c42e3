"""The index comes back from its file, trusts none, and a folder that cannot be written stops nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ontology.concept import Concept, Cui
from ontology.linking.arrays import open_arrays, save_arrays
from ontology.linking.index import Index
from ontology.linking.lexicon import open_index
from ontology.linking.tiers import Tiers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CATALOG = {Cui("C0000001"): Concept(Cui("C0000001"), "memory loss", ("forgetfulness",))}
TEXTS = ["memmory loss and forgetfulness", "loss of memory"]


def test_an_index_is_built_once_and_answers_the_same_from_its_file(tmp_path: Path) -> None:
    built = Tiers(open_index(CATALOG, None)).find(TEXTS)
    assert [len(hits) for hits in built] == [2, 1]
    assert Tiers(open_index(CATALOG, tmp_path)).find(TEXTS) == built
    (path,) = tmp_path.iterdir()
    before = path.stat().st_mtime_ns
    assert Tiers(open_index(CATALOG, tmp_path)).find(TEXTS) == built
    assert path.stat().st_mtime_ns == before


def test_two_builds_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        open_index(CATALOG, tmp_path / name)
    one, two = (next((tmp_path / name).iterdir()).read_bytes() for name in ("one", "two"))
    assert one == two


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def _other_head(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[60] ^= 1
    path.write_bytes(content)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _other_version(path: Path) -> None:
    arrays, _ = open_arrays(path)
    copies = {name: np.array(array) for name, array in arrays.items()}
    save_arrays(path, copies, {"linker": -1})


@pytest.mark.parametrize("damage", [_cut, _flipped, _other_head, _empty, _other_version])
def test_a_damaged_file_is_refused_with_the_way_out_and_built_anew(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    expected = Tiers(open_index(CATALOG, tmp_path)).find(TEXTS)
    (path,) = tmp_path.iterdir()
    damage(path)
    with pytest.raises(ValueError, match="delete it and it is built anew"):
        Index.open(path)
    assert Tiers(open_index(CATALOG, tmp_path)).find(TEXTS) == expected
    assert len(Index.open(path)) > 0


def test_arrays_of_objects_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "some.arrays"
    save_arrays(path, {"words": np.array([1, 2], "<i8")}, {})
    path.write_bytes(path.read_bytes().replace(b'"<i8"', b'"|O8"'))
    with pytest.raises(ValueError, match="delete it and it is built anew"):
        open_arrays(path)


def test_a_cache_that_is_a_file_stops_nobody(tmp_path: Path) -> None:
    place = tmp_path / "cache"
    place.write_text("not a folder")
    assert [len(hits) for hits in Tiers(open_index(CATALOG, place)).find(TEXTS)] == [2, 1]
