"""`Pack`: everything about a disease, as data in a folder; typed rows, all problems found at once. [border].

A pack is a folder of `pack.toml` and comma-separated tables, one row type a table (`TABLES`). Every row that states a
fact names its `source`, an id in `sources.csv` (published; second-hand ones are marked there) or in `assumptions.csv`
(declared, because no fact was found).
"""

from __future__ import annotations

from dataclasses import dataclass

from ontology.concept import Cui

__all__ = [
    "Assumption",
    "Demographic",
    "Example",
    "Exposure",
    "Fact",
    "Frame",
    "Label",
    "Modifier",
    "Pack",
    "PackConcept",
    "Phrase",
    "Requirement",
    "RiskFactor",
    "Source",
    "Stage",
]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a fact was published. `second_hand`: read in another text that quotes it."""

    id: str
    citation: str
    locator: str = ""
    second_hand: bool = False


@dataclass(frozen=True, slots=True)
class Assumption:
    """What no fact covers, declared: what is taken (`value`, `unit`), why, and what it drives."""

    id: str
    statement: str
    why: str
    used_by: str
    value: float | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Label:
    """A category of sentences, with its definition (which is all that the unguided baseline gets)."""

    id: str
    name: str
    definition: str
    source: str


@dataclass(frozen=True, slots=True)
class PackConcept:
    """A concept the pack plans. `entity`: sign, function, test, treatment, coping, physiology or diagnosis. `stage`: the
    stage in which it typically begins ("" before any). `ever`: share of persons who ever have it by the end of that
    stage, and its source. `remits`: it comes and goes. `cui_source`: HPO, or where the identifier comes from.
    `reporters`: the kinds of informant who can tell of it (patient, other, clinician), joined by "|"; "" for all.
    """

    cui: Cui
    name: str
    label: str
    entity: str
    types: str = ""
    stage: str = ""
    ever: float | None = None
    remits: bool = False
    cui_source: str = ""
    source: str = ""
    reporters: str = ""


@dataclass(frozen=True, slots=True)
class Phrase:
    """A way to say a concept. `register`: clinical or lay. `form`: noun (fits after "reports" and "no evidence of"), base
    ("repeat questions"), third ("repeats questions") or gerund ("repeating questions").
    """

    cui: Cui
    register: str
    form: str
    text: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """A sentence with {slots} for the template verbalizer. `assertion` and `informant` (patient, other, clinician or any)
    say which plans it fits; an empty `entity` fits every entity type of the label.
    """

    label: str
    assertion: str
    informant: str
    text: str
    entity: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """A few-shot example for prompts: what was planned and the sentence a clinician would write."""

    label: str
    cui: str
    phrase: str
    assertion: str
    informant: str
    text: str


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of the disease, in order. `years`: mean duration if nothing ends it sooner."""

    id: str
    name: str
    ordinal: int
    definition: str
    source: str
    cui: str = ""
    years: float | None = None


@dataclass(frozen=True, slots=True)
class Demographic:
    """A value of a trait and its `share` in the population at entry."""

    axis: str
    value: str
    name: str
    share: float
    source: str
    cui: str = ""

    @property
    def id(self) -> str:
        """The key of its node, `sex:female`."""
        return f"{self.axis}:{self.value}"


@dataclass(frozen=True, slots=True)
class RiskFactor:
    """A risk factor; its node is `risk:ID`."""

    id: str
    name: str
    definition: str
    source: str
    cui: str = ""


@dataclass(frozen=True, slots=True)
class Exposure:
    """Share of the population with a risk factor; `given` is "" (all) or a demographic id such as `race:hispanic`."""

    risk_factor: str
    given: str
    share: float
    source: str


@dataclass(frozen=True, slots=True)
class Modifier:
    """A published ratio. `exposure`: `sex:female`, `race:black`, `risk:diabetes` or a CUI. `outcome`: a CUI, `stage:ID`
    or `death`. `measure`: HR, RR or OR (converted at `baseline_risk`). Without an interval `se_log` is declared.
    """

    id: str
    exposure: str
    outcome: str
    measure: str
    ratio: float
    source: str
    low: float | None = None
    high: float | None = None
    se_log: float | None = None
    baseline_risk: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Requirement:
    """`event` cannot begin before `needs` (both CUI or `stage:ID`)."""

    event: str
    needs: str
    source: str


@dataclass(frozen=True, slots=True)
class Fact:
    """A published figure about who, when and how often. `use`: fit (drives the model), check (held out) or context.

    `kind`: incidence, prevalence, lifetime_risk, median_survival, stage_duration, symptom_baseline, symptom_later,
    symptom_period, symptom_pooled, symptom_by_stage, timing, order, decline, share or population. `event`: a CUI,
    `stage:ID`, `death`, a node id or "" (whole). `group`: whom it holds for (`sex:male`, `stage:mild` ...).
    """

    id: str
    kind: str
    event: str
    group: str
    unit: str
    use: str
    source: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    sd: float | None = None
    age_from: float | None = None
    age_to: float | None = None
    at_years: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Pack:
    """A disease pack. `fingerprint` is over the content of every file."""

    id: str
    name: str
    version: str
    diagnosis: Cui
    fingerprint: str
    sources: tuple[Source, ...]
    assumptions: tuple[Assumption, ...]
    labels: tuple[Label, ...]
    concepts: tuple[PackConcept, ...]
    phrases: tuple[Phrase, ...]
    frames: tuple[Frame, ...]
    examples: tuple[Example, ...]
    stages: tuple[Stage, ...]
    demographics: tuple[Demographic, ...]
    risk_factors: tuple[RiskFactor, ...]
    exposures: tuple[Exposure, ...]
    modifiers: tuple[Modifier, ...]
    requirements: tuple[Requirement, ...]
    facts: tuple[Fact, ...]
    system_prompt: str = ""
