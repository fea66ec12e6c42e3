"""The schema of the graph: node and edge types, their keys and properties. Closed: labels and types never come from data."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from graph_loaders.elements import Edge, Node, misfit
from ontology.issue import Issue, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "AGE_BANDS",
    "DEATH",
    "EDGES",
    "END",
    "GAP_BINS_DAYS",
    "NODES",
    "OLDEST_SHOWN",
    "PRIVATE",
    "START",
    "EdgeType",
    "NodeType",
    "Shape",
    "check",
    "place",
]


class NodeType(StrEnum):
    """Labels of nodes; a node's key is unique within its label."""

    CONCEPT = "Concept"  # key: CUI
    RISK_FACTOR = "RiskFactor"  # key: risk:diabetes
    DEMOGRAPHIC = "Demographic"  # key: sex:female, race:white, education:low
    CATEGORY = "Category"  # key: label:neuropsychiatric
    STAGE = "Stage"  # key: stage:mild
    COHORT = "Cohort"  # key: the cohort's id; written last
    LEDGER = (
        "Ledger"  # key: ledger:COHORT; what was released of a cohort so far; outlives the cohort's being loaded again
    )
    PERSON = "Person"  # private; key: a keyed hash of the source's identifier
    START = "Start"  # one, key: start
    DEATH = "Death"  # one, key: death
    END = "End"  # one, key: end (censoring)


class EdgeType(StrEnum):
    """Types of edges."""

    PRECEDES = "PRECEDES"  # b began when a had begun; key: the cohort's id, or the fact's
    REQUIRES = "REQUIRES"  # a cannot begin before b
    MODIFIES = "MODIFIES"  # exposure -> outcome, a published ratio; key: the row's id
    IS_A = "IS_A"
    IN = "IN"  # concept -> category
    TYPICAL_OF = "TYPICAL_OF"  # concept -> stage
    ESTIMATES = (
        "ESTIMATES"  # cohort -> concept or death: fitted coefficients with their information; key: the cohort's id
    )
    OBSERVED = "OBSERVED"  # cohort -> concept or death: events and person-years by cell; key: the cohort's id
    POOLED = (
        "POOLED"  # merged cohort -> concept or death: coefficients pooled over cohorts, how they differ, cells added up
    )
    EXPOSED = "EXPOSED"  # risk factor -> demographic: how common; key: the row's id


START = (NodeType.START.value, "start")
DEATH = (NodeType.DEATH.value, "death")
END = (NodeType.END.value, "end")

GAP_BINS_DAYS = (0, 91, 182, 365, 730, 1095, 1826, 3652)
"""Left edges of the gap histogram, in days: under 3 months, 3-6, 6-12 months, 1-2, 2-3, 3-5, 5-10 years, 10 years and more."""

AGE_BANDS = (0, 60, 65, 70, 75, 80, 85, 90)
"""Left edges of the age bands of counts, in years; the last is 90 and more."""

OLDEST_SHOWN = 90.0
"""Years; of a person that a graph keeps, it stands for 90 and more."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What an element of a type may carry: property -> Python type name (`str int float bool`, `list[int]` ...).

    `private`: elements of one person; no store shows them unless asked, and nothing takes them out of the graph.
    """

    properties: dict[str, str]
    starts: tuple[NodeType, ...] = ()
    ends: tuple[NodeType, ...] = ()
    private: bool = False


_N, _E = NodeType, EdgeType
_EVENTS = (_N.CONCEPT, _N.STAGE, _N.DEATH)
_NAMED = {"name": "str", "definition": "str", "source": "str"}

