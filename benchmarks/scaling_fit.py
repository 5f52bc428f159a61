"""Cost = a + b * n ** p: fitted, with an interval of p; and memory's slope."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares
from scipy.stats import linregress, t

LEAST, MOST = 0.2, 4.0  # exponents that are looked at


class Fit(NamedTuple):
    """Seconds a, seconds b at the largest size, exponent p and its 95 % interval."""

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
    """Least squares on relative errors, as a cost's error grows with it. a and b are at least 0.

    The interval is from the curvature at the best fit, with Student's t for the few points left.
    """
    n, cost = np.asarray(sizes, float), np.asarray(costs, float)
    if len(n) < 4:
        raise ValueError(f"{len(n)} sizes; a fit of three parameters needs four or more")
    largest = float(n.max())
    scale = float(cost.max())

    def errors(x: np.ndarray) -> np.ndarray:
        return (x[0] + x[1] * (n / largest) ** x[2]) * scale / cost - 1.0

    start = np.clip(linregress(np.log(n), np.log(cost)).slope, LEAST, MOST)
    bounds = ([0.0, 1e-9, LEAST], [np.inf, np.inf, MOST])
    found = least_squares(errors, [0.01, 1.0, start], bounds=bounds, x_scale="jac", xtol=1e-12)
    a, b, p = found.x
    # What sits at the bound (no fixed cost) is not uncertain in the curvature's sense.
    free = np.array([a > 1e-6, True, True])
    jacobian = found.jac[:, free]
    left = max(1, len(n) - int(free.sum()))
    variance = 2 * found.cost / left
    covariance = np.linalg.pinv(jacobian.T @ jacobian) * variance
    half = float(t.ppf(0.975, left) * np.sqrt(covariance[-1, -1]))
    return Fit(
        float(a * scale), float(b * scale), float(p), float(p - half), float(p + half), largest
    )


def slope(sizes: Sequence[float], memory_mb: Sequence[float]) -> float:
    """MB for each further unit of size, a straight line through all points."""
    return float(linregress(sizes, memory_mb).slope)
