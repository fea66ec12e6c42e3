"""What a package says is public is there, sorted, and what its docstrings show runs."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import engine
import graph_loaders
import ontology

APART = {"graph_loaders.stores.cypher_engine", "engine.cli.__main__"}  # programs: importing them runs them


def modules() -> list[str]:
    found = []
    for package in (engine, graph_loaders, ontology):
        found.append(package.__name__)
        found += [m.name for m in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    return [name for name in found if name not in APART]


@pytest.mark.parametrize("name", modules())
def test_all_is_true_and_sorted(name):
    module = importlib.import_module(name)
    public = getattr(module, "__all__", None)
    if public is None:
        return
    assert [entry for entry in public if not hasattr(module, entry)] == []
    assert list(public) == sorted(public, key=lambda entry: (not entry.isupper(), entry)) or list(public) == sorted(
        public
    )


@pytest.mark.parametrize("name", modules())
def test_examples_in_docstrings_run(name):
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


def test_every_module_says_what_it_is():
    assert [name for name in modules() if not importlib.import_module(name).__doc__] == []
