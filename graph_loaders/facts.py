"""Facts into a graph: what a pack cites or declares, as nodes and edges. Pure; no persons and no counts in it."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from graph_loaders.elements import Edge, GraphElements, Node, Value
from graph_loaders.schema import DEATH, END, START, EdgeType, NodeType
from ontology.errors import ConfigError
from ontology.issue import Issue, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ontology.pack import Fact, Modifier, Pack

__all__ = ["Key", "cited_orders", "facts_to_elements", "log_hazard_ratio", "needs_of", "node_key"]

Key = tuple[str, str]
"""Label and key of a node, as in `Edge.start`."""

SKELETON = "skeleton"
"""Key of a PRECEDES edge that no fact orders; also the id of the assumption that allows it."""

_NORMAL_95 = 1.959964  # half width of a 95 % interval in standard errors
_MONTHS = {"months_from_diagnosis": 1.0, "years_from_diagnosis": 12.0}


def facts_to_elements(pack: Pack) -> GraphElements:
    """Everything the pack says about who, what and in which order, as graph elements.

    PRECEDES edges are the steps that a path may take: from Start to what needs nothing, from any event to any other
    whose order the pack does not rule out, and to death. Their `basis` is `cited` where a published order, time or
    stage supports the direction, else `assumed`. Cost: one edge for each ordered pair of events (27,000 for 160 events,
    about 0.1 s). Raises ConfigError where an odds ratio has no `baseline_risk` to convert it with.

    >>> from ontology.pack import load_pack
    >>> elements = facts_to_elements(load_pack())
    >>> sorted({edge.type for edge in elements.edges})
    ['EXPOSED', 'IN', 'MODIFIES', 'PRECEDES', 'REQUIRES', 'TYPICAL_OF']
    """
    return GraphElements.of(
        (*_nodes(pack), *_descriptions(pack), *_modifiers(pack), *_requires(pack), *_precedes(pack))
    )


def node_key(event: str) -> Key:
    """The node of an event or exposure as packs write it: a CUI, `stage:mild`, `death`, `risk:diabetes` or `sex:male`.

    >>> node_key("stage:mild")
    ('Stage', 'stage:mild')
    """
    if event == DEATH[1]:
        return DEATH
    if ":" not in event:
        return (NodeType.CONCEPT.value, event)
    kinds = {"stage": NodeType.STAGE, "risk": NodeType.RISK_FACTOR, "label": NodeType.CATEGORY}
    return (kinds.get(event.partition(":")[0], NodeType.DEMOGRAPHIC).value, event)


def log_hazard_ratio(modifier: Modifier) -> tuple[float, float | None]:
    """The ratio on the log scale of a hazard, and its standard error (None if neither interval nor `se_log` is given).

    Hazard and risk ratios pass as they are. An odds ratio OR with the reference group's risk q over the follow-up
    becomes log(1 - p) / log(1 - q), where p = q OR / (1 - q + q OR): at q 0.1 an OR of 3.2 is a hazard ratio of 2.89.
    Raises ConfigError for an odds ratio without `baseline_risk`.

    >>> from ontology.pack import Modifier
    >>> odds = Modifier("id", "risk:smoking", "death", "OR", 3.2, "source", low=2.8, high=3.8, baseline_risk=0.1)
    >>> log_ratio, se = log_hazard_ratio(odds)
    >>> round(math.exp(log_ratio), 2), round(se, 3)
    (2.89, 0.067)
    """
    log_ratio = math.log(_hazard_ratio(modifier, modifier.ratio))
    if modifier.se_log is not None:
        return log_ratio, modifier.se_log
    if modifier.low is None or modifier.high is None:
        return log_ratio, None
    width = math.log(_hazard_ratio(modifier, modifier.high)) - math.log(_hazard_ratio(modifier, modifier.low))
    return log_ratio, width / (2 * _NORMAL_95)


def _hazard_ratio(modifier: Modifier, ratio: float) -> float:
    if modifier.measure != "OR":
        return ratio
    risk = modifier.baseline_risk
    if risk is None or not 0 < risk < 1:
        issue = Issue(
            Severity.ERROR,
            "odds-ratio-without-risk",
            f"modifier {modifier.id} is an odds ratio with baseline_risk {risk}",
            "modifiers.csv",
            "give the risk of the reference group over the follow-up, between 0 and 1",
        )
        raise ConfigError(f"modifier {modifier.id} cannot be read as a hazard ratio", [issue])
    exposed = risk * ratio / (1 - risk + risk * ratio)
    return math.log1p(-exposed) / math.log1p(-risk)


def needs_of(pack: Pack) -> dict[str, frozenset[str]]:
    """For each event that needs others first: all of them, directly or through others. A cycle lists the event itself."""
    direct: dict[str, set[str]] = {}
    for requirement in pack.requirements:
        direct.setdefault(requirement.event, set()).add(requirement.needs)
    closure = {}
    for event, first in direct.items():
        reached: set[str] = set()
        todo = list(first)
        while todo:
            needed = todo.pop()
            if needed not in reached:
                reached.add(needed)
                todo += direct.get(needed, ())
        closure[event] = frozenset(reached)
    return closure


def cited_orders(pack: Pack) -> dict[tuple[str, str], str]:
    """Pairs (earlier, later) of events with the source that puts them in this order, from published rows alone.

    From facts: `order` ranks and `timing` of one source, compared with each other (intervals must not overlap), timing
    against the diagnosis, survival after the diagnosis. From requirements: those with a published source. From stages:
    neighbours. Where several rows agree the first one's source stands; rows may
    disagree, then both directions are cited. Rows for context only are left out.
    """
    published = {source.id for source in pack.sources}
    found: dict[tuple[str, str], str] = {}
    for earlier, later, source in (*_from_facts(pack), *_from_stages(pack)):
        if source in published and earlier != later:
            found.setdefault((earlier, later), source)
    return found


def _from_stages(pack: Pack) -> Iterator[tuple[str, str, str]]:
    for earlier, later in pairwise(sorted(pack.stages, key=lambda stage: stage.ordinal)):
        yield f"stage:{earlier.id}", f"stage:{later.id}", later.source
    for requirement in pack.requirements:
        yield requirement.needs, requirement.event, requirement.source


def _from_facts(pack: Pack) -> Iterator[tuple[str, str, str]]:
    series: dict[tuple[str, str], list[tuple[float, float, str]]] = {}
    for fact in pack.facts:
        if fact.kind == "median_survival" and fact.event == DEATH[1]:
            yield pack.diagnosis, DEATH[1], fact.source
        place = _place(fact)
        if place is None or not fact.event or fact.use == "context":
            continue
        series.setdefault((fact.source, fact.group if fact.kind == "order" else "months"), []).append(
            (*place, fact.event)
        )
        if fact.kind == "timing" and place[1] < 0:
            yield fact.event, pack.diagnosis, fact.source
        elif fact.kind == "timing" and place[0] > 0:
            yield pack.diagnosis, fact.event, fact.source
    for (source, _), rows in series.items():
        for from_a, to_a, a in rows:
            for from_b, to_b, b in rows:
                if to_a <= from_b and (from_a, to_a) != (from_b, to_b):
                    yield a, b, source


def _place(fact: Fact) -> tuple[float, float] | None:
    """From and to on the fact's own scale: ranks, or months from the diagnosis."""
    if fact.kind == "order" and fact.unit == "rank" and fact.value is not None:
        return fact.value, fact.value
    if fact.kind != "timing" or fact.unit not in _MONTHS:
        return None
    months = _MONTHS[fact.unit]
    if fact.value is not None:
        return fact.value * months, fact.value * months
    low = -math.inf if fact.low is None else fact.low * months
    return low, math.inf if fact.high is None else fact.high * months


