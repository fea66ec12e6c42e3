"""JSON lines: an object a line with a `text`, or with tokenised `sentences` (the form in which MedMentions is handed around).

Marked concepts are read from `mentions` (as `dualalign link` writes them) or `spans` (as in the records of a run): objects with
`start`, `end` and `cui` (or `candidates`), and where known `types`, `assertion` and `informant`. In the tokenised form, `start` and
`end` of a mention count tokens, and the text is made here: tokens joined by a space, sentences by a newline.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from engine.linking.document import Annotation, Document, storable
from engine.linking.readers._lines import decoded, lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from engine.linking.problems import Problems
    from engine.linking.readers import Asked

__all__ = ["annotation", "read"]

_IDS = ("id", "pmid", "doc_id", "document_id")


def read(path: str, asked: Asked, problems: Problems) -> Iterator[Document]:
    """A document a line; blank lines are passed over. `asked.id` names the field of the identifier (where it is the default: `id`, `pmid`,
    `doc_id` or `document_id`, whichever is there).
    """
    for number, line in lines(path):
        data = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if not data.strip():
            continue
        try:
            yield _document(_object(decoded(data, "utf-8", problems, f"{path}:{number}")), asked, f"{path}:{number}")
        except ValueError as error:
            problems.bad(str(error), path, number)


def _object(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a JSON object with a text field: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"not a JSON object with a text field: a {type(found).__name__} stands there")  # noqa: TRY004 - content, not misuse
    return found


def _refused(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _document(row: dict[str, Any], asked: Asked, place: str) -> Document:
    names = _IDS if asked.id == "id" else (asked.id,)
    name = next((str(row[name]) for name in names if isinstance(row.get(name), str | int)), "")
    kept = {field: _storable(row[field]) for field in asked.keep if field in row}
    if asked.text not in row and isinstance(row.get("sentences"), list):
        text, found = _tokenised(row["sentences"])
    else:
        text = _text(row, asked)
        found = _marked(row, text) if asked.annotations else ()
    return Document(text, storable(name), place, kept, found if asked.annotations else ())


def _text(row: Mapping[str, Any], asked: Asked) -> str:
    text = row.get(asked.text)
    if isinstance(text, str):
        return storable(text)
    near = [key for key, value in row.items() if isinstance(value, str)][:5]
    said = "is not there" if asked.text not in row else f"is {json.dumps(text)[:40]}, not a string"
    hint = f"; --text-field names another, such as {', '.join(near)}" if near else ""
    raise ValueError(f"not a JSON object with a text field: {asked.text!r} {said}{hint}")


def _storable(value: Any) -> Any:
    """A kept value that can be written again: a lone surrogate in it becomes U+FFFD."""
    return json.loads(storable(json.dumps(value, ensure_ascii=False)))


def _marked(row: Mapping[str, Any], text: str) -> tuple[Annotation, ...]:
    items = row.get("mentions", row.get("spans", []))
    if not isinstance(items, list):
        raise ValueError("mentions are not a list")  # noqa: TRY004 - content, not misuse
    found = []
    for at, item in enumerate(items):
        told = {"informant": row.get("informant")} if isinstance(item, dict) and item.get("planned") is True else {}
        found.append(annotation({**told, **item} if isinstance(item, dict) else item, len(text), at))
    return tuple(found)


def annotation(item: Any, size: int, at: int) -> Annotation:
    """A marked concept of an object; ValueError where it lies outside its text of `size` characters (or tokens)."""
    if not isinstance(item, dict):
        raise ValueError(f"mention {at} is not an object")  # noqa: TRY004 - content, not misuse
    start, end = item.get("start"), item.get("end")
    if type(start) is not int or type(end) is not int or not 0 <= start < end <= size:
        raise ValueError(f"mention {at} goes from {start!r} to {end!r} in a text of {size}")
    return Annotation(
        start, end, _cuis(item), _types(item), str(item.get("assertion") or ""), str(item.get("informant") or "")
    )


def _cuis(item: Mapping[str, Any]) -> tuple[str, ...]:
    candidates = item.get("candidates")
    found: list[Any] = []
    if isinstance(candidates, list):
        found = [pair[0] if isinstance(pair, list) and pair else pair for pair in candidates]
    first = item.get("cui")
    if first and first not in found:
        found.insert(0, first)
    return tuple(str(cui).removeprefix("UMLS:") for cui in found if cui)


def _types(item: Mapping[str, Any]) -> tuple[str, ...]:
    found = item.get("types", item.get("type", ()))
    return tuple(map(str, found)) if isinstance(found, list) else ((str(found),) if found else ())


def _tokenised(sentences: Sequence[Any]) -> tuple[str, tuple[Annotation, ...]]:
    parts: list[str] = []
    found: list[Annotation] = []
    place = 0
    for sentence in sentences:
        tokens = sentence.get("tokens") if isinstance(sentence, dict) else None
        if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
            raise ValueError("a sentence has no list of tokens")
        starts, ends = [], []
        at = place
        for token in tokens:
            starts.append(at)
            ends.append(at + len(token))
            at += len(token) + 1
        items = sentence.get("mentions", [])
        if not isinstance(items, list):
            raise ValueError("mentions are not a list")  # noqa: TRY004 - content, not misuse
        for number, item in enumerate(items):
            one = annotation(item, len(tokens), number)
            found.append(
                Annotation(starts[one.start], ends[one.end - 1], one.cuis, one.types, one.assertion, one.informant)
            )
        parts.append(storable(" ".join(tokens)))
        place += len(parts[-1]) + 1
    return "\n".join(parts), tuple(found)
