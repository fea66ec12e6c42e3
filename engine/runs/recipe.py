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

from engine.sampling.criteria import Criteria
from engine.verbalization.decoding import decoding_issues
from ontology.errors import ConfigError, SourceError
from ontology.issue import Issue, Severity

if TYPE_CHECKING:
    from ontology.pack import Pack

__all__ = ["Recipe", "differences", "even_quotas", "read_recipe", "write_recipe"]

Guidance = Literal["both", "persona", "trajectory", "none"]
Unit = Literal["sentence", "trajectory"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a run makes; two runs of one recipe make the same trajectories, plans and labels.

    `n`: sentences (or trajectories where `unit` says so). `quotas`: label -> sentences; empty means even over all
    labels. `guidance`: both, persona, trajectory or none (the unguided baseline gets a label's definition alone).
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
    """Field -> (value there, value asked), for the fields that differ."""
    old, new = as_data(there), as_data(asked)
    return {k: (old.get(k), new.get(k)) for k in sorted({*old, *new}) if old.get(k) != new.get(k)}


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
    issues = [*_numbers(recipe), *_names(recipe, labels, pack.id), *decoding_issues(recipe.decoding, recipe.model)]
    if issues:
        raise ConfigError("the recipe cannot be run", issues)
    if recipe.unit == "trajectory":
        return replace(recipe, quotas={})
    return recipe if recipe.quotas else replace(recipe, quotas=even_quotas(recipe.n, labels))


def _wrong(code: str, message: str, where: str, hint: str = "") -> Issue:
    return Issue(Severity.ERROR, code, message, where, hint)


def _numbers(recipe: Recipe) -> Iterator[Issue]:
    for name in ("n", "attempts", "rounds"):
        if getattr(recipe, name) < 1:
            yield _wrong("recipe", f"{name} is {getattr(recipe, name)}; at least 1 is needed", name)
    for label, count in recipe.quotas.items():
        if count < 0:
            yield _wrong("recipe", f"a quota cannot be {count}", f"quotas.{label}")
    if recipe.quotas and recipe.unit == "sentence" and sum(recipe.quotas.values()) != recipe.n:
        yield _wrong("recipe", f"quotas add up to {sum(recipe.quotas.values())} and n is {recipe.n}", "quotas")
    for name, weight in recipe.assertions.items():
        if not 0 <= weight < float("inf"):
            yield _wrong("recipe", f"a weight cannot be {weight}", f"assertions.{name}")


def _names(recipe: Recipe, labels: tuple[str, ...], pack: str) -> Iterator[Issue]:
    from ontology.mention import Assertion

    known = [a.value for a in Assertion]
    for names, allowed, code, where in (
        (recipe.quotas, list(labels), "unknown-label", "quotas"),
        (recipe.assertions, known, "unknown-assertion", "assertions"),
    ):
        for name in names:
            if name not in allowed:
                near = ", ".join(get_close_matches(name, allowed, 1, 0))
                yield _wrong(code, f"{name!r} is none of {pack}'s: {', '.join(allowed)}", where, f"nearest: {near}")
