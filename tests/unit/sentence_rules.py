"""A tiny pack and catalog for the rules of sentence validation, and the codes of the rules that a text breaks."""

from __future__ import annotations

from engine.plan import Plan
from engine.validation import Validator
from graph_loaders.trajectory import Persona
from ontology.concept import Concept, Cui
from ontology.mention import Informant, Mention
from ontology.pack import Example, Label, Pack, PackConcept, RiskFactor

MEMORY, AMNESIA, COGNITION = Cui("C0751295"), Cui("C0002622"), Cui("C0338656")
WANDERING, APATHY, DIAGNOSIS, DIABETES, HEADACHE = (
    Cui("C0233494"),
    Cui("C0085632"),
    Cui("C0002395"),
    Cui("C0011849"),
    Cui("C0018681"),
)
DEFINITION = "Words about thinking, memory, language or judgment that are worse than they once were for this person."
EXAMPLE = (
    "Over the past several months the family has come to see memory loss that disrupts ordinary household routines."
)


class Tree(dict[Cui, Concept]):
    """A catalog of a few concepts: what the rules ask of one, over real `Concept` rows."""

    def ancestors(self, cui: Cui) -> frozenset[Cui]:
        parents = self[cui].parents
        return frozenset(parents).union(*(self.ancestors(one) for one in parents))

    def descendants(self, cui: Cui) -> frozenset[Cui]:
        return frozenset(one for one in self if one != cui and cui in self.ancestors(one))


CATALOG = Tree(
    {
        COGNITION: Concept(COGNITION, "Cognitive impairment"),
        MEMORY: Concept(MEMORY, "Memory loss", parents=(COGNITION,)),
        AMNESIA: Concept(AMNESIA, "Amnesia", parents=(MEMORY,)),
        WANDERING: Concept(WANDERING, "Wandering"),
        APATHY: Concept(APATHY, "Apathy"),
        DIAGNOSIS: Concept(DIAGNOSIS, "Alzheimer's disease"),
        DIABETES: Concept(DIABETES, "Diabetes mellitus"),
        HEADACHE: Concept(HEADACHE, "Headache", types=("T184",)),
    }
)
PACK = Pack(
    id="tiny",
    name="Tiny",
    version="1",
    diagnosis=DIAGNOSIS,
    fingerprint="0",
    sources=(),
    assumptions=(),
    labels=(Label("cognitive-impairment", "cognitive impairment", DEFINITION, "s"),),
    concepts=tuple(
        PackConcept(cui, CATALOG[cui].name, "cognitive-impairment", "sign")
        for cui in (COGNITION, MEMORY, WANDERING, APATHY, DIAGNOSIS)
    ),
    phrases=(),
    frames=(),
    examples=(Example("cognitive-impairment", MEMORY, "memory loss", "present", "family", EXAMPLE),),
    stages=(),
    demographics=(),
    risk_factors=(RiskFactor("diabetes", "Diabetes", "", "s", DIABETES),),
    exposures=(),
    modifiers=(),
    requirements=(),
    facts=(),
    system_prompt="Write one sentence of a clinical note about the patient that is described below.",
)
VALIDATOR = Validator(PACK, CATALOG)
FEMALE = Persona({"sex": "female"})
PLAN = Plan(
    "cognitive-impairment",
    DEFINITION,
    cui=MEMORY,
    name="Memory loss",
    phrase="memory loss",
    informant=Informant.DAUGHTER,
    persona=FEMALE,
    age=82.4,
    of=3,
)
RIGHT = "Daughter reports memory loss over the past year."


def mention(text: str, words: str, cui: Cui, *more: tuple[Cui, float], **said: object) -> Mention:
    start = text.lower().index(words.lower())
    found_words = text[start : start + len(words)]
    said = {"informant": Informant.DAUGHTER, **said}
    return Mention(start, start + len(words), found_words, ((cui, 1.0), *more), **said)  # type: ignore[arg-type]  # fields of any type


def memory(text: str, **said: object) -> tuple[Mention, ...]:
    return (mention(text, "memory loss", MEMORY, **said),)


def codes(text: str, plan: Plan = PLAN, mentions: tuple[Mention, ...] | None = None) -> set[str]:
    linked = memory(text) if mentions is None and "memory loss" in text.lower() else mentions or ()
    return {issue.code for issue in VALIDATOR.validate(plan, text, linked)}


def form_codes(text: str, persona: Persona = FEMALE, age: float | None = 82.4, label: str = "") -> set[str]:
    """The codes of a text whose plan has no concept: rules on concepts are skipped."""
    return codes(text, Plan(label, DEFINITION, persona=persona, age=age), ())
