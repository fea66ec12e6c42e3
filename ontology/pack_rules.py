"""What the rows of a pack must keep to: references, ranges, closed words, order. Every fault is an issue of its row."""

from __future__ import annotations

from collections import Counter
from string import Formatter
from typing import TYPE_CHECKING, Any

from ontology.concept import parse_cui
from ontology.mention import Assertion
from ontology.pack_tables import COURSE, TABLES, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ontology.pack_tables import Folder, Row

__all__ = ["CLOSED", "ENTITIES", "FRAME_SLOTS", "check_rows"]

ENTITIES = ("sign", "function", "test", "treatment", "coping", "physiology", "diagnosis")
"""Entity types of a concept."""

FRAME_SLOTS = (
    "noun", "phrase", "base", "third", "gerund", "subject", "patient", "relation", "informant", "pronoun", "possessive", "object",
    "time", "stage",
)  # fmt: skip
"""What a frame may leave open, as `{noun}`; the template verbalizer fills them."""

_KINDS = ("clinician", "patient", "other")
CLOSED: dict[tuple[str, str], tuple[str, ...]] = {
    ("concepts", "entity"): ENTITIES,
    ("phrases", "register"): ("clinical", "lay"),
    ("phrases", "form"): ("noun", "base", "third", "gerund"),
    ("frames", "assertion"): tuple(Assertion),
    ("frames", "informant"): (*_KINDS, "any"),
    ("frames", "entity"): (*ENTITIES, ""),
    ("examples", "assertion"): (*Assertion, ""),
    ("modifiers", "measure"): ("HR", "RR", "OR"),
    ("facts", "use"): ("fit", "check", "context"),
    ("facts", "kind"): (
        "incidence", "prevalence", "lifetime_risk", "median_survival", "stage_duration", "symptom_baseline",
        "symptom_later", "symptom_period", "symptom_pooled", "symptom_by_stage", "timing", "order", "decline",
        "share", "population", "ratio",
    ),
}  # fmt: skip
"""Columns with a closed set of words."""

_KEYS: dict[str, tuple[str, ...]] = {
    "sources": ("id",),
    "assumptions": ("id",),
    "labels": ("id",),
    "stages": ("id",),
    "concepts": ("cui",),
    "phrases": ("cui", "register", "form", "text"),
    "frames": ("label", "entity", "assertion", "informant", "text"),
    "examples": ("text",),
    "demographics": ("axis", "value"),
    "risk_factors": ("id",),
    "exposures": ("risk_factor", "given"),
    "modifiers": ("id",),
    "requirements": ("event", "needs"),
    "facts": ("id",),
    COURSE: ("cui",),
}
_SHARES = (("demographics", "share"), ("exposures", "share"), (COURSE, "ever"), ("modifiers", "baseline_risk"))
_POSITIVE = (("modifiers", "ratio"), ("modifiers", "se_log"), ("stages", "years"), ("stages", "ordinal"))
_INTERVALS = (("modifiers", "ratio"), ("facts", "value"))
_SUM_TOLERANCE = 0.011  # published shares are rounded
_SLACK = 1e-9


def check_rows(folder: Folder) -> None:
    """Add an issue for every fault of the rows and of what they refer to."""
    for check in (_words, _keys, _cuis, _numbers, _sources, _references, _phrases, _frames, _examples, _cycles, _whole):
        check(folder)


def _column(folder: Folder, table: str, name: str) -> list[tuple[str, Any]]:
    return [(row.where, getattr(row.value, name)) for row in folder.rows[table]]


def _ids(folder: Folder, table: str, name: str = "id") -> set[str]:
    return {value for _, value in _column(folder, table, name)}


def _words(folder: Folder) -> None:
    for (table, name), allowed in CLOSED.items():
        for where, value in _column(folder, table, name):
            if value not in allowed:
                hint = nearest(value, allowed) or f"one of {', '.join(word for word in allowed if word)}"
                folder.error(f"unknown-{name}", f"{value!r} is no {name}", where, hint)
    for where, value in _column(folder, "concepts", "reporters"):
        for word in filter(None, value.split("|")):
            if word not in _KINDS:
                folder.error("unknown-reporters", f"{word!r} is no kind of informant", where, ", ".join(_KINDS))


def _keys(folder: Folder) -> None:
    for table, names in _KEYS.items():
        seen: dict[tuple[str, ...], str] = {}
        for row in folder.rows[table]:
            key = tuple(getattr(row.value, name) for name in names)
            if key in seen:
                folder.error("duplicate-key", f"{' '.join(key)!r} stands twice", row.where, f"first at {seen[key]}")
            seen.setdefault(key, row.where)
            empty = [
                name for name, part in zip(names, key, strict=True) if not part and name not in {"given", "entity"}
            ]
            if empty:
                folder.error("empty-key", f"{empty[0]} is empty", row.where)
    both = _ids(folder, "sources") & _ids(folder, "assumptions")
    for where, value in _column(folder, "assumptions", "id"):
        if value in both:
            folder.error("duplicate-key", f"{value!r} is a source as well", where, "rename one of them")


