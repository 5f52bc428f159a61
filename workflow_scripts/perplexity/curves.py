"""What one curve over sizes shows: its limit, and its median (NumPy).

A language model gives one curve per wording, so sizes and wordings are the units. Intervals are
over sizes; with several wordings they are widened to the interval over wordings, because a wording
moves a whole curve.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workflow_scripts.shared.statistics import Bounds, Interval, seed_interval

Array = NDArray[np.float64]

LEAST_SIZES = 4  # of a fit with three parameters
SMALLEST = 1.0e-12  # lower limit of a value before its logarithm
EXPONENTS = np.concatenate([[0.1], np.linspace(0.2, 8.0, 40)])


def limit(sizes: ArrayLike, curve: ArrayLike, level: float = 0.95) -> Interval:
    """The limit a of a positive curve y = a + b n^-c, with b >= 0, as n grows.

    `sizes` and `curve` have shape (G,). Least squares of log y on grids of a, b and c; noise is in
    proportion to the value. The interval is the profile of a: all values at which the residual sum
    of squares is at most (1 + F/(G - 3)) times the smallest, with F the quantile of the
    F-distribution with 1 and G - 3 degrees of freedom. Raises `ValueError` below four sizes; with
    four the interval is very wide.
    """
    from scipy import stats

    n, y = np.asarray(sizes, float), np.maximum(np.asarray(curve, float), SMALLEST)
    if len(np.unique(n)) < LEAST_SIZES:
        raise ValueError(f"expected at least {LEAST_SIZES} sizes, found {np.unique(n).tolist()}")
    # Magnitudes from far below the curve to above it; 0 for a curve that vanishes or is flat.
    magnitudes = np.append(0.0, np.geomspace(y.min() * 1e-3, 4 * y.max(), 160))
    limits, starts = magnitudes[:, None, None], magnitudes[None, :, None]
    residuals = np.zeros((len(magnitudes), len(magnitudes), len(EXPONENTS)))
    for size, value in zip(n, y, strict=True):
        fitted = limits + starts * (size / n.min()) ** -EXPONENTS
        residuals += (np.log(value) - np.log(np.maximum(fitted, SMALLEST / 10))) ** 2
    profile = residuals.min((1, 2))
    freedom = len(n) - 3
    quantile = float(stats.f.ppf(level, 1, freedom))
    within = magnitudes[profile <= profile.min() * (1 + quantile / freedom)]
    value = float(magnitudes[profile.argmin()])
    return Interval(value, float(within.min()), float(within.max()), len(n))


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
