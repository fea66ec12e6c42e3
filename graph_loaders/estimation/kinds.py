"""Kinds of interval and states of an event in it, for those who must not load numba."""

PANEL, EXACT, TO_DEATH = 0, 1, 2
"""Onsets somewhere inside; onsets at its end; from the last visit to death, onsets not looked for."""

WAITS, BEGUN, BEGINS = 0, 1, 2
"""Not begun by the end; begun before; begins in the interval."""
