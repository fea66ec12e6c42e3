"""`Pack`: everything about a disease, as data in a folder; typed rows, all problems found at once. [border].

A pack is a folder of `pack.toml` and comma-separated tables, one row type a table (`TABLES`). Every row that states a
fact names its `source`, an id in `sources.csv` (published; second-hand ones are marked there) or in `assumptions.csv`
(declared, because no fact was found).
"""

from __future__ import annotations

import csv
import hashlib
import io
import tomllib
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ontology.concept import Cui
from ontology.errors import ConfigError, UnknownConcept
from ontology.issue import Issue, Severity

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
    _index: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False, compare=False)

    def concept(self, cui: str) -> PackConcept:
        """The concept; UnknownConcept names the nearest ones."""
        return self._found("concepts", "cui", cui)

    def label(self, label: str) -> Label:
        """The label; UnknownConcept names the nearest ones."""
        return self._found("labels", "id", label)

    def phrases_of(self, cui: str, form: str | None = None, register: str | None = None) -> tuple[Phrase, ...]:
        """The ways to say a concept, of one form and register where asked."""
        if "phrases" not in self._index:
            by_cui: dict[str, list[Phrase]] = {}
            for phrase in self.phrases:
                by_cui.setdefault(phrase.cui, []).append(phrase)
            self._index["phrases"] = by_cui
        found: list[Phrase] = self._index["phrases"].get(cui, [])
        return tuple(p for p in found if form in (None, p.form) and register in (None, p.register))

    def _found(self, table: str, key: str, value: str) -> Any:
        if table not in self._index:
            self._index[table] = {getattr(row, key): row for row in getattr(self, table)}
        rows = self._index[table]
        if value not in rows:
            near = ", ".join(f"{k} {rows[k].name}" for k in get_close_matches(value, rows, 3, 0.4))
            raise UnknownConcept(
                f"{value!r} is none of the {table} of the pack {self.id}" + (f"; nearest: {near}" if near else "")
            )
        return rows[value]


TABLES: dict[str, type[Any]] = {
    "sources": Source,
    "assumptions": Assumption,
    "labels": Label,
    "concepts": PackConcept,
    "phrases": Phrase,
    "frames": Frame,
    "examples": Example,
    "stages": Stage,
    "demographics": Demographic,
    "risk_factors": RiskFactor,
    "exposures": Exposure,
    "modifiers": Modifier,
    "requirements": Requirement,
    "facts": Fact,
}
"""The tables of a pack: `NAME.csv` holds rows of the type."""


def load_pack(path: str | Path | None = None) -> Pack:
    """Reads a pack from a folder (default: the shipped `alzheimer`); ConfigError carries every problem at once.

    >>> load_pack().diagnosis
    'C0002395'
    """
    folder = Path(__file__).parent / "packs" / "alzheimer" if path is None else Path(path)
    pack, issues = check_pack(folder)
    if pack is None or any(issue.severity is Severity.ERROR for issue in issues):
        raise ConfigError(f"the pack {folder} cannot be used", issues)
    return pack


def check_pack(path: str | Path) -> tuple[Pack | None, tuple[Issue, ...]]:
    """A pack and everything that is wrong with it; no pack where it cannot be read at all."""
    folder = Path(path)
    issues: list[Issue] = []
    digest = hashlib.sha256()
    texts: dict[str, str] = {}
    for name in ("pack.toml", *(f"{table}.csv" for table in TABLES), "course.csv", "prompts/system.txt"):
        try:
            texts[name] = (folder / name).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            issues.append(Issue(Severity.ERROR, "unreadable", f"cannot be read: {error}", name))
            continue
        digest.update(f"{name}\0{texts[name]}\0".encode())
    if issues:
        return None, tuple(issues)
    rows = {name: _rows(texts[f"{name}.csv"], kind, f"{name}.csv", issues) for name, kind in TABLES.items()}
    course = {row["cui"]: row for row in csv.DictReader(io.StringIO(texts["course.csv"]))}
    rows["concepts"] = [_with_course(concept, course.get(concept.cui)) for concept in rows["concepts"]]
    head = tomllib.loads(texts["pack.toml"])
    pack = Pack(
        **{key: head[key] for key in ("id", "name", "version", "diagnosis")},
        fingerprint=digest.hexdigest(),
        **{name: tuple(found) for name, found in rows.items()},
        system_prompt=texts["prompts/system.txt"].strip(),
    )
    return pack, tuple(issues)


def _rows(text: str, kind: type[Any], where: str, issues: list[Issue]) -> list[Any]:
    from pydantic import TypeAdapter, ValidationError

    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    optional = {f.name for f in fields(kind) if f.default is None}
    found = []
    reader = csv.DictReader(io.StringIO(text), strict=True)
    for row in reader:
        values = {key: value for key, value in row.items() if not (value == "" and key in optional)}
        try:
            found.append(adapter.validate_python(values))
        except ValidationError as error:
            for detail in error.errors():
                place = ".".join(str(part) for part in detail["loc"])
                issues.append(
                    Issue(Severity.ERROR, "bad-value", f"{place}: {detail['msg']}", f"{where}:{reader.line_num}")
                )
    return found


def _with_course(concept: PackConcept, row: dict[str, str] | None) -> PackConcept:
    if row is None:
        return concept
    ever = float(row["ever"]) if row["ever"] else None
    return replace(concept, stage=row["stage"], ever=ever, remits=row["remits"] == "true")
