"""`Tally`: what became of everything a load read; nothing disappears."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date

from ontology.issue import Issue, Severity

__all__ = ["Tally"]

_SHOWN = 20
"""Issues of one code that are kept one by one; the rest is counted."""


@dataclass(slots=True)
class Tally:
    """Every event or row read is used or skipped for one reason: `read == used + sum(skipped.values())`.

    `unmapped`: codes for which there is no concept, by `SYSTEM:CODE`; `outside`: concepts that neither the pack nor the
    mapping file asks for. `notes`: every note read, by what became of it. `today`: a later date is one of the future (None:
    no date is). Memory: constant but for the codes.

    >>> tally = Tally()
    >>> tally.skip("row without a person", "person_id is empty", "visits.csv:7")
    >>> tally.read, dict(tally.skipped), str(tally.issues[0])
    (1, {'row without a person': 1}, 'warning row-skipped at visits.csv:7: person_id is empty')
    """

    persons: int = 0
    read: int = 0
    used: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    unmapped: Counter[str] = field(default_factory=Counter)
    outside: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    today: date | None = None
    _issues: list[Issue] = field(default_factory=list)
    _seen: Counter[str] = field(default_factory=Counter)

    def skip(self, reason: str, message: str = "", where: str = "", *, count: int = 1) -> None:
        """Counts rows that a reader left out; a `message` is shown as an issue, where they are few."""
        if count:
            self.read += count
            self.skipped[reason] += count
        if message:
            self.warn("row-skipped", message, where)

    def warn(self, code: str, message: str, where: str = "", hint: str = "") -> None:
        """An issue: the first of each code are kept, the rest is counted."""
        self._seen[code] += 1
        if self._seen[code] <= _SHOWN:
            self._issues.append(Issue(Severity.WARNING, code, message, where, hint))

    @property
    def issues(self) -> list[Issue]:
        """What was warned of, and how many more of each."""
        more = [
            Issue(Severity.WARNING, code, f"{count - _SHOWN} more of these")
            for code, count in self._seen.items()
            if count > _SHOWN
        ]
        return [*self._issues, *more]
