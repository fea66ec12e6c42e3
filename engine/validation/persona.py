"""Rules on the persona: what the text says of age, sex, relations and risk factors must not contradict the plan."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.validation.ages import stated_ages
from engine.validation.reading import excerpt, has_figure, outside_quotes, vocabulary
from engine.validation.rule import found, rule
from engine.validation.vocabulary import RELATIONS, SEX_OF_RELATION
from ontology.mention import Assertion, Informant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.plan import Plan
    from engine.validation.context import Context
    from ontology.issue import Issue
    from ontology.mention import Mention

__all__ = ["AGE_TOLERANCE"]

AGE_TOLERANCE = 1
"""Years by which a stated age may differ from the plan's."""

_ADJECTIVES = (
    r"(?:(?:very|frail|pleasant|elderly|older|old|retired|widowed|married|divorced|right-handed|left-handed|delightful|community-dwelling|"
    r"well-nourished|thin|white|black|hispanic|latino|latina|asian|caucasian|african|american|native|diabetic|hypertensive|"
    r"african-american|confused|alert|cooperative|\w+-educated|independent|previously|formerly|active|healthy)[ ,-]+){0,5}"
)
_SEXED = r"(?P<word>man|gentleman|male|woman|lady|female)"
_SEX_SUBJECT = re.compile(
    rf"^(?:(?:this|the|a|an)\s+)?{_ADJECTIVES}{_SEXED}\b"
    rf"|(?:(?:years?|yrs?)[- ]old|y/?o|y\.o\.|\b[6-9]0s|\d0s|\barian|\bseventies|\beighties|\bsixties),?\s+"
    rf"{_ADJECTIVES}(?P<word2>man|gentleman|male|woman|lady|female)\b"
    rf"|\bpatient,?\s+(?:is\s+)?(?:a|an)\s+(?:\S+\s+){{0,3}}?(?P<word3>man|gentleman|male|woman|lady|female)\b"
    rf"|\b(?P<word4>male|female)\s+(?:patient|pt|resident|client)\b"
    rf"|\b(?:the|this)\s+{_ADJECTIVES}(?P<word5>gentleman|lady)\b"
    rf"|\b(?P<word7>mother|father|grandmother|grandfather) of (?:\d|two|three|four|five|six|seven|eight|several)\b"
    rf"|\b(?P<word8>widow|widower|bachelor)\b(?!['’]s)"
    rf"|\d\s?-?(?:yo?|y/o)?\s?(?P<word6>[MF])\b",
    re.IGNORECASE,
)
_SEXED_WORDS = {  # for a patient of that sex, what may contradict
    "female": frozenset({"man", "gentleman", "male", "he", "him", "his", "himself", "father", "dad", "husband"})
    | {"grandfather", "widower", "bachelor"},
    "male": frozenset({"woman", "lady", "female", "she", "her", "hers", "herself", "mother", "mom", "wife"})
    | {"grandmother", "widow"},
}
_MALE_WORDS = {"father", "grandfather", "widower", "bachelor", "man", "gentleman", "male", "m"}
_PRONOUN = re.compile(r"(?<![\w'’])(he|him|his|himself|she|her|hers|herself)(?![\w-])", re.IGNORECASE)
_MALE_PRONOUNS = {"he", "him", "his", "himself"}
_PERSON = re.compile(rf"\b({'|'.join(sorted(SEX_OF_RELATION, key=len, reverse=True))})(?=['’]s|s\b|\b)", re.IGNORECASE)
_OWN = re.compile(
    r"\s+(?:own|father|mother|dad|mom|husband|wife|spouse|parents?|grandmother|grandfather|brother|sister|concerns?|worr\w+|help|care|arm|"
    r"presence|supervision|house|home|number|name|assistance|prompting|reminders?|phone|job|work|absence|uncle|aunt|partner)\b",
    re.IGNORECASE,
)
_INFORMANT_ACTS = re.compile(
    r"\s+(?:now |also |often |already |always |usually |frequently |has to |had to |must |needs to |is having to )*"
    r"(?:is|was|has been|feels?|has become)?\s*(?:increasingly |very |quite |more |so |really |deeply )*"
    r"(?:worr\w+|concern\w+|frustrat\w+|exhaust\w+|overwhelm\w+|stress\w+|alarm\w+|notic\w+|saw|finds?|found|helps?|helped|has to|"
    r"had to|must|remind\w*|manag\w+|handl\w+|pays?|took|takes|"
    r"supervis\w+|sets?|lays?|fills?|prepar\w+|organi[sz]\w+|oversee\w*|accompan\w+|assist\w*|"
    r"arrang\w+|check\w*|calls?|called|believes?|thinks?|suspects?|first|provid\w+|observ\w+|fears?|monitor\w*|"
    r"administ\w+|cues?|cued|prompts?|"
    r"labels?|labeled|posts?|posted|wr[io]tes?|hid|hides?|locks?|locked|installed|leaves?|left)\b",
    re.IGNORECASE,
)
_KIN_OF_PATIENT = re.compile(
    r"\b(?:daughter|son|child|daughters|sons|children)\b(?:\s+\w+){0,3}?\s+(?:that\s+)?"
    r"(?:his|her|their)\s+(?P<kin>mother|mom|father|dad)\b"
    r"|\b(?P<spouse>wife|husband)\b\s+\w+(?:\s+\w+)?\s+(?:that\s+)?(?:his|her)\s+(?P<own>wife|husband)\b",
    re.IGNORECASE,
)
_DENIAL = re.compile(
    r"\b(?:asks?|asking|looks?|looking|calls?|calling|searching|waiting|talks?|misses) (?:for|to|out for)\b",
    re.IGNORECASE,
)
_REPORT = (
    r"(?:reports?|reported|reporting|says?|said|saying|states?|stated|stating|notes?|noted|noting|describes?|described|denies|denied|"
    r"denying|mentions?|mentioned|endorses?|endorsed|complains?|complained|observes?|observed|notices?|noticed|has noticed|has noted|"
    r"has observed|has reported|confirms?|confirmed|adds?|added|feels?|believes?|worries|worried|is worried|"
    r"is concerned|recalls?|recalled|relays?|"
    r"tells?|told|explains?|explained|indicates?|indicated|expresses|expressed|voices|voiced|acknowledges?|raised|"
    r"raises|remarks?|remarked|thinks?|"
    r"suspects?|has seen|insists?|brought up|has raised|has mentioned|has expressed)"
)
_ABSENT = re.compile(r"\b(?:no|not|denies|without|never|family history of|mother|father)\b[^,;]*$")
_RELATED = frozenset(word for relation in RELATIONS for word in relation.split("-"))
_KIN = "|".join(sorted(map(re.escape, RELATIONS), key=len, reverse=True))
_REPORTER = re.compile(
    rf"(?<!with )(?<!from )(?<!for )\b(?P<who>{_KIN})(?:['’]s (?:report|account|words|description)|(?:\s+(?:also|"
    r"who\s+\w+\s+\w+(?:\s+\w+)?|still"
    rf"|now|has|repeatedly|first|strongly|firmly|further|again|clearly)"
    rf"|,[^,]{{1,40}},)?\s+{_REPORT})\b"
    rf"|\b(?:per|according to|reported by|as reported by|noted by|described by|observed by|voiced by"
    r"|information from|confirmed by|denied by)\s+"
    rf"(?:the\s+|his\s+|her\s+|their\s+|patient['’]s\s+|pt['’]s\s+|the patient['’]s\s+)?(?:\w+\s+)?(?P<by>{_KIN})\b",
    re.IGNORECASE,
)