def _is_cui(text: str) -> bool:
    try:
        parse_cui(text)
    except ValueError:
        return False
    return True


def _cuis(folder: Folder) -> None:
    for table in (*TABLES, COURSE):
        for row in folder.rows[table]:
            text = getattr(row.value, "cui", "")
            if text and not _is_cui(text):
                folder.error("malformed-cui", f"{text!r} is no CUI", row.where, "the letter C and seven digits")
    diagnosis = folder.meta.get("diagnosis")
    if diagnosis is not None:
        if not _is_cui(diagnosis):
            hint = "the letter C and seven digits"
            folder.error("malformed-cui", f"{diagnosis!r} is no CUI", "pack.toml", hint)
        else:
            _refer(folder, [("pack.toml", diagnosis)], _ids(folder, "concepts", "cui"), "concept")


def _numbers(folder: Folder) -> None:
    for table, name in _SHARES:
        for where, value in _column(folder, table, name):
            if value is not None and not 0 <= value <= 1:
                folder.error("not-a-share", f"{name} is {value:g}, outside 0 to 1", where, "a share, not percent")
    for table, name in _POSITIVE:
        for where, value in _column(folder, table, name):
            if value is not None and value <= 0:
                folder.error("not-positive", f"{name} is {value:g}, which is not above 0", where)
    _intervals(folder)
    for row in folder.rows["facts"]:
        _fact_range(folder, row)
    _uncertainties(folder)


def _uncertainties(folder: Folder) -> None:
    shares = {(row.value.risk_factor, row.value.given) for row in folder.rows["exposures"]}
    for row in folder.rows["modifiers"]:
        m = row.value
        if m.se_log is None and (m.low is None or m.high is None or m.low <= 0):
            folder.error("no-uncertainty", f"{m.id} has no interval", row.where, "give low and high, or declare se_log")
        if m.measure == "OR" and m.baseline_risk is None:
            folder.error("no-baseline", f"{m.id} is an odds ratio", row.where, "give the baseline_risk to convert it")
        if m.given and (m.exposure.removeprefix("risk:"), m.given) not in shares:
            text = f"{m.id} holds given {m.given}, for which {m.exposure} has no share"
            folder.error(
                "given-without-share", text, row.where, "only ratios of risk factors hold by group; add its exposure"
            )


def _intervals(folder: Folder) -> None:
    for table, name in _INTERVALS:
        for row in folder.rows[table]:
            low, value, high = row.value.low, getattr(row.value, name), row.value.high
            if low is not None and high is not None and low > high:
                folder.error("empty-interval", f"low {low:g} is above high {high:g}", row.where)
            elif value is not None and ((low is not None and low > value) or (high is not None and high < value)):
                text = f"{name} {value:g} is outside its interval {_bound(low)} to {_bound(high)}"
                folder.error("outside-interval", text, row.where)


def _bound(value: float | None) -> str:
    return "?" if value is None else f"{value:g}"


def _fact_range(folder: Folder, row: Row) -> None:
    fact = row.value
    top = {"percent": 100.0, "probability_per_year": 1.0, "percent_per_year": 100.0}.get(fact.unit)
    for name in ("value", "low", "high"):
        number = getattr(fact, name)
        if top is not None and number is not None and not 0 <= number <= top:
            folder.error("outside-unit", f"{name} {number:g} is outside 0 to {top:g} {fact.unit}", row.where)
    if fact.age_from is not None and fact.age_to is not None and fact.age_from > fact.age_to:
        folder.error("empty-interval", f"age_from {fact.age_from:g} is above age_to {fact.age_to:g}", row.where)
    if fact.sd is not None and fact.sd < 0:
        folder.error("not-positive", f"sd is {fact.sd:g}", row.where)


def _refer(folder: Folder, values: Iterable[tuple[str, str]], known: set[str], what: str) -> None:
    code = f"unknown-{what.replace(' ', '-')}"
    for where, value in values:
        if value not in known:
            folder.error(code, f"the pack has no {what} {value!r}", where, nearest(value, known))


def _sources(folder: Folder) -> None:
    known = _ids(folder, "sources") | _ids(folder, "assumptions")
    for table in (*TABLES, COURSE):
        for row in folder.rows[table]:
            source = getattr(row.value, "source", None)
            if source == "":
                folder.error(
                    "no-source", "the row names no source", row.where, "an id of sources.csv or assumptions.csv"
                )
            elif source is not None:
                _refer(folder, [(row.where, source)], known, "source")


