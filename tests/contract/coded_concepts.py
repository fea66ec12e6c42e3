"""A small catalog with codes, a mapping and a day: for the tests of readers of coded data."""

from __future__ import annotations

from datetime import date

from ontology.catalog import Catalog
from ontology.concept import Coding, Concept, Cui

CATALOG = Catalog(
    [
        Concept(Cui("C0002395"), "Alzheimer's disease", codings=(Coding("SNOMEDCT_US", "26929004"),)),
        Concept(Cui("C0036572"), "Seizure", codings=(Coding("SNOMEDCT_US", "91175000"),)),
        Concept(Cui("C0031350"), "Pharyngitis", codings=(Coding("SNOMEDCT_US", "195662009"),)),
    ]
)
MAPPING = """
cohort = "mercy"
source = "made for this test"
[[thresholds]]
code = "LNC:72106-8"
when = "< 24"
cui = "C0234985"
"""
TODAY = date(2026, 1, 1)
