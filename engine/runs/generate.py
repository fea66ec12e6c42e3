"""`generate`: a run from a graph and a recipe."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from engine.runs.folder import free_folder
from engine.runs.planner import Planner
from engine.runs.pools import InlinePool, ProcessPool, ThreadPool
from engine.runs.quotas import LABEL, Cell, allot, by_axis
from engine.runs.recipe import Recipe, from_data, read_recipe, settle
from engine.runs.run import Run
from engine.runs.worker import Worker
from engine.settings import Settings
from graph_loaders.elements import GraphElements
from ontology.errors import ConfigError
from ontology.pack import Pack

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from engine.graph import TrajectoryGraph
    from engine.runs.pools import Pool
    from engine.sampling.criteria import Criteria
    from graph_loaders.trajectory import Trajectory
    from ontology.mention import Linker

__all__ = ["WorkerSpec", "generate", "make_recipe"]


_BATCH = 64
_STREAMS = 8
"""Batches on their way to a server at once: repairs of one, and calls sent again and again, leave room that others fill."""
_MODEL_BATCH = 8
"""Slots that travel and are committed together: few where a sentence takes a second, so that progress shows and little is lost."""


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """All that a worker process needs, as plain data."""

    recipe: Recipe
    pack: Pack
    elements: GraphElements
    settings: Settings

    def build(self) -> Worker:
        """A worker with its own linker, validator and verbalizer."""
        from engine.sampling.model import combine
        from engine.validation import Validator
        from engine.verbalization import open_verbalizer
        from ontology.catalog import open_catalog, pack_catalog
        from ontology.linker import CatalogLinker

        name, cache = self.recipe.catalog, self.settings.cache
        base = None if name == "pack" else open_catalog(name, cache=cache)
        catalog = pack_catalog(self.pack, base=base)
        return Worker(
            self.recipe,
            self.pack,
            catalog,
            combine(self.pack, self.elements),
            CatalogLinker(catalog, cache=cache, prefer=[concept.cui for concept in self.pack.concepts]),
            Validator(self.pack, catalog),
            open_verbalizer(self.recipe.model, self.pack, self.settings, decoding=self.recipe.decoding),
        )


def make_recipe(
    graph: TrajectoryGraph,
    *,
    n: int | None = None,
    model: str | None = None,
    recipe: str | Path | Recipe | None = None,
    criteria: Criteria | None = None,
    quotas: Mapping[str, int] | None = None,
    **asked: Any,
) -> Recipe:
    """The recipe of a run: arguments over the recipe file over defaults; settled against the graph's pack."""
    if isinstance(recipe, Recipe):
        base = recipe
    else:
        data = {} if recipe is None else read_recipe(recipe)
        base = from_data({"n": n or _sum(quotas or data.get("quotas") or {}) or 100, **data}, str(recipe or "recipe"))
    changes: dict[str, Any] = {key: value for key, value in asked.items() if value is not None}
    if quotas:
        changes |= {"quotas": dict(quotas), "n": n or _sum(quotas)}
    elif n is not None and n != base.n:
        changes |= {"n": n, "quotas": {}}
    if model is not None:
        changes["model"] = model
    if criteria is not None:
        changes["criteria"] = criteria
    return settle(
        replace(base, catalog=graph.catalog_name, graph=graph.fingerprint, pack=graph.pack.fingerprint, **changes),
        graph.pack,
    )


def _sum(quotas: Mapping[str, int]) -> int:
    """The sentences that quotas ask for: those of any one axis add up to all."""
    return next((sum(values.values()) for values in by_axis(quotas).values()), 0)


