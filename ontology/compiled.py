"""`compiled`: a function as machine code, made at its first call. The only module that names numba.

The code is kept in numba's cache beside the module or, where that folder is not writable, in the user's cache folder; without
any writable folder each process compiles anew. No fast-math: sums are taken in the order that is written, on every machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["compiled", "inlined", "loop"]


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, compiled for the types it is called with; other threads may run beside it."""
    try:
        return numba.njit(cache=True, error_model="numpy", nogil=True)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # no folder that can hold the cache
        return numba.njit(error_model="numpy", nogil=True)(function)  # type: ignore[no-any-return]


def loop(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that makes no array, compiled without counting references: atomic counts took a third of the exact loop's time.

    The caller holds the arrays. An allocation in it is an error when it is compiled.
    """
    try:
        return numba.njit(cache=True, error_model="numpy", nogil=True, _nrt=False)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # no folder that can hold the cache
        return numba.njit(error_model="numpy", nogil=True, _nrt=False)(function)  # type: ignore[no-any-return]


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that becomes part of each compiled function that calls it: tables pass by value otherwise, at a cost."""
    return numba.njit(inline="always", error_model="numpy")(function)  # type: ignore[no-any-return]
