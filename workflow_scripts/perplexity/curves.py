"""What one curve over sizes shows: its limit, and its median (NumPy).

A language model gives one curve per wording, so its units are sizes. `scores.widened` adds the
spread over wordings, which move a whole curve.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workflow_scripts.shared.statistics import Interval

Array = NDArray[np.float64]

LEAST_SIZES = 4  # of a fit with three parameters
SMALLEST = 1.0e-12  # lower limit of a value before its logarithm
EXPONENTS = np.geomspace(0.1, 8.0, 30)
LIMITS = 160  # candidates for the limit, on a geometric grid
ITERATIONS = 20  # of Gauss and Newton's method for the factor


def limit(sizes: ArrayLike, curve: ArrayLike, level: float = 0.95) -> Interval:
    """The limit a of a positive curve y = a + b n^-c, with b >= 0, as n grows.

    `sizes` and `curve` have shape (G,). Least squares of log y, so noise is in proportion to the
    value, on a grid of a and c. The interval is the profile of a: all values at which the residual
    sum of squares is at most (1 + F/(G - 3)) times the smallest, F being the quantile of the
    F-distribution with 1 and G - 3 degrees of freedom. Raises `ValueError` below four sizes; with
    four the interval is very wide.
    """
    from scipy import stats

    n, y = np.asarray(sizes, float), np.maximum(np.asarray(curve, float), SMALLEST)
    if len(np.unique(n)) < LEAST_SIZES:
        raise ValueError(f"expected at least {LEAST_SIZES} sizes, found {np.unique(n).tolist()}")
    # From far below the curve to above it, and 0.
    limits = np.append(0.0, np.geomspace(y.min() * 1e-3, 4 * y.max(), LIMITS))
    profile = _profile(n / n.min(), np.log(y), limits)
    freedom = len(n) - 3
    quantile = float(stats.f.ppf(level, 1, freedom))
    within = limits[profile <= profile.min() * (1 + quantile / freedom)]
    value = float(limits[profile.argmin()])
    return Interval(value, float(within.min()), float(within.max()), len(n))


def _profile(ratio: Array, logs: Array, limits: Array) -> Array:
    """Smallest residual sum of squares for each limit, (A,) -> (A,).

    `ratio` (G,) are sizes over the smallest, `logs` (G,) the logarithms of the curve.
    """
    a = limits[:, None, None]
    falls = ratio ** -EXPONENTS[:, None]  # (C, G)
    flat = ((logs - np.log(np.maximum(limits, SMALLEST))[:, None]) ** 2).sum(-1)
    best = flat  # factor 0
    for start in (logs[0], logs.max(), logs.min()):
        factor = np.full((len(limits), len(EXPONENTS), 1), start)  # its logarithm
        for _ in range(ITERATIONS):
            part = np.exp(factor) * falls
            fitted = a + part
            slope = part / fitted
            step = (slope * (logs - np.log(fitted))).sum(-1, keepdims=True)
            factor += (step / (slope**2).sum(-1, keepdims=True)).clip(-1.0, 1.0)
        fitted = a + np.exp(factor) * falls
        residual = ((logs - np.log(fitted)) ** 2).sum(-1).min(1)
        best = np.fmin(best, residual)
    return best


def median(values: ArrayLike, level: float = 0.95) -> Interval:
    """The median of `values`, shape (G,), with the interval between two order statistics.

    It holds for any distribution (Conover 1999, section 3.2). Its ends are NaN where fewer than
    six values give no interval of that level.
    """
    from scipy import stats

    ordered = np.sort(np.asarray(values, dtype=float))
    count = len(ordered)
    below = int(stats.binom.ppf((1 - level) / 2, count, 0.5))
    # `below` values or fewer lie under the median with a probability of at most (1 - level) / 2.
    if stats.binom.cdf(below, count, 0.5) > (1 - level) / 2:
        below -= 1
    middle = float(np.median(ordered)) if count else float("nan")
    if below < 0:
        return Interval(middle, float("nan"), float("nan"), count)
    return Interval(middle, float(ordered[below]), float(ordered[count - 1 - below]), count)
