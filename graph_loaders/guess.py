"""`guess`: a first mapping file from the names of a table's columns; a person reads and mends it.

What instruments say is as published: MMSE below 24 (Folstein 1975), MoCA below 26 (Nasreddine 2005), CDR 1 and more (Morris 1993),
GDS-15 above 5 (Sheikh and Yesavage 1986), CES-D 16 and more (Radloff 1977), items of the NPI-Q present (Kaufer 2000).
"""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from graph_loaders.sheets import open_sheet
from ontology.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ontology.pack import Pack

__all__ = ["guess"]

_LOOKED_AT = 1000
"""Rows whose values are looked at."""


@dataclass(frozen=True, slots=True)
class _Sign:
    """A column by its name or its dictionary's description, and what it says."""

    name: str
    described: str
    when: str
    cui: str
    source: str


_NPI = "NPI-Q item, 1 present (Kaufer 2000)"
_SIGNS = (
    _Sign(
        r"(nacc)?mm(se|score)(_?(tot(al)?|sum|score))?",
        r"mini.?mental.*(total|\(mmse\))|^mmse( total score)?$",
        "< 24",
        "C0234985",
        "MMSE below 24 (Folstein 1975)",
    ),
    _Sign(
        r"(nacc)?moca(_?tot(al|s)?)?",
        r"montreal cognitive assessment.*(total|\(moca\))|^moca$",
        "< 26",
        "C0338656",
        "MoCA below 26 (Nasreddine 2005)",
    ),
    _Sign(
        r"cdr(glob|_?global|tot)?|cdglobal",
        r"global cdr|cdr.*global",
        ">= 1",
        "C0497327",
        "CDR 1 and more (Morris 1993)",
    ),
    _Sign(
        r"(nacc)?gds(_?tot(al)?|15)?|gdtotal",
        r"geriatric depression scale.*(total|\(gds\))",
        "> 5",
        "C0011581",
        "GDS-15 above 5 (Sheikh and Yesavage 1986)",
    ),
    _Sign(
        r"ces_?d(_?tot(al)?)?",
        r"center for epidemiologic.*depression",
        ">= 16",
        "C0011581",
        "CES-D 16 and more (Radloff 1977)",
    ),
    _Sign(r"del|npi_?del(usions?)?", r"npi.*delusion", "== 1", "C0011253", _NPI),
    _Sign(r"hall|npi_?hal(l(ucinations?)?)?", r"npi.*hallucination", "== 1", "C0018524", _NPI),
    _Sign(r"agit|npi_?agit(ation)?", r"npi.*agitation", "== 1", "C0085631", _NPI),
    _Sign(r"depd|npi_?dep(ression)?", r"npi.*depress", "== 1", "C0011581", _NPI),
    _Sign(r"anx|npi_?anx(iety)?", r"npi.*anxiety", "== 1", "C0003467", _NPI),
    _Sign(r"elat|npi_?(elat|euph).*", r"npi.*(elation|euphoria)", "== 1", "C0235146", _NPI),
    _Sign(r"apa|npi_?apa(thy)?", r"npi.*apathy", "== 1", "C0085632", _NPI),
    _Sign(r"disn|npi_?dis.*", r"npi.*disinhibition", "== 1", "C0424296", _NPI),
    _Sign(r"irr|npi_?irr(itability)?", r"npi.*irritability", "== 1", "C2700617", _NPI),
    _Sign(r"nite|npi_?(nite|night|sleep).*", r"npi.*(night|sleep)", "== 1", "C0037317", _NPI),
)
_PERSON = {
    "id": r"id|.*(subject|participant|patient|person|pt)_?(id|key|no|num(ber)?)?|naccid|rid|.*_id",
    "age": r"age|(nacc)?age(_?at)?(_?visit)?|age_?years",
    "date": r"(visit|exam|assessment|test)_?(date|dt)|date|examdate",
    "birth": r"(birth|born)_?(date|day|year|yr)?|dob|date_?of_?birth|year_?of_?birth|birthyr",
}
_SEX = r"(pt)?(sex|gender)|male|female"
_SEXES = {"f": "female", "female": "female", "woman": "female", "m": "male", "male": "male", "man": "male"}


def guess(path: str | Path, pack: Pack, dictionary: str | Path | None = None) -> str:
    """The text of a mapping file; what is not known stands in it as a comment that says what to do.

    Args:
        path: the table (CSV, Parquet, Excel).
        pack: only its concepts are mapped.
        dictionary: a data dictionary (CSV): columns `Column_Name` and `Description`, or `Feature` and a column of names for each
            cohort, as the harmonised dictionaries of cohorts of Alzheimer's disease have them (PyPI adhteb, `data/AD_CDM_JPAD.csv`).

    Raises:
        SourceError: a file that cannot be read, or a dictionary of another form.
    """
    table = Path(path)
    described = _dictionary(Path(dictionary)) if dictionary else {}
    with open_sheet(table) as sheet:
        columns = sheet.columns
        values: dict[str, set[str]] = {column: set() for column in columns}
        for (_, row), _ in zip(sheet.rows, range(_LOOKED_AT), strict=False):
            for column, value in (row or {}).items():
                values[column].add(value.strip())
    return "\n".join(_lines(table, columns, values, described, pack)) + "\n"


