"""Texts for reading in a terminal: each mention marked, with its CUI, name, and what is said of it where that is not "present".

Colours only where standard output is a terminal. Control and bidirectional characters of a text are shown, never sent to the terminal.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from engine.linking.writers._sinks import byte_sink as sink
from ontology.mention import Assertion, Informant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from engine.linking.document import Document
    from ontology.concept import Concept, Cui
    from ontology.mention import Mention

__all__ = ["Rendering", "sink"]

_COLOURS = {
    Assertion.PRESENT: "30;42",
    Assertion.ABSENT: "37;41",
    Assertion.POSSIBLE: "30;43",
    Assertion.HYPOTHETICAL: "30;46",
    Assertion.HISTORICAL: "30;47",
    Assertion.FAMILY: "37;45",
}
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


class Rendering:
    """Marked texts."""

    def __init__(self, catalog: Mapping[Cui, Concept], *, types: bool = False) -> None:
        self._catalog, self._types = catalog, types
        self._coloured = sys.stdout.isatty()

    def __call__(self, linked: Sequence[tuple[Document, Sequence[Mention]]]) -> bytes:
        """A paragraph for each document."""
        return "".join(
            f"{f'{_seen(doc.id)}: ' if doc.id else ''}{''.join(self._parts(doc.text, mentions))}\n"
            for doc, mentions in linked
        ).encode()

    def _parts(self, text: str, mentions: Sequence[Mention]) -> Iterator[str]:
        done = 0
        for mention in mentions:
            yield _seen(text[done : mention.start])
            concept = self._catalog[mention.cui]
            said = [mention.cui, *(concept.types[:1] if self._types else ()), _seen(concept.name)]
            if mention.assertion is not Assertion.PRESENT:
                said.append(mention.assertion.value)
            if mention.informant is not Informant.CLINICIAN:
                said.append(f"says {mention.informant.value}")
            yield self._marked(_seen(mention.text), ", ".join(said), _COLOURS[mention.assertion])
            done = mention.end
        yield _seen(text[done:])

    def _marked(self, text: str, said: str, colour: str) -> str:
        if not self._coloured:
            return f"[{text}]({said})"
        return f"\033[{colour}m {text} \033[0m\033[2m {said} \033[0m"


def _seen(text: str) -> str:
    """The text with what would act on a terminal written out, as `<U+202E>`."""
    return _HIDDEN.sub(lambda match: f"<U+{ord(match[0]):04X}>", text)
