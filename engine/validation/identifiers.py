"""Rules on what may identify a person: the eighteen kinds of the HIPAA Safe Harbor, as far as one sentence can hold them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.validation.ages import stated_ages
from engine.validation.reading import excerpt, has_figure, has_inner_capital, vocabulary
from engine.validation.rule import found, rule
from engine.validation.vocabulary import MONTHS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.plan import Plan
    from engine.validation.context import Context
    from ontology.issue import Issue
    from ontology.mention import Mention

__all__ = ["OLDEST"]

OLDEST = 89
"""Ages above this identify; they are said as "90 or older"."""

_TITLE = re.compile(
    r"\b(?:Mr|Mrs|Ms|Miss|Mister|Dr|Doctor|Prof|Professor|Rev|Father|Sister|Nurse|Aunt|Uncle)\b\.?\s+([A-Z][\w'’-]*)"
)
_INITIALS = re.compile(
    r"\b(?i:patient|pt|mr|mrs|ms)\b\.?\s+[A-Z]\.\s?[A-Z]\.|\b(?i:named|called|goes by|a\.k\.a\.)\s+[A-Z][a-z]+"
)
_CAPITALISED = re.compile(r"(?<![\w'’])([A-Z\xc0-\xde][a-z\xdf-\xff]+)(?:['’]s)?(?![\w'’])")
_FIRST_WORDS = re.compile(r"(?:^|[:;(\"“‘]|[-–—] )\W*$")
_TEST_AFTER = re.compile(
    r"(?:['’]s)?(?:[ -][A-Z][\w'’-]*){0,4}[ -](?:tests?|scales?|exam(?:ination)?|inventory|questionnaire|battery|index|screen(?:ing|er)?"
    r"|interview|figure|score|criteria|stag(?:e|ing)|sign|reflex|disease|syndrome|body|bodies|diet|method|subtest|design|rating)\b",
    re.IGNORECASE,
)
_VERBS = (
    r"(?:reports?|reported|says|said|states|stated|denies|denied|forgets?|forgot|complains?|complained|endorses?|endorsed|"
    r"admits?|admitted|worries|worried|feels|felt|mentions?|mentioned|recalls?|insists?|insisted|lives|lived)"
)
_SUBJECT = re.compile(
    rf"^([A-Z\xc0-\xde][a-z\xdf-\xff]+)(?: [A-Z]\.?)?(?: [A-Z][a-z]+)?,? (?:also |now |often |frequently )?{_VERBS}\b"
)

_MONTH_SHORT = r"jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec"
_MONTH = rf"(?:{MONTHS}|(?:{_MONTH_SHORT})\.?)"
_DATE = re.compile(
    rf"\b\d{{4}}-\d{{1,2}}(?:-\d{{1,2}})?\b|\b\d{{1,2}}[/.-]\d{{1,2}}[/.-](?:\d{{4}}|\d{{2}})\b|\b(?:0?[1-9]|1[0-2])/(?:19|20)\d{{2}}\b"
    rf"|\b(?:19|20)\d{{2}}/\d{{1,2}}(?:/\d{{1,2}})?\b"
    rf"|\b{_MONTH}\s+(?:of\s+)?(?:\d{{4}}|\d{{1,2}}(?:st|nd|rd|th)?)\b"
    r"|\b(?:spring|summer|fall|autumn|winter) (?:of )?(?:19|20)\d{2}\b"
    rf"|\b\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH}(?![\w/])",
    re.IGNORECASE,
)
_MONTH_ALONE = re.compile(rf"\b(?:in|since|last|until|early|late|mid|by|of|from|this|during)[ -](?:{MONTHS.title()})\b")
_DAY = re.compile(
    r"\b(?:on|since|dated|seen)\s+(?:0?[1-9]|1[0-2])/(?:0?[1-9]|[12]\d|3[01])\b"
    r"(?![/%]|\s+(?:items?|words?|trials?|days?|questions?|tasks?|occasions?|recall|sub|tests?|objects?|points?|on|of))"
)
_CONTACT = re.compile(
    r"[\w.+-]+@[\w-]+\.\w+|[\w.]+ ?(?:\(at\)|\[at\]) ?[\w.]+|\bhttps?:|\bwww\.|\b[\w-]+\.(?:com|org|net|edu|gov|info|io)\b"
    r"|(?<![\w/])\+?1?[ .-]?\(?\d{3}\)?[ .-]\d{3}[ .-]?\d{4}(?!\w)|(?<![\w/.])\d{3}-\d{4}(?!\w)"
    r"|\+\d{2}[\d ()-]{7,}|\b(?:phone|tel|fax|cell)\b[ :.#]*\d"
    r"|\b\d{1,3}(?:\.\d{1,3}){3}\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"\b\d{3}-\d{2}-\d{4}\b|\b(?:mrn|ssn|medical record|social security|record (?:no|number|#)|(?:account|acct|member|policy|chart|"
    r"license|licence|plate|serial|case|study|visit|patient) ?(?:id|no\.?|number|#)|dob|date of birth|(?-i:ID))\b[ :#.]*\W*(?=[\w-]*\d)"
    r"|\b(?:mrn|ssn|dob)\b|\bborn (?:on|in (?=\d))|(?<![\d.,])\d{6,}\b|\b[A-Z]{1,3}-?\d{5,}\b|#\s?\d{3,}",
    re.IGNORECASE,
)
_NUMBER_WORDS = frozenset({"mrn", "ssn", "dob", "born"})
_PLACE = re.compile(
    r"\b\d{2,5} \w+ (?:street|avenue|boulevard|lane)\b"
    r"|\b(?:room|rm|apartment|apt|suite|unit|bed)\b\.?\s*(?:#|no\.?\s|number\s)?\s?[a-z]?-?\d\w*"
    r"|(?<![\d.,$/-])\d{5}(?:-\d{4})?\b(?! (?:steps|mg|iu|units))|\bp\.?o\.? box\b",
    re.IGNORECASE,
)
_STATE = "A[LKZR]|C[AOT]|DE|FL|GA|HI|I[DLNA]|K[SY]|LA|M[EDAINSOT]|N[EVHJMYCD]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[TA]|W[AVIY]"
_CASED_PLACE = re.compile(
    rf"\bSt\.? [A-Z][a-z]+|\b[A-Z][a-z]+, (?:{_STATE})\b|\b(?:[A-Z][a-z]+ ){{1,3}}(?:Hospital|Medical Cent(?:er|re)|Manor|Village|Lodge|"
    r"Infirmary|University|Institute|Hospice)\b|\b\d{1,5}[A-Za-z]? (?:[NSEW]\.? )?(?:[A-Z][a-z]+ ){1,3}(?:Street|St|Avenue|Ave|Road|Rd|"
    r"Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Way|Place|Terrace|Circle|Highway|Parkway)\b"
)


@rule(
    code="identifier-name",
    meaning="The name of a person or of a place.",
    hint='Name nobody and no place; write "the patient", "daughter", "the clinic".',
)
def name(plan: Plan, text: str, _mentions: tuple[Mention, ...], context: Context) -> Iterable[Issue]:
    if given := context.given_names.intersection(vocabulary(text)):
        return (found("identifier-name", f"looks like a name: {excerpt(min(given))}"),)
    first = _CAPITALISED.match(text)
    if first and first[1].lower() not in context.known and _SUBJECT.match(text):
        return (_name(first),)
    if has_inner_capital(text) and (bad := _inner_name(plan, text, context)):
        return (_name(bad),)
    return ()


def _inner_name(plan: Plan, text: str, context: Context) -> re.Match[str] | None:
    for title in _TITLE.finditer(text):
        if title[1].lower() not in context.known:
            return title
    if bad := _INITIALS.search(text):
        return bad
    planned = f"{plan.phrase} {plan.name}".lower()
    return next((word for word in _CAPITALISED.finditer(text) if _unknown(word, text, planned, context)), None)


def _unknown(word: re.Match[str], text: str, planned: str, context: Context) -> bool:
    lowered = word[1].lower()
    if lowered in context.known:
        return False
    if _FIRST_WORDS.search(text, 0, word.start()) or lowered in planned:
        return False
    return not _TEST_AFTER.match(text, word.end(1))


def _name(match: re.Match[str]) -> Issue:
    return found("identifier-name", f"looks like a name: {excerpt(match[0])}", match.span())


@rule(
    code="identifier-date",
    meaning="A date, or a month of the calendar.",
    hint='Say times as spans ("six months ago", "over the past year"), never as dates.',
)
def date(_plan: Plan, text: str, _mentions: tuple[Mention, ...], _context: Context) -> Iterable[Issue]:
    bad = None
    if has_figure(text):
        bad = _DATE.search(text) or _DAY.search(text)
    if not bad and has_inner_capital(text):
        bad = _MONTH_ALONE.search(text)
    if bad:
        return (found("identifier-date", f"looks like a date: {excerpt(bad[0])}", bad.span()),)
    return ()


@rule(
    code="identifier-contact",
    meaning="A telephone number, e-mail or web address.",
    hint="Leave out telephone numbers and addresses.",
)
def contact(_plan: Plan, text: str, _mentions: tuple[Mention, ...], _context: Context) -> Iterable[Issue]:
    if not (has_figure(text) or "@" in text or "://" in text or "at)" in text or text.find(".", 0, -2) >= 0):
        return ()
    if bad := _CONTACT.search(text):
        return (found("identifier-contact", f"looks like a contact: {excerpt(bad[0])}", bad.span()),)
    return ()


@rule(
    code="identifier-number",
    meaning="A record, account or social security number, or a date of birth.",
    hint="Leave out every number that names a person or a record.",
)
def number(_plan: Plan, text: str, _mentions: tuple[Mention, ...], _context: Context) -> Iterable[Issue]:
    if not (has_figure(text) or not _NUMBER_WORDS.isdisjoint(vocabulary(text))):
        return ()
    if bad := _NUMBER.search(text):
        return (found("identifier-number", f"looks like a record number: {excerpt(bad[0])}", bad.span()),)
    return ()


@rule(
    code="identifier-place",
    meaning="A street address, postal code, room, or the name of an institution.",
    hint='Leave out addresses, rooms and names of institutions; write "the clinic" or "the facility".',
)
def place(_plan: Plan, text: str, _mentions: tuple[Mention, ...], _context: Context) -> Iterable[Issue]:
    bad = _PLACE.search(text) if has_figure(text) else None
    if not bad and has_inner_capital(text):
        bad = _CASED_PLACE.search(text)
    if bad:
        return (found("identifier-place", f"looks like a place: {excerpt(bad[0])}", bad.span()),)
    return ()


@rule(
    code="identifier-age",
    meaning="An exact age above 89.",
    hint='Say "over 90 years old" or leave the age out.',
)
def age(_plan: Plan, text: str, _mentions: tuple[Mention, ...], _context: Context) -> Iterable[Issue]:
    for stated in stated_ages(text):
        if stated.exact and stated.low > OLDEST:
            return (found("identifier-age", f"an exact age above {OLDEST}: {excerpt(stated.text)}", stated.place),)
    return ()
