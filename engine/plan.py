"""`Plan`: what one sentence must say; and `plan`, `plan_for_label`, `plan_unguided`, which draw one.

The label rule (one sentence has one right label). A label without concepts of its own, other than `none`, borrows the
signs of the others: in the shipped pack *notice or concern by others*. A sign that is present or possible and told by
somebody other than patient and clinician belongs to the borrowing label, always; told by the patient or found by the
clinician it belongs to its own. Everything else (absent or past signs, functions, changes of the body, tests,
treatments, coping, diagnoses) keeps its own label whoever tells of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from graph_loaders.trajectory import Persona
from ontology.concept import Cui
from ontology.errors import UnknownConcept
from ontology.mention import Assertion, Informant
from ontology.pack import Label, PackConcept, Phrase

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np

    from graph_loaders.trajectory import Onset, Trajectory
    from ontology.pack import Pack

__all__ = ["ASSERTION_MIX", "GUIDANCE", "Plan", "Previous", "label_of", "plan", "plan_for_label", "plan_unguided"]

GUIDANCE = ("both", "persona", "trajectory", "none")
"""What guides a plan; `none` is the baseline that has the label's definition alone."""

ASSERTION_MIX: Mapping[str, float] = {"present": 0.78, "absent": 0.10, "possible": 0.06, "historical": 0.06}
"""How often each assertion is drawn where it makes sense for the concept; the rest falls to `present`."""

_T = TypeVar("_T")
_NONE = "none"
_DAYS = 365.25
_A = Assertion
_SENSE: Mapping[str, frozenset[Assertion]] = {
    "sign": frozenset(Assertion),
    "physiology": frozenset(Assertion),
    "diagnosis": frozenset(Assertion) - {_A.HISTORICAL},  # a history of a disease that does not end is its presence
    "function": frozenset({_A.PRESENT, _A.ABSENT, _A.POSSIBLE}),
}
_SENSE_OTHERWISE = frozenset({_A.PRESENT, _A.ABSENT, _A.HISTORICAL})  # a test is done or not, never "possible"
_KINDS: Mapping[str, Mapping[str, float]] = {  # who tells, by entity
    "sign": {"patient": 0.35, "other": 0.35, "clinician": 0.30},
    "physiology": {"patient": 0.25, "other": 0.30, "clinician": 0.45},
    "function": {"patient": 0.20, "other": 0.45, "clinician": 0.35},
    "coping": {"patient": 0.40, "other": 0.35, "clinician": 0.25},
    "treatment": {"patient": 0.15, "other": 0.20, "clinician": 0.65},
    "test": {"patient": 0.05, "other": 0.10, "clinician": 0.85},
    "diagnosis": {"patient": 0.08, "other": 0.12, "clinician": 0.80},
}
_OTHERS: Mapping[Informant, float] = {
    Informant.SPOUSE: 0.36,
    Informant.DAUGHTER: 0.30,
    Informant.SON: 0.17,
    Informant.CAREGIVER: 0.17,
}
_SPOUSE = {"male": Informant.WIFE, "female": Informant.HUSBAND}
_SILENT_STAGES = 2  # in the last two stages the patient no longer tells


@dataclass(frozen=True, slots=True)
class Previous:
    """An earlier onset of the same trajectory, for context. `present`: there at the age of the plan, not only ever before it."""

    cui: Cui
    name: str
    age: float
    present: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """What one sentence must say. `cui` is None where the mode plans no concept (unguided: `of` is None too).

    `phrase`: the words proposed for the concept (noun form). `stage`: id of a stage of the pack. `age`: years.
    `gap_days`: days since the previous onset (None for the first). `previous`: earlier onsets, oldest first. `step` of
    `of`: place among the trajectory's onsets, from 0.
    """

    label: str
    definition: str
    cui: Cui | None = None
    name: str = ""
    entity: str = ""
    phrase: str = ""
    assertion: Assertion = Assertion.PRESENT
    informant: Informant = Informant.CLINICIAN
    stage: str = ""
    persona: Persona = field(default_factory=Persona)
    age: float | None = None
    gap_days: int | None = None
    previous: tuple[Previous, ...] = ()
    trajectory_id: str = ""
    step: int = 0
    of: int | None = None


