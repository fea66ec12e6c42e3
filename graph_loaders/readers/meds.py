"""MEDS (Medical Event Data Standard): a folder of Parquet shards, checked against the standard's own schema. A reader only reads.

A subject's rows lie together in one shard, as the standard demands. Codes are `VOCABULARY//CODE` or `VOCABULARY/CODE`; a person's
window goes from the first to the last dated row after birth; `MEDS_DEATH` ends it.
"""

from __future__ import annotations

import datetime as dt
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graph_loaders.ages import OLDEST, age_between, day_of
from graph_loaders.event import ClinicalEvent, Patient
from graph_loaders.traits import RACE, SEX
from ontology.concept import Coding
from ontology.errors import MissingExtra, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graph_loaders.mapping import CodeMapping
    from graph_loaders.tally import Tally

__all__ = ["read", "survey"]

_BATCH = 20_000
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - MEDS times have no zone


def read(path: str | Path, mapping: CodeMapping, tally: Tally) -> Iterator[tuple[Patient, list[ClinicalEvent]]]:  # noqa: ARG001
    """Subjects with their coded events, shard by shard in order of name.

    Skipped and counted: dated rows of a subject without a birth, before birth, in the future; undated rows that are no trait;
    a subject that comes back in another place.

    Raises:
        SourceError: a shard that is no Parquet file, or not of the standard's schema.
    """
    seen: set[int] = set()
    future = day_of(tally.today) if tally.today else None
    for file in _shards(path):
        for subject, rows in groupby(_rows(file), key=itemgetter(0)):
            if subject in seen:
                tally.skip("subject in two places", f"subject {subject}", file.name, count=sum(1 for _ in rows))
                continue
            seen.add(subject)
            yield _person(subject, list(rows), tally, future)


def survey(path: str | Path, mapping: CodeMapping) -> set[Coding]:  # noqa: ARG001
    """Every code that the source has; reads one column."""
    found: set[str] = set()
    for file in _shards(path):
        for (code,) in _rows(file, ("code",)):
            found.add(code)
    return {_coding(code) for code in found if code}


def _shards(path: str | Path) -> list[Path]:
    place = Path(path)
    if place.is_file():
        return [place]
    folder = place / "data" if (place / "data").is_dir() else place
    files = sorted(folder.rglob("*.parquet")) if folder.is_dir() else []
    if not files:
        raise SourceError("is no MEDS data set: there is no Parquet file in it or in its folder data", place)
    return files


def _rows(
    file: Path, columns: tuple[str, ...] = ("subject_id", "time", "code", "numeric_value")
) -> Iterator[tuple[Any, ...]]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
        from meds import DataSchema
    except ImportError:
        raise MissingExtra("the MEDS reader", "pip install 'dualalign[omop]'") from None
    try:
        with pq.ParquetFile(file) as source:
            _check(source.schema_arrow, DataSchema, file)
            for batch in source.iter_batches(_BATCH, columns=list(columns)):
                yield from zip(*(batch.column(name).to_pylist() for name in columns), strict=True)
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise SourceError(f"cannot be read: {(str(error).splitlines() or ['damaged'])[0][:200]}", file) from None


def _check(schema: Any, standard: Any, file: Path) -> None:
    try:
        standard.align(schema.empty_table())
    except Exception as error:  # noqa: BLE001 - the package raises several kinds of its own
        why = " ".join(str(error).split())[:300]
        raise SourceError(f"is not of the MEDS schema: {why}", file) from None
    for column, kinds in (
        ("subject_id", ("int64",)),
        ("time", ("timestamp[us]",)),
        ("code", ("string",)),
        ("numeric_value", ("float",)),
    ):
        kind = str(schema.field(column).type) if column in schema.names else "missing"
        if kind not in kinds:
            raise SourceError(f"is not of the MEDS schema: {column} is {kind}, not {kinds[0]}", file)


def _coding(code: str) -> Coding:
    """`SNOMED//26929004`, `ICD10CM/G30.9`; another code is one of MEDS itself."""
    system, mark, rest = code.partition("//") if "//" in code else code.partition("/")
    return Coding(system, rest) if mark and system and rest else Coding("MEDS", code)


def _person(
    subject: int, rows: list[tuple[Any, ...]], tally: Tally, future: int | None
) -> tuple[Patient, list[ClinicalEvent]]:
    key, traits, dated = str(subject), dict[str, str](), list[tuple[int, Coding, float | None]]()
    born: dict[str, int] = {}
    for _, time, code, value in rows:
        why = _sorted_in(time, code, value, born, traits, dated)
        if why:
            tally.skip(why)
    birth = born.get("MEDS_BIRTH")
    if birth is None:
        if dated:
            tally.skip("person without a birth date", count=len(dated))
        return Patient(key, traits), []
    events = []
    for day, coding, value in dated:
        why = _impossible(birth, day, future)
        if why:
            tally.skip(why)
        else:
            events.append(ClinicalEvent(key, age_between(birth, day), None, coding, value=value))
    ages = [event.age for event in events]
    died = age_between(birth, born["MEDS_DEATH"]) if "MEDS_DEATH" in born else None
    if died is not None and not 0 <= died <= OLDEST:
        tally.warn("death-skipped", f"a death at the age of {died:.0f} years")
        died = None
    return Patient(key, traits, died=died, window=(min(ages), max(ages)) if ages else None), events


def _sorted_in(
    time: Any,
    code: str | None,
    value: float | None,
    born: dict[str, int],
    traits: dict[str, str],
    dated: list[tuple[int, Coding, float | None]],
) -> str:
    """Puts a row where it belongs; or says why it is skipped."""
    day = (time - _EPOCH).days if time is not None else None
    if not code:
        return "row without a code"
    if code in {"MEDS_BIRTH", "MEDS_DEATH"} and day is not None:
        born[code] = day
    elif not _trait(code, traits):
        if day is None:
            return "row without a date"
        dated.append((day, _coding(code), value))
    return ""


def _impossible(birth: int, day: int, future: int | None) -> str:
    if day < birth:
        return "dated before birth"
    if future is not None and day > future:
        return "dated in the future"
    return "age above 130 years" if age_between(birth, day) > OLDEST else ""


def _trait(code: str, traits: dict[str, str]) -> bool:
    one = _coding(code)
    axis, values = {
        "GENDER": ("sex", SEX),
        "SEX": ("sex", SEX),
        "RACE": ("race", RACE),
        "ETHNICITY": ("race", RACE),
    }.get(one.system.upper(), ("", {}))
    if not axis:
        return False
    value = values.get(one.code.upper())
    if value:
        traits[axis] = value
    return True
