"""`compiled`: how every loop is compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["compiled"]


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as machine code, which other threads may run beside, kept in numba's cache where there is a folder."""
    try:
        return numba.njit(cache=True, error_model="numpy", nogil=True)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # no folder that can hold the cache
        return numba.njit(error_model="numpy", nogil=True)(function)  # type: ignore[no-any-return]
