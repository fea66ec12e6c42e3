"""The errors of DualAlign. Each message is one sentence: the value, the place, the way out.

    DualAlignError
    ├── ConfigError        what was asked for cannot be (a bad option, pack or recipe); carries every Issue at once
    ├── SourceError        a file of data cannot be read: path and line
    ├── UnknownConcept     no such concept (also a KeyError); names the nearest ones
    ├── Infeasible         no trajectory can meet the criteria; names the criterion
    ├── QueryRefused       a query that is not read-only, not allowed, too slow or too large
    ├── StoreError         a graph store failed; `retryable` says whether trying again may help
    │   └── MissingGraph   there is no graph of that name; carries the command that makes one
    ├── ModelError         a language model failed; `retryable` likewise
    ├── RunConflict        a run folder of another recipe; carries the differences
    ├── BudgetExhausted    the attempt budget is spent; carries the losses by code
    ├── WorkerLost         a worker process ended before its work was done (killed, or out of memory)
    └── MissingExtra       an optional part is not installed (also an ImportError); carries the command

Bad clinical content is an `ontology.Issue`, not an exception.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from ontology.issue import Issue

__all__ = [
    "BudgetExhausted",
    "ConfigError",
    "DualAlignError",
    "Infeasible",
    "MissingExtra",
    "MissingGraph",
    "ModelError",
    "QueryRefused",
    "RunConflict",
    "SourceError",
    "StoreError",
    "UnknownConcept",
    "WorkerLost",
]


class DualAlignError(Exception):
    """Base of every error raised on purpose; `exit_code` is what the command line returns."""

    exit_code: ClassVar[int] = 2

    def __reduce__(self) -> tuple[Any, ...]:
        """An error travels between processes with all it carries, whatever its class asks for when it is made."""
        return _again, (type(self), self.args, self.__dict__)


def _again(kind: type[DualAlignError], args: tuple[Any, ...], carried: dict[str, Any]) -> DualAlignError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(carried)
    return error


class ConfigError(DualAlignError):
    """What was asked for cannot be; `issues` holds every mistake found, not the first one."""

    def __init__(self, message: str, issues: Iterable[Issue] = ()) -> None:
        self.issues = tuple(issues)
        lines = [message, *(f"  {issue}" for issue in self.issues)]
        super().__init__("\n".join(lines))


class SourceError(DualAlignError):
    """A file of data cannot be read."""

    def __init__(self, message: str, path: str | Path, line: int | None = None) -> None:
        self.path, self.line = str(path), line
        super().__init__(f"{path}{f':{line}' if line else ''}: {message}")


class UnknownConcept(DualAlignError, KeyError):
    """No such concept in this catalog or pack."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class Infeasible(DualAlignError):
    """No trajectory can meet the criteria; `criterion` names the one that rules it out."""

    def __init__(self, message: str, criterion: str) -> None:
        self.criterion = criterion
        super().__init__(message)


class QueryRefused(DualAlignError):
    """A query from outside that is not read-only, not on the allow-list, too slow or too large."""


class StoreError(DualAlignError):
    """A graph store failed."""

    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        self.retryable = retryable
        super().__init__(message)


class MissingGraph(StoreError):
    """There is no graph of that name."""

    def __init__(self, graph: object) -> None:
        super().__init__(
            f"there is no graph at {graph}; make one with: dualalign load facts --graph {_quoted(str(graph))}"
        )


def _quoted(text: str) -> str:
    return f"'{text}'" if "?" in text else text


class ModelError(DualAlignError):
    """A language model failed or gave nothing usable; `code` is a short reason such as `empty` or `length`.

    `alive`: whether its server is known to answer other requests (True), to answer none for a long while (False), or neither.
    """

    exit_code: ClassVar[int] = 3

    def __init__(
        self, message: str, *, code: str = "model-failed", retryable: bool = False, alive: bool | None = None
    ) -> None:
        self.retryable, self.code, self.alive = retryable, code, alive
        super().__init__(message)


class RunConflict(DualAlignError):
    """The run folder holds a run of another recipe; `differences` maps a field to (there, asked)."""

    def __init__(self, message: str, differences: Mapping[str, tuple[object, object]]) -> None:
        self.differences = dict(differences)
        lines = [message, *(f"  {k}: {old!r} there, {new!r} asked" for k, (old, new) in self.differences.items())]
        super().__init__("\n".join(lines))


class BudgetExhausted(DualAlignError):
    """The attempt budget is spent before every quota was met; `counts` maps an issue code to losses."""

    exit_code: ClassVar[int] = 4

    def __init__(self, message: str, counts: Mapping[str, int]) -> None:
        self.counts = dict(counts)
        super().__init__(message)


class WorkerLost(DualAlignError):
    """A worker process ended before its work was done."""

    exit_code: ClassVar[int] = 3


class MissingExtra(DualAlignError, ImportError):
    """An optional part is not installed; `command` installs it."""

    def __init__(self, part: str, command: str) -> None:
        self.command = command
        super().__init__(f"{part} is not installed; install it with: {command}")
