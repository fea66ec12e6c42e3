"""What the suites of runs share."""

from __future__ import annotations

import pytest

from engine.testing import tiny_graph


@pytest.fixture(scope="module")
def graph():
    """The shipped pack in memory."""
    with tiny_graph() as opened:
        yield opened
