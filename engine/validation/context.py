"""`Context`: what the rules know of pack, catalog and prompt, compiled once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from engine.validation.reading import shingles, words
from engine.validation.vocabulary import GIVEN_NAMES, KNOWN_WORDS
from ontology.concept import Concept, Cui

if TYPE_CHECKING:
    from ontology.pack import Example, Pack

__all__ = ["Context", "Copied", "Hierarchy", "compile_context"]

_EXAMPLE_SHINGLE = 4
_ECHO_SHINGLE = 7
_LEAST_EXAMPLE_WORDS = 7


class Hierarchy(Protocol):
    """What the rules ask of a catalog; `ontology.catalog.Catalog` is one."""

    def __contains__(self, cui: object, /) -> bool:
        """Whether the concept is known."""
        ...

    def __getitem__(self, cui: Cui, /) -> Concept:
        """The concept."""
        ...

    def ancestors(self, cui: Cui, /) -> Iterable[Cui]:
        """What it is a kind of, near and far."""
        ...

    def descendants(self, cui: Cui, /) -> Iterable[Cui]:
        """The kinds of it, near and far."""
        ...


@dataclass(frozen=True, slots=True)
class Copied:
    """An example as it is looked for: its words, and how many shingles it has apart from its phrase."""

    text: str
    words: tuple[str, ...]
    size: int


@dataclass(frozen=True, slots=True)
class Context:
    """Compiled once from pack, catalog and examples; the rules only read it.

    `families`: a pack concept -> itself and all its descendants (any of them says the concept). `above`: its ancestors.
    `owners`: a concept -> the pack concept that it is or descends from. `free`: the diagnosis and what stands above it.
    `risk_factors`: CUI -> id; `risk_words`: their names in lower case -> id.
    `known`: words that are no names though they begin with a capital;
    `given_names`: words that are names even in lower case.
    """

    families: Mapping[Cui, frozenset[Cui]]
    above: Mapping[Cui, frozenset[Cui]]
    owners: Mapping[Cui, Cui]
    names: Mapping[Cui, str]
    free: frozenset[Cui]
    risk_factors: Mapping[Cui, str]
    risk_words: Mapping[str, str]
    known: frozenset[str]
    given_names: frozenset[str]
    examples: tuple[Copied, ...]
    example_words: frozenset[tuple[str, ...]]
    example_runs: frozenset[tuple[str, ...]]
    example_shingles: Mapping[tuple[str, ...], tuple[int, ...]]
    prompt_runs: frozenset[tuple[str, ...]]
    prompt_shingles: frozenset[tuple[str, ...]]
    catalog: Hierarchy

    def family(self, cui: Cui) -> frozenset[Cui]:
        """The concept and all that the catalog holds to be a kind of it."""
        family = self.families.get(cui)
        return family if family is not None else _family(self.catalog, cui)

    def ancestors(self, cui: Cui) -> frozenset[Cui]:
        """What the concept is a kind of."""
        above = self.above.get(cui)
        return above if above is not None else _ancestors(self.catalog, cui)

    def name(self, cui: Cui) -> str:
        """The name of a concept of the pack or the catalog; the CUI where there is none."""
        if cui in self.names:
            return self.names[cui]
        return self.catalog[cui].name if cui in self.catalog else cui


def _family(catalog: Hierarchy, cui: Cui) -> frozenset[Cui]:
    return frozenset({cui, *catalog.descendants(cui)}) if cui in catalog else frozenset({cui})


def _ancestors(catalog: Hierarchy, cui: Cui) -> frozenset[Cui]:
    return frozenset(catalog.ancestors(cui)) if cui in catalog else frozenset()


def compile_context(pack: Pack, catalog: Hierarchy, examples: Iterable[Example] | None = None) -> Context:
    """What the rules need, from the pack and the catalog; `examples` are the prompt's (None: the pack's).

    Costs one walk of the catalog below each concept of the pack.
    """
    cuis = [concept.cui for concept in pack.concepts]
    families = {cui: _family(catalog, cui) for cui in cuis}
    owners: dict[Cui, Cui] = {}
    for cui in sorted(cuis, key=lambda one: len(families[one]), reverse=True):  # the narrowest owner is kept
        owners.update(dict.fromkeys(families[cui], cui))
    owners.update({cui: cui for cui in cuis})
    risk_factors: dict[Cui, str] = {}
    for factor in pack.risk_factors:
        if factor.cui:
            risk_factors.update(dict.fromkeys(_family(catalog, Cui(factor.cui)), factor.id))
    chosen = tuple(pack.examples if examples is None else examples)
    known = _known(pack, chosen)
    copied = tuple(_copied(example) for example in chosen)
    index: dict[tuple[str, ...], list[int]] = {}
    for number, (example, form) in enumerate(zip(chosen, copied, strict=True)):
        if form.size:
            for shingle in _frame_shingles(example):
                index.setdefault(shingle, []).append(number)
    return Context(
        families=families,
        above={cui: _ancestors(catalog, cui) for cui in cuis},
        owners=owners,
        names={concept.cui: concept.name for concept in pack.concepts},
        free=frozenset({pack.diagnosis, *_ancestors(catalog, pack.diagnosis), *_family(catalog, pack.diagnosis)}),
        risk_factors=risk_factors,
        risk_words={factor.name.lower(): factor.id for factor in pack.risk_factors},
        known=known,
        given_names=GIVEN_NAMES - known,
        examples=copied,
        example_words=frozenset(form.words for form in copied),
        example_runs=frozenset(index),
        example_shingles={shingle: tuple(numbers) for shingle, numbers in index.items()},
        prompt_runs=shingles(pack.system_prompt, _EXAMPLE_SHINGLE),
        prompt_shingles=shingles(pack.system_prompt, _ECHO_SHINGLE),
        catalog=catalog,
    )


def _frame_shingles(example: Example) -> frozenset[tuple[str, ...]]:
    """The example's shingles apart from its phrase: what a copy keeps when the concept is exchanged."""
    before, phrase, after = _partition(example.text, example.phrase)
    parts = (before, after) if phrase else (example.text,)
    return frozenset().union(*(shingles(part, _EXAMPLE_SHINGLE) for part in parts))


def _partition(text: str, phrase: str) -> tuple[str, str, str]:
    start = text.lower().find(phrase.lower()) if phrase else -1
    return (text, "", "") if start < 0 else (text[:start], phrase, text[start + len(phrase) :])


def _copied(example: Example) -> Copied:
    tokens = words(example.text)
    size = len(_frame_shingles(example)) if len(tokens) >= _LEAST_EXAMPLE_WORDS else 0
    return Copied(example.text, tokens, size)


def _known(pack: Pack, examples: Iterable[Example]) -> frozenset[str]:
    texts = [
        *(f"{label.name} {label.definition}" for label in pack.labels),
        *(concept.name for concept in pack.concepts),
        *(phrase.text for phrase in pack.phrases),
        *(frame.text for frame in pack.frames),
        *(example.text for example in examples),
        *(f"{stage.name} {stage.definition}" for stage in pack.stages),
        *(f"{trait.name} {trait.value}" for trait in pack.demographics),
        *(f"{factor.name} {factor.definition}" for factor in pack.risk_factors),
    ]
    return KNOWN_WORDS.union(*(part.removesuffix("'s").split("'") for text in texts for part in words(text)))
