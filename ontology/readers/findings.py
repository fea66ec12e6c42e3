"""`Findings`: what a reader or a build saw in a source beside its concepts, counted by code with the first places."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ontology.issue import Issue, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["CODES", "Finding", "Findings"]

_EXAMPLES = 5
_SHOWN = 80  # characters of a value

CODES: dict[str, tuple[Severity, str]] = {
    "control-characters": (Severity.WARNING, "control characters were taken out of the text"),
    "cyclic-is-a": (Severity.WARNING, "concepts are their own ancestors; the relations are kept, and walks end"),
    "empty-name": (Severity.WARNING, "rows have no name and are left out"),
    "foreign-definition": (Severity.INFORMATION, "definitions of other languages or sources are left out"),
    "malformed-code": (Severity.WARNING, "codes of other vocabularies have no system or no code and are left out"),
    "malformed-id": (
        Severity.WARNING,
        "rows have an identifier that is no CUI (nor a vocabulary's own code) and are left out",
    ),
    "malformed-row": (Severity.WARNING, "lines are no concept and are left out"),
    "malformed-type": (Severity.WARNING, "semantic types are no TUI and are left out"),
    "merged-cui": (Severity.INFORMATION, "CUIs were merged into others; they are followed"),
    "missing-parent": (Severity.INFORMATION, "parents are not in the catalog; the relations are kept"),
    "no-cui": (
        Severity.INFORMATION,
        "terms have no UMLS CUI and are left out (--own-codes keeps them under their own code)",
    ),
    "not-utf8": (Severity.WARNING, "lines are not UTF-8 and are read as Windows-1252"),
    "obsolete": (Severity.INFORMATION, "obsolete terms are left out"),
    "other-language": (Severity.INFORMATION, "rows of other languages are left out (--language)"),
    "other-relation": (Severity.INFORMATION, "relations are not is_a and are left out"),
    "other-source": (Severity.INFORMATION, "rows of other sources are left out (--source)"),
    "other-type": (Severity.INFORMATION, "concepts of other semantic types are left out (--type)"),
    "own-code": (Severity.INFORMATION, "terms have no UMLS CUI and are kept under their own code"),
    "retired-cui": (Severity.WARNING, "CUIs were retired without a successor; they stay as the source has them"),
    "self-parent": (Severity.INFORMATION, "concepts name themselves as parent; that is left out"),
    "suppressed": (Severity.INFORMATION, "suppressed rows are left out (--suppressed keeps them)"),
    "truncated-row": (Severity.WARNING, "the last row of a file ends early and is left out"),
    "two-names": (Severity.INFORMATION, "concepts have two preferred names; the first stays, the others are aliases"),
    "unknown-type": (
        Severity.WARNING,
        "semantic types are none of the 127 of the Semantic Network; they are kept without a name",
    ),
    "unreadable-bytes": (Severity.WARNING, "lines are neither UTF-8 nor Windows-1252 and are left out"),
    "wrong-columns": (Severity.WARNING, "rows have a wrong number of columns and are left out"),
}
"""What each code means, and what is done about it."""

_LEFT_OUT = (
    "empty-name", "malformed-id", "malformed-row", "no-cui", "obsolete", "other-language", "other-source", "other-type",
    "suppressed", "truncated-row", "unreadable-bytes", "wrong-columns",
)  # fmt: skip


@dataclass(slots=True)
class Finding:
    """One code: how often, and the first places with what stood there."""

    code: str
    count: int = 0
    examples: list[tuple[str, str]] = field(default_factory=list)

    @property
    def severity(self) -> Severity:
        """How much it matters."""
        return CODES[self.code][0]

    def as_issue(self) -> Issue:
        """The finding as one issue; `where` is the first place."""
        where, value = self.examples[0] if self.examples else ("", "")
        message = f"{self.count} {CODES[self.code][1]}" + (f", first {value!r}" if value else "")
        return Issue(self.severity, self.code, message, where)

    def as_data(self) -> dict[str, Any]:
        """The finding as plain values."""
        return {
            "code": self.code,
            "severity": self.severity.value,
            "what": CODES[self.code][1],
            "count": self.count,
            "examples": [list(example) for example in self.examples],
        }


class Findings:
    """Counts by code; constant memory however often something is seen.

    >>> found = Findings()
    >>> found.add("wrong-columns", "MRCONSO.RRF:7", "C0000005|ENG")
    >>> print(found.issues()[0])
    warning wrong-columns at MRCONSO.RRF:7: 1 rows have a wrong number of columns and are left out, first 'C0000005|ENG'
    """

    def __init__(self) -> None:
        self._by_code: dict[str, Finding] = {}

    def add(self, code: str, where: str = "", value: str = "", times: int = 1) -> None:
        """Counts one more; the first five keep their place and value."""
        finding = self._by_code.get(code)
        if finding is None:
            CODES[code]
            finding = self._by_code[code] = Finding(code)
        finding.count += times
        if len(finding.examples) < _EXAMPLES and (where or value):
            finding.examples.append((where, value[:_SHOWN]))

    def __iter__(self) -> Iterator[Finding]:
        return iter(sorted(self._by_code.values(), key=lambda finding: finding.code))

    def __len__(self) -> int:
        return len(self._by_code)

    def count(self, code: str) -> int:
        """How often a code was seen."""
        return self._by_code[code].count if code in self._by_code else 0

    @property
    def left_out(self) -> int:
        """How many rows, terms or concepts were left out."""
        return sum(self.count(code) for code in _LEFT_OUT)

    def take(self, other: Finding) -> None:
        """Adds what another place counted."""
        for where, value in other.examples:
            self.add(other.code, where, value, 0)
        self.add(other.code, times=other.count)

    def issues(self) -> tuple[Issue, ...]:
        """One issue a code, in order of code."""
        return tuple(finding.as_issue() for finding in self)

    @staticmethod
    def from_data(rows: Iterable[dict[str, Any]]) -> Findings:
        """From plain values; codes of a later version are passed over."""
        found = Findings()
        for row in rows:
            if row["code"] in CODES:
                examples = [(str(where), str(value)) for where, value in row["examples"]]
                found._by_code[row["code"]] = Finding(row["code"], int(row["count"]), examples)
        return found
