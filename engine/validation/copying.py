"""Rules against copies: of the prompt's examples and of its instructions."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from engine.validation.reading import excerpt, shingles, words
from engine.validation.rule import found, rule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.plan import Plan
    from engine.validation.context import Context
    from ontology.issue import Issue
    from ontology.mention import Mention

__all__ = ["OVERLAP"]

OVERLAP = 0.8
"""The share of an example's runs of four words, its phrase left out, from which a text is its copy."""

_LEAST_WORDS = 6
_LEAST_SHINGLES = 5
_EXAMPLE_SHINGLE = 4
_ECHO_SHINGLE = 7


@rule(
    code="copied-example",
    meaning="One of the prompt's examples, with or without another concept put into it.",
    hint="Write a sentence of your own, not the example.",
)
def copied_example(_plan: Plan, text: str, _mentions: tuple[Mention, ...], context: Context) -> Iterable[Issue]:
    tokens = words(text)
    if len(tokens) >= _LEAST_WORDS and tokens in context.example_words:
        return (found("copied-example", "is an example of the prompt"),)
    own = shingles(text, _EXAMPLE_SHINGLE)
    if own.isdisjoint(context.example_runs):
        return ()
    index = context.example_shingles
    hits = Counter(number for shingle in own for number in index.get(shingle, ()))
    for number, count in hits.items():
        size = context.examples[number].size
        if size >= _LEAST_SHINGLES and count >= OVERLAP * size:
            return (found("copied-example", f"copies the example {excerpt(context.examples[number].text)}"),)
    return ()


@rule(
    code="echo",
    meaning="Repeats the label's definition or the prompt's instructions.",
    hint="Do not repeat the instructions; write about one patient.",
    needs=("definition",),
)
def echo(plan: Plan, text: str, _mentions: tuple[Mention, ...], context: Context) -> Iterable[Issue]:
    short = shingles(text, _EXAMPLE_SHINGLE)  # already at hand; a long run holds short ones
    if short.isdisjoint(shingles(plan.definition, _EXAMPLE_SHINGLE)) and short.isdisjoint(context.prompt_runs):
        return ()
    own = shingles(text, _ECHO_SHINGLE)
    if own.isdisjoint(shingles(plan.definition, _ECHO_SHINGLE)) and own.isdisjoint(context.prompt_shingles):
        return ()
    return (found("echo", "repeats the instructions"),)
