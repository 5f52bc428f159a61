"""Intervals of means over trainings and test items, and of order statistics of several tasks.

Every training answers the same test items, so both factors add to the uncertainty of a mean:
y_ij = mu + a_i + b_j + e_ij for training (seed) i and item j. The interval is
mean ± sqrt(t_a² V_a + t_b² V_b), with V_a and V_b the variances of the mean of the seeds and of the
mean of the items, and t_a and t_b the quantiles of Student's t with their degrees of freedom (Howe
1974). Simulated with 2 to 6 seeds it covers 95 % or more; with Satterthwaite's degrees of freedom
it would cover as little as 88 %, and a bootstrap over both factors less (in the tests).

Where every answer of every seed lies at an end of the range, the items bound the mean, as Clopper
and Pearson's interval of a share does: 4 seeds with no wrong answer to 500 prompts each say more
than that a fifth seed may have none right.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workflow_scripts.shared.statistics import DUST, Bounds, Interval, without_spread

LEVEL = 0.95
SHARE: Bounds = (0.0, 1.0)  # range of a score
DIFFERENCE: Bounds = (-1.0, 1.0)  # range of a difference of two scores


class Part(NamedTuple):
    """Values of shape (seeds, items) that enter a mean with a weight."""

    weight: float
    values: ArrayLike


@dataclass(frozen=True)
class Mean:
    """A mean over seeds and items: its value, and variances with their degrees of freedom.

    `bounds` is the range that one seed's value can take, None if it has none. Rounding errors are
    relative to `scale`, the size of the values. `items` is the effective number of test items.
    """

    value: float
    variances: tuple[tuple[float, int], ...]
    seeds: int
    bounds: Bounds | None = None
    scale: float = 1.0
    items: int = 1

    @property
    def even(self) -> bool:
        """Whether neither seeds nor items differ, beyond rounding errors."""
        return sum(variance for variance, _ in self.variances) <= (DUST * self.scale) ** 2

    @property
    def units(self) -> int:
        """The units of an interval without spread: items at an end of the range, else seeds."""
        at_end = self.bounds is not None and any(
            abs(self.value - end) <= DUST * self.scale for end in self.bounds
        )
        return max(self.seeds, self.items) if at_end and self.seeds > 1 else self.seeds

    def ends(self, lower: float, upper: float) -> tuple[float, float]:
        """One-sided confidence limits; the error of each is at most `lower` and `upper`.

        Both are NaN with fewer than two seeds, or without spread and bounds.
        """
        if self.seeds < 2 or self.even:
            low = without_spread(self.value, self.units, 1 - 2 * lower, self.bounds).low
            high = without_spread(self.value, self.units, 1 - 2 * upper, self.bounds).high
            return low, high
        low, high = self.value - self._half(lower), self.value + self._half(upper)
        if self.bounds is None:
            return low, high
        return max(low, self.bounds[0]), min(high, self.bounds[1])

    def interval(self, level: float = LEVEL) -> Interval:
        """The interval of the mean; `n` counts the seeds."""
        error = (1 - level) / 2
        return Interval(self.value, *self.ends(error, error), self.seeds)

    def _half(self, error: float) -> float:
        from scipy import stats

        free = np.array([degrees for _, degrees in self.variances])
        each = np.array([variance for variance, _ in self.variances])
        return math.sqrt(float((stats.t.isf(error, free) ** 2 * each).sum()))


def mean(parts: Sequence[Part], shift: float = 0.0, bounds: Bounds | None = None) -> Mean:
    """`shift` plus the weighted sum of the means of all parts.

    The parts have values of shape (seeds, items) with the same seeds and different items: prompts
    of several algorithms or sizes. Raises `ValueError` if their numbers of seeds differ, or on NaN.
    """
    weights = [part.weight for part in parts]
    values = [np.asarray(part.values, dtype=float) for part in parts]
    counts = {one.shape[0] for one in values}
    if len(counts) != 1 or any(np.isnan(one).any() for one in values):
        raise ValueError(f"expected numbers of the same seeds in all parts, found {counts} seeds")
    seeds = counts.pop()
    by_seed = np.sum([w * one.mean(1) for w, one in zip(weights, values, strict=True)], axis=0)
    value = float(by_seed.mean()) + shift
    sizes = [abs(w) * float(np.abs(one).max()) for w, one in zip(weights, values, strict=True)]
    scale = max(*sizes, 0.0 if bounds is None else bounds[1] - bounds[0])
    value = 0.0 if abs(value) <= DUST * scale else value
    if seeds < 2:
        return Mean(value, (), seeds, bounds, scale)
    variances = [(float(by_seed.var(ddof=1)) / seeds, seeds - 1)]
    for weight, one in zip(weights, values, strict=True):
        items = one.shape[1]
        if items > 1:
            of_items = float(one.mean(0).var(ddof=1)) / items
            variances.append((weight**2 * of_items, items - 1))
    # Kish's effective number, the sum of all items where they weigh the same.
    counts_of_items = np.array([one.shape[1] for one in values], dtype=float)
    shares = np.abs(weights)
    items = int(shares.sum() ** 2 / (shares**2 / counts_of_items).sum())
    return Mean(value, tuple(variances), seeds, bounds, scale, items)


def of_seeds(values: ArrayLike, bounds: Bounds | None = None) -> Mean:
    """The mean of one value per seed, shape (seeds,); its interval is Student's t."""
    return mean([Part(1.0, np.asarray(values, dtype=float)[:, None])], bounds=bounds)


def kth_largest(tasks: Sequence[Mean], k: int, level: float = LEVEL) -> Interval:
    """The k-th largest of the tasks' true means, k from 1; `n` counts the tasks.

    The k-th largest lower limit exceeds it only if one of the m - k + 1 smallest means lies below
    its limit, and the k-th largest upper limit falls short of it only if one of the k largest means
    lies above its limit. So the limits have the errors α/2 / (m - k + 1) and α/2 / k (Bonferroni).
    Raises `ValueError` unless 1 <= k <= m.
    """
    count = len(tasks)
    if not 1 <= k <= count:
        raise ValueError(f"expected a rank between 1 and {count} tasks, found {k}")
    error = (1 - level) / 2
    ends = np.array([task.ends(error / (count - k + 1), error / k) for task in tasks])
    values: NDArray[np.float64] = np.sort([task.value for task in tasks])
    value = float(values[-k])
    if np.isnan(ends).any():
        return Interval(value, math.nan, math.nan, count)
    low, high = (float(np.sort(column)[-k]) for column in ends.T)
    return Interval(value, low, high, count)
