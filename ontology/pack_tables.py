"""The files of a disease pack to typed rows, and what is wrong with them by file and line. [border].

A folder may come from anybody: files are read whole only up to a size, never outside the folder, and nothing in them is
run. `ontology.pack.check_pack` is the way in.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
import tomllib
from dataclasses import MISSING, dataclass, fields, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, cast

from pydantic import TypeAdapter, ValidationError

from ontology.concept import Cui
from ontology.issue import Issue, Severity
from ontology.pack import (
    Assumption,
    Demographic,
    Example,
    Exposure,
    Fact,
    Frame,
    Label,
    Modifier,
    Pack,
    PackConcept,
    Phrase,
    Requirement,
    RiskFactor,
    Source,
    Stage,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["COURSE", "LIMIT_BYTES", "TABLES", "Course", "Folder", "Row", "check", "nearest"]

LIMIT_BYTES = 8 * 2**20
"""A file of a pack may not be larger; the shipped ones stay below 0.1 MB."""

TABLES: dict[str, type[Any]] = {
    "sources": Source,
    "assumptions": Assumption,
    "labels": Label,
    "stages": Stage,
    "concepts": PackConcept,
    "phrases": Phrase,
    "frames": Frame,
    "examples": Example,
    "demographics": Demographic,
    "risk_factors": RiskFactor,
    "exposures": Exposure,
    "modifiers": Modifier,
    "requirements": Requirement,
    "facts": Fact,
}
"""Table name to row type."""

COURSE = "course"
_SYSTEM = "prompts/system.txt"
_TOML = "pack.toml"
_FROM_COURSE = frozenset({"stage", "ever", "remits"})
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u2028\u2029\ufeff]")
_ID = re.compile(r"[a-z0-9][a-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Course:
    """When a concept begins and whether it stays; see `PackConcept`."""

    cui: Cui
    stage: str
    ever: float | None
    remits: bool
    source: str


@dataclass(frozen=True, slots=True)
class Row:
    """A row with the place it stands at (`concepts.csv:4`)."""

    where: str
    value: Any


def nearest(text: str, known: Iterable[str]) -> str:
    """A hint that names what was perhaps meant; "" where nothing is close."""
    close = get_close_matches(text, [*known], n=1)
    return f"did you mean {close[0]}?" if close else ""


class Folder:
    """What was read of a pack's folder, and the issues so far."""

    def __init__(self, path: Path) -> None:
        self.path, self.issues = path, list[Issue]()
        self.rows: dict[str, list[Row]] = {}
        self.meta: dict[str, str] = {}
        self.system = ""
        self._digest = hashlib.sha256()

    def error(self, code: str, message: str, where: str, hint: str = "") -> None:
        """Note an error."""
        self.issues.append(Issue(Severity.ERROR, code, message, where, hint))

    def warn(self, code: str, message: str, where: str, hint: str = "") -> None:
        """Note a warning."""
        self.issues.append(Issue(Severity.WARNING, code, message, where, hint))

    @property
    def fingerprint(self) -> str:
        """SHA-256 over names and contents, with line ends as LF."""
        return self._digest.hexdigest()

    def read(self) -> None:
        """Read every file; what cannot be read becomes an issue."""
        self._read_toml()
        self.system = self._text(_SYSTEM) or ""
        for name, row_type in sorted({**TABLES, COURSE: Course}.items()):
            self.rows[name] = self._read_table(name, row_type)

    def _text(self, name: str) -> str | None:
        file = self.path / name
        if not file.is_file():
            self.error(
                "missing-file", f"the pack has no {name}", name, f"add {name}; a table without rows is its header"
            )
            return None
        if not file.resolve().is_relative_to(self.path.resolve()):
            self.error("path-escape", f"{name} leads out of the pack's folder", name, "put the file itself there")
            return None
        try:
            with file.open("rb") as stream:
                content = stream.read(LIMIT_BYTES + 1)
        except OSError as error:
            self.error("unreadable", f"{name} cannot be read: {error.strerror}", name)
            return None
        if len(content) > LIMIT_BYTES:
            self.error("too-large", f"{name} is larger than {LIMIT_BYTES // 2**20} MiB", name, "split the pack")
            return None
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        self._digest.update(f"{name}\0{len(content)}\0".encode() + content)
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content[: error.start].count(b"\n") + 1
            self.error("not-utf-8", f"byte {error.start} is not UTF-8", f"{name}:{line}", "save the file as UTF-8")
            return None

    def _read_toml(self) -> None:
        text = self._text(_TOML)
        if text is None:
            return
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            self.error("bad-toml", str(error), _TOML)
            return
        for key in ("id", "name", "version", "diagnosis"):
            value = data.pop(key, None)
            if not isinstance(value, str) or not value.strip():
                self.error("missing-field", f"{_TOML} has no text for {key!r}", _TOML, f'add {key} = "..."')
            else:
                self.meta[key] = value
        for key in data:
            hint = nearest(key, ("id", "name", "version", "diagnosis"))
            self.error("unknown-field", f"{key!r} is no field of {_TOML}", _TOML, hint)
        if not _ID.fullmatch(self.meta.get("id", "x")):
            self.error("bad-id", f"{self.meta['id']!r} is no id", _TOML, "lower-case letters, digits and hyphens")

    def _read_table(self, name: str, row_type: type[Any]) -> list[Row]:
        file = f"{name}.csv"
        text = self._text(file)
        if text is None:
            return []
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        rows: list[Row] = []
        line = 1
        try:
            header = next(reader, [])
            if not self._header_fits(file, header, row_type):
                return []
            line = reader.line_num + 1
            for cells in reader:
                where, line = f"{file}:{line}", reader.line_num + 1
                if not any(cells):
                    continue
                if len(cells) != len(header):
                    message = f"{len(cells)} cells stand under {len(header)} columns"
                    self.error("ragged-row", message, where, "quote cells that hold a comma")
                    continue
                value = self._row(row_type, dict(zip(header, cells, strict=True)), where)
                if value is not None:
                    rows.append(Row(where, value))
        except csv.Error as error:
            self.error("bad-csv", f"the table cannot be read on: {error}", f"{file}:{line}")
        return rows

    def _header_fits(self, file: str, header: list[str], row_type: type[Any]) -> bool:
        known = {field.name: field for field in fields(row_type)}
        if row_type is PackConcept:
            known = {name: field for name, field in known.items() if name not in _FROM_COURSE}
        found = len(self.issues)
        for column in dict.fromkeys(header):
            if header.count(column) > 1:
                self.error("duplicate-column", f"the column {column!r} stands twice", f"{file}:1")
            if column not in known:
                moved = row_type is PackConcept and column in _FROM_COURSE
                hint = "it belongs in course.csv" if moved else nearest(column, known)
                self.error("unknown-column", f"{column!r} is no column of {file}", f"{file}:1", hint)
        for name, field in known.items():
            if name not in header and field.default is MISSING:
                self.error("missing-column", f"{file} has no column {name!r}", f"{file}:1", f"add {name} to the header")
        return len(self.issues) == found

    def _row(self, row_type: type[Any], cells: dict[str, str], where: str) -> Any:
        found = len(self.issues)
        cells = {name: cell.strip() for name, cell in cells.items()}
        for name, cell in cells.items():
            if _CONTROL.search(cell):
                self.error("control-character", f"{name} holds a control character: {cell[:40]!r}", where, "remove it")
        try:
            value = _ADAPTERS[row_type].validate_python({k: _cell(row_type, k, v) for k, v in cells.items()})
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                column, given = ".".join(map(str, detail["loc"])), str(detail["input"])[:40]
                self.error("bad-value", f"{given!r} in {column}: {detail['msg'].lower()}", where)
            return None
        for field in fields(row_type):
            number = getattr(value, field.name)
            if isinstance(number, float) and not math.isfinite(number):
                self.error("bad-value", f"{number} in {field.name} is no finite number", where)
        return value if len(self.issues) == found else None


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {each: TypeAdapter(each) for each in (*TABLES.values(), Course)}
_TYPES = {each: {field.name: str(field.type) for field in fields(each)} for each in _ADAPTERS}


