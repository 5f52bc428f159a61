"""The limit of a quantity as its size grows, for claims that something becomes arbitrarily close.

A falling curve may level off. Its slope does not tell: a + b n^-c falls for every a. So the limit a
is fitted, with an interval over independent units.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workflow_scripts.shared.statistics import Interval, seed_interval

SLOWEST, FASTEST = 0.1, 3.0  # exponents; a slower fall than n^-0.1 has no limit that sizes show
LEAST_SIZES = 4  # of a fit with three parameters
STEPS = 59  # exponents of the coarse search


class Fit(NamedTuple):
    """The curve limit + factor * n^-exponent."""

    limit: float
    factor: float
    exponent: float


def fit(sizes: ArrayLike, curve: ArrayLike, weights: ArrayLike | None = None) -> Fit:
    """Weighted least-squares fit of a + b n^-c to `curve` (G,) at `sizes` (G,).

    `weights` (G,) multiply the residuals; all 1 by default. Limit and factor are linear given the
    exponent, which is searched between 0.1 and 3. Raises `ValueError` below four distinct sizes.
    """
    from scipy.optimize import minimize_scalar

    n, y = np.asarray(sizes, dtype=float), np.asarray(curve, dtype=float)
    if len(np.unique(n)) < LEAST_SIZES:
        raise ValueError(f"limits: expected at least {LEAST_SIZES} sizes, found {np.unique(n)}")
    weigh = np.ones_like(y) if weights is None else np.asarray(weights, dtype=float)

    def solved(exponent: float) -> tuple[float, NDArray]:
        """The residual sum of squares at an exponent, and (limit, factor), (2,)."""
        columns = np.stack([weigh, weigh * (n / n.min()) ** -exponent], 1)
        ends = np.linalg.lstsq(columns, weigh * y)[0]
        return float(((columns @ ends - weigh * y) ** 2).sum()), ends

    grid = np.linspace(SLOWEST, FASTEST, STEPS)
    best = grid[int(np.argmin([solved(exponent)[0] for exponent in grid]))]
    step = grid[1] - grid[0]
    bounds = (max(SLOWEST, best - step), min(FASTEST, best + step))
    found = minimize_scalar(lambda c: solved(c)[0], bounds=bounds, method="bounded")
    exponent = float(found.x) if found.fun <= solved(best)[0] else float(best)
    limit, factor = solved(exponent)[1].tolist()
    return Fit(limit, factor * n.min() ** exponent, exponent)


def limit(
    sizes: ArrayLike, values: ArrayLike, level: float = 0.95, relative: bool = True
) -> Interval:
    """The limit of the mean of `values` (units, G) as `sizes` (G,) grow, with its interval.

    The curve a + b n^-c is fitted to the mean over units; the interval is Student's t over the
    jackknife's pseudo-values (Efron and Tibshirani 1993, chapter 11), one per unit, so it covers
    the uncertainty of all three parameters. With `relative` the noise is taken to grow with the
    value, as for positive quantities that span decades; else it is the same at all sizes. One unit
    has no interval; nor has a curve that changes as n^-0.1 or more slowly, whose limit lies too far
    beyond the sizes. Raises `ValueError` below four sizes, or if a value is not finite.
    """
    table = np.asarray(values, dtype=float)
    if not np.isfinite(table).all():
        raise ValueError("limits: expected finite values, drop units or sizes without one")
    mean = table.mean(0)
    weights = np.ones_like(mean)
    if relative:
        weights = 1 / _scale(mean)
        # Weights from the fit: a point that is low by chance must not weigh more for it.
        first = fit(sizes, mean, weights)
        smooth = first.limit + first.factor * np.asarray(sizes, dtype=float) ** -first.exponent
        weights = 1 / _scale(smooth)
    found = fit(sizes, mean, weights)
    whole, units = found.limit, len(table)
    if units < 2:
        return Interval(whole, float("nan"), float("nan"), units)
    others = [fit(sizes, curve, weights) for curve in (table.sum(0) - table) / (units - 1)]

    def jackknife(of_all: float, of_others: list[float]) -> Interval:
        return seed_interval(units * of_all - (units - 1) * np.array(of_others), level)

    ends = np.array([np.min(sizes), np.max(sizes)], dtype=float)

    def change(curve: Fit) -> float:
        first, last = curve.factor * ends**-curve.exponent
        return float(first - last)

    changed = jackknife(change(found), [change(other) for other in others])
    flat = changed.low <= 0 <= changed.high  # what the slowest exponent then fits is noise
    if found.exponent <= SLOWEST + 1.0e-3 and not flat:
        return Interval(whole, float("nan"), float("nan"), units)
    pseudo = jackknife(whole, [other.limit for other in others])
    half = (pseudo.high - pseudo.low) / 2
    return Interval(whole, whole - half, whole + half, units)


def _scale(curve: NDArray) -> NDArray:
    """Magnitudes of a curve (G,), none below a millionth of the largest; 1 where all are 0."""
    size = np.abs(curve)
    largest = float(size.max())
    return np.maximum(size, 1.0e-6 * largest) if largest else np.ones_like(size)
