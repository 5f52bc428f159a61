"""Gaps between representations, and the length at which a precision no longer resolves them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workflow_scripts.shared.statistics import Interval, seed_interval

# Explicit mantissa bits. The last three compute in float32 on rounded weights or caches.
MANTISSA_BITS = {
    "float64": 52,
    "float32": 23,
    "float16": 10,
    "bfloat16": 7,
    "int8_weights": 23,
    "int8_cache": 23,
    "int4_cache": 23,
}

LASTING = 3  # lengths at which a condition must hold to count as lasting


def ulp(scale: ArrayLike, precision: str) -> NDArray:
    """One unit in the last place at magnitudes `scale` > 0, any shape; the result has its shape."""
    exponent = np.floor(np.log2(np.asarray(scale, dtype=float)))
    return 2.0 ** (exponent - MANTISSA_BITS[precision])


def lasting_onset(lengths: Sequence[int], holds: ArrayLike) -> NDArray:
    """First of the ascending `lengths` (G,) from which `holds` (seeds, G) stays true, (seeds,).

    Infinity for a seed where it does not hold at the last `LASTING` lengths: a single one may be
    chance.
    """
    table = np.asarray(holds, dtype=bool)
    trailing = np.logical_and.accumulate(table[:, ::-1], axis=1).sum(axis=1)
    trailing = np.where(trailing < LASTING, 0, trailing)
    padded = np.append(np.asarray(lengths, dtype=float), np.inf)
    return padded[len(lengths) - trailing]


def first_onset(lengths: Sequence[int], holds: ArrayLike) -> NDArray:
    """First of `lengths` (G,) at which `holds` (seeds, G) is true, (seeds,); infinity if none."""
    table = np.asarray(holds, dtype=bool)
    padded = np.append(np.asarray(lengths, dtype=float), np.inf)
    return padded[np.where(table.any(axis=1), table.argmax(axis=1), len(lengths))]


def over_seeds(onsets: ArrayLike) -> Interval:
    """Median of onsets (seeds,), infinite where a seed has none, with the least and the greatest.

    From six seeds on these cover the median in at least 95 % of cases. A value or end that would be
    infinite is NaN.
    """
    each = np.sort(np.asarray(onsets, dtype=float))
    # The upper of the two middle seeds: a length and infinity have no mean.
    ends = [each[len(each) // 2], each[0], each[-1]]
    median, low, high = (float(end) if np.isfinite(end) else float("nan") for end in ends)
    return Interval(median, low, high, len(each))


def tail_slopes(lengths: Sequence[int], values: ArrayLike, least: float) -> NDArray:
    """Log-log slopes (seeds,) of `values` (seeds, G) over `lengths` (G,) from `least` on."""
    sizes = np.asarray(lengths, dtype=float)
    far = sizes >= least
    return np.polyfit(np.log(sizes[far]), np.log(np.asarray(values)[:, far]).T, 1)[0]


def log_grid(least: int, most: int, points: int) -> list[int]:
    """At most `points` distinct whole numbers from `least` to `most`, evenly spaced in the log."""
    return np.unique(np.geomspace(least, most, points).round().astype(int)).tolist()


def positive_mean(values: ArrayLike) -> Interval:
    """Geometric mean of `values` (n,) with Student's t interval of the logarithms.

    Where a value is 0: the arithmetic mean with Student's t interval, cut at 0.
    """
    sample = np.asarray(values, dtype=float)
    if (sample > 0).all():
        logs = seed_interval(np.log(sample))
        value, low, high = np.exp(logs[:3]).tolist()
        return Interval(value, low, high, logs.n)
    mean = seed_interval(sample)
    return mean._replace(low=max(0.0, mean.low))
