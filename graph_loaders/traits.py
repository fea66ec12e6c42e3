"""Words and codes of sources for the pack's traits."""

from __future__ import annotations

__all__ = ["RACE", "SEX"]

SEX = {"F": "female", "FEMALE": "female", "8532": "female", "M": "male", "MALE": "male", "8507": "male"}
"""By what a source writes, in upper case; numbers are OMOP's concepts."""

RACE = {
    "WHITE": "white", "BLACK": "black", "BLACK OR AFRICAN AMERICAN": "black", "ASIAN": "asian", "HISPANIC": "hispanic",
    "HISPANIC OR LATINO": "hispanic", "8527": "white", "8516": "black", "8515": "asian", "38003563": "hispanic",
}  # fmt: skip
"""Likewise; the published figures of the pack count Hispanic as a race."""
