"""`Recipe`: what a run makes. Argument or flag > recipe file > default; never the environment. [border]."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from engine.runs.quotas import ANY, LABEL, by_axis
from engine.sampling.criteria import Criteria
from engine.verbalization.decoding import decoding_issues
from ontology.errors import ConfigError, SourceError
from ontology.issue import Issue, Severity
from ontology.mention import Assertion, Informant

if TYPE_CHECKING:
    from ontology.pack import Pack

__all__ = ["Recipe", "differences", "even_quotas", "read_recipe", "write_recipe"]

NEAR = 0.8
"""Similarity from which two sentences are near-duplicates, unless a recipe says otherwise."""

Guidance = Literal["both", "persona", "trajectory", "none"]
Unit = Literal["sentence", "trajectory"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a run makes; two runs of one recipe make the same trajectories, plans and labels.

    `n`: sentences (or trajectories where `unit` says so). `quotas`: sentences of a label, or of an `axis:value` (stage, informant,
    assertion, risk, or an axis of the persona; see `engine.runs.quotas`); without one of a label these are even over all
    labels. `near_duplicate`: similarity (Jaccard, of word trigrams) from which a sentence is refused as a copy of an earlier one;
    0: none is. `guidance`: both, persona, trajectory or none (the unguided baseline gets a label's definition alone).
    `assertions`: assertion -> weight; empty means the default mix. `decoding`: how the model is asked, where the model's own
    ways are not wanted (`temperature`, `max_tokens`, `samples`, `together` ...). `attempts`: tries a plan (the first and its repairs).
    `rounds`: plans a slot before the run stops. `graph`, `pack`, `prompt`: fingerprints; `trajectories`: of given ones.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    n: int
    model: str = "template"
    seed: int = 0
    unit: Unit = "sentence"
    quotas: Mapping[str, int] = field(default_factory=dict)
    guidance: Guidance = "both"
    criteria: Criteria = field(default_factory=Criteria)
    assertions: Mapping[str, float] = field(default_factory=dict)
    decoding: Mapping[str, float] = field(default_factory=dict)
    attempts: int = 3
    rounds: int = 40
    catalog: str = "hpo"
    graph: str = ""
    pack: str = ""
    prompt: str = ""
    trajectories: str = ""
    near_duplicate: float = NEAR

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the canonical form; its first twelve digits name the run."""
        return hashlib.sha256(json.dumps(as_data(self), sort_keys=True).encode()).hexdigest()

    @property
    def run_id(self) -> str:
        """The name of the run in its records."""
        return self.fingerprint[:12]


@cache
def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(Recipe)


def as_data(recipe: Recipe) -> dict[str, Any]:
    """The recipe as JSON and TOML values: what is None or empty is left out."""
    data: dict[str, Any] = _adapter().dump_python(recipe, mode="json")
    ages = data["criteria"].pop("age")
    if ages[0] is not None:
        data["criteria"]["age_from"] = ages[0]
    if ages[1] is not None:
        data["criteria"]["age_to"] = ages[1]
    data["criteria"] = {k: v for k, v in data["criteria"].items() if v not in (None, "", [], {}, 0)}
    if data["near_duplicate"] == NEAR:
        del data["near_duplicate"]  # younger than the runs that do without it
    return {k: v for k, v in data.items() if v not in (None, "", [], {})}


def from_data(data: Mapping[str, Any], where: str) -> Recipe:
    """A recipe from plain values; ConfigError lists every mistake at once."""
    from pydantic import ValidationError

    values = {**data, "criteria": dict(data.get("criteria", {}))}
    criteria = values["criteria"]
    criteria["age"] = (criteria.pop("age_from", None), criteria.pop("age_to", None))
    try:
        recipe: Recipe = _adapter().validate_python(values)
    except ValidationError as error:
        issues = [
            Issue(
                Severity.ERROR,
                "recipe",
                f"{detail['msg']}, got {detail['input']!r}"[:300],
                f"{where}: {'.'.join(str(part) for part in detail['loc'])}",
                f"fields are {', '.join(f.name for f in fields(Recipe))}" if detail["type"].startswith("un") else "",
            )
            for detail in error.errors()
        ]
        raise ConfigError(f"{where} is not a recipe", issues) from None
    return recipe