def _cell(row_type: type[Any], name: str, cell: str) -> str | bool | None:
    """An empty cell of a number is no number; of a switch, off."""
    kind = _TYPES[row_type][name]
    if cell:
        return cell
    if "None" in kind:
        return None
    return False if kind == "bool" else cell


def check(path: Path) -> tuple[Pack | None, tuple[Issue, ...]]:
    """The pack in `path`, or None with the reasons."""
    from ontology.pack_rules import check_rows

    folder = Folder(path)
    if not path.is_dir():
        folder.error("missing-folder", f"there is no folder {path}", str(path), "give the folder that holds pack.toml")
        return None, tuple(folder.issues)
    folder.read()
    check_rows(folder)
    if any(issue.severity == Severity.ERROR for issue in folder.issues):
        return None, tuple(folder.issues)
    tables: dict[str, tuple[Any, ...]] = {name: tuple(row.value for row in folder.rows[name]) for name in TABLES}
    course = {row.value.cui: row.value for row in folder.rows[COURSE]}
    tables["concepts"] = tuple(_merge(concept, course.get(concept.cui)) for concept in tables["concepts"])
    meta = folder.meta
    pack = Pack(
        id=meta["id"],
        name=meta["name"],
        version=meta["version"],
        diagnosis=Cui(meta["diagnosis"]),
        fingerprint=folder.fingerprint,
        system_prompt=folder.system,
        **cast("dict[str, Any]", tables),
    )
    return pack, tuple(folder.issues)


def _merge(concept: PackConcept, course: Course | None) -> PackConcept:
    """The concept with its course; the source of the figures is what then stands as its source."""
    if course is None:
        return concept
    return replace(concept, stage=course.stage, ever=course.ever, remits=course.remits, source=course.source)