@rule(
    code="age-contradicted",
    meaning="An age or decade of life that is not the plan's (one year is tolerated).",
    hint="The patient is {age} years old; say that or leave the age out.",
    needs=("age",),
)
def age_contradicted(plan: Plan, text: str, _mentions: tuple[Mention, ...], _context: Context) -> Iterable[Issue]:
    age = plan.age
    if age is None:
        return ()
    for stated in stated_ages(text):
        too_low = not stated.then and stated.high < int(age) - AGE_TOLERANCE
        if too_low or stated.low > age + AGE_TOLERANCE:
            shown = str(int(age)) if age < 90 else "over 90"  # noqa: PLR2004 - exact ages stop at 89
            return (found("age-contradicted", f"says {excerpt(stated.text)}", stated.place, age=shown),)
    return ()


@rule(
    code="sex-contradicted",
    meaning="A word or pronoun that gives the patient the other sex.",
    hint="The patient is {sex}; use the right words and pronouns.",
    needs=("sex",),
)
def sex_contradicted(plan: Plan, text: str, _mentions: tuple[Mention, ...], _context: Context) -> Iterable[Issue]:
    sex = plan.persona.traits["sex"]
    if _SEXED_WORDS[sex].isdisjoint(vocabulary(text)) and not has_figure(text):
        return ()
    place = _contradicting_word(text, sex) or _contradicting_pronoun(outside_quotes(text), sex)
    if place is None:
        return ()
    return (found("sex-contradicted", f"{excerpt(text[slice(*place)])} for a {sex} patient", place, sex=sex),)