def _some(properties: Mapping[str, Value | None]) -> dict[str, Value]:
    """Without what is not there: stores hold no nulls."""
    return {name: value for name, value in properties.items() if value is not None and value not in ("", [])}


def _nodes(pack: Pack) -> Iterator[Node]:
    for c in pack.concepts:
        properties: dict[str, Value | None] = {
            "name": c.name,
            "types": [part for part in c.types.split("|") if part],
            "category": f"label:{c.label}",
            "entity": c.entity,
            "remits": c.remits,
            "source": c.cui_source or c.source,
        }
        yield Node(NodeType.CONCEPT.value, c.cui, _some(properties))
    for label in pack.labels:
        named = {"name": label.name, "definition": label.definition, "source": label.source}
        yield Node(NodeType.CATEGORY.value, f"label:{label.id}", _some(named))
    for s in pack.stages:
        named = {"name": s.name, "definition": s.definition, "source": s.source, "cui": s.cui}
        yield Node(NodeType.STAGE.value, f"stage:{s.id}", _some({**named, "ordinal": s.ordinal, "years": s.years}))
    for d in pack.demographics:
        named = {"name": d.name, "axis": d.axis, "value": d.value, "cui": d.cui, "source": d.source}
        yield Node(NodeType.DEMOGRAPHIC.value, d.id, _some({**named, "share": d.share}))
    for r in pack.risk_factors:
        named = {"name": r.name, "definition": r.definition, "axis": "risk", "value": r.id, "cui": r.cui}
        yield Node(NodeType.RISK_FACTOR.value, f"risk:{r.id}", _some({**named, "source": r.source}))
    for (label_name, key), name in ((START, "Start"), (DEATH, "Death"), (END, "End of follow-up")):
        yield Node(label_name, key, {"name": name})