def _lines(
    table: Path, columns: tuple[str, ...], values: Mapping[str, set[str]], described: Mapping[str, str], pack: Pack
) -> Iterator[str]:
    used: set[str] = set()

    def first(pattern: str) -> str:
        for column in columns:
            if column not in used and re.fullmatch(pattern, column.strip(), re.IGNORECASE):
                used.add(column)
                return column
        return ""

    yield "# A first mapping, guessed from the names of the columns: read every line, and mend it."
    yield f"cohort = {_quoted(table.name.partition('.')[0])}"
    yield 'source = "say here what these data are"'
    yield ""
    yield "[person]"
    yield _line("id", first(_PERSON["id"]), "the column that tells persons apart")
    age = first(_PERSON["age"])
    if age:
        yield _line("age", age, "")
    else:
        yield _line("date", first(_PERSON["date"]), "the column with the date of the visit; or write age = ...")
        yield _line("birth", first(_PERSON["birth"]), "the column with the date or year of birth")
    if sex := first(_SEX):
        yield from _sex(sex, values[sex])
    mapped: set[str] = set()
    names: dict[str, str] = {concept.cui: concept.name for concept in pack.concepts}
    for column in columns:
        sign = None if column in used else _sign(column, described.get(column.strip().casefold(), ""))
        if sign is None or sign.cui not in names:
            continue
        used.add(column)
        dash = "# " if sign.cui in mapped else ""
        yield ""
        yield f"# {names[sign.cui]}: {sign.source}" + ("; another column says it already" if dash else "")
        yield f"{dash}[[events]]"
        yield f"{dash}cui = {_quoted(sign.cui)}"
        yield f"{dash}column = {_quoted(column)}"
        yield f"{dash}when = {_quoted(sign.when)}"
        mapped.add(sign.cui)
    if not mapped:
        yield ""
        yield "# No column is known; write one such part for each sign:"
        yield '# [[events]]\n# cui = "C0234985"\n# column = "..."\n# when = "< 24"'
    yield from _rest([column for column in columns if column not in used], described)


def _rest(columns: list[str], described: Mapping[str, str]) -> Iterator[str]:
    if columns:
        yield ""
        yield "# Columns that say nothing yet:"
    for column in columns:
        about = _comment(described.get(column.strip().casefold(), ""))
        yield f"#   {_comment(column)}" + (f": {about}" if about else "")


def _comment(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _sign(column: str, about: str) -> _Sign | None:
    for sign in _SIGNS:
        if re.fullmatch(sign.name, column.strip(), re.IGNORECASE) or (
            about and re.search(sign.described, about, re.IGNORECASE)
        ):
            return sign
    return None


def _sex(column: str, values: set[str]) -> Iterator[str]:
    yield ""
    yield "[traits.sex]"
    yield f"column = {_quoted(column)}"
    words = {value: _SEXES[value.casefold()] for value in sorted(values) if value.casefold() in _SEXES}
    if not words:
        name = column.casefold()
        pairs = {"male": {"1": "male", "0": "female"}, "female": {"1": "female", "0": "male"}}
        words = pairs.get(name, {"1": "male", "2": "female"})
        yield "# guessed: look the numbers up"
    yield f"values = {{ {', '.join(f'{_quoted(k)} = {_quoted(v)}' for k, v in words.items())} }}"


def _line(key: str, column: str, what: str) -> str:
    return f"{key} = {_quoted(column)}" if column else f'{key} = "" # not found: {what}'


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _dictionary(path: Path) -> dict[str, str]:
    """Column name, in lower case -> what it is."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or ()
            if "Feature" in columns:
                cohorts = [c for c in columns if c not in {"Feature", "CURIE", "Definition"}]
                return {
                    name.strip().rpartition(".")[2].casefold(): row["Feature"]
                    for row in reader
                    for cohort in cohorts
                    for name in (row[cohort] or "").split(",")
                    if name.strip()
                }
            if {"Column_Name", "Description"} <= set(columns):
                return {(r["Column_Name"] or "").strip().casefold(): r["Description"] or "" for r in reader}
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", path) from None
    except csv.Error as error:
        raise SourceError(f"is not a CSV file: {error}", path) from None
    raise SourceError(
        "is no data dictionary: it needs columns Column_Name and Description, or Feature and cohorts", path
    )
