"""A coefficient of several cohorts as one: inverse-variance pooling, and how far the cohorts differ."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

__all__ = ["Pooled", "marginal", "pool"]

_ESTIMABLE = 1e-6


@dataclass(frozen=True, slots=True)
class Pooled:
    """`value` and `se` (fixed effect), `cohorts`, Cochran's `q`, `i2` (share of the spread that is not chance), `tau` (between cohorts)."""

    value: float
    se: float
    cohorts: int
    q: float
    i2: float
    tau: float


def pool(values: Sequence[float], variances: Sequence[float]) -> Pooled:
    """Inverse-variance weights; I² of Higgins and Thompson (Stat Med 2002; 21:1539), tau of DerSimonian and Laird (1986; 7:177).

    Raises ValueError where there is no value, or a variance that is not positive.

    >>> found = pool([0.2, 0.6], [0.01, 0.01])
    >>> round(found.value, 6), round(found.q, 6), round(found.i2, 6), round(found.tau, 4)
    (0.4, 8.0, 0.875, 0.2646)
    """
    if not values or any(v <= 0 for v in variances):
        raise ValueError(f"nothing to pool in {list(values)} with variances {list(variances)}")
    weights = [1 / v for v in variances]
    total = math.fsum(weights)
    mean = math.fsum(w * x for w, x in zip(weights, values, strict=True)) / total
    q = math.fsum(w * (x - mean) ** 2 for w, x in zip(weights, values, strict=True))
    free = len(values) - 1
    spread = total - math.fsum(w * w for w in weights) / total
    tau2 = max(0.0, (q - free) / spread) if free else 0.0
    return Pooled(mean, total**-0.5, len(values), q, max(0.0, (q - free) / q) if q > 0 else 0.0, math.sqrt(tau2))


def marginal(information: npt.NDArray[np.float64]) -> list[float | None]:
    """The variance of each coefficient beside all others; None where the cohort alone does not tell it."""
    if not len(information):
        return []
    inverse = np.linalg.pinv(information, rcond=1e-10, hermitian=True)
    told = np.diag(information @ inverse)
    found = np.diag(inverse)
    return [float(v) if abs(t - 1) < _ESTIMABLE and v > 0 else None for v, t in zip(found, told, strict=True)]
