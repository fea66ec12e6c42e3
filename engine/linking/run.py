"""`link_file`: the use case of `dualalign link`: documents read, linked, written, in constant memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.linking import readers, writers
from engine.linking.linker import Linker
from engine.linking.pool import in_order
from engine.linking.problems import Problems
from ontology.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from engine.linking.document import Document
    from engine.linking.readers import Asked
    from engine.linking.writers import Rendering
    from ontology.mention import Mention

__all__ = ["LinkReport", "Vocabulary", "batched", "link_file"]

_DOCUMENTS = 256  # of a batch
_CHARACTERS = 262_144  # of a batch, unless one document is longer


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Which concepts are looked for, as plain data: each process opens them for itself. Fields as in `Linker`."""

    catalog: str | None = None
    pack: str | None = None
    cache: Path | None = None
    fuzzy: bool = True
    model: str | None = None
    context: bool = True


@dataclass(slots=True)
class LinkReport:
    """What a linking did: documents, characters and mentions, mentions by assertion and informant, and what was wrong with the input."""

    documents: int = 0
    characters: int = 0
    mentions: int = 0
    linked: int = 0
    assertions: Counter[str] = field(default_factory=Counter)
    informants: Counter[str] = field(default_factory=Counter)
    problems: Problems = field(default_factory=Problems)

    def to_json(self) -> dict[str, Any]:
        """Plain values; `linked` counts documents with at least one mention."""
        return {
            "documents": self.documents,
            "characters": self.characters,
            "mentions": self.mentions,
            "linked": self.linked,
            "assertions": dict(sorted(self.assertions.items())),
            "informants": dict(sorted(self.informants.items())),
            "problems": dict(sorted(self.problems.counts.items())),
            "issues": [str(issue) for issue in self.problems.issues],
        }


@dataclass(frozen=True, slots=True)
class _Made:
    """A batch's piece of output and what it counts."""

    piece: Any
    documents: int
    characters: int
    linked: int
    assertions: Counter[str]
    informants: Counter[str]


def link_file(
    source: str,
    out: str | Path | None = None,
    *,
    vocabulary: Vocabulary | None = None,
    asked: Asked | None = None,
    from_format: str | None = None,
    to_format: str | None = None,
    processes: int = 1,
    types: bool = False,
    skip_bad: bool = False,
    each: bool = False,
    dry_run: bool = False,
    progress: Callable[[LinkReport], None] | None = None,
) -> LinkReport:
    """Links every document of `source` (a file, a folder, or `-`) and writes them to `out` (None: stdout) as they come.

    The bytes written depend on the input and the catalog alone, not on `processes`. `out` appears whole at the end or not at all.
    `types`: entity labels are semantic types. `each`: a document is written before the next is read (a person types). `dry_run`: reads
    everything, links and writes nothing. `progress` is called after each batch.

    SourceError for input that cannot be read (with `skip_bad`, lines are left out and counted), ConfigError for options that
    cannot be, WorkerLost when a process dies.
    """
    if processes < 1:
        raise ConfigError(f"--processes {processes} is not a number of processes; give 1 or more")
    report = LinkReport(problems=Problems(skip_bad=skip_bad))
    documents = readers.read(source, report.problems, from_format, asked)
    if dry_run:
        for document in documents:
            report.documents += 1
            report.characters += len(document.text)
        return report
    name = to_format or writers.format_of(None if out is None else str(out))
    _apart(source, out)
    batches = batched(documents, 1 if each else _DOCUMENTS)
    build = partial(_Work, vocabulary or Vocabulary(), name, types)
    with writers.sink(name, out) as take:
        first = next(batches, None)
        if first is None:
            build()  # a catalog that is not there is said of no text as well
            batches = iter(())
        else:
            batches = chain([first], batches)
        for made in in_order(batches, build, processes):
            take(made.piece)
            _count(report, made)
            if progress is not None:
                progress(report)
    return report


def _apart(source: str, out: str | Path | None) -> None:
    """Refuses an output that would replace its input."""
    if out is not None and source != "-" and Path(source).resolve() == Path(out).resolve():
        raise ConfigError(f"{out} is the input; choose another --out")


def batched(documents: Iterable[Document], most: int = _DOCUMENTS) -> Iterator[list[Document]]:
    """Documents in batches of bounded size: a long one ends its batch."""
    batch: list[Document] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document.text)
        if len(batch) >= most or size >= _CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class _Work:
    """What is done to a batch, in whatever process: linked, rendered, counted."""

    def __init__(self, vocabulary: Vocabulary, format: str, types: bool) -> None:  # noqa: A002 - the word users type
        self._linker = Linker(
            vocabulary.catalog,
            pack=vocabulary.pack,
            cache=vocabulary.cache,
            fuzzy=vocabulary.fuzzy,
            model=vocabulary.model,
            context=vocabulary.context,
        )
        self._render: Rendering = writers.rendering(format, self._linker.catalog, types=types)

    def __call__(self, documents: Sequence[Document]) -> _Made:
        linked = list(zip(documents, self._linker(document.text for document in documents), strict=True))
        return _Made(
            self._render(linked),
            len(linked),
            sum(len(document.text) for document in documents),
            sum(bool(mentions) for _, mentions in linked),
            Counter(mention.assertion.value for mention in _all(linked)),
            Counter(mention.informant.value for mention in _all(linked)),
        )


def _all(linked: Sequence[tuple[Document, Sequence[Mention]]]) -> Iterator[Mention]:
    return (mention for _, mentions in linked for mention in mentions)


def _count(report: LinkReport, made: _Made) -> None:
    report.documents += made.documents
    report.characters += made.characters
    report.linked += made.linked
    report.mentions += made.assertions.total()
    report.assertions += made.assertions
    report.informants += made.informants