NODES: dict[NodeType, Shape] = {
    _N.CONCEPT: Shape({**_NAMED, "types": "list[str]", "category": "str", "entity": "str", "remits": "bool"}),
    _N.RISK_FACTOR: Shape({**_NAMED, "axis": "str", "value": "str", "cui": "str"}),
    _N.DEMOGRAPHIC: Shape({**_NAMED, "axis": "str", "value": "str", "cui": "str", "share": "float"}),
    _N.CATEGORY: Shape(dict(_NAMED)),
    _N.STAGE: Shape({**_NAMED, "ordinal": "int", "years": "float", "cui": "str"}),
    _N.COHORT: Shape(
        {
            **_NAMED,
            "persons": "int",
            "person_years": "float",
            "min_cell": "int",
            "epsilon": "float",
            "delta": "float",
            "released": "str",  # how: suppression or differential privacy; absent: as it was loaded
            "mechanism": "str",
            "looked_for": "list[str]",  # events, seen or not
            "most_onsets": "int",  # contribution of a person to what is counted, enforced when loaded
            "most_years": "float",
            "members": "list[str]",  # of a merged cohort: those it adds up
            "loaded": "str",
            "fingerprint": "str",
            "pack": "str",
            "private": "bool",
        }
    ),
    _N.LEDGER: Shape(
        {
            "cohort": "str",
            "epsilon_total": "float",  # the budget for all releases of the cohort
            "delta_total": "float",
            "entries": "list[str]",  # a JSON object a release: when, mechanism, epsilon, delta, persons, min_cell, fingerprint
        }
    ),
    _N.PERSON: Shape(
        {
            "cohort": "str",
            "traits": "list[str]",  # axis=value
            "risk_factors": "list[str]",
            "entry_age": "float",  # every age in hundredths of a year, 90 for 90 and more
            "exit_age": "float",
            "died": "bool",
            "visits": "list[float]",
            "onsets": "list[str]",  # CUIs, with two ages each: first seen, and last seen absent (-1: there at entry)
            "onset_ages": "list[float]",
            "onset_after": "list[float]",
            "absences": "list[str]",
            "absence_ages": "list[float]",
            "presences": "list[str]",
            "presence_ages": "list[float]",
        },
        private=True,
    ),
    _N.START: Shape({"name": "str"}),
    _N.DEATH: Shape({"name": "str"}),
    _N.END: Shape({"name": "str"}),
}

EDGES: dict[EdgeType, Shape] = {
    _E.PRECEDES: Shape(
        {
            "cohort": "str",
            "persons": "int",
            "person_years": "float",
            "same_visit": "int",
            "gap_days": "list[int]",  # counts over GAP_BINS_DAYS, or over the bins of gap_bins
            "gap_bins": "list[int]",  # left edges in days, some of GAP_BINS_DAYS: bins pooled by a release
            "cohorts": "int",  # merged: cohorts with this edge
            "log_ratio": "float",
            "se": "float",
            "source": "str",
            "basis": "str",  # cited, assumed or counted
        },
        (_N.START, *_EVENTS),
        (*_EVENTS, _N.END),
    ),
    _E.REQUIRES: Shape({"source": "str"}, _EVENTS, _EVENTS),
    _E.MODIFIES: Shape(
        {
            "measure": "str",
            "ratio": "float",
            "log_ratio": "float",
            "se": "float",
            "given": "str",
            "source": "str",
            "second_hand": "bool",
        },
        (_N.DEMOGRAPHIC, _N.RISK_FACTOR, _N.CONCEPT),
        _EVENTS,
    ),
    _E.IS_A: Shape({"source": "str"}, (_N.CONCEPT,), (_N.CONCEPT,)),
    _E.IN: Shape({"source": "str"}, (_N.CONCEPT,), (_N.CATEGORY,)),
    _E.TYPICAL_OF: Shape({"share": "float", "source": "str"}, (_N.CONCEPT,), (_N.STAGE,)),
    _E.ESTIMATES: Shape(
        {
            "cohort": "str",
            "features": "list[str]",  # names as in engine.sampling.model
            "coefficients": "list[float]",
            "information": "list[float]",  # row-major square matrix, prior not counted
            "events": "int",
            "person_years": "float",
            "events_by_age": "list[int]",  # over AGE_BANDS
            "years_by_age": "list[float]",
            "basis": "str",  # persons: fitted where they are
            "remission": "list[float]",  # log rates a year of going and of coming back after the onset
            "remission_information": "list[float]",  # two by two
        },
        (_N.COHORT,),
        _EVENTS,
    ),
    _E.OBSERVED: Shape(
        {
            "cohort": "str",
            "events_by_cell": "list[int]",  # AGE_BANDS x sex (not male, male) x onsets so far (0 to 6 or more)
            "years_by_cell": "list[float]",
            "cell_groups": "list[int]",  # pooled by a release: the group of each cell; a group's sums stand in its middle cell
        },
        (_N.COHORT,),
        _EVENTS,
    ),
    _E.POOLED: Shape(
        {
            "cohort": "str",
            "features": "list[str]",
            "coefficients": "list[float]",  # inverse variance, fixed effect
            "se": "list[float]",
            "cohorts": "list[int]",  # that estimate the feature
            "q": "list[float]",  # Cochran's
            "i2": "list[float]",
            "tau": "list[float]",
            "events_by_cell": "list[int]",
            "years_by_cell": "list[float]",
            "cell_groups": "list[int]",
        },
        (_N.COHORT,),
        _EVENTS,
    ),
    _E.EXPOSED: Shape({"share": "float", "source": "str"}, (_N.RISK_FACTOR,), (_N.DEMOGRAPHIC,)),
}