def generate(
    graph: TrajectoryGraph,
    n: int | None = None,
    *,
    model: Any = None,
    out: str | Path | None = None,
    trajectories: Iterable[Trajectory] | None = None,
    linker: Linker | None = None,
    workers: int = 1,
    ray: str | None = None,
    fork: bool = False,
    keep: bool = True,
    **asked: Any,
) -> Run:
    """A run, nothing made yet: iterate over it. The same call over the same `out` goes on where it stopped.

    `model`: `template`, `local`, `vllm:NAME`, `ollama:NAME`, any `init_chat_model` string, or a LangChain chat model.
    `trajectories`: given ones instead of sampled ones, a sentence for each onset. `workers`: processes (the bytes are
    the same for any number). `ray`: `local` or the address of a Ray cluster whose actors work instead (`workers` of them, or one for
    each CPU). `fork`: where `out` holds a run of another recipe, a new run beside it (`out-2` ...) instead of RunConflict; answers that
    the model gave before are taken from the cache. `keep`: without `out`, whether records stay in memory so that the run can be
    iterated again. Other keywords are the recipe's: seed, quotas, guidance, criteria, assertions, attempts, rounds, near_duplicate, recipe.

    >>> from engine.graph import open_graph
    >>> with open_graph(catalog="pack") as graph:
    ...     [record.label for record in generate(graph, 2, seed=7, quotas={"none": 2})]
    ['none', 'none']
    """
    from engine.verbalization import open_verbalizer, prompt_id

    named = model if model is None or isinstance(model, str) else _name_of(model)
    given: list[Trajectory] | None = None
    if trajectories is not None:
        given = list(trajectories)
        asked |= {"unit": "trajectory", "trajectories": _fingerprint(given)}
        n = len(given)
    recipe = make_recipe(graph, n=n, model=named, **asked)
    chosen = model if model is not None and not isinstance(model, str) else recipe.model
    recipe = replace(recipe, prompt=prompt_id(chosen, graph.pack, recipe.decoding))
    away = ray is not None or workers > 1
    if away and (linker is not None or not isinstance(chosen, str)):
        raise ConfigError(
            f"{'Ray' if ray else f'{workers} workers'} need a model given by name and the default linker; use workers=1"
        )

    server = recipe.model.startswith(("vllm:", "ollama:"))

    def inline() -> Pool:
        verbalizer = open_verbalizer(chosen, graph.pack, graph.settings, decoding=recipe.decoding)
        worker = Worker(
            recipe, graph.pack, graph.catalog, graph.model, linker or graph.linker, graph.validator, verbalizer
        )
        return ThreadPool(worker, _STREAMS, verbalizer.close) if server else InlinePool(worker, close=verbalizer.close)

    spec = WorkerSpec(recipe, graph.pack, graph.elements, graph.settings.without_secrets())
    pool = (
        partial(_ray_pool, spec, ray, workers) if ray else partial(ProcessPool, spec.build, workers) if away else inline
    )
    labels = tuple(label.id for label in graph.pack.labels)
    batch = _BATCH if recipe.model == "template" else _MODEL_BATCH
    if server:
        batch = (
            graph.settings.model_concurrency or _BATCH
        )  # each stream could fill every call that may be under way at once
        if away and (graph.settings.model_tokens is not None or graph.settings.model_money is not None):
            raise ConfigError(
                "a budget of tokens or money holds for one process, not for several; leave --workers at 1 and --ray away"
            )
    cells = _cells(recipe, graph)
    if fork and out is not None:
        out = free_folder(out, recipe)
    return Run(
        recipe,
        pool,
        labels=labels,
        out=out,
        trajectories=given,
        cells=cells,
        title=graph.pack.name,
        batch=batch,
        keep=keep,
    )


def _ray_pool(spec: WorkerSpec, address: str, workers: int) -> Pool:
    from engine.runs.ray_pool import RayPool

    return RayPool(spec.build, address, workers if workers > 1 else 0)


def _cells(recipe: Recipe, graph: TrajectoryGraph) -> dict[Cell, int] | None:
    """How the quotas of several axes are met at once; None where only labels have any."""
    axes = by_axis(recipe.quotas)
    if recipe.unit != "sentence" or axes.keys() <= {LABEL}:
        return None
    return allot(axes, Planner(recipe, graph.pack, graph.model).able)


def _name_of(model: Any) -> str:
    for attribute in ("model_name", "model"):
        name = getattr(model, attribute, None)
        if isinstance(name, str) and name:
            return name
    return type(model).__name__


def _fingerprint(trajectories: list[Trajectory]) -> str:
    from io import StringIO

    from graph_loaders.trajectory import write_jsonl

    text = StringIO()
    write_jsonl(trajectories, text)
    return hashlib.sha256(text.getvalue().encode()).hexdigest()