def label_of(concept: PackConcept, assertion: Assertion, informant: Informant, pack: Pack) -> str:
    """The one right label of a sentence that says this (the rule is in the module's docstring)."""
    borrowing = _index(_Held(pack)).borrowing
    borrowed = concept.entity == "sign" and assertion in {_A.PRESENT, _A.POSSIBLE} and informant.kind == "other"
    return borrowing if borrowing and borrowed else concept.label


def plan(
    trajectory: Trajectory,
    step: int,
    pack: Pack,
    rng: np.random.Generator,
    *,
    label: str | None = None,
    guidance: str = "both",
    assertion_mix: Mapping[str, float] | None = None,
    informant: str | None = None,
) -> Plan:
    """What the sentence at onset `step` of a trajectory must say; a pure function of its arguments and `rng`.

    The assertion is drawn from `assertion_mix` (default `ASSERTION_MIX`), as far as it makes sense for the concept:
    `absent` takes a concept of the same label that has not begun by this age, `historical` an earlier onset that can
    pass (one that is away at this age, where that is known), and each falls back to `present` where there
    is none. The informant is drawn by the kind of concept and by who can tell of it; a spouse is the husband of a woman and
    the wife of a man. `label` fixes the label, `informant` who tells.

    `guidance`: "both"; "persona" (no trajectory: the concept is drawn from those of the label, without stage, order or
    gap); "trajectory" (no persona: neither traits nor age); "none" (`plan_unguided`).

    Raises ValueError for a step, label, guidance or informant that cannot be, UnknownConcept for an onset that the pack
    does not have. Costs about 30 microseconds.

    >>> import numpy as np
    >>> from ontology.pack import load_pack
    >>> from graph_loaders.trajectory import Onset, Persona, Trajectory
    >>> her = Trajectory("t1", Persona({"sex": "female"}), 74.0, 80.0, onsets=(Onset("C0085632", 75.5),))
    >>> made = plan(her, 0, load_pack(), np.random.default_rng(1), label="neuropsychiatric", assertion_mix={"present": 1})
    >>> made.name, made.assertion.value, made.age
    ('Apathy', 'present', 75.5)
    """
    if not 0 <= step < len(trajectory.onsets):
        raise ValueError(
            f"step {step} of trajectory {trajectory.id!r} is not one of its {len(trajectory.onsets)} onsets"
        )
    index = _index(_Held(pack))
    guided, with_persona = _switches(guidance)
    concept = index.concept(trajectory.onsets[step].cui)
    if label is not None:
        _check_label(label, concept, index, guided)
    if not (guided or with_persona):
        return plan_unguided(label or concept.label, pack, rng)
    wanted = label or ""
    if not guided:
        concept = _pick(rng, index.carrying[wanted or concept.label])
    context = _context(trajectory, step, index, guided, with_persona)
    assertion = _draw_assertion(rng, concept, wanted, index, assertion_mix)
    begun = (
        [index.concepts[o.cui] for o in _until(trajectory, step) if o.cui in index.concepts] if guided else [concept]
    )
    away = _away(trajectory, step) if guided else None
    chosen = _concept_for(rng, assertion, concept, begun, wanted, index, away)
    if chosen is None:
        chosen, assertion = concept, _A.PRESENT
    who = _draw_informant(rng, chosen, assertion, wanted, context, index, informant)
    return replace(
        context,
        label=wanted or label_of(chosen, assertion, who, pack),
        definition=index.labels[wanted or label_of(chosen, assertion, who, pack)].definition,
        cui=chosen.cui,
        name=chosen.name,
        entity=chosen.entity,
        phrase=_phrase(rng, chosen, who, index),
        assertion=assertion,
        informant=who,
    )


