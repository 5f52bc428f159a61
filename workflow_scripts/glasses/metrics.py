"""Gaps between representations, and the length at which a precision no longer resolves them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workflow_scripts.shared.statistics import Interval, seed_interval

# Explicit mantissa bits. Those of int8 and int4 compute in float32 on rounded weights or caches.
MANTISSA_BITS = {
    "float64": 52,
    "float32": 23,
    "float16": 10,
    "bfloat16": 7,
    "float8_e4m3fn": 3,
    "float8_e5m2": 2,
    "int8_weights": 23,
    "int8_cache": 23,
    "int4_cache": 23,
}

# Of normal numbers; all others as float32.
LEAST_EXPONENTS = {"float64": -1022, "float16": -14, "float8_e4m3fn": -6, "float8_e5m2": -14}
FLOAT32_LEAST = -126

# One unit in the last place of bfloat16 between 1 and 2: the line drawn in figures 5, 8, 10 and 12.
BFLOAT16_LINE = 2.0**-7

PREFIX, NOISE = 200, 0.1  # E7: perturbed entries, upper end of the noise (appendix C)

LASTING = 3  # lengths at which a condition must hold to count as lasting


def ulp(scale: ArrayLike, precision: str) -> NDArray:
    """One unit in the last place at magnitudes `scale`, any shape; the result has its shape.

    Below the least normal number, and at 0, the unit is that of the subnormal numbers.
    """
    with np.errstate(divide="ignore"):
        exponent = np.floor(np.log2(np.asarray(scale, dtype=float)))
    exponent = np.maximum(exponent, LEAST_EXPONENTS.get(precision, FLOAT32_LEAST))
    return np.exp2(exponent - MANTISSA_BITS[precision])


def gaps(plain: ArrayLike, repeated: ArrayLike, precision: str) -> dict[str, NDArray]:
    """Distances of representations (..., d), each of shape (...).

    `gap_l1` and `gap_linf`; `equal`, 1 where all coordinates agree; `ulps`, the largest distance of
    a coordinate in units in the last place of the larger side of that coordinate.
    """
    sides = np.asarray(plain, dtype=float), np.asarray(repeated, dtype=float)
    with np.errstate(invalid="ignore"):  # infinite on both sides: NaN, an overflow
        apart = np.abs(sides[0] - sides[1])
    unit = ulp(np.maximum(np.abs(sides[0]), np.abs(sides[1])), precision)
    with np.errstate(invalid="ignore"):
        units = apart / unit
    return {
        "gap_l1": apart.sum(-1),
        "gap_linf": apart.max(-1),
        "equal": (apart.max(-1) == 0).astype(float),
        "ulps": units.max(-1),
    }


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


def over_seeds(lengths: Sequence[int], onsets: ArrayLike) -> Interval:
    """Median of onsets (seeds,), infinite where a seed has none, from the least to the greatest.

    From six seeds on these cover the median in at least 95 % of cases. An onset lies after the last
    of the ascending `lengths` (G,) without it, so the lower end is the one before the least onset,
    or 1. A value or end that would be infinite is NaN.
    """
    each = np.sort(np.asarray(onsets, dtype=float))
    before = [length for length in (1, *lengths) if length < each[0]]
    # The upper of the two middle seeds: a length and infinity have no mean.
    ends = [each[len(each) // 2], max(before, default=1), each[-1]]
    median, low, high = (float(end) if np.isfinite(end) else float("nan") for end in ends)
    return Interval(median, low, high, len(each))


def crossings(lengths: Sequence[int], values: ArrayLike, line: float) -> NDArray:
    """Lengths (seeds,) at which `values` (seeds, G) > 0 fall below `line` for good.

    Interpolated between the ascending `lengths` (G,) on logarithmic axes; infinity for a seed that
    ends above the line, the first length for one that starts below it.
    """
    logs, sizes = np.log(np.asarray(values, dtype=float)), np.log(np.asarray(lengths, dtype=float))
    found = np.empty(len(logs))
    for seed, curve in enumerate(logs - np.log(line)):
        over = np.flatnonzero(curve > 0)
        if not len(over):
            found[seed] = lengths[0]
        elif over[-1] == len(curve) - 1:
            found[seed] = np.inf
        else:
            at = over[-1]
            part = curve[at] / (curve[at] - curve[at + 1])
            found[seed] = np.exp(sizes[at] + part * (sizes[at + 1] - sizes[at]))
    return found


def last_decades(lengths: Sequence[int], factor: float) -> list[int]:
    """Indices of the `lengths` (G,) from the longest / `factor` on."""
    return [i for i, length in enumerate(lengths) if length >= max(lengths) / factor]


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
    return mean._replace(low=max(mean.low, 0.0))  # in this order a NaN stays
