"""`Kept`: persons' trajectories as private nodes: keyed hashes for names, ages at most 90, no text and no date."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, Any

from graph_loaders.elements import GraphElements, Node, Value
from graph_loaders.schema import OLDEST_SHOWN, PRIVATE, NodeType
from graph_loaders.trajectory import Absence, Onset, Persona, Presence, Trajectory
from ontology.concept import Cui
from ontology.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Kept", "kept", "refuse_persons"]

_THERE_AT_ENTRY = -1.0
"""For `after` of an onset that was there at entry: a list of numbers has no None."""


class Kept:
    """The persons of one load, as private nodes of the cohort, gathered while they pass (about 2 kB of memory each).

    A person's key is HMAC-SHA256 of the source's identifier under 256 random bits that live only as long as this object and
    are written nowhere: nobody can go from a key back to the source, and two loads of one person have two keys.

    >>> kept = Kept("ward")
    >>> len(kept.key("MRN 4711")), kept.key("MRN 4711") == kept.key("MRN 4711"), kept.key("x") == Kept("ward").key("x")
    (32, True, False)
    """

    def __init__(self, cohort: str) -> None:
        self.cohort = cohort
        self.nodes: dict[str, Node] = {}
        self._secret = secrets.token_bytes(32)

    def key(self, person: str) -> str:
        """32 hexadecimal digits for an identifier of the source."""
        return hmac.digest(self._secret, person.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()[:32]

    def watch(self, people: Iterable[Trajectory]) -> Iterator[Trajectory]:
        """The same persons; each is kept on the way."""
        for person in people:
            key = person.id
            while key in self.nodes:  # a source that has one identifier twice
                key = self.key(key)
            self.nodes[key] = _node(person, key, self.cohort)
            yield person

    def private(self, elements: GraphElements) -> GraphElements:
        """The cohort's elements with its persons beside them; the cohort is marked private."""
        cohort = NodeType.COHORT
        nodes = [
            Node(n.label, n.key, {**n.properties, "private": True}) if (n.label, n.key) == (cohort, self.cohort) else n
            for n in elements.nodes
        ]
        return GraphElements.of([*nodes, *elements.edges, *self.nodes.values()])


def kept(elements: GraphElements, cohort: str) -> Iterator[Trajectory]:
    """The persons that a graph keeps of a cohort, by key; read it with `store.read(private=True)`.

    Ages are in hundredths of a year, and 90 stands for 90 and more: what happened after is all at 90.
    """
    for node in elements.nodes:
        if node.label == NodeType.PERSON and node.properties.get("cohort") == cohort:
            yield _trajectory(node)


def refuse_persons(elements: GraphElements, doing: str) -> None:
    """ConfigError where there are persons among the elements; `doing` says what cannot be done with them."""
    for node in elements.nodes:
        if node.label in PRIVATE:
            raise ConfigError(
                f"the graph keeps the persons of {node.properties.get('cohort', 'a cohort')} and cannot be {doing}; "
                "load the data again without --keep-persons, and write that with: dualalign graph release"
            )


def _age(age: float) -> float:
    return min(round(age, 2), OLDEST_SHOWN)


def _node(person: Trajectory, key: str, cohort: str) -> Node:
    lists: dict[str, Value] = {
        "traits": [f"{axis}={value}" for axis, value in sorted(person.persona.traits.items())],
        "risk_factors": list(person.persona.risk_factors),
        "visits": sorted({_age(age) for age in person.visits}),
        "onsets": [str(o.cui) for o in person.onsets],
        "onset_ages": [_age(o.age) for o in person.onsets],
        "onset_after": [_THERE_AT_ENTRY if o.after is None else _age(o.after) for o in person.onsets],
        "absences": [str(a.cui) for a in person.absences],
        "absence_ages": [_age(a.age) for a in person.absences],
        "presences": [str(p.cui) for p in person.presences],
        "presence_ages": [_age(p.age) for p in person.presences],
    }
    window: dict[str, Value] = {
        "cohort": cohort,
        "entry_age": _age(person.entry_age),
        "exit_age": _age(person.exit_age),
        "died": person.died,
    }
    return Node(NodeType.PERSON, key, {**window, **{name: value for name, value in lists.items() if value}})


def _trajectory(node: Node) -> Trajectory:
    p: Any = node.properties

    def dated(name: str) -> Iterator[tuple[Cui, float]]:
        for cui, age in zip(p.get(f"{name}s", ()), p.get(f"{name}_ages", ()), strict=True):
            yield Cui(cui), age

    after = [None if age == _THERE_AT_ENTRY else age for age in p.get("onset_after", ())]
    onsets = [Onset(cui, age, last) for (cui, age), last in zip(dated("onset"), after, strict=True)]
    return Trajectory(
        node.key,
        Persona(dict(text.split("=", 1) for text in p.get("traits", ())), tuple(p.get("risk_factors", ()))),
        p["entry_age"],
        p["exit_age"],
        p["died"],
        tuple(p.get("visits", ())),
        tuple(sorted(onsets, key=lambda onset: (onset.age, onset.cui))),
        tuple(Absence(*one) for one in dated("absence")),
        presences=tuple(Presence(*one) for one in dated("presence")),
    )
