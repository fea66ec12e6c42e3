"""Rules on the form of the text: length, characters, one sentence, register, residue, quotes."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from typing import TYPE_CHECKING

from engine.validation.reading import excerpt, outside_quotes, vocabulary, words
from engine.validation.rule import found, rule
from engine.validation.vocabulary import ABBREVIATIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from engine.plan import Plan
    from engine.validation.context import Context
    from ontology.issue import Issue
    from ontology.mention import Mention

__all__ = ["MAX_CHARACTERS", "MAX_WORDS", "MIN_WORDS"]

MAX_CHARACTERS = 400
MAX_WORDS = 45
MIN_WORDS = 3

_FOREIGN = re.compile(r"[^\n\r\x20-\x7e\xa1-\xac\xae-\u017f‘’“”–—…•×÷±≥≤≈≠→½¼¾°µαβγδεΔ≅]")
_MIXED = re.compile(r"[A-Za-z\xc0-\u017f]{2}[α-ωΔ]|[α-ωΔ][A-Za-z\xc0-\u017f]{2}|[α-ωΔ]{2}")
_STOP = re.compile(r"[.!?]+[\"”’)]?(?=\s|$)|(?<=[a-z])\.(?=[A-Z])|[\n\r]")
_INNER_STOP = re.compile(r"[.!?\n\r]")
_LATE_ABBREVIATIONS = frozenset(
    {"etc", "a.m", "p.m", "yr", "yrs", "mo", "mos", "wk", "wks", "min", "mins", "hr", "hrs"}
)
_LAST_WORD = re.compile(r"([A-Za-z][A-Za-z./]*)$")
_NEXT = re.compile(r"\s*(\S)(\w?)")
_ENDING = re.compile(r"(?<![.…])[.!?][\"”’)]?$")
_DANGLING = frozenset(
    "and or the an a of with but that because than their my his is are was were has have to".split()  # noqa: SIM905 - as in `vocabulary`
)
_META_START = re.compile(
    r"\W*(?:here(?:'s| is| are)|sure\b|certainly\b|dear\b|of course\b|absolutely\b|okay,|i'm sorry|i apologi[sz]e|"
    r"(?:sentence|output|answer|response|example|label|concept|text|rewritten|revised|corrected|clinical (?:note|"
    r"sentence)|informant|assertion|persona|phrase|category|translation|step)(?:\s*\d*)\s*[:=])",
    re.IGNORECASE,
)
_META_FIRST = frozenset(
    """
    here here's sure certainly dear of absolutely okay i'm i sentence output answer response example label concept text
    rewritten revised corrected clinical informant assertion persona phrase category translation step
    """.split()  # noqa: SIM905 - as in `vocabulary`
)
_META_WORDS = frozenset(
    """
    informant assertion persona label concept cui ai model sentence sentences synthetic planned hope let note word
    fictional hypothetical
    """.split()  # noqa: SIM905 - as in `vocabulary`
)
_META = re.compile(
    r"\b(?:as an ai|ai (?:language )?model|language model|(?:this|the|following|clinical|example) sentences?|synthetic|"
    r"planned concept|clinical note for|hope this helps|let me know|end of (?:note|sentence)|word count|fictional|"
    r"hypothetical patient)\b|\b(?:informant|assertion|persona|label|concept|cui) ?[:=]",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"\*\*|__|`|</?[a-z][^>]*>|\\n|&[a-z]+;|\]\(|\|", re.IGNORECASE)
_MARKUP_SIGNS = re.compile(r"[*_`<\\&|\]]")
_MARKUP_START = re.compile(r"\s*(?:#+ |[-*•] |\d+[.)] |>|[\"“][^\"“”]*[\"”]\s*$)")
_RESIDUE = re.compile(r"[{}\[\]<>]|___|%[sd]\b|\$\w|\bN/A\b")
_RESIDUE_SIGNS = re.compile(r"[{}\[\]<>_%$/]")
_RESIDUE_WORDS = frozenset({"todo", "xxx", "tbd", "placeholder", "nan", "lorem"})
_SECOND_PERSON = re.compile(r"\b(?:you|your|yours|yourself)\b", re.IGNORECASE)
_FIRST_PERSON = re.compile(
    r"\bI(?:['’](?:m|ve|d|ll)| am| have| had| was| will| would| can| cannot| could| do| did| think| feel| believe|"
    r" need| want| know| remember| forget| forgot| live| understand| hope)\b|\b(?:[Mm]y|me|myself|mine)\b|^We\b",
)
_PERSON_WORDS = frozenset(
    "i you your yours yourself my me myself mine we i'm i've i'd i'll".split()  # noqa: SIM905 - as in `vocabulary`
)
_DEFINED = re.compile(
    r"\b(?:is|are) (?:an?|the|any|one of the) (?:[\w-]+ ){0,4}(?:disease|disorder|condition|syndrome|illness|term|type|form|kind|symptom|"
    r"process|state|group|branch|method|measure|part|organ)s? (?:that|which|in which|where|of|characterized by|caused by|affecting|"
    r"used (?:to|for|in))\b"
)
_DEFINED_WORDS = frozenset(
    """
    disease diseases disorder disorders condition conditions syndrome illness term type types form forms kind kinds
    symptom symptoms process state group branch method measure part organ
    """.split()  # noqa: SIM905 - as in `vocabulary`
)
_DOUBLES = frozenset({"had", "that"})
_RUN = 4


@rule(
    code="length",
    meaning="Empty, or not between 3 and 45 words and 400 characters.",
    hint="Write one sentence of 8 to 30 words.",
)
def length(_plan: Plan, text: str, _mentions: tuple[Mention, ...], _context: Context) -> Iterator[Issue]:
    if len(text) > MAX_CHARACTERS:
        yield found("length", f"{len(text)} characters; at most {MAX_CHARACTERS} are sane")
        return
    count = len(text.split())
    if not MIN_WORDS <= count <= MAX_WORDS:
        yield found("length", f"{count} words; {MIN_WORDS} to {MAX_WORDS} are sane")


@rule(
    code="characters",
    meaning="Control, invisible, replacement or foreign characters, emoji, or letters of two scripts in one word.",
    hint="Use plain letters, digits and punctuation only.",
)
def characters(_plan: Plan, text: str, _mentions: tuple[Mention, ...], _context: Context) -> Iterable[Issue]:
    if text.isascii() and text.isprintable():
        return ()  # line ends are left to the rule on one sentence
    if bad := _FOREIGN.search(text) or _MIXED.search(text):
        return (found("characters", f"U+{ord(bad[0][0]):04X} does not belong in a note", bad.span()),)
    return ()


@rule(
    code="one-sentence",
    meaning="More than one sentence or line.",
    hint="Write exactly one sentence; join what must be said with a comma or leave it out.",
)
def one_sentence(_plan: Plan, text: str, _mentions: tuple[Mention, ...], _context: Context) -> Iterable[Issue]:
    stripped = text.strip()
    if not _INNER_STOP.search(stripped, 0, len(stripped) - 1):
        return ()
    for stop in _STOP.finditer(outside_quotes(stripped)):
        if stop.end() == len(stripped):
            continue
        if stop[0] == "." and stop.start() and _is_abbreviation(stripped, stop):
            continue
        return (
            found(
                "one-sentence", f"a second sentence begins at {excerpt(stripped[stop.end() :].strip())}", stop.span()
            ),
        )
    return ()


def _is_abbreviation(text: str, stop: re.Match[str]) -> bool:
    last = _LAST_WORD.search(text, max(0, stop.start() - 12), stop.start())
    if not last:
        return False
    word = last[1].lower()
    if word in _LATE_ABBREVIATIONS:
        following = _NEXT.match(text, stop.end())
        return following is None or not (following[1].isupper() and following[2].islower())
    return word in ABBREVIATIONS or (len(word) == 1 and word != "i")


@rule(
    code="ending",
    meaning="Does not begin and end like a sentence: cut off, dangling, or without a full stop.",
    hint="Finish the sentence and end it with a full stop.",
)
def ending(_plan: Plan, text: str, _mentions: tuple[Mention, ...], _context: Context) -> Iterable[Issue]:
    stripped = text.strip()
    if not stripped:
        return ()
    if not _ENDING.search(stripped, max(0, len(stripped) - 3)):
        return (found("ending", f"does not end like a sentence: {excerpt(stripped[-20:])}"),)
    if (tokens := words(text)) and tokens[-1] in _DANGLING:
        return (found("ending", f"is cut off: {excerpt(stripped[-20:])}"),)
    if not (stripped[0].isalnum() or stripped[0] in "\"“'‘("):
        return (found("ending", f"does not begin like a sentence: {excerpt(stripped[:20])}"),)
    return ()


@rule(
    code="meta",
    meaning="Talks about the task or the answer instead of the patient.",
    hint="Write only the sentence of the note, with nothing before or after it.",
)
def meta(_plan: Plan, text: str, _mentions: tuple[Mention, ...], _context: Context) -> Iterable[Issue]:
    tokens = words(text)
    bad = _META_START.match(text) if tokens and tokens[0] in _META_FIRST else None
    if not bad and not _META_WORDS.isdisjoint(vocabulary(text)):
        bad = _META.search(text)
    if bad:
        return (found("meta", f"talks about the answer: {excerpt(bad[0])}", bad.span()),)
    return ()


@rule(
    code="markup",
    meaning="Markdown, HTML, a list item, or the whole sentence in quotation marks.",
    hint="Write plain text without formatting and without quotation marks around it.",
)
def markup(_plan: Plan, text: str, _mentions: tuple[Mention, ...], _context: Context) -> Iterable[Issue]:
    bad = _MARKUP_START.match(text) or (_MARKUP.search(text) if _MARKUP_SIGNS.search(text) else None)
    if bad:
        return (found("markup", f"formatting: {excerpt(bad[0])}", bad.span()),)
    return ()


@rule(
    code="residue",
    meaning="Left-over slots, brackets or placeholders of a template or of JSON.",
    hint="Replace every bracket and placeholder with plain words.",
)
def residue(_plan: Plan, text: str, _mentions: tuple[Mention, ...], _context: Context) -> Iterable[Issue]:
    bad = _RESIDUE.search(text) if _RESIDUE_SIGNS.search(text) else None
    if bad:
        return (found("residue", f"left over: {excerpt(bad[0])}", bad.span()),)
    if left := _RESIDUE_WORDS.intersection(vocabulary(text)):
        return (found("residue", f"left over: {excerpt(min(left))}"),)
    return ()


@rule(
    code="register",
    meaning="First or second person outside quotation marks, or a textbook's definition: not how a note speaks.",
    hint="Write about this patient in the third person, as in a clinical note.",
)
def register(_plan: Plan, text: str, _mentions: tuple[Mention, ...], _context: Context) -> Iterable[Issue]:
    said = vocabulary(text)
    if not _DEFINED_WORDS.isdisjoint(said) and (bad := _DEFINED.search(text)):
        return (found("register", f"a note does not define things: {excerpt(bad[0])}", bad.span()),)
    if _PERSON_WORDS.isdisjoint(said):
        return ()
    plain = outside_quotes(text)
    if bad := _SECOND_PERSON.search(plain) or _FIRST_PERSON.search(plain):
        return (found("register", f"a note does not say {excerpt(bad[0])}", bad.span()),)
    return ()


@rule(
    code="repetition",
    meaning="A word twice in a row, or runs of words that come again.",
    hint="Say everything once.",
)
def repetition(_plan: Plan, text: str, _mentions: tuple[Mention, ...], _context: Context) -> Iterable[Issue]:
    tokens = words(text)
    if len(set(tokens)) == len(tokens):
        return ()
    for one, two in itertools.pairwise(tokens):
        if one == two and one.isalpha() and one not in _DOUBLES:
            return (found("repetition", f"said twice in a row: {excerpt(one)}"),)
    runs = list(zip(*(tokens[offset:] for offset in range(_RUN)), strict=False))
    if len(set(runs)) < len(runs):
        run, _ = Counter(runs).most_common(1)[0]
        return (found("repetition", f"said again: {excerpt(' '.join(run))}"),)
    return ()


@rule(
    code="quotes",
    meaning="Quotation marks or parentheses that do not close.",
    hint="Close every quotation mark and parenthesis, or leave them out.",
)
def quotes(_plan: Plan, text: str, _mentions: tuple[Mention, ...], _context: Context) -> Iterable[Issue]:
    for opening, closing in (("“", "”"), ("(", ")")):
        depth = 0
        for character in text if opening in text or closing in text else "":
            depth += (character == opening) - (character == closing)
            if depth < 0:
                break
        if depth:
            return (found("quotes", f"{opening} and {closing} do not match"),)
    if text.count('"') % 2:
        return (found("quotes", "a quotation mark does not close"),)
    return ()
