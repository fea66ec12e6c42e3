"""The schema of the graph: node and edge types, their keys and properties. Closed: labels and types never come from data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["AGE_BANDS", "DEATH", "EDGES", "END", "GAP_BINS_DAYS", "NODES", "START", "EdgeType", "NodeType", "Shape"]


class NodeType(StrEnum):
    """Labels of nodes; a node's key is unique within its label."""

    CONCEPT = "Concept"  # key: CUI
    RISK_FACTOR = "RiskFactor"  # key: risk:diabetes
    DEMOGRAPHIC = "Demographic"  # key: sex:female, race:white, education:low
    CATEGORY = "Category"  # key: label:neuropsychiatric
    STAGE = "Stage"  # key: stage:mild
    COHORT = "Cohort"  # key: the cohort's id; written last
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
    EXPOSED = "EXPOSED"  # risk factor -> demographic: how common; key: the row's id


START = (NodeType.START.value, "start")
DEATH = (NodeType.DEATH.value, "death")
END = (NodeType.END.value, "end")

GAP_BINS_DAYS = (0, 91, 182, 365, 730, 1095, 1826, 3652)
"""Left edges of the gap histogram, in days: under 3 months, 3-6, 6-12 months, 1-2, 2-3, 3-5, 5-10 years, 10 years and more."""

AGE_BANDS = (0, 60, 65, 70, 75, 80, 85, 90)
"""Left edges of the age bands of counts, in years; the last is 90 and more."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What an element of a type may carry: property -> Python type name (`str int float bool`, `list[int]` ...)."""

    properties: dict[str, str]
    starts: tuple[NodeType, ...] = ()
    ends: tuple[NodeType, ...] = ()


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
            "loaded": "str",
            "fingerprint": "str",
            "pack": "str",
            "private": "bool",
        }
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
            "gap_days": "list[int]",  # counts over GAP_BINS_DAYS
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
        },
        (_N.COHORT,),
        _EVENTS,
    ),
    _E.EXPOSED: Shape({"share": "float", "source": "str"}, (_N.RISK_FACTOR,), (_N.DEMOGRAPHIC,)),
}
