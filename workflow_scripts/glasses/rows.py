"""Rows of scores: what a number was measured under, its value and its interval."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from workflow_scripts.glasses import numerics
from workflow_scripts.shared.statistics import Interval, seed_interval

Row = dict[str, Any]
SLOPE_RANGE = 100.0  # slopes are taken from longest / this to the longest length


def exact(experiment: str, metric: str, value: float, n: int, **conditions: Any) -> Row:
    """An exact number: both ends of its interval are the value."""
    number = float(value)
    ends = {"value": number, "ci_low": number, "ci_high": number}
    return {"experiment": experiment, "metric": metric, "n": n, **ends, **conditions}


def interval(experiment: str, metric: str, found: Interval, **conditions: Any) -> Row:
    ends = {"value": found.value, "ci_low": found.low, "ci_high": found.high, "n": found.n}
    return {"experiment": experiment, "metric": metric, **ends, **conditions}


def positive(values: ArrayLike) -> Interval:
    """Geometric mean with Student's interval of the logarithms; where some value is 0, the
    arithmetic mean with Student's interval, cut at 0.
    """
    sample = np.asarray(values, dtype=float)
    if (sample > 0).all():
        logs = seed_interval(np.log(sample))
        value, low, high = np.exp(logs[:3]).tolist()
        return Interval(value, low, high, logs.n)
    mean = seed_interval(sample)
    return mean._replace(low=max(0.0, mean.low))


def onset(experiment: str, name: str, found: numerics.Onset, **conditions: Any) -> list[Row]:
    """`<name>_length` with the least and greatest seed as ends, and `<name>_share` of seeds."""
    base = {"experiment": experiment, "n": found.n, **conditions}
    ends = {"value": found.value, "ci_low": found.low, "ci_high": found.high}
    share = exact(experiment, f"{name}_share", found.reached, found.n, **conditions)
    return [base | {"metric": f"{name}_length"} | ends, share]


def gap_rows(
    experiment: str,
    lengths: Sequence[int],
    gaps: dict[str, np.ndarray],
    precision: str,
    **conditions: Any,
) -> list[Row]:
    """Rows of gaps between a sequence and the same with its last token repeated.

    `gaps` maps `gap_l1`, `gap_linf`, `equal` and `scale` to arrays (seeds, lengths). Beside them:
    the gap in units of the last place of the representation's own scale; the length from which on
    it is at most one such unit, seed by seed too; the first length at which both are equal; and the
    log-log slope over the last two decades of lengths, where no gap there is 0.
    """
    where = {"precision": precision, **conditions}
    ulps = gaps["gap_linf"] / numerics.ulp(gaps["scale"], precision)
    rows = []
    for metric, values in (
        ("gap_l1", gaps["gap_l1"]),
        ("gap_linf", gaps["gap_linf"]),
        ("gap_ulps", ulps),
        ("equal", gaps["equal"]),
    ):
        for column, length in enumerate(lengths):
            found = positive(values[:, column])
            rows.append(interval(experiment, metric, found, length=length, **where))
    onsets = numerics.lasting_onset(lengths, ulps <= 1)
    rows += onset(experiment, "collapse", numerics.over_seeds(onsets), **where)
    for index, length in enumerate(onsets):
        value = length if np.isfinite(length) else np.nan
        each = exact(experiment, "collapse_length", value, 1, **where)
        rows.append(each | {"seed": index})
    equal = numerics.over_seeds(numerics.first_onset(lengths, gaps["equal"] > 0))
    rows += onset(experiment, "equal", equal, **where)
    least = max(lengths) / SLOPE_RANGE
    far = [length for length in lengths if length >= least]
    if len(far) > 2 and gaps["gap_l1"][:, -len(far) :].all():
        slopes = numerics.tail_slopes(lengths, gaps["gap_l1"], least)
        rows.append(interval(experiment, "gap_slope", seed_interval(slopes), **where))
    last = ulps[:, -1]
    # The median and the extreme seeds, as for lengths.
    around = Interval(float(np.median(last)), float(last.min()), float(last.max()), len(last))
    rows.append(interval(experiment, "longest_gap_ulps", around, length=max(lengths), **where))
    return rows