def _descriptions(pack: Pack) -> Iterator[Edge]:
    label_source = {label.id: label.source for label in pack.labels}
    for c in pack.concepts:
        node = node_key(c.cui)
        placed = _some({"source": label_source.get(c.label)})
        yield Edge(EdgeType.IN.value, node, node_key(f"label:{c.label}"), "", placed)
        if c.stage:
            typical = _some({"share": c.ever, "source": c.source})
            yield Edge(EdgeType.TYPICAL_OF.value, node, node_key(f"stage:{c.stage}"), "", typical)
    for x in pack.exposures:
        if x.given:
            row = f"{x.risk_factor}|{x.given}"
            ends = node_key(f"risk:{x.risk_factor}"), node_key(x.given)
            yield Edge(EdgeType.EXPOSED.value, *ends, row, {"share": x.share, "source": x.source})


def _modifiers(pack: Pack) -> Iterator[Edge]:
    second_hand = {source.id: source.second_hand for source in pack.sources}
    for m in pack.modifiers:
        log_ratio, se = log_hazard_ratio(m)
        properties: dict[str, Value | None] = {
            "measure": m.measure,
            "ratio": m.ratio,
            "log_ratio": log_ratio,
            "se": se,
            "given": m.given or None,
            "source": m.source,
            "second_hand": second_hand.get(m.source, False),
        }
        yield Edge(EdgeType.MODIFIES.value, node_key(m.exposure), node_key(m.outcome), m.id, _some(properties))


def _requires(pack: Pack) -> Iterator[Edge]:
    for r in pack.requirements:
        yield Edge(EdgeType.REQUIRES.value, node_key(r.event), node_key(r.needs), "", {"source": r.source})


def _precedes(pack: Pack) -> Iterator[Edge]:
    events = [*sorted(c.cui for c in pack.concepts), *(f"stage:{stage.id}" for stage in pack.stages)]
    earlier = _never_after(pack, events)
    orders = cited_orders(pack)
    assumed: dict[str, Value] = {"basis": "assumed", "source": SKELETON}
    kind = EdgeType.PRECEDES.value
    nodes = {event: node_key(event) for event in (*events, DEATH[1])}
    needy = needs_of(pack)
    for event in events:
        if event not in needy:
            yield Edge(kind, START, nodes[event], SKELETON, assumed)
    for first in events:
        for second in (*events, DEATH[1]):
            if second == first or second in earlier[first]:
                continue
            source = orders.get((first, second))
            if source is None:
                yield Edge(kind, nodes[first], nodes[second], SKELETON, assumed)
            else:
                yield Edge(kind, nodes[first], nodes[second], source, {"basis": "cited", "source": source})


def _never_after(pack: Pack, events: list[str]) -> dict[str, frozenset[str]]:
    """For each event, what cannot begin once it has begun: all it needs, and every stage before one that it implies.

    A stage's own concept counts as the stage; the diagnosis as the first stage that needs it.
    """
    closure = needs_of(pack)
    ranks = {f"stage:{stage.id}": stage.ordinal for stage in pack.stages}
    ranks.update({stage.cui: stage.ordinal for stage in pack.stages if stage.cui})
    implied = {
        **ranks,
        pack.diagnosis: min((ranks[e] for e in ranks if pack.diagnosis in closure.get(e, ())), default=0),
    }
    forbidden = {}
    for event in events:
        needed = closure.get(event, frozenset())
        reached = max((implied[e] for e in (event, *needed) if e in implied), default=0)
        past = {stage for stage, rank in ranks.items() if rank < reached}
        forbidden[event] = (needed | past) - {event}
    return forbidden