def read_recipe(path: str | Path) -> dict[str, Any]:
    """The values of a recipe file, unchecked; SourceError when it is not TOML."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", path) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"is not TOML: {error}", path) from None


def write_recipe(recipe: Recipe) -> str:
    """The recipe as TOML text; `from_data(tomllib.loads(text))` gives it back."""
    import tomli_w

    return tomli_w.dumps(as_data(recipe))


def differences(there: Recipe, asked: Recipe) -> dict[str, tuple[object, object]]:
    """Field -> (value there, value asked), for the fields that differ; `quotas.none` for one in a table."""
    old, new = _flat(as_data(there)), _flat(as_data(asked))
    return {k: (old.get(k), new.get(k)) for k in sorted({*old, *new}) if old.get(k) != new.get(k)}


def _flat(data: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in data.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{key}": one for key, one in value.items()}
        else:
            flat[name] = value
    return flat


def even_quotas(n: int, labels: tuple[str, ...]) -> dict[str, int]:
    """`n` sentences spread evenly, the first labels one more where it does not divide.

    >>> even_quotas(5, ("a", "b"))
    {'a': 3, 'b': 2}
    """
    each, rest = divmod(n, len(labels))
    return {label: each + (i < rest) for i, label in enumerate(labels) if each + (i < rest)}


def settle(recipe: Recipe, pack: Pack) -> Recipe:
    """The recipe with its quotas filled in, everything it names checked against the pack; ConfigError lists all mistakes."""
    labels = tuple(label.id for label in pack.labels)
    recipe = replace(recipe, quotas={key.removeprefix(f"{LABEL}:"): count for key, count in recipe.quotas.items()})
    issues = [
        *_numbers(recipe),
        *_names(recipe),
        *_quotas(recipe, pack),
        *decoding_issues(recipe.decoding, recipe.model),
    ]
    if issues:
        raise ConfigError("the recipe cannot be run", issues)
    if recipe.unit == "trajectory":
        return replace(recipe, quotas={})
    if LABEL in by_axis(recipe.quotas):
        return recipe
    return replace(recipe, quotas={**even_quotas(recipe.n, labels), **recipe.quotas})


def _wrong(code: str, message: str, where: str, hint: str = "") -> Issue:
    return Issue(Severity.ERROR, code, message, where, hint)


def _numbers(recipe: Recipe) -> Iterator[Issue]:
    for name in ("n", "attempts", "rounds"):
        if getattr(recipe, name) < 1:
            yield _wrong("recipe", f"{name} is {getattr(recipe, name)}; at least 1 is needed", name)
    if not 0 <= recipe.near_duplicate <= 1:
        yield _wrong("recipe", f"a similarity cannot be {recipe.near_duplicate}; it is 0 to 1", "near_duplicate")
    for key, count in recipe.quotas.items():
        if count < 0:
            yield _wrong("recipe", f"a quota cannot be {count}", f"quotas.{key}")
    for axis, values in by_axis(recipe.quotas).items() if recipe.unit == "sentence" else ():
        if (total := sum(values.values())) != recipe.n:
            of = "" if axis == LABEL else f" of {axis}"
            hint = "" if axis == LABEL or ANY in values else f"{axis}:{ANY}=N counts every other {axis}"
            yield _wrong("recipe", f"the quotas{of} add up to {total} and n is {recipe.n}", "quotas", hint)
    for name, weight in recipe.assertions.items():
        if not 0 <= weight < float("inf"):
            yield _wrong("recipe", f"a weight cannot be {weight}", f"assertions.{name}")


def _names(recipe: Recipe) -> Iterator[Issue]:
    for name in recipe.assertions:
        yield from _known(name, _ASSERTIONS, "unknown-assertion", "assertions", "an assertion")


def _quotas(recipe: Recipe, pack: Pack) -> Iterator[Issue]:
    axes: dict[str, list[str]] = {LABEL: [label.id for label in pack.labels]}
    if any(":" in key for key in recipe.quotas):
        axes |= {
            "stage": [stage.id for stage in pack.stages],
            "informant": [informant.value for informant in Informant],
            "assertion": _ASSERTIONS,
            "risk": [factor.id for factor in pack.risk_factors],
        }
        for row in pack.demographics:
            axes.setdefault(row.axis, []).append(row.value)
    for key in recipe.quotas:
        axis, colon, value = key.partition(":") if ":" in key else (LABEL, "", key)
        if axis not in axes:
            yield from _known(axis, list(axes), "unknown-axis", "quotas", "an axis of quotas")
        elif not (colon and value == ANY):
            yield from _known(value, axes[axis], f"unknown-{axis}", "quotas", f"one of {pack.id}'s {axis}s")
        if colon and recipe.unit == "trajectory":
            yield _wrong(
                "recipe", f"{key!r} counts sentences, and given trajectories settle these", "quotas", "leave it out"
            )
        elif colon and recipe.guidance == "none":
            yield _wrong("recipe", f"{key!r} needs guidance, and the recipe has none", "quotas", "set guidance to both")
        elif axis == "stage" and recipe.guidance == "persona":
            yield _wrong("recipe", f"{key!r} needs trajectories to guide", "quotas", "set guidance to both")
        elif colon and axis not in {LABEL, "stage", "informant", "assertion"} and recipe.guidance == "trajectory":
            yield _wrong("recipe", f"{key!r} needs personas to guide", "quotas", "set guidance to both")


_ASSERTIONS = [assertion.value for assertion in Assertion]


def _known(name: str, allowed: list[str], code: str, where: str, what: str) -> Iterator[Issue]:
    if name not in allowed:
        near = ", ".join(get_close_matches(name, allowed, 1, 0))
        yield _wrong(code, f"{name!r} is not {what}: {', '.join(allowed)}", where, f"nearest: {near}")
