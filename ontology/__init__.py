"""What words mean: concepts, catalogs, disease packs, and the linker that finds concepts in text.

The names below load nothing heavy. The linker is imported from its own module, `ontology.linker`.
"""

from ontology.catalog import Catalog, CatalogSource, open_catalog, pack_catalog
from ontology.concept import Coding, Concept, Cui, parse_cui
from ontology.issue import Issue, Severity
from ontology.mention import Assertion, Informant, Linker, Mention
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
    "check_pack",
    "load_pack",
    "open_catalog",
    "pack_catalog",
    "parse_cui",
]
