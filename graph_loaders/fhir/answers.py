"""What the value of an observation says: yes, no, a number, another concept, or nothing."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from ontology.mention import Assertion
from ontology.systems import coding as plain_coding

if TYPE_CHECKING:
    from graph_loaders.fhir.r4 import CodeableConcept, Observation, Value
    from ontology.concept import Coding

__all__ = ["UNKNOWN", "answer_of", "codings_of", "number_of"]

UNKNOWN = "answer that is not known, or has no code"

_YES = {
    ("LNC", "LA33-6"), ("LNC", "LA9633-4"), ("LNC", "LA6576-8"),  # yes, present, positive
    ("SNOMEDCT_US", "373066001"), ("SNOMEDCT_US", "52101004"), ("SNOMEDCT_US", "260373001"), ("SNOMEDCT_US", "10828004"),
    ("SNOMEDCT_US", "410515003"),  # yes, present, detected, positive, known present
    ("LNC", "LA6752-5"), ("LNC", "LA6751-7"), ("LNC", "LA6750-9"),  # mild, moderate, severe
    ("SNOMEDCT_US", "255604002"), ("SNOMEDCT_US", "6736007"), ("SNOMEDCT_US", "24484000"),
    ("http://terminology.hl7.org/CodeSystem/v2-0136", "Y"),
}  # fmt: skip
_NO = {
    ("LNC", "LA32-8"), ("LNC", "LA9634-2"), ("LNC", "LA6577-6"), ("LNC", "LA137-2"),  # no, absent, negative, none
    ("SNOMEDCT_US", "373067005"), ("SNOMEDCT_US", "2667000"), ("SNOMEDCT_US", "260415000"), ("SNOMEDCT_US", "260385009"),
    ("SNOMEDCT_US", "410516002"), ("SNOMEDCT_US", "260413007"),  # no, absent, not detected, negative, known absent, none
    ("http://terminology.hl7.org/CodeSystem/v2-0136", "N"),
}  # fmt: skip
_UNKNOWN = {
    ("LNC", "LA4489-6"), ("LNC", "LA4720-4"), ("LNC", "LA11137-4"),  # unknown, not applicable, unable to determine
    ("SNOMEDCT_US", "261665006"), ("SNOMEDCT_US", "373068000"), ("SNOMEDCT_US", "82334004"), ("SNOMEDCT_US", "385432009"),
}  # fmt: skip
_NUMBER = re.compile(r"\s*([0-9]{1,4}(?:\.[0-9]{1,4})?)\s*(?:/\s*[0-9]{1,3}\s*)?")


_coding = lru_cache(maxsize=8_192)(plain_coding)


def codings_of(concept: CodeableConcept | None) -> list[Coding]:
    """The codes of a concept, in the catalog's spelling, in their order; codes without a system or a code are none."""
    if concept is None:
        return []
    return [_coding(one.system, one.code) for one in concept.coding if one.system.strip() and one.code.strip()]


def number_of(value: Value | Observation) -> float | None:
    """The value as a number: a quantity, an integer, the first part of a ratio, text as `24` or `24/30`; none for `<24`."""
    quantity = value.value_quantity or (value.value_ratio.numerator if value.value_ratio else None)
    if quantity is not None:
        found = None if quantity.comparator else quantity.value
    elif value.value_integer is not None:
        found = float(value.value_integer)
    else:
        match = _NUMBER.fullmatch(value.value_string or "")
        found = float(match[1]) if match else None
    return found if found is not None and math.isfinite(found) else None


def answer_of(value: Value | Observation) -> tuple[Assertion | None, list[Coding]]:
    """Whether what was asked is present or absent (None: not known), and the codes of an answer that is a concept itself."""
    if value.value_boolean is not None:
        return (Assertion.PRESENT if value.value_boolean else Assertion.ABSENT), []
    codes = codings_of(value.value_codeable_concept)
    pairs = {(code.system, code.code) for code in codes}
    for known, said in ((_UNKNOWN, None), (_NO, Assertion.ABSENT), (_YES, Assertion.PRESENT)):
        if pairs & known:
            return said, []
    return (Assertion.PRESENT if codes else None), codes
