"""`Pack`: everything about a disease, as data in a folder; typed rows, all problems found at once. [border].

A pack is a folder of `pack.toml`, `prompts/system.txt` and comma-separated tables, one row type a table. Every row that
states a fact names its `source`, an id in `sources.csv` (published; second-hand ones are marked there) or in
`assumptions.csv` (declared, because no fact was found). `course.csv` (cui, stage, ever, remits, source) is a table of
its own, since facts about the course have sources of their own; it is merged into `PackConcept`.

`python -m ontology.pack FOLDER` prints every problem of a folder and exits with 1 where one is an error.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ontology.concept import Cui, parse_cui
from ontology.errors import UnknownConcept

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ontology.issue import Issue

_Row = TypeVar("_Row")

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
    or `death`. `measure`: HR, RR or OR (converted at `baseline_risk`). Without an interval `se_log` is declared. `given`: the
    demographic id that the ratio of a risk factor for the diagnosis was published for, where it differs between groups.
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
    given: str = ""


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


class _Indexed:
    """One slot for the look-up tables of a pack; no field of it, so neither equality nor `asdict` sees it."""

    __slots__ = ("_index",)
    _index: _Index


@dataclass(frozen=True, slots=True)
class Pack(_Indexed):
    """A disease pack. `fingerprint` is over the content of every file. Look-ups by id cost O(1): the tables behind them
    are built once, at the first one.

    >>> pack = load_pack()
    >>> pack.concept("C0002395").name, pack.concept(pack.diagnosis).entity
    ("Alzheimer's disease", 'diagnosis')
    """

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

    @property
    def _tables(self) -> _Index:
        try:
            return self._index
        except AttributeError:  # first use, also after a copy or an unpickling
            index = _Index(self)
            object.__setattr__(self, "_index", index)
            return index

    def concept(self, cui: str) -> PackConcept:
        """The concept; UnknownConcept (a KeyError) names the nearest, ValueError shows a malformed CUI."""
        return _get(self._tables.concepts, parse_cui(cui), "concept", self.id)

    def label(self, id: str) -> Label:  # noqa: A002 - the word of the field
        """The label; UnknownConcept names the nearest."""
        return _get(self._tables.labels, id, "label", self.id)

    def stage(self, id: str) -> Stage:  # noqa: A002
        """The stage; UnknownConcept names the nearest."""
        return _get(self._tables.stages, id, "stage", self.id)

    def demographic(self, id: str) -> Demographic:  # noqa: A002
        """The demographic of an id such as `sex:female`; UnknownConcept names the nearest."""
        return _get(self._tables.demographics, id, "demographic", self.id)

    def risk_factor(self, id: str) -> RiskFactor:  # noqa: A002
        """The risk factor of an id such as `diabetes`; UnknownConcept names the nearest."""
        return _get(self._tables.risk_factors, id, "risk factor", self.id)

    def source(self, id: str) -> Source | Assumption:  # noqa: A002
        """Where a row's content comes from: published, or declared; UnknownConcept names the nearest."""
        return _get(self._tables.sources, id, "source", self.id)

    def phrases_of(self, cui: str, form: str | None = None, register: str | None = None) -> tuple[Phrase, ...]:
        """The ways to say a concept in the order of the file, of one form or register where asked; empty if none.

        UnknownConcept and ValueError as `concept`.
        """
        rows = self._tables.phrases.get(self.concept(cui).cui, ())
        return tuple(p for p in rows if form in {None, p.form} and register in {None, p.register})


class _Index:
    """The rows of a pack by their ids."""

    __slots__ = ("concepts", "demographics", "labels", "phrases", "risk_factors", "sources", "stages")

    def __init__(self, pack: Pack) -> None:
        self.concepts: dict[str, PackConcept] = {row.cui: row for row in pack.concepts}
        self.labels: dict[str, Label] = {row.id: row for row in pack.labels}
        self.stages: dict[str, Stage] = {row.id: row for row in pack.stages}
        self.demographics: dict[str, Demographic] = {row.id: row for row in pack.demographics}
        self.risk_factors: dict[str, RiskFactor] = {row.id: row for row in pack.risk_factors}
        self.sources: dict[str, Source | Assumption] = {row.id: row for row in pack.assumptions}
        self.sources.update({row.id: row for row in pack.sources})
        self.phrases: dict[str, list[Phrase]] = {}
        for phrase in pack.phrases:
            self.phrases.setdefault(phrase.cui, []).append(phrase)


def _get(rows: Mapping[str, _Row], key: str, what: str, pack: str) -> _Row:
    try:
        return rows[key]
    except KeyError:
        near = ", ".join(get_close_matches(key, rows, n=3)) or ", ".join(list(rows)[:3])
        raise UnknownConcept(f"the pack {pack} has no {what} {key!r}; the nearest are {near or 'none'}") from None


def check_pack(path: str | Path | None = None) -> tuple[Pack | None, tuple[Issue, ...]]:
    """The pack in the folder `path` (None: the shipped `alzheimer`; a bare name: a shipped one) and all its problems.

    The pack is None where an issue is an error. Reads every table once; 50 to 200 ms for the shipped pack.

    >>> pack, issues = check_pack("no/such/folder")
    >>> pack, issues[0].code
    (None, 'missing-folder')
    """
    from ontology import pack_tables

    return pack_tables.check(_folder(path))


def load_pack(path: str | Path | None = None) -> Pack:
    """The pack in the folder `path`, as `check_pack`; ConfigError carries all its errors."""
    from ontology.errors import ConfigError
    from ontology.issue import Severity

    pack, issues = check_pack(path)
    if pack is None:
        errors = [issue for issue in issues if issue.severity == Severity.ERROR]
        raise ConfigError(f"{_folder(path)} is not a usable pack; it has {len(errors)} errors", errors)
    return pack


def _folder(path: str | Path | None) -> Path:
    shipped = Path(__file__).parent / "packs"
    given = Path("alzheimer" if path is None else path)
    bare = path is None or (len(given.parts) == 1 and given.name not in {".", ".."} and not given.is_dir())
    return shipped / given if bare else given


def main(arguments: Sequence[str]) -> int:
    """`python -m ontology.pack FOLDER`: print the issues; 1 if one is an error."""
    pack, issues = check_pack(arguments[0] if arguments else None)
    for issue in issues:
        print(issue)  # noqa: T201 - this is the command
    return 0 if pack is not None else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
