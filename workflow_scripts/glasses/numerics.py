"""Gaps between representations, and when a precision no longer tells them apart."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Explicit mantissa bits. The last two compute in float32 on weights or caches that were rounded.
MANTISSA_BITS = {
    "float64": 52,
    "float32": 23,
    "float16": 10,
    "bfloat16": 7,
    "int8_weights": 23,
    "int8_cache": 23,
    "int4_cache": 23,
}

LASTING = 3


def ulp(scale: ArrayLike, precision: str) -> NDArray:
    """One unit in the last place of numbers of magnitude `scale` > 0, any shape."""
    exponent = np.floor(np.log2(np.asarray(scale, dtype=float)))
    return 2.0 ** (exponent - MANTISSA_BITS[precision])


class Onset(NamedTuple):
    """First length from which on something holds, over seeds; NaN where it never does.

    `value` is the median over seeds, `low` and `high` the least and the greatest: an interval that
    covers the median in at least 95 % of cases from six seeds on. A seed that never gets there
    counts as later than every length; an end or a median that would be such a seed's is NaN.
    `reached` is the share of seeds that get there.
    """

    value: float
    low: float
    high: float
    reached: float
    n: int


def lasting_onset(lengths: Sequence[int], holds: ArrayLike) -> NDArray:
    """First of the ascending `lengths` (G,) from which on `holds` (seeds, G) is never false again.

    Infinity for a seed where it does not hold at the last `LASTING` lengths: at a single one it
    may by chance.
    """
    table = np.asarray(holds, dtype=bool)
    trailing = np.logical_and.accumulate(table[:, ::-1], axis=1).sum(axis=1)
    trailing = np.where(trailing < LASTING, 0, trailing)
    padded = np.append(np.asarray(lengths, dtype=float), np.inf)
    return padded[len(lengths) - trailing]


def first_onset(lengths: Sequence[int], holds: ArrayLike) -> NDArray:
    """First of `lengths` (G,) at which `holds` (seeds, G) is true; infinity where it never is."""
    table = np.asarray(holds, dtype=bool)
    padded = np.append(np.asarray(lengths, dtype=float), np.inf)
    return padded[np.where(table.any(axis=1), table.argmax(axis=1), len(lengths))]


def over_seeds(onsets: ArrayLike) -> Onset:
    """Median of onsets (seeds,) with least and greatest."""
    each = np.sort(np.asarray(onsets, dtype=float))
    # The upper of the two middle seeds: the mean of a length and infinity is no length.
    ends = [each[len(each) // 2], each[0], each[-1]]
    median, low, high = (float(end) if np.isfinite(end) else float("nan") for end in ends)
    return Onset(median, low, high, float(np.isfinite(each).mean()), len(each))


def tail_slopes(lengths: Sequence[int], values: ArrayLike, least: float) -> NDArray:
    """Log-log slope of `values` (seeds, G) over `lengths` (G,) from `least` on, by seed."""
    sizes = np.asarray(lengths, dtype=float)
    far = sizes >= least
    return np.polyfit(np.log(sizes[far]), np.log(np.asarray(values)[:, far]).T, 1)[0]


def log_grid(least: int, most: int, count: int) -> list[int]:
    """At most `count` distinct whole numbers from `least` to `most`, evenly spaced in the log."""
    return np.unique(np.geomspace(least, most, count).round().astype(int)).tolist()