def plan_for_label(
    trajectory: Trajectory,
    label: str,
    pack: Pack,
    rng: np.random.Generator,
    *,
    guidance: str = "both",
    assertion_mix: Mapping[str, float] | None = None,
    informant: str | None = None,
    stage: str = "",
) -> Plan | None:
    """A plan of this label at a step of the trajectory that can carry it (and lies in `stage`, where one is given); None when
    no step can.

    `none` fits every trajectory: such a plan has a persona and no concept. Raises like `plan`.
    """
    index = _index(_Held(pack))
    if label not in index.labels:
        raise ValueError(f"{label!r} is not a label of the pack; labels: {', '.join(index.labels)}")
    guided, with_persona = _switches(guidance)
    if not (guided or with_persona):
        return plan_unguided(label, pack, rng)
    known = [
        step
        for step, onset in enumerate(trajectory.onsets)
        if onset.cui in index.concepts and (not stage or stage == (onset.stage or trajectory.stage_at(onset.age)))
    ]
    if label == _NONE:
        if not known and stage:
            return None
        if not known:
            context = Plan(label, index.labels[label].definition, trajectory_id=trajectory.id)
            persona = trajectory.persona if with_persona else Persona()
            return replace(context, persona=persona, age=trajectory.entry_age if with_persona else None, of=0)
        context = _context(trajectory, _pick(rng, known), index, guided, with_persona)
        return replace(context, label=label, definition=index.labels[label].definition)
    carrying = index.carrying[label]
    able = {concept.cui for concept in carrying}
    steps = [step for step in known if trajectory.onsets[step].cui in able] if guided else known
    if not steps or not carrying:
        return None
    step = _pick(rng, steps)
    return plan(
        trajectory, step, pack, rng, label=label, guidance=guidance, assertion_mix=assertion_mix, informant=informant
    )


def plan_unguided(label: str, pack: Pack, _rng: np.random.Generator) -> Plan:
    """The unguided baseline (arXiv 2401.06774): the label with its definition, and nothing else."""
    index = _index(_Held(pack))
    if label not in index.labels:
        raise ValueError(f"{label!r} is not a label of the pack; labels: {', '.join(index.labels)}")
    return Plan(label, index.labels[label].definition)


# ---- the pack, looked up by what a plan asks


class _Held:
    """A pack as a cache key: compared by identity, since hashing all of its rows would cost more than a plan."""

    __slots__ = ("pack",)

    def __init__(self, pack: Pack) -> None:
        self.pack = pack

    def __hash__(self) -> int:
        return id(self.pack)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held) and other.pack is self.pack


@dataclass(frozen=True, slots=True)
class _Index:
    labels: Mapping[str, Label]
    borrowing: str
    concepts: Mapping[Cui, PackConcept]
    carrying: Mapping[str, Sequence[PackConcept]]
    nouns: Mapping[Cui, Sequence[Phrase]]
    implied: Mapping[Cui, frozenset[Cui]]
    silent: frozenset[str]

    def concept(self, cui: Cui) -> PackConcept:
        found = self.concepts.get(cui)
        if found is None:
            raise UnknownConcept(
                f"{cui} is an onset but no concept of the pack; leave it out or add it to concepts.csv"
            )
        return found


@lru_cache(maxsize=8)
def _index(held: _Held) -> _Index:
    pack = held.pack
    home: dict[str, list[PackConcept]] = {label.id: [] for label in pack.labels}
    for concept in pack.concepts:
        home[concept.label].append(concept)
    borrowing = next((label for label, own in home.items() if not own and label != _NONE), "")
    if borrowing:
        home[borrowing] = [c for c in pack.concepts if c.entity == "sign" and "other" in (c.reporters or "other")]
    nouns: dict[Cui, list[Phrase]] = {concept.cui: [] for concept in pack.concepts}
    for phrase in pack.phrases:
        if phrase.form == "noun" and phrase.cui in nouns:
            nouns[phrase.cui].append(phrase)
    stages = sorted(pack.stages, key=lambda stage: stage.ordinal)
    silent = stages[-_SILENT_STAGES:] if len(stages) > _SILENT_STAGES else []
    return _Index(
        {label.id: label for label in pack.labels},
        borrowing,
        {concept.cui: concept for concept in pack.concepts},
        home,
        nouns,
        _implied(pack.concepts, nouns),
        frozenset(stage.id for stage in silent),
    )


