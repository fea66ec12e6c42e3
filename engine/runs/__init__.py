"""Durable generation: recipe, worker, pools and the run folder."""

from engine.runs.folder import read_records
from engine.runs.generate import generate, make_recipe
from engine.runs.recipe import Recipe
from engine.runs.report import RunReport
from engine.runs.run import Run

__all__ = ["Recipe", "Run", "RunReport", "generate", "make_recipe", "read_records"]
