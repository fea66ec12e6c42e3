"""`Planner`: plans that are what a quota asks for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from engine.plan import Plan, plan, plan_for_label, plan_unguided
from engine.runs.quotas import LABEL, Cell
from ontology.errors import Infeasible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.runs.recipe import Recipe
    from engine.sampling.criteria import Criteria
    from engine.sampling.model import ProgressionModel
    from graph_loaders.trajectory import Trajectory
    from ontology.pack import Pack

__all__ = ["Planner"]

_DRAWS = 60
"""Trajectories drawn for a slot before its criteria and its quotas are held to exclude each other."""
_ASKED = 30
"""The same, where it is only asked whether a combination of quotas can occur."""
_TELLERS = 12
"""Plans a trajectory where an informant is asked for: the rarest that is drawn (a son) tells of one in six."""
_SEX = {"husband": "female", "wife": "male"}


class Planner:
    """Draws trajectories and plans for the slots of a recipe; every draw comes from the generator that is given."""

    def __init__(self, recipe: Recipe, pack: Pack, model: ProgressionModel) -> None:
        self.recipe, self.pack, self.model = recipe, pack, model
        self._mix = recipe.assertions or None
        self._axes = {row.axis for row in pack.demographics}
        self._criteria: dict[Cell, Criteria] = {}

    def rng(self, *key: int) -> np.random.Generator:
        """The generator of a place in the run: of a slot and a round, and in a trajectory of a step."""
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence((self.recipe.seed, *key))))

    def draw(self, rngs: Sequence[np.random.Generator], cell: Cell | None = None) -> list[Trajectory]:
        """A trajectory from each generator that meets the recipe's criteria, and the traits that `cell` asks for."""
        from engine.sampling.sampler import draw_each

        return draw_each(self.model, self.criteria(cell) if cell else self.recipe.criteria, rngs)

    def step(self, trajectory: Trajectory, step: int, rng: np.random.Generator) -> Plan:
        """The plan of one onset."""
        return plan(trajectory, step, self.pack, rng, guidance=self.recipe.guidance, assertion_mix=self._mix)

    def plans(self, asked: Sequence[tuple[Cell, np.random.Generator]]) -> list[Plan]:
        """What `plan` gives for each; their first trajectories are drawn together, which costs a fraction of one by one."""
        first: dict[int, Trajectory] = {}
        if self.recipe.guidance != "none":
            together: dict[Cell | None, list[int]] = {}
            for place, (cell, _) in enumerate(asked):
                together.setdefault(_narrow(cell), []).append(place)
            for narrow, places in together.items():
                first |= zip(places, self.draw([asked[place][1] for place in places], narrow), strict=True)
        return [self.plan(cell, rng, first=first.get(place)) for place, (cell, rng) in enumerate(asked)]

    def plan(self, cell: Cell, rng: np.random.Generator, draws: int = _DRAWS, first: Trajectory | None = None) -> Plan:
        """A plan that is what `cell` asks for; Infeasible when none of `draws` trajectories (of which `first` is drawn) carries one."""
        label = cell.get(LABEL)
        if self.recipe.guidance == "none":
            return plan_unguided(label, self.pack, rng)
        said = cell.get("assertion")
        mix = {said: 1.0} if said else self._mix
        narrow = _narrow(cell)
        plans = 1 if narrow is None else _TELLERS if any(axis == "informant" for axis, _ in cell.values) else 3
        for _ in range(draws):
            trajectory, first = first or self.draw([rng], narrow)[0], None
            for _ in range(plans):
                made = plan_for_label(
                    trajectory,
                    label,
                    self.pack,
                    rng,
                    guidance=self.recipe.guidance,
                    assertion_mix=mix,
                    stage=cell.get("stage"),
                )
                if made is None:
                    break
                if narrow is None or cell.holds(made):
                    return made
        raise Infeasible(
            f"none of {draws} trajectories that meet the criteria can carry {str(cell)!r}; "
            "widen the criteria or leave this out of the quotas",
            "label",
        )

    def able(self, cell: Cell) -> bool:
        """Whether a combination of quotas can be planned: a few draws decide, the same each time."""
        try:
            self.plan(cell, self.rng(2**32 - 1), _ASKED)
        except Infeasible:
            return False
        return True

    def criteria(self, cell: Cell) -> Criteria:
        """The recipe's criteria with the traits and risk factors of a cell; Infeasible where the two exclude each other."""
        found = self._criteria.get(cell)
        if found is None:
            found = self._criteria[cell] = self._narrowed(cell)
        return found

    def _narrowed(self, cell: Cell) -> Criteria:
        criteria = self.recipe.criteria
        asked = {axis: value for axis in self._axes if (value := cell.get(axis))}
        if sex := _SEX.get(cell.get("informant")):
            asked.setdefault("sex", sex)
        for axis, value in asked.items():
            if criteria.traits.get(axis, value) != value:
                raise Infeasible(
                    f"the criteria ask for {axis}:{criteria.traits[axis]} and a quota for {axis}:{value}; drop one of the two",
                    axis,
                )
        risks = dict.fromkeys((*criteria.risk_factors, *filter(None, [cell.get("risk")])))
        return replace(criteria, traits={**criteria.traits, **asked}, risk_factors=tuple(risks))


def _narrow(cell: Cell) -> Cell | None:
    """The cell, where it asks for more than a label."""
    return cell if len(cell.values) > 1 else None
