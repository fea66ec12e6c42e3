"""BRAT standoff (Stenetorp et al., EACL 2012): `NAME.txt` with `NAME.ann` beside it.

Read are text-bound annotations (T), normalisations to UMLS (N, `Reference T1 UMLS:C0002395`) and attributes (A, M) named Assertion or
Informant; `Negation` and `Speculation` without a value mean absent and possible. Events, relations and notes say nothing of concepts.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from engine.linking.document import Annotation, Document
from engine.linking.readers._lines import decoded
from ontology.errors import ConfigError, SourceError
from ontology.issue import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.linking.problems import Problems
    from engine.linking.readers import Asked

__all__ = ["read"]

_SPAN = re.compile(r"(\S+) (\d+ \d+(?:;\d+ \d+)*)")
_REFERENCE = re.compile(r"\S+ (T\S+) (?:UMLS:)?(C[0-9]{7})\s*")
_BARE = {"negation": "absent", "negated": "absent", "speculation": "possible", "uncertain": "possible"}


def read(path: str, asked: Asked, problems: Problems) -> Iterator[Document]:
    """A document for each `.txt` file of a folder and of those below it, in order of name; its id is that name without the ending."""
    place = Path(path)
    if path == "-":
        raise ConfigError("BRAT is a folder or a .txt file, not a pipe")
    if place.is_dir():
        files = sorted(place.rglob("*.txt"), key=lambda file: file.relative_to(place).as_posix())
        if not files:
            raise ConfigError(f"no .txt file in {place}; a BRAT folder holds NAME.txt and NAME.ann")
    else:
        files = [place.with_suffix(".txt")]
        place = place.parent
    for file in files:
        text = decoded(_bytes(file), "utf-8", problems, str(file))
        name = file.relative_to(place).with_suffix("").as_posix()
        found = _marked(text, file.with_suffix(".ann"), problems) if asked.annotations else ()
        yield Document(text, name, str(file), {}, found)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", path) from None


def _marked(text: str, path: Path, problems: Problems) -> tuple[Annotation, ...]:
    if not path.is_file():
        problems.note(
            Severity.WARNING, "no-annotations", "there is no such file; read as a text without concepts", str(path)
        )
        return ()
    spans: dict[str, Annotation] = {}
    rest: list[tuple[int, str, str]] = []
    for number, line in enumerate(decoded(_bytes(path), "utf-8", problems, str(path)).split("\n"), 1):
        key, _, body = line.rstrip("\r").partition("\t")
        if key.startswith("T"):
            try:
                spans[key] = _span(text, body, problems, f"{path}:{number}")
            except ValueError as error:
                problems.bad(str(error), path, number)
        elif key[:1] in {"N", "A", "M"}:
            rest.append((number, key, body))
        elif key.strip() and key[0] not in "ER#*":
            problems.bad(f"{line[:40]!r} is no annotation", path, number)
    for number, key, body in rest:
        try:
            _attach(spans, key, body, problems, f"{path}:{number}")
        except ValueError as error:
            problems.bad(str(error), path, number)
    return tuple(sorted(spans.values(), key=lambda one: (one.start, one.end)))


def _span(text: str, body: str, problems: Problems, where: str) -> Annotation:
    head, tab, said = body.partition("\t")
    match = _SPAN.fullmatch(head)
    if match is None or not tab:
        raise ValueError(f"{body[:40]!r} is not `Type start end` and a text")
    pieces = [tuple(map(int, piece.split())) for piece in match.group(2).split(";")]
    start, end = min(first for first, _ in pieces), max(last for _, last in pieces)
    if not start < end <= len(text):
        raise ValueError(f"goes from {start} to {end} in a text of {len(text)}")
    pieces.sort()
    gaps = [text[last:first] for (_, last), (first, _) in pairwise(pieces)]
    if any(gap.strip() for gap in gaps):
        problems.note(
            Severity.WARNING, "discontinuous", f"{said!r} is in pieces; read as the range that covers them", where
        )
    elif _squeezed(text[start:end]) != _squeezed(said):
        problems.note(Severity.WARNING, "other-text", f"{said!r} is {text[start:end]!r} in the text", where)
    return Annotation(start, end, types=(match.group(1),))


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _attach(spans: dict[str, Annotation], key: str, body: str, problems: Problems, where: str) -> None:
    if key.startswith("N"):
        match = _REFERENCE.fullmatch(body.partition("\t")[0])
        if match is None:
            problems.note(Severity.INFORMATION, "not-umls", f"{body[:40]!r} names no UMLS concept", where)
            return
        target, cui = match.groups()
        one = _target(spans, target)
        spans[target] = replace(one, cuis=(*one.cuis, cui))
        return
    name, target, *value = body.split()[:3] if len(body.split()) > 1 else ("", "")
    lower = name.lower()
    if target[:1] != "T" or (lower not in _BARE and lower not in {"assertion", "informant"}):
        return
    one = _target(spans, target)
    if lower == "informant" and value:
        spans[target] = replace(one, informant=value[0].lower())
    elif lower in _BARE or value:
        spans[target] = replace(one, assertion=_BARE.get(lower) or value[0].lower())


def _target(spans: dict[str, Annotation], name: str) -> Annotation:
    if name not in spans:
        raise ValueError(f"{name} is no text-bound annotation of this file")
    return spans[name]
