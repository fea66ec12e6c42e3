"""spaCy's DocBin, which `DocBin().from_disk(path)` and `spacy train` read without this project.

`doc.ents` with `kb_id_`, all mentions in `doc.spans["concepts"]`, the identifier in `doc.user_data["id"]`. Whoever declares the extension
attributes of `engine.linking.spacy_docs` (`Span.set_extension("assertion", default="")`) has those too.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.linking.spacy_docs import blank, mark, register
from engine.linking.writers._sinks import whole_folder
from engine.writers._whole import whole
from ontology.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from engine.linking.document import Document
    from ontology.concept import Concept, Cui
    from ontology.mention import Mention

__all__ = ["ATTRIBUTES", "SHARD", "Rendering", "sink"]

ATTRIBUTES = ("ORTH", "SPACY", "ENT_IOB", "ENT_TYPE", "ENT_KB_ID")
SHARD = 4096
"""Documents of a file, where the output is a folder."""


def _empty() -> Any:
    from spacy.tokens import DocBin

    return DocBin(attrs=ATTRIBUTES, store_user_data=True)


class Rendering:
    """DocBins of batches."""

    def __init__(self, catalog: Mapping[Cui, Concept], *, types: bool = False) -> None:
        self._catalog, self._types = catalog, types
        self._nlp = blank()
        register()

    def __call__(self, linked: Sequence[tuple[Document, Sequence[Mention]]]) -> bytes:
        """A DocBin as bytes."""
        docs = _empty()
        for document, mentions in linked:
            doc = self._nlp.make_doc(document.text)
            if document.id:
                doc.user_data["id"] = document.id
            if document.kept:
                doc.user_data["kept"] = document.kept
            mark(doc, mentions, self._catalog, types=self._types)
            docs.add(doc)
        made: bytes = docs.to_bytes()
        return made


@contextmanager
def sink(out: str | Path | None) -> Iterator[Callable[[bytes], None]]:
    """One file where `out` ends with `.spacy` (memory grows with the documents), otherwise a folder of files of about `SHARD` documents."""
    if out is None or str(out) == "-":
        raise ConfigError("a DocBin is a file; name it with --out, ending with .spacy, or name a folder for many")
    from spacy.tokens import DocBin

    held = [_empty()]

    def take(piece: bytes) -> None:
        held[0].merge(DocBin(store_user_data=True).from_bytes(piece))

    if Path(out).suffix == ".spacy":
        with whole(out) as part:
            yield take
            held[0].to_disk(part)
        return
    with whole_folder(out) as folder:
        count = 0

        def shard() -> None:
            nonlocal count
            count += 1
            held[0].to_disk(folder / f"part-{count:05d}.spacy")
            held[0] = _empty()

        def sharded(piece: bytes) -> None:
            take(piece)
            if len(held[0]) >= SHARD:
                shard()

        yield sharded
        if len(held[0]) or not count:
            shard()
