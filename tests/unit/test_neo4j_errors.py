"""Every error of the Neo4j driver becomes one of ours, that says what to do next."""

from __future__ import annotations

import inspect

import neo4j.exceptions
import pytest

from graph_loaders.stores.address import ServerAddress
from graph_loaders.stores.neo4j_errors import CLASSES, CODES, translate
from ontology.errors import ConfigError, DualAlignError, QueryRefused, StoreError

ADDRESS = ServerAddress("neo4j://graphs.example:7687", "reader", "research", "clinic")
DRIVERS = {
    name: kind
    for name, kind in inspect.getmembers(neo4j.exceptions, inspect.isclass)
    if issubclass(kind, Exception) and not name.startswith("_")
}
WAYS = (
    "try again",
    "set DUALALIGN_NEO4J_PASSWORD",
    "name ",
    "run ",
    "check ",
    "open the graph again",
    "look into its log",
    "ask again",
    "write it as",
    "the query cannot run",
    "leave it out",
    "give ",
    "raise ",
    "change it",
)


def test_every_class_of_the_driver_has_an_entry_of_its_own() -> None:
    assert set(CLASSES) == set(DRIVERS)
    assert len(DRIVERS) > 30


@pytest.mark.parametrize("name", sorted(DRIVERS))
def test_every_class_becomes_ours_with_the_graph_and_the_way_out(name: str) -> None:
    error = translate(DRIVERS[name]("what the driver said"), ADDRESS, "written")
    assert isinstance(error, DualAlignError)
    assert type(error) in {ConfigError, QueryRefused, StoreError}
    assert any(way in str(error) for way in WAYS), str(error)
    assert "\n" not in str(error)
    assert isinstance(error, QueryRefused) or str(error).startswith(f"the graph {ADDRESS} was not written: ")
    assert error.exit_code == (3 if isinstance(error, StoreError) else 2)


def test_a_class_that_is_new_takes_its_base() -> None:
    class Newer(neo4j.exceptions.ServiceUnavailable):
        pass

    error = translate(Newer("x"), ADDRESS, "read")
    assert isinstance(error, StoreError)
    assert error.retryable
    assert "does not answer" in str(error)
    assert isinstance(translate(OSError("x"), ADDRESS, "read"), StoreError)


@pytest.mark.parametrize("code", sorted(CODES))
def test_what_the_server_calls_it_comes_before_the_class(code: str) -> None:
    error = neo4j.exceptions.Neo4jError._hydrate_neo4j(code=f"Neo.ClientError.{code}", message="said")
    ours = translate(error, ADDRESS, "written")
    assert any(way in str(ours) for way in WAYS), str(ours)
    assert getattr(ours, "retryable", False) == (CODES[code][0] == "again")


def test_who_may_try_again_is_told_so() -> None:
    for name, kind in DRIVERS.items():
        ours = translate(kind("x"), ADDRESS, "read")
        if isinstance(ours, StoreError) and ours.retryable:
            assert "again" in str(ours), name
