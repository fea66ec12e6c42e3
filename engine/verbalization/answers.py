"""From an answer to a sentence, and a cheap look at it. Pure: an answer is hostile text until `parse` has let it through."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING

from engine.verbalization.openings import opening
from engine.verbalization.prompts import since
from ontology.errors import ModelError
from ontology.mention import Assertion

if TYPE_CHECKING:
    from engine.verbalization.port import Request
    from ontology.pack import Pack

__all__ = ["faults", "parse", "parse_numbered"]

_LONGEST_ANSWER = 20_000
_LONGEST = 400
_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cs"})
_PREFIX = re.compile(
    r"^(?:(?:clinical |progress |synthetic |clinic )?(?:sentence|answer|note|output|text|response)\s*(?:\d+)?\s*[:\-]\s*)+",
    re.IGNORECASE,
)
_BULLET = re.compile(r"^\s*(?:[-*•>#]+|\d{1,2}[.)])\s+")
_NUMBERED = re.compile(
    r"^[ \t*_]*(?:plan |sentence )?(\d{1,2})[*_]*[.):][*_]*[ \t]+(.+)$", re.IGNORECASE | re.MULTILINE
)
_REFUSAL = re.compile(
    r"^(?:i'?m sorry|sorry\b|i cannot|i can'?t|i am unable|i'?m unable|as an ai|as a language model)", re.IGNORECASE
)
_PREAMBLE = re.compile(r"^(?:sure|certainly|of course|okay|ok|here(?:'s| is| are))\b", re.IGNORECASE)
_ABBREVIATION = re.compile(
    r"(?:\b(?:dr|mr|mrs|ms|pt|vs|st|no|approx|e\.g|i\.e|etc|yr|yrs|mo|wk|hx|hr)|\b[a-z])\.$", re.IGNORECASE
)
_QUOTES = "\"'“”‘’`*_ "


def parse(text: str) -> str | ModelError:  # noqa: PLR0911 -- one return for each thing that can be wrong
    """The first sentence of an answer without quotes, markdown and prefixes, or why there is none.

    Codes: `empty`, `too-long`, `control-characters`, `refusal`, `format`.

    >>> parse('Sentence: "Patient denies apathy." I hope this helps!')
    'Patient denies apathy.'
    >>> parse("").code
    'empty'
    """
    if len(text) > _LONGEST_ANSWER:
        return ModelError(f"the answer has {len(text)} characters; a sentence was asked for", code="too-long")
    if not text.isprintable() and any(unicodedata.category(c) in _HIDDEN and c not in "\n\r\t" for c in text):
        return ModelError("the answer holds control or direction characters", code="control-characters")
    line = _line(re.sub(r"<think>.*?(?:</think>|$)", "", text, flags=re.DOTALL))
    if isinstance(line, ModelError):
        return line
    line = _PREFIX.sub("", _BULLET.sub("", line).strip(_QUOTES)).strip()
    if _REFUSAL.match(line):
        return ModelError("the model refused to write the sentence", code="refusal")
    sentence = _first_sentence(" ".join(line.replace("**", "").replace("__", "").split())).strip(_QUOTES)
    if len(re.findall(r"\w+", sentence)) < 2:  # noqa: PLR2004 -- one word is no sentence
        return ModelError("the answer holds no sentence", code="empty")
    if len(sentence) > _LONGEST:
        return ModelError(f"the sentence has {len(sentence)} characters; at most {_LONGEST} are taken", code="too-long")
    return sentence


def parse_numbered(text: str, count: int) -> list[str | ModelError]:
    r"""The sentences of an answer to `count` plans by their numbers. What has no line of its own, or two, has none; further codes:
    `not-answered`, `answered-twice`.

    >>> parse_numbered("1. Patient denies apathy.\n3) Wife reports falls.", 3)[2]
    'Wife reports falls.'
    """
    if len(text) > _LONGEST_ANSWER:
        return [ModelError(f"the answer has {len(text)} characters; sentences were asked for", code="too-long")] * count
    lines: dict[int, list[str]] = {}
    for number, line in _NUMBERED.findall(re.sub(r"<think>.*?(?:</think>|$)", "", text, flags=re.DOTALL)):
        lines.setdefault(int(number), []).append(line)
    found: list[str | ModelError] = []
    for number in range(1, count + 1):
        said = lines.get(number, [])
        if len(said) == 1:
            found.append(parse(said[0]))
        elif said:
            found.append(ModelError(f"plan {number} of {count} was answered twice", code="answered-twice"))
        else:
            found.append(ModelError(f"plan {number} of {count} was not answered", code="not-answered"))
    return found


def _line(text: str) -> str | ModelError:
    """The line that holds the sentence."""
    text = text.strip()
    if text.startswith(("{", "[")):
        return _from_json(text)
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("```")]
    if len(lines) > 1 and (lines[0].endswith(":") or _PREAMBLE.match(lines[0])):
        lines = lines[1:]
    return lines[0] if lines else ModelError("the answer is empty", code="empty")


def _from_json(text: str) -> str | ModelError:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    found = [v for v in value.values() if isinstance(v, str)] if isinstance(value, dict) else []
    if len(found) == 1 and len(found) == len(value):
        return " ".join(found[0].split()) or ModelError("the answer is empty", code="empty")
    return ModelError("the answer is data and not a sentence", code="format")


def _first_sentence(text: str) -> str:
    for end in re.finditer(r"[.!?][\"'”’)]?(?=\s+[\"'“(]?[A-Z0-9])", text):
        head = text[: end.end()]
        if not _ABBREVIATION.search(head):
            return head
    return text


# ---- a cheap look, to ask again before anyone else is bothered

_NEGATION = re.compile(
    r"\b(?:no|not|nor|never|none|without|denies|denied|deny|denying|negative|absent)\b|n't\b", re.IGNORECASE
)
_MALE, _FEMALE = frozenset({"he", "his", "him", "himself"}), frozenset({"she", "her", "hers", "herself"})
_STRANGE = frozenset({"i", "my", "me", "our", "they", "their", "them", "those", "your", "you"})
_AGO = re.compile(r"\bago\b|\b(?:19|20)\d\d\b")
_SPAN = re.compile(r"\b(\w+)[ -](day|week|month|year)s?\b")
_ONE = {"a": "one", "an": "one", "past": "one", "last": "one", "the": "one", "1": "one"}
_WORDS, _TAIL = 26, 10


def faults(request: Request, text: str, pack: Pack) -> tuple[str, ...]:
    """What is plainly wrong with a sentence, by comparing words. It chooses among the candidates of a small model and
    replaces no validation. Codes: `phrase`, `end`, `long`, `tail`, `far`, `verb`, `sex`, `strange`, `assertion`, `informant`,
    `digits`, `time`, `example`, `loop`, `same`.
    """
    plan, lower = request.plan, text.lower()
    if not plan.phrase:
        return _faults_without_concept(text, lower, pack)
    phrase = plan.phrase.lower()
    words = re.findall(r"[a-z'-]+", lower)
    before, found, after = lower.partition(phrase)
    start = opening(request).lower()
    between = before.removeprefix(start) if before.startswith(start) else ""
    rest = f"{before} {after}"
    negated = bool(_NEGATION.search(rest))
    wrong_sex = {"male": _FEMALE, "female": _MALE}.get(plan.persona.traits.get("sex", ""), frozenset())
    trigrams = [tuple(words[i : i + 3]) for i in range(len(words) - 2)]
    planned = {_span(m) for m in _SPAN.finditer(since(plan))}
    leaked = any(e.phrase and e.phrase.lower() in rest and e.phrase.lower() not in phrase for e in pack.examples)
    checks = {
        "phrase": not found or phrase in after or bool(re.match(r"\w", after)),
        "end": not text.endswith("."),
        "long": len(words) > _WORDS,
        "tail": len(after.split()) > _TAIL,
        "far": len(between.split()) > 2,  # noqa: PLR2004 -- an article and an adjective
        "verb": not between.strip() and bool(re.match(r" (?:is|are|was|were|has|have)\b", after)) and bool(start),
        "sex": bool(wrong_sex & set(words)),
        "strange": bool(_STRANGE & set(words)),
        "assertion": (plan.assertion is Assertion.ABSENT) != negated and plan.assertion in {"present", "absent"},
        "informant": plan.informant.kind == "other" and plan.informant.value not in words,
        "digits": bool(re.search(r"\d", rest.removeprefix(start))),
        "time": bool(_AGO.search(rest)) or not {_span(m) for m in _SPAN.finditer(rest.removeprefix(start))} <= planned,
        "example": leaked or any(text == e.text for e in pack.examples),
        "loop": len(set(trigrams)) < len(trigrams),
        "same": text == request.previous,
    }
    return tuple(code for code, wrong in checks.items() if wrong)


def _faults_without_concept(text: str, lower: str, pack: Pack) -> tuple[str, ...]:
    words = re.findall(r"[a-z'-]+", lower)
    checks = {
        "end": not text.endswith("."),
        "long": len(words) > _WORDS,
        "strange": bool(_STRANGE & set(words)),
        "example": any(text == e.text for e in pack.examples),
    }
    return tuple(code for code, wrong in checks.items() if wrong)


def _span(match: re.Match[str]) -> tuple[str, str]:
    return _ONE.get(match[1], match[1]), match[2]
