"""Public fakes for tests of code that uses DualAlign: a scripted verbalizer, a tiny graph, a fixed persona."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graph_loaders.trajectory import Onset, Persona, StageEntry, Trajectory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.graph import TrajectoryGraph
    from engine.verbalization.port import Request
    from ontology.concept import Cui
    from ontology.errors import ModelError

__all__ = ["Scripted", "make_trajectory", "tiny_graph"]


class Scripted:
    """A verbalizer that answers from a script: a function of the request, or a list that is walked and started again.

    >>> from engine.plan import Plan
    >>> from engine.verbalization.port import Request
    >>> Scripted(["Wife reports apathy."]).write([Request(Plan("neuropsychiatric", ""))])
    ['Wife reports apathy.']
    """

    name = "scripted"

    def __init__(self, script: Sequence[str | ModelError] | Callable[[Request], str | ModelError]) -> None:
        self.requests: list[Request] = []
        self._script = script

    def write(self, requests: Sequence[Request]) -> list[str | ModelError]:
        """Answers in order."""
        answers = []
        for request in requests:
            if callable(self._script):
                answers.append(self._script(request))
            else:
                answers.append(self._script[len(self.requests) % len(self._script)])
            self.requests.append(request)
        return answers

    def close(self) -> None:
        """Nothing to close."""


def tiny_graph() -> TrajectoryGraph:
    """The shipped pack's facts in memory, linked with the pack's own words: opens in well under a second."""
    from engine.graph import open_graph

    return open_graph(catalog="pack")


def make_trajectory(
    *onsets: tuple[Cui, float], sex: str = "female", entry_age: float = 70.0, exit_age: float = 90.0
) -> Trajectory:
    """A hand-made trajectory: (CUI, age) pairs in any order.

    >>> from ontology.concept import parse_cui
    >>> make_trajectory((parse_cui("C0085632"), 81.5)).onsets[0].age
    81.5
    """
    begun = tuple(Onset(cui, age, age, "mild") for cui, age in sorted(onsets, key=lambda pair: pair[1]))
    return Trajectory(
        "hand-made",
        Persona({"sex": sex}),
        entry_age,
        exit_age,
        onsets=begun,
        stages=(StageEntry("mild", entry_age),),
        sampled=True,
    )