def _contradicting_word(text: str, sex: str) -> tuple[int, int] | None:
    for match in _SEX_SUBJECT.finditer(text):
        group = match.lastgroup or ""
        said = "male" if match[group].lower() in _MALE_WORDS else "female"
        if said != sex:
            return match.span(group)
    for match in _KIN_OF_PATIENT.finditer(text):
        group = "kin" if match["kin"] else "own"
        said = "female" if match[group].lower() in {"mother", "mom", "wife"} else "male"
        if said != sex and not _DENIAL.search(text, match.start(), match.start(group)):
            return match.span(group)
    return None


def _contradicting_pronoun(text: str, sex: str) -> tuple[int, int] | None:
    """The first pronoun of the other sex that stands for nobody but the patient."""
    pronouns = list(_PRONOUN.finditer(text))
    others = [p for p in pronouns if ("male" if p[1].lower() in _MALE_PRONOUNS else "female") != sex]
    if not others:
        return None
    agree = len(others) < len(pronouns)
    other = "female" if sex == "male" else "male"
    persons = [
        person.start() for person in _PERSON.finditer(text) if SEX_OF_RELATION[person[1].lower()] in {other, "any"}
    ]
    for pronoun in others:
        word = pronoun[1].lower()
        antecedent = any(start < pronoun.start() for start in persons)
        if not antecedent:
            return pronoun.span()
        if agree:
            continue
        if word in {"he", "she"} and not _INFORMANT_ACTS.match(text, pronoun.end()):
            return pronoun.span()
        if word in {"his", "her"} and not _OWN.match(text, pronoun.end()) and not _names_patient(text, pronoun.start()):
            return pronoun.span()
    return None


def _names_patient(text: str, end: int) -> bool:
    return bool(re.search(r"\b(?:patient|pt|mother|father|mom|dad|resident)\b", text[:end], re.IGNORECASE))


@rule(
    code="relation-contradicted",
    meaning="Another person reports than the plan's informant.",
    hint="The informant is the {informant}; let nobody else report.",
    needs=("concept",),
)
def relation_contradicted(plan: Plan, text: str, _mentions: tuple[Mention, ...], _context: Context) -> Iterable[Issue]:
    if _RELATED.isdisjoint(vocabulary(text)):
        return ()
    for match in _REPORTER.finditer(text):
        group = match.lastgroup or "who"
        said = Informant(RELATIONS[match[group].lower()])
        if not plan.informant.covers(said):
            return (
                found(
                    "relation-contradicted",
                    f"{excerpt(match[group])} reports",
                    match.span(group),
                    informant=plan.informant,
                ),
            )
    return ()


@rule(
    code="risk-factor-contradicted",
    meaning="A risk factor that the persona does not have, or the denial of one that it has.",
    hint="Leave the {risk_factor} out.",
    needs=("persona",),
)
def risk_factor_contradicted(plan: Plan, text: str, mentions: tuple[Mention, ...], context: Context) -> Iterable[Issue]:
    planned = [plan.cui, *(previous.cui for previous in plan.previous)]
    for mention in mentions:
        factor = context.risk_factors.get(mention.cui)
        if factor is None or mention.assertion is Assertion.FAMILY:
            continue
        if any(cui is not None and mention.cui in context.family(cui) for cui in planned):
            continue
        has, said = factor in plan.persona.risk_factors, mention.assertion is not Assertion.ABSENT
        if has is not said:
            message = f"says {excerpt(mention.text)} {mention.assertion}"
            place = (mention.start, mention.end)
            return (found("risk-factor-contradicted", message, place, risk_factor=context.name(mention.cui)),)
    lowered = text.lower()
    for name, factor in context.risk_words.items():  # not every risk factor is in every catalog
        if name in lowered and factor not in plan.persona.risk_factors:
            start = lowered.index(name)
            place = (start, start + len(name))
            linked = any(one.start < place[1] and place[0] < one.end for one in mentions)
            if not linked and not _ABSENT.search(lowered, max(0, start - 40), start):
                return (found("risk-factor-contradicted", f"says {excerpt(name)}", place, risk_factor=name),)
    return ()
