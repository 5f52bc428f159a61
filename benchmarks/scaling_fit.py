"""Fits of cost = a + b * n ** p, with an interval for p, and of the slope of memory."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import least_squares
from scipy.stats import f, linregress, t

LEAST, MOST = 0.2, 4.0  # candidate exponents


class Fit(NamedTuple):
    """A fit: seconds a, seconds b at the largest size, exponent p and its 95 % interval."""

    a: float
    b: float
    p: float
    low: float
    high: float
    largest: float

    def at(self, n: float) -> float:
        """Seconds at size `n`, for one call; beyond the largest size an extrapolation."""
        return self.a + self.b * (n / self.largest) ** self.p


def power(sizes: Sequence[float], costs: Sequence[float]) -> Fit:
    """Least squares on relative errors, because the error of a cost grows with the cost.

    The fixed cost a is kept if an F test at 5 % requires it. The interval comes from the curvature
    at the best fit, with Student's t for the few degrees of freedom.
    """
    n, cost = np.asarray(sizes, float), np.asarray(costs, float)
    if len(n) < 4:
        raise ValueError(f"{len(n)} sizes; a fit of three parameters needs four or more")
    largest, scale = float(n.max()), float(cost.max())
    start = float(np.clip(linregress(np.log(n), np.log(cost)).slope, LEAST, MOST))

    def errors(x: np.ndarray) -> np.ndarray:
        """Relative errors of (b, p) or (b, p, a), costs in units of the largest."""
        fixed = x[2] if len(x) > 2 else 0.0
        return (fixed + x[0] * (n / largest) ** x[1]) * scale / cost - 1.0

    def fit(first: list[float]) -> Any:
        bounds = ([1e-9, LEAST, 0.0][: len(first)], [np.inf, MOST, np.inf][: len(first)])
        return least_squares(errors, first, bounds=bounds, x_scale="jac", xtol=1e-12, ftol=1e-12)

    found, more = fit([1.0, start]), fit([1.0, start, 0.01])
    left = len(n) - 3
    gain = (found.cost - more.cost) / max(more.cost / left, 1e-15)
    if gain > f.ppf(0.95, 1, left):
        found = more
    left = len(n) - len(found.x)
    covariance = np.linalg.pinv(found.jac.T @ found.jac) * (2 * found.cost / left)
    half = float(t.ppf(0.975, left) * np.sqrt(covariance[1, 1]))
    b, p, a = (*found.x, 0.0)[:3]
    return Fit(float(a * scale), float(b * scale), float(p), p - half, p + half, largest)


def slope(sizes: Sequence[float], memory_mb: Sequence[float]) -> float | None:
    """MB per additional unit of size; None if the points do not rise significantly (5 %)."""
    line = linregress(sizes, memory_mb, alternative="greater")
    return float(line.slope) if line.pvalue < 0.05 else None