def _implied(concepts: Iterable[PackConcept], nouns: Mapping[Cui, Sequence[Phrase]]) -> dict[Cui, frozenset[Cui]]:
    """Which other concepts a concept's own words contain: visual hallucinations are hallucinations."""
    words = {c.cui: [f" {text.lower()} " for text in (c.name, *(p.text for p in nouns[c.cui]))] for c in concepts}
    said = {cui: "\n".join(own) for cui, own in words.items()}
    return {
        cui: frozenset(other for other, parts in words.items() if other != cui and any(part in own for part in parts))
        for cui, own in said.items()
    }


# ---- draws


def _switches(guidance: str) -> tuple[bool, bool]:
    """Whether the trajectory and whether the persona guide."""
    if guidance not in GUIDANCE:
        raise ValueError(f"guidance {guidance!r} is not one of {', '.join(GUIDANCE)}")
    return guidance in {"both", "trajectory"}, guidance in {"both", "persona"}


def _check_label(label: str, concept: PackConcept, index: _Index, guided: bool) -> None:
    if label not in index.labels:
        raise ValueError(f"{label!r} is not a label of the pack; labels: {', '.join(index.labels)}")
    carrying = index.carrying[label]
    if not carrying or (guided and concept not in carrying):
        raise ValueError(
            f"{concept.cui} ({concept.name}) cannot carry the label {label!r}; its own is {concept.label!r}"
        )


def _until(trajectory: Trajectory, step: int) -> list[Onset]:
    return [
        onset
        for place, onset in enumerate(trajectory.onsets)
        if place <= step or onset.age <= trajectory.onsets[step].age
    ]


def _context(trajectory: Trajectory, step: int, index: _Index, guided: bool, with_persona: bool) -> Plan:
    """All of a plan that does not depend on what is said: who, when, after what."""
    onset = trajectory.onsets[step]
    blank = Plan(
        "",
        "",
        persona=trajectory.persona if with_persona else Persona(),
        age=onset.age if with_persona else None,
        trajectory_id=trajectory.id,
    )
    if not guided:
        return replace(blank, of=len(trajectory.onsets), step=step)
    earlier = trajectory.onsets[:step]
    names, age = index.concepts, onset.age
    present = {o.cui for o in trajectory.onsets if o.age <= age} - (_away(trajectory, step) or frozenset())
    return replace(
        blank,
        stage=onset.stage or trajectory.stage_at(onset.age),
        gap_days=round((onset.age - earlier[-1].age) * _DAYS) if earlier else None,
        previous=tuple(
            Previous(o.cui, names[o.cui].name if o.cui in names else o.cui, o.age, o.cui in present) for o in earlier
        ),
        step=step,
        of=len(trajectory.onsets),
    )


def _draw_assertion(
    rng: np.random.Generator, concept: PackConcept, wanted: str, index: _Index, mix: Mapping[str, float] | None
) -> Assertion:
    weights = {Assertion(name): float(weight) for name, weight in (mix or ASSERTION_MIX).items()}
    if any(weight < 0 for weight in weights.values()) or not sum(weights.values()):
        raise ValueError(f"the assertion mix {dict(mix or {})} has no share to draw from; give shares of zero or more")
    sense = _SENSE.get(concept.entity, _SENSE_OTHERWISE)
    if wanted and wanted == index.borrowing:
        sense &= {_A.PRESENT, _A.POSSIBLE}
    possible = {one: weight for one, weight in weights.items() if one in sense and weight}
    return _weighted(rng, possible) if possible else _A.PRESENT