def _references(folder: Folder) -> None:
    labels, stages = _ids(folder, "labels"), _ids(folder, "stages")
    concepts, risks = _ids(folder, "concepts", "cui"), _ids(folder, "risk_factors")
    demographics = {row.value.id for row in folder.rows["demographics"]}
    for table in ("concepts", "frames", "examples"):
        _refer(folder, _column(folder, table, "label"), labels, "label")
    for table in ("phrases", COURSE, "examples"):
        values = [(where, cui) for where, cui in _column(folder, table, "cui") if cui or table != "examples"]
        _refer(folder, values, concepts, "concept")
    _refer(folder, [pair for pair in _column(folder, COURSE, "stage") if pair[1]], stages, "stage")
    _refer(folder, _column(folder, "exposures", "risk_factor"), risks, "risk factor")
    for table in ("exposures", "modifiers"):
        _refer(folder, [pair for pair in _column(folder, table, "given") if pair[1]], demographics, "demographic")
    events = concepts | {f"stage:{stage}" for stage in stages}
    nodes = events | demographics | {f"risk:{risk}" for risk in risks}
    for table, name, known, extra in (
        ("requirements", "event", events, ()),
        ("requirements", "needs", events, ()),
        ("modifiers", "exposure", nodes, ()),
        ("modifiers", "outcome", events, ("death",)),
        ("facts", "event", nodes, ("death", "")),
    ):
        for where, value in _column(folder, table, name):
            if value not in extra:
                _refer(folder, [(where, value)], known, _what(value))
    _groups(folder, {"risk": risks, "stage": stages})


def _groups(folder: Folder, axes: dict[str, set[str]]) -> None:
    for row in folder.rows["demographics"]:
        axes.setdefault(row.value.axis, set()).add(row.value.value)
    for where, group in _column(folder, "facts", "group"):
        for part in group.split():
            axis, _, value = part.partition(":")
            if value and axis in axes and not _in_group(value, axes[axis]):
                _refer(folder, [(where, part)], {f"{axis}:{each}" for each in axes[axis]}, _what(part))


def _in_group(value: str, known: set[str]) -> bool:
    """A value, its opposite (`not-white`) or several (`moderate-severe`)."""
    return value.removeprefix("not-") in known or all(part in known for part in value.split("-"))


def _what(key: str) -> str:
    axis, colon, _ = key.partition(":")
    return ({"stage": "stage", "risk": "risk factor"}.get(axis, "demographic")) if colon else "concept"


def _phrases(folder: Folder) -> None:
    seen: dict[str, Row] = {}
    for row in folder.rows["phrases"]:
        text = " ".join(row.value.text.casefold().split())
        first = seen.setdefault(text, row)
        if first.value.cui != row.value.cui:
            message = f"{row.value.text!r} says both {first.value.cui} and {row.value.cui}"
            folder.error("ambiguous-phrase", message, row.where, f"first at {first.where}")


def _frames(folder: Folder) -> None:
    for where, text in _column(folder, "frames", "text"):
        try:
            slots = [
                (name, spec, conversion) for _, name, spec, conversion in Formatter().parse(text) if name is not None
            ]
        except ValueError as error:
            folder.error("bad-frame", f"the frame cannot be read: {error}", where, "a slot is {name}")
            continue
        for name, spec, conversion in slots:
            if name not in FRAME_SLOTS or spec or conversion:
                folder.error("unknown-slot", f"{{{name}}} is no slot of a frame", where, nearest(name, FRAME_SLOTS))


def _examples(folder: Folder) -> None:
    for row in folder.rows["examples"]:
        example = row.value
        if example.phrase.casefold() not in example.text.casefold():
            message = f"the phrase {example.phrase!r} is not in its text"
            folder.error("phrase-not-in-text", message, row.where, "the sentence says its phrase word for word")


def _cycles(folder: Folder) -> None:
    needs: dict[str, list[tuple[str, str]]] = {}
    for row in folder.rows["requirements"]:
        needs.setdefault(row.value.event, []).append((row.value.needs, row.where))
    done: set[str] = set()
    for start in needs:
        path: list[str] = []
        stack: list[tuple[str, str, bool]] = [(start, "", True)]
        while stack:
            event, where, enter = stack.pop()
            if not enter:
                path.pop()
                done.add(event)
            elif event in path:
                circle = " needs ".join([*path[path.index(event) :], event])
                folder.error("cyclic-requirement", f"{circle}, so none can begin", where, "take one of them out")
            elif event not in done:
                path.append(event)
                stack.append((event, where, False))
                stack += [(other, at, True) for other, at in needs.get(event, ())]


def _whole(folder: Folder) -> None:
    for table in ("labels", "concepts", "stages", "phrases"):
        if not folder.rows[table] and not any(issue.where.startswith(f"{table}.csv") for issue in folder.issues):
            folder.error("empty-table", f"{table}.csv has no row", f"{table}.csv", "a pack needs at least one")
    _each(folder, Counter(value for _, value in _column(folder, "stages", "ordinal")), lambda n: n > 1)
    shares: dict[str, float] = {}
    for row in folder.rows["demographics"]:
        shares[row.value.axis] = shares.get(row.value.axis, 0.0) + row.value.share
    for axis, total in shares.items():
        if abs(total - 1) > _SUM_TOLERANCE + _SLACK:
            folder.warn(
                "shares-sum", f"the shares of {axis} add up to {total:.3f}", "demographics.csv", "they make up 1"
            )


def _each(folder: Folder, ordinals: Counter[int], repeated: Callable[[int], bool]) -> None:
    for where, ordinal in _column(folder, "stages", "ordinal"):
        if repeated(ordinals[ordinal]):
            folder.error("duplicate-ordinal", f"two stages have the ordinal {ordinal}", where)
