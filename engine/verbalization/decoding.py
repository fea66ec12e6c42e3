"""`Decoding`: how a model is asked. What of it settles the answers may be set in a recipe."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from ontology.errors import ConfigError
from ontology.issue import Issue, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LOCAL", "SERVER", "SMALL", "Decoding", "decoding_issues", "with_choices"]


@dataclass(frozen=True, slots=True)
class Decoding:
    """How a model is asked. `candidates`: how often it may try before the best of its sentences is taken as it is.
    `samples`: sentences that one request asks for (OpenAI's `n`), the best of which is taken. `together`: plans that one
    request may hold, each answered by a sentence of its own. `structured`: answers are asked for
    as JSON by a schema where the server knows that. `seeded`: the server takes a seed with each request. `brief`: the model is
    put the short form of the prompt and goes on from the first words of its answer, for models too small to follow
    instructions. `timeout` (seconds), `concurrency` and `retries` do not change the answer.
    """

    temperature: float = 0.7
    max_tokens: int = 120
    stop: tuple[str, ...] = ()
    candidates: int = 1
    seeded: bool = True
    timeout: float = 60.0
    concurrency: int = 8
    retries: int = 2
    samples: int = 1
    structured: bool = False
    together: int = 1
    brief: bool = False


SERVER = Decoding(concurrency=64, retries=4)
"""For servers of one's own (vLLM, Ollama)."""
LOCAL = Decoding(
    temperature=0.5,
    max_tokens=40,
    stop=("\n", ",", " and ", " which ", ";"),
    candidates=3,
    timeout=60.0,
    concurrency=4,
    retries=0,
)
"""For the small local model: see `benchmarks/verbalize.py` for what was measured."""
SMALL = replace(
    LOCAL, brief=True, stop=("\n", ",", " and ", ";"), concurrency=SERVER.concurrency, retries=SERVER.retries
)
"""For such a model behind a vLLM server, which takes four stops at most, as OpenAI's API does."""

_BOUNDS: dict[str, tuple[float, float]] = {
    "temperature": (0.0, 2.0),
    "max_tokens": (8, 4096),
    "candidates": (1, 16),
    "samples": (1, 32),
    "together": (1, 32),
    "seeded": (0, 1),
    "structured": (0, 1),
    "brief": (0, 1),
}
"""What a recipe may set, and between which values."""
_OF_SERVERS = ("samples", "together", "structured")
"""What only an OpenAI-compatible server is asked for."""


def decoding_issues(choices: Mapping[str, float], model: str) -> list[Issue]:
    """What is wrong with the decoding of a recipe, one issue a mistake.

    >>> [issue.message for issue in decoding_issues({"temprature": 0.2}, "vllm:m")]
    ["'temprature' is no part of decoding; the nearest is 'temperature'"]
    """
    found = []
    for name, value in choices.items():
        if name not in _BOUNDS:
            near = get_close_matches(name, _BOUNDS, 1, 0.0)[0]
            found.append(_wrong(f"{name!r} is no part of decoding; the nearest is {near!r}", name))
            continue
        least, most = _BOUNDS[name]
        whole = not isinstance(getattr(SERVER, name), float)
        if not least <= value <= most or (whole and value != int(value)):
            kind = "true or false" if (least, most) == (0, 1) else f"{least:g} to {most:g}"
            found.append(_wrong(f"{name} is {value:g}; it takes {kind}", name))
        elif name in _OF_SERVERS and model not in {"", "template"} and not model.startswith(("vllm:", "ollama:")):
            found.append(
                _wrong(f"{name} is for an OpenAI-compatible server (vllm:NAME, ollama:NAME), not for {model}", name)
            )
    if choices.get("brief") and model not in {"", "template"} and not model.startswith("vllm:"):
        found.append(_wrong(f"brief is for vllm:NAME, not for {model}; the model `local` is always asked so", "brief"))
    if choices.get("brief") and (choices.get("structured") or choices.get("together", 1) > 1):
        found.append(_wrong("brief goes on from the words of one sentence; leave structured and together out", "brief"))
    if choices.get("structured") and choices.get("together", 1) > 1:
        found.append(_wrong("structured answers hold one sentence; leave structured or together out", "together"))
    if choices and model == "template":
        found.append(
            _wrong("templates are written without a model; leave decoding out or name a model", next(iter(choices)))
        )
    return found


def with_choices(decoding: Decoding, choices: Mapping[str, float], model: str = "") -> Decoding:
    """`decoding` with what a recipe sets of it; ConfigError for what cannot be, or not for this `model`.

    >>> with_choices(SERVER, {"seeded": 0, "samples": 4}).samples
    4
    """
    if issues := decoding_issues(choices, model):
        raise ConfigError("the decoding cannot be used", issues)
    kinds = {f.name: type(getattr(SERVER, f.name)) for f in fields(SERVER)}
    values: dict[str, Any] = {name: kinds[name](value) for name, value in choices.items()}
    return replace(decoding, **values)


def _wrong(message: str, name: str) -> Issue:
    return Issue(Severity.ERROR, "recipe", message, f"decoding.{name}", f"known: {', '.join(_BOUNDS)}")