def _concept_for(
    rng: np.random.Generator,
    assertion: Assertion,
    concept: PackConcept,
    begun: Sequence[PackConcept],
    wanted: str,
    index: _Index,
    away: frozenset[str] | None,
) -> PackConcept | None:
    """The concept the assertion is about; None when there is none to say it of. `away`: what has begun and is not present, if known."""
    label = wanted or concept.label
    if assertion is _A.ABSENT:
        known = {one.cui for one in begun}.union(*(index.implied[one.cui] for one in begun))
        if concept.entity == "diagnosis" and any(one.entity == "diagnosis" for one in begun):
            return None
        absent = [c for c in index.carrying[label] if c.cui not in known and c.entity == concept.entity]
        return _pick(rng, absent) if absent else None
    if assertion is _A.HISTORICAL:
        past = [one for one in begun if one.cui != concept.cui and one.label == label and _can_pass(one)]
        if away is not None:  # what remits is past only while it is away
            past = [one for one in past if not one.remits or one.cui in away]
        return _pick(rng, past) if past else None
    return concept


def _away(trajectory: Trajectory, step: int) -> frozenset[str] | None:
    age = trajectory.onsets[step].age
    if not trajectory.remissions:
        return None  # nobody has said
    return frozenset(r.cui for r in trajectory.remissions if r.start <= age < r.end)


def _can_pass(concept: PackConcept) -> bool:
    return concept.remits or concept.entity in {"test", "treatment", "coping"}


def _draw_informant(
    rng: np.random.Generator,
    concept: PackConcept,
    assertion: Assertion,
    wanted: str,
    context: Plan,
    index: _Index,
    fixed: str | None,
) -> Informant:
    borrowable = concept.entity == "sign" and assertion in {_A.PRESENT, _A.POSSIBLE} and bool(index.borrowing)
    allowed = {"patient", "other", "clinician"}
    if borrowable and wanted:
        allowed = {"other"} if wanted == index.borrowing else {"patient", "clinician"}
    if fixed is not None:
        return _fixed(fixed, allowed, wanted)
    allowed &= set(concept.reporters.split("|")) if concept.reporters else allowed
    if context.stage in index.silent:
        allowed -= {"patient"}
    kinds = {kind: weight for kind, weight in _KINDS[concept.entity].items() if kind in allowed}
    kind = _weighted(rng, kinds) if kinds else "clinician"
    if kind != "other":
        return Informant(kind)
    who = _weighted(rng, _OTHERS)
    return _SPOUSE.get(context.persona.traits.get("sex", ""), who) if who is Informant.SPOUSE else who


def _fixed(informant: str, allowed: set[str], wanted: str) -> Informant:
    try:
        who = Informant(informant)
    except ValueError:
        raise ValueError(f"{informant!r} is not an informant; informants: {', '.join(Informant)}") from None
    if who.kind not in allowed:
        raise ValueError(
            f"a sentence of the label {wanted!r} is not told by the {who}; leave the informant or the label open"
        )
    return who


def _phrase(rng: np.random.Generator, concept: PackConcept, who: Informant, index: _Index) -> str:
    """A noun phrase in the words of whoever tells: clinicians speak clinically, others mostly not."""
    nouns = index.nouns[concept.cui]
    clinical = who is Informant.CLINICIAN or rng.random() < 0.25  # noqa: PLR2004 - share of clinical words in what is told
    fitting = [phrase.text for phrase in nouns if (phrase.register == "clinical") is clinical]
    return _pick(rng, fitting or [phrase.text for phrase in nouns] or [concept.name])


def _pick(rng: np.random.Generator, among: Sequence[_T]) -> _T:
    return among[int(rng.integers(len(among)))]


def _weighted(rng: np.random.Generator, weights: Mapping[_T, float]) -> _T:
    at = float(rng.random()) * sum(weights.values())
    for one, weight in weights.items():
        at -= weight
        if at < 0:
            return one
    return one
