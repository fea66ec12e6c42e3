"""Estimation: a cohort as intervals, the likelihood of what visits saw, the fit, counts, remission, simulation, scores."""
