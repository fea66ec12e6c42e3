"""A small graph with known ratios: three signs that stay, the diagnosis, five stages, death."""

from dataclasses import replace
from functools import cache

from engine.sampling.model import ProgressionModel, combine
from graph_loaders.facts import facts_to_elements
from ontology.concept import parse_cui
from ontology.pack import Modifier, Pack, load_pack

APATHY, JUDGMENT, CALCULATION, APRAXIA = map(parse_cui, ("C0085632", "C0233818", "C1411876", "C0003635"))
SIGNS = (JUDGMENT, CALCULATION, APRAXIA)


def small(*modifiers: Modifier) -> Pack:
    pack = load_pack()
    kept = {pack.diagnosis, *SIGNS}
    return replace(
        pack,
        concepts=tuple(c for c in pack.concepts if c.cui in kept),
        requirements=tuple(r for r in pack.requirements if r.event.startswith("stage:")),
        modifiers=(*(m for m in pack.modifiers if m.outcome == pack.diagnosis), *modifiers),
    )


@cache
def planted_model() -> ProgressionModel:
    pack = small(
        Modifier("m1", "sex:male", JUDGMENT, "HR", 2.0, "planted", se_log=0.1),
        Modifier("m2", CALCULATION, APRAXIA, "HR", 3.0, "planted", se_log=0.1),
    )
    return combine(pack, facts_to_elements(pack))
