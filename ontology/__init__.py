"""What words mean: concepts, catalogs, disease packs, and the linker that finds concepts in text.

The names below load nothing heavy. The linker is imported from its own module, `ontology.linker`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ontology.catalog import Catalog, CatalogSource, open_catalog, pack_catalog
    from ontology.catalog_build import build_catalog
    from ontology.catalog_formats import export_catalog, source_of
    from ontology.concept import Coding, Concept, Cui, parse_cui
    from ontology.issue import Issue, Severity
    from ontology.mention import Assertion, Informant, Linker, Mention, TimeKind, Timex
    from ontology.pack import Pack, check_pack, load_pack

__all__ = [
    "Assertion",
    "Catalog",
    "CatalogSource",
    "Coding",
    "Concept",
    "Cui",
    "Informant",
    "Issue",
    "Linker",
    "Mention",
    "Pack",
    "Severity",
    "TimeKind",
    "Timex",
    "build_catalog",
    "check_pack",
    "export_catalog",
    "load_pack",
    "open_catalog",
    "pack_catalog",
    "parse_cui",
    "source_of",
]

_HOME = {
    "ontology.catalog": ("Catalog", "CatalogSource", "open_catalog", "pack_catalog"),
    "ontology.catalog_build": ("build_catalog",),
    "ontology.catalog_formats": ("export_catalog", "source_of"),
    "ontology.concept": ("Coding", "Concept", "Cui", "parse_cui"),
    "ontology.issue": ("Issue", "Severity"),
    "ontology.mention": ("Assertion", "Informant", "Linker", "Mention", "TimeKind", "Timex"),
    "ontology.pack": ("Pack", "check_pack", "load_pack"),
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used, so that `python -m ontology.pack` finds its module not yet loaded."""
    for module, names in _HOME.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'ontology' has no attribute {name!r}")
