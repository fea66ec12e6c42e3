"""`CodeMapping`: the mapping file (TOML) of sources that carry codes: OMOP, FHIR, MEDS, phenopackets. Every part is optional.

cohort = "mercy"
source = "Mercy hospital, OMOP CDM 5.4, 2010-2024"

[concepts]                      # events beside the pack's, with their names
C0029408 = "Osteoarthritis"

[codes]                         # before the catalog's cross-references; OMOP:ID is an OMOP concept id
"SNOMEDCT_US:396275006" = "C0029408"
"OMOP:378419" = "C0002395"

[[thresholds]]                  # the value of a measurement: present where it is met, absent where it is not
code = "LNC:72106-8"
when = "< 24"
cui = "C0234985"

[requires]                      # nested signs: the first cannot begin before the second
C0497327 = "C0234985"
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graph_loaders.codes import Codes, Threshold
from ontology.concept import Coding, Cui, parse_cui
from ontology.errors import ConfigError, SourceError
from ontology.issue import Issue, Severity
from ontology.systems import parse_coding

if TYPE_CHECKING:
    from ontology.catalog import Catalog
    from ontology.pack import Pack

__all__ = ["CodeMapping", "read_code_mapping"]

_WHEN = re.compile(r"\s*(<=|>=|==|!=|<|>)\s*(-?[0-9]+(?:\.[0-9]+)?)\s*")
_KNOWN = ("cohort", "source", "concepts", "codes", "thresholds", "requires")


@dataclass(frozen=True, slots=True)
class CodeMapping:
    """A mapping file, checked. `names`: every concept that may be an event, the pack's first."""

    cohort: str
    source: str
    names: dict[Cui, str]
    codes: dict[Coding, Cui] = field(default_factory=dict)
    thresholds: dict[Coding, tuple[Threshold, ...]] = field(default_factory=dict)
    requires: dict[Cui, Cui] = field(default_factory=dict)
    risks: dict[Cui, str] = field(default_factory=dict)

    def look_up(self, catalog: Catalog | None) -> Codes:
        """What codes mean under this mapping."""
        return Codes({*self.names, *self.risks}, self.codes, self.thresholds, catalog)


def read_code_mapping(path: str | Path | None, pack: Pack, *, cohort: str = "", source: str = "") -> CodeMapping:
    """A mapping file, checked against the pack; without one, the pack's concepts alone. ConfigError lists every mistake."""
    check = _Checker("" if path is None else str(path), _toml(Path(path)) if path is not None else {}, pack)
    check.concepts()
    found = CodeMapping(
        cohort or check.text("cohort"),
        check.text("source") or source,
        check.names,
        check.codes(),
        check.thresholds(),
        check.requires(),
        check.risks,
    )
    if check.issues:
        raise ConfigError(f"{path} cannot be used", check.issues)
    if not found.cohort:
        raise ConfigError('the cohort has no name; give --cohort ID, or cohort = "..." in the mapping file')
    return found


class _Checker:
    """Collects every mistake of a mapping file, then builds it."""

    def __init__(self, path: str, data: dict[str, Any], pack: Pack) -> None:
        self.path, self.data = path, data
        self.issues: list[Issue] = []
        self.names = {c.cui: c.name for c in pack.concepts}
        self.risks = {Cui(r.cui): r.id for r in pack.risk_factors if r.cui}
        for key in sorted(set(data) - set(_KNOWN)):
            self.wrong(key, f"{key!r} is no part of a mapping of codes", f"one of {', '.join(_KNOWN)}")

    def wrong(self, where: str, message: str, hint: str = "") -> None:
        self.issues.append(Issue(Severity.ERROR, "mapping", message, f"{self.path}: {where}", hint))

    def text(self, key: str) -> str:
        value = self.data.get(key, "")
        if isinstance(value, str):
            return value
        self.wrong("top", f"{key} is {value!r}, not text")
        return ""

    def table(self, key: str) -> dict[str, Any]:
        found = self.data.get(key, {})
        if isinstance(found, dict):
            return found
        self.wrong(key, f"{key} is {found!r:.40}, not a table", f"write [{key}]")
        return {}

    def cui(self, text: object, where: str, *, known: bool = True) -> Cui | None:
        try:
            cui = parse_cui(str(text))
        except ValueError as error:
            self.wrong(where, str(error))
            return None
        if known and cui not in self.names and cui not in self.risks:
            self.wrong(where, f"{cui} is not in the pack", f'name it under [concepts]: {cui} = "..."')
        return cui

    def code(self, text: object, where: str) -> Coding | None:
        try:
            return parse_coding(str(text))
        except ValueError as error:
            self.wrong(where, str(error))
            return None

    def concepts(self) -> None:
        for text, name in self.table("concepts").items():
            cui = self.cui(text, "concepts", known=False)
            if cui is not None:
                self.names[cui] = str(name)
                self.risks.pop(cui, None)

    def codes(self) -> dict[Coding, Cui]:
        found: dict[Coding, Cui] = {}
        for text, target in self.table("codes").items():
            code, cui = self.code(text, "codes"), self.cui(target, f"codes {text}")
            if code is not None and cui is not None:
                found[code] = cui
        return found

    def thresholds(self) -> dict[Coding, tuple[Threshold, ...]]:
        rows = self.data.get("thresholds", [])
        if not isinstance(rows, list) or any(not isinstance(row, dict) for row in rows):
            self.wrong("thresholds", f"thresholds is {rows!r:.40}, not a list of tables", "write [[thresholds]]")
            return {}
        found: dict[Coding, tuple[Threshold, ...]] = {}
        for number, row in enumerate(rows, 1):
            where = f"thresholds {number}"
            code, cui = self.code(row.get("code", ""), where), self.cui(row.get("cui", ""), where)
            match = _WHEN.fullmatch(str(row.get("when", "")))
            if match is None:
                self.wrong(where, f"when = {row.get('when')!r} is no comparison", 'write it as when = "< 24"')
            elif code is not None and cui is not None:
                found[code] = (*found.get(code, ()), Threshold(cui, match[1], float(match[2])))
        return found

    def requires(self) -> dict[Cui, Cui]:
        found: dict[Cui, Cui] = {}
        for event, needed in self.table("requires").items():
            one, two = self.cui(event, "requires"), self.cui(needed, "requires")
            if one is not None and two is not None:
                found[one] = two
        return found


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", path) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"is not TOML: {error}", path) from None
