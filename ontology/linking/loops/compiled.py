"""`loop`: how every loop is compiled."""

from __future__ import annotations

from typing import Any

import numba

__all__ = ["loop"]


def loop(function: Any) -> Any:
    """The function as machine code, which other threads may run beside, kept in numba's cache where there is a folder."""
    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # no folder that can hold the cache
        return numba.njit(nogil=True, error_model="numpy")(function)