PRIVATE = frozenset(str(label) for label, shape in NODES.items() if shape.private)
"""Labels of nodes that are one person's."""

_LENGTHS: dict[tuple[str, str], int] = {
    (_E.ESTIMATES, "events_by_age"): len(AGE_BANDS),
    (_E.ESTIMATES, "years_by_age"): len(AGE_BANDS),
    (_E.OBSERVED, "events_by_cell"): len(AGE_BANDS) * 14,
    (_E.OBSERVED, "years_by_cell"): len(AGE_BANDS) * 14,
    (_E.OBSERVED, "cell_groups"): len(AGE_BANDS) * 14,
    (_E.POOLED, "events_by_cell"): len(AGE_BANDS) * 14,
    (_E.POOLED, "years_by_cell"): len(AGE_BANDS) * 14,
    (_E.POOLED, "cell_groups"): len(AGE_BANDS) * 14,
}
"""Lists with one value a bin."""


def place(element: Node | Edge) -> str:
    """An element in words, for messages.

    >>> place(Node("Concept", "C0002395")), place(Edge("IS_A", ("Concept", "C1"), ("Concept", "C2"), "hpo"))
    ('Concept C0002395', 'IS_A hpo from Concept C1 to Concept C2')
    """
    if isinstance(element, Node):
        return f"{element.label} {element.key}"
    key = f" {element.key}" if element.key else ""
    return f"{element.type}{key} from {' '.join(element.start)} to {' '.join(element.end)}"


def check(elements: Iterable[Node | Edge]) -> tuple[Issue, ...]:
    """Every element that the schema does not have, as issues in the order of the elements; one look at each.

    Refused: a label or type, a property, or a pair of ends that is not in `NODES` or `EDGES`; a value of another type
    than declared (an integer may stand for a float); an empty key of a node; a list that has not one value a bin.

    >>> [str(i) for i in check([Node("Concept", "C0002395", {"name": "Alzheimer's disease", "nmae": "x"})])]
    ["error unknown-property at Concept C0002395: Concept has no property 'nmae' (did you mean 'name'?)"]
    """
    return tuple(issue for element in elements for issue in _check(element))


