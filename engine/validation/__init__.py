"""Decides whether a sentence says what its plan said, and nothing that it must not: one pure function a rule."""

from engine.validation.rule import ISSUE_CODES, IssueCode
from engine.validation.validator import Validator, validate

__all__ = ["ISSUE_CODES", "IssueCode", "Validator", "validate"]
