"""Text to concepts as files: documents in, linked documents out, in one process or several, in constant memory.

`Linker` is what Python users call, `link_file` what `dualalign link` does, `dualalign_linker` the pipeline component for spaCy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.linking.document import Annotation, Document, row
    from engine.linking.linker import Linker
    from engine.linking.run import LinkReport, link_file

__all__ = ["Annotation", "Document", "LinkReport", "Linker", "link_file", "row"]

_HOMES = {
    "Annotation": "engine.linking.document",
    "Document": "engine.linking.document",
    "LinkReport": "engine.linking.run",
    "Linker": "engine.linking.linker",
    "link_file": "engine.linking.run",
    "row": "engine.linking.document",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'engine.linking' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