def _check(element: Node | Edge) -> Iterator[Issue]:
    name = element.label if isinstance(element, Node) else element.type
    shape = _SHAPES[isinstance(element, Node)].get(name)
    if shape is None:
        known = _SHAPES[isinstance(element, Node)]
        kind = "label" if isinstance(element, Node) else "type"
        message = f"the schema has no {kind} {name!r}"
        yield Issue(Severity.ERROR, f"unknown-{kind}", message, place(element), _nearest(name, known))
        return
    if isinstance(element, Edge) and name == EdgeType.PRECEDES and "gap_days" in element.properties:
        yield from _check_gaps(element)
    texts = (element.key,) if isinstance(element, Node) else (element.key, element.start[1], element.end[1])
    if isinstance(element, Node) and not element.key:
        yield Issue(Severity.ERROR, "empty-key", f"a {name} needs a key", place(element))
    if any(not isinstance(text, str) or misfit(text) for text in texts):
        yield Issue(Severity.ERROR, "bad-key", "a key is text of whole characters", repr(place(element)))
    if isinstance(element, Edge):
        for side, end, allowed in (("start", element.start, shape.starts), ("end", element.end, shape.ends)):
            if end[0] not in allowed:
                message = f"{name} cannot {side} at {end[0]!r}"
                yield Issue(Severity.ERROR, "bad-end", message, place(element), f"one of {', '.join(allowed)}")
    for key, value in element.properties.items():
        if not _plainly(value, shape.properties.get(key)):
            yield from _check_property(name, shape, key, value, place(element))


def _check_gaps(edge: Edge) -> Iterator[Issue]:
    gaps: object = edge.properties["gap_days"]
    bins: Any = edge.properties.get("gap_bins", list(GAP_BINS_DAYS))
    if isinstance(gaps, list) and isinstance(bins, list):
        if len(gaps) != len(bins):
            yield Issue(Severity.ERROR, "bad-length", f"gap_days has {len(gaps)} values, not {len(bins)}", place(edge))
        if bins[:1] != [0] or bins != sorted(set(bins) & set(GAP_BINS_DAYS)):
            hint = f"0 and more of {', '.join(map(str, GAP_BINS_DAYS))}"
            yield Issue(Severity.ERROR, "bad-bins", f"gap_bins is {bins!r:.60}", place(edge), hint)


_SHAPES: dict[bool, dict[str, Shape]] = {  # by the text of labels and types
    True: {str(label): shape for label, shape in NODES.items()},
    False: {str(kind): shape for kind, shape in EDGES.items()},
}
_EXACT = {"str": str, "int": int, "float": float, "bool": bool}


def _plainly(value: object, declared: str | None) -> bool:
    """The common case, quickly: a value of exactly the declared type; the rest is looked at closely."""
    if type(value) is not _EXACT.get(declared or ""):
        return False
    if isinstance(value, str):
        return value.isascii()
    return abs(value) < 2.0**63  # type: ignore[arg-type]  # a number, neither nan nor infinite


def _check_property(name: str, shape: Shape, key: str, value: object, where: str) -> Iterator[Issue]:
    if key not in shape.properties:
        hint = _nearest(key, tuple(shape.properties))
        yield Issue(Severity.ERROR, "unknown-property", f"{name} has no property {key!r}", where, hint)
    elif why := misfit(value):
        yield Issue(Severity.ERROR, "bad-value", f"{key} is {why}", where, f"{key} is {shape.properties[key]}")
    elif not _fits(value, shape.properties[key]):
        yield Issue(Severity.ERROR, "bad-type", f"{key} is {value!r:.60}", where, f"{key} is {shape.properties[key]}")
    elif isinstance(value, list) and len(value) != _LENGTHS.get((name, key), len(value)):
        wanted = _LENGTHS[name, key]
        yield Issue(Severity.ERROR, "bad-length", f"{key} has {len(value)} values, not {wanted}", where)


_FITS: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (float, int), "bool": (bool,)}


def _fits(value: object, declared: str) -> bool:
    if declared.startswith("list["):
        item = declared.removeprefix("list[").removesuffix("]")
        return isinstance(value, list) and all(_fits(v, item) for v in value)
    return isinstance(value, _FITS[declared]) and (isinstance(value, bool) == (declared == "bool"))


def _nearest(name: str, known: Iterable[str]) -> str:
    names = [str(k) for k in known]
    near = get_close_matches(name, names, 1)
    return f"did you mean {near[0]!r}?" if near else f"one of {', '.join(names)}"
