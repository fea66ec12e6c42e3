"""`Problems`: what was wrong with the input, counted by kind, the first of each kind kept in words."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ontology.errors import SourceError
from ontology.issue import Issue, Severity

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Problems"]

_KEPT = 5  # issues of a kind that are kept; all are counted


class Problems:
    """Findings of a reader. A line that cannot be read stops the reading, or is left out and counted with `skip_bad`."""

    def __init__(self, *, skip_bad: bool = False) -> None:
        self._skip_bad = skip_bad
        self.counts: Counter[str] = Counter()
        """Findings by code; `bad-line` counts what was left out."""
        self.issues: list[Issue] = []
        """The first few of each code."""

    def bad(self, message: str, path: str | Path, line: int | None = None, *, unit: str = "line") -> None:
        """A line, row or file that is left out. SourceError unless such are to be skipped."""
        if not self._skip_bad:
            raise SourceError(f"{message}; --skip-bad leaves such a {unit} out", path, line)
        self.note(Severity.ERROR, "bad-line", f"{message}; left out", f"{path}{f':{line}' if line else ''}")

    def note(self, severity: Severity, code: str, message: str, where: str, hint: str = "") -> None:
        """A finding that stops nothing."""
        self.counts[code] += 1
        if self.counts[code] <= _KEPT:
            self.issues.append(Issue(severity, code, message, where, hint))

    @property
    def left_out(self) -> int:
        """How many lines, rows or files were left out."""
        return self.counts["bad-line"]

    def lines(self) -> list[str]:
        """The findings in words; where there were more of a kind than kept, how many."""
        shown = [str(issue) for issue in self.issues]
        return shown + [f"{code}: {n} in all" for code, n in sorted(self.counts.items()) if n > _KEPT]
