"""`dualalign_linker`, a pipeline component for spaCy; spaCy finds it through the entry point `spacy_factories`.

    nlp = spacy.blank("en")
    nlp.add_pipe("dualalign_linker", config={"catalog": "hpo"})
    [(ent.text, ent.kb_id_, ent._.assertion, ent._.informant) for ent in nlp("Wife denies wandering.").ents]

spaCy imports this module whenever a pipeline is made, so it imports nothing of ours that is heavy.
"""

import itertools
from collections.abc import Iterable, Iterator  # no postponed annotations here: spaCy reads those of the factory
from typing import Any

from spacy.language import Language

from engine.linking.spacy_docs import EXTENSIONS, mark, register
from engine.linking.writers import LABEL

__all__ = ["LinkerComponent", "create"]


class LinkerComponent:
    """Sets `doc.ents` with `kb_id_` and the attributes of `engine.linking.spacy_docs`; all mentions are in `doc.spans[spans_key]`.

    `catalog`, `pack`, `fuzzy`, `model` and `context` as in `engine.Linker`.
    `label`: the entity label, or `type` for the concept's semantic type.
    `overwrite_ents`: entities of other components give way where they overlap; the others stay. Pipelines with several
    processes (`nlp.pipe(texts, n_process=2)`) and `nlp.to_disk` work: the catalog is kept by name, never copied.
    """

    def __init__(self, name: str, **config: Any) -> None:
        from engine.linking.linker import Linker

        self.name, self._config = name, config
        self._linker = Linker(config["catalog"], **{key: config[key] for key in ("pack", "fuzzy", "model", "context")})
        self.catalog = self._linker.catalog
        """The concepts that are looked for."""
        register()

    def __call__(self, doc: Any) -> Any:
        """Links one document."""
        return self._marked(doc, self._linker(doc.text))

    def pipe(self, stream: Iterable[Any], *, batch_size: int = 128) -> Iterator[Any]:
        """Links documents in batches; the same as one at a time."""
        docs = iter(stream)
        while batch := list(itertools.islice(docs, batch_size)):
            for doc, mentions in zip(batch, self._linker(doc.text for doc in batch), strict=True):
                yield self._marked(doc, mentions)

    def _marked(self, doc: Any, mentions: Any) -> Any:
        label, types = self._config["label"], self._config["label"] == "type"
        mark(
            doc,
            mentions,
            self.catalog,
            types=types,
            label=LABEL if types else label,
            spans_key=self._config["spans_key"],
            overwrite=self._config["overwrite_ents"],
        )
        return doc

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the catalog for itself."""
        return _opened, (self.name, self._config)


def _opened(name: str, config: dict[str, Any]) -> LinkerComponent:
    return LinkerComponent(name, **config)


@Language.factory(  # type: ignore[untyped-decorator] # spaCy publishes no types that mypy reads here
    "dualalign_linker",
    assigns=[
        "doc.ents",
        "doc.spans",
        "token.ent_iob",
        "token.ent_type",
        "token.ent_kb_id",
        *(f"span._.{n}" for n in EXTENSIONS),
    ],
    default_config={
        "catalog": None,
        "pack": None,
        "fuzzy": True,
        "model": None,
        "context": True,
        "label": "CONCEPT",
        "overwrite_ents": True,
        "spans_key": "concepts",
    },
)
def create(
    nlp: Language,  # noqa: ARG001 - spaCy's signature
    name: str,
    catalog: str | None,
    pack: str | None,
    fuzzy: bool,
    model: str | None,
    context: bool,
    label: str,
    overwrite_ents: bool,
    spans_key: str,
) -> LinkerComponent:
    """The component of a configuration; spaCy calls it for `nlp.add_pipe("dualalign_linker")`."""
    return LinkerComponent(
        name,
        catalog=catalog,
        pack=pack,
        fuzzy=fuzzy,
        model=model,
        context=context,
        label=label,
        overwrite_ents=overwrite_ents,
        spans_key=spans_key,
    )
