"""Strings that follow from others by rule: words that name the same thing in names of diseases and findings, and the
abbreviations that clinicians write without explaining them.

Each is one substitution in one string. Such a string scores less than one that a vocabulary has, so it counts only where
no vocabulary says otherwise.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["derived"]

_HEADS = """
carcinoma cancer|neoplasm tumor|tumor neoplasm|tumour neoplasm|infectious disease infection|disease disorder|disorder disease
carcinomas cancers|neoplasms tumors|decreased reduced|reduced decreased|increased elevated|elevated increased
hemorrhage bleeding|bleeding hemorrhage|ache pain|urinary bladder bladder
"""
_ADJECTIVES = """
kidney renal|liver hepatic|heart cardiac|lung pulmonary|stomach gastric|skin cutaneous|brain cerebral|eye ocular
muscle muscular|bowel intestinal|nose nasal|ovary ovarian|thyroid gland thyroid|cervix cervical|pancreas pancreatic
prostate prostatic|uterus uterine|artery arterial|vein venous|nerve neural|spine spinal
"""  # before another word only: a kidney by itself is not renal


def _pairs(table: str) -> Iterator[tuple[str, str]]:
    for line in table.strip().splitlines():
        for pair in line.split("|"):
            first, _, last = pair.rpartition(" ")
            yield first, last


_SAME = dict(_pairs(_HEADS))
_SAME_BEFORE = {
    one: other
    for first, last in _pairs(_ADJECTIVES)
    for one, other in ((first, last), (last, first))
    if one != "thyroid"
}
_ABBREVIATIONS = """
AATD alpha-1 antitrypsin deficiency|AATD alpha 1-antitrypsin deficiency|ADHD attention deficit hyperactivity disorder
ADHD attention deficit-hyperactivity disorder|AKI acute kidney injury|ALS amyotrophic lateral sclerosis
AML acute myeloid leukemia|ARDS acute respiratory distress syndrome|BPH benign prostatic hyperplasia
CAD coronary artery disease|CHD coronary heart disease|CHF congestive heart failure|CKD chronic kidney disease
CLL chronic lymphocytic leukemia|CLL chronic lymphatic leukemia|CML chronic myeloid leukemia
CML chronic myelogenous leukemia|COPD chronic obstructive pulmonary disease|DLBCL diffuse large b-cell lymphoma
DVT deep vein thrombosis|DVT deep venous thrombosis|ESRD end-stage renal disease|FTD frontotemporal dementia
GBM glioblastoma multiforme|GERD gastroesophageal reflux disease|HCC hepatocellular carcinoma|HF heart failure
HIV human immunodeficiency virus infectious disease|HIV human immunodeficiency virus infection|IBD inflammatory bowel disease
IBS irritable bowel syndrome|LBD lewy body dementia|MCI mild cognitive impairment|MDD major depressive disorder
MI myocardial infarction|MS multiple sclerosis|NAFLD non-alcoholic fatty liver disease|NAFLD nonalcoholic fatty liver disease
NSCLC non-small cell lung carcinoma|NSCLC non-small cell lung cancer|OCD obsessive-compulsive disorder
OSA obstructive sleep apnea|PAD peripheral arterial disease|PAD peripheral artery disease|PAH pulmonary arterial hypertension
PCOS polycystic ovary syndrome|PSC primary sclerosing cholangitis|PTSD post-traumatic stress disorder
PTSD posttraumatic stress disorder|PVD peripheral vascular disease|RCC renal cell carcinoma|SCLC small cell lung carcinoma
SLE systemic lupus erythematosus|TBI traumatic brain injury|TIA transient ischemic attack|UTI urinary tract infection
VTE venous thromboembolism
"""
_SHORT = {
    long: short
    for line in _ABBREVIATIONS.strip().splitlines()
    for short, _, long in (pair.partition(" ") for pair in line.split("|"))
}
_PATTERN = re.compile(
    rf"\b(?:({'|'.join(sorted(_SAME, key=len, reverse=True))})\b|({'|'.join(sorted(_SAME_BEFORE, key=len, reverse=True))})\b(?= \w))"
)


def derived(string: str) -> Iterator[str]:
    """Other strings for what `string` names, of two words or more.

    >>> list(derived("Anaplastic thyroid carcinoma")), list(derived("chronic kidney disease")), list(derived("kidney"))
    (['anaplastic thyroid cancer'], ['CKD', 'chronic renal disease', 'chronic kidney disorder'], [])
    """
    if " " not in string:
        return
    lower = string.lower()
    if lower in _SHORT:
        yield _SHORT[lower]
    for match in _PATTERN.finditer(lower):
        other = _SAME[match[1]] if match[1] else _SAME_BEFORE[match[2]]
        yield lower[: match.start()] + other + lower[match.end() :]
