"""`Issue`: one thing a check saw (as FHIR's OperationOutcome.issue)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Issue", "Severity"]


class Severity(StrEnum):
    """How much an issue matters."""

    ERROR = "error"
    WARNING = "warning"
    INFORMATION = "information"


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding: what, where, and what to do.

    >>> print(Issue(Severity.ERROR, "unknown-cui", "C9999999 is not in the catalog", "concepts.csv:4", "did you mean C0002395?"))
    error unknown-cui at concepts.csv:4: C9999999 is not in the catalog (did you mean C0002395?)
    """

    severity: Severity
    code: str
    message: str
    where: str = ""
    hint: str = ""

    def __str__(self) -> str:
        place = f" at {self.where}" if self.where else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.severity} {self.code}{place}: {self.message}{hint}"
