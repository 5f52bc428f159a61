"""Scores of the gap between a sequence and the same with its last token repeated."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from workflow_scripts.glasses import metrics
from workflow_scripts.shared.scores import Row, interval, mean, number
from workflow_scripts.shared.statistics import Interval

SLOPE_RANGE = 100.0  # slopes are fitted from the longest length / this on


def onset_rows(
    experiment: str, name: str, onsets: np.ndarray, **conditions: Any
) -> tuple[Row, Row]:
    """Rows of onsets (seeds,), infinite where a seed has none.

    `<name>_length`: the median with the least and greatest seed. `<name>_share`: of seeds with one.
    """
    found = metrics.over_seeds(onsets)
    length = interval(experiment, f"{name}_length", found, **conditions)
    length["ci_low"] = found.low  # the first seed may have one where the median has none
    share = float(np.isfinite(onsets).mean())
    return length, number(experiment, f"{name}_share", share, found.n, **conditions)


def gap_rows(
    experiment: str, lengths: Sequence[int], gaps: dict[str, np.ndarray], **conditions: Any
) -> list[Row]:
    """Gaps by length, and where and how fast they collapse.

    `gaps` maps `gap_l1`, `gap_linf`, `equal` and `scale` to arrays (seeds, lengths); `conditions`
    include `precision` and `units`, what the first axis counts. Besides these: the gap in units in
    the last place at the representation's own scale; the length from which it is at most one unit,
    also per seed; the first length at which both sides are equal; and the log-log slope over the
    last two decades of lengths, unless a gap there is 0.
    """
    ulps = gaps["gap_linf"] / metrics.ulp(gaps["scale"], conditions["precision"])
    rows = [
        interval(
            experiment,
            metric,
            metrics.positive_mean(values[:, column]),
            length=length,
            **conditions,
        )
        for metric, values in (
            ("gap_l1", gaps["gap_l1"]),
            ("gap_linf", gaps["gap_linf"]),
            ("gap_ulps", ulps),
            ("equal", gaps["equal"]),
        )
        for column, length in enumerate(lengths)
    ]
    onsets = metrics.lasting_onset(lengths, ulps <= 1)
    rows += onset_rows(experiment, "collapse", onsets, **conditions)
    for seed, length in enumerate(np.where(np.isfinite(onsets), onsets, np.nan)):
        rows.append(number(experiment, "collapse_length", length, 1, seed=seed, **conditions))
    equal = metrics.first_onset(lengths, gaps["equal"] > 0)
    rows += onset_rows(experiment, "equal", equal, **conditions)
    least = max(lengths) / SLOPE_RANGE
    far = [length for length in lengths if length >= least]
    if len(far) > 2 and gaps["gap_l1"][:, -len(far) :].all():
        slopes = metrics.tail_slopes(lengths, gaps["gap_l1"], least)
        rows.append(mean(experiment, "gap_slope", slopes, **conditions))
    last = ulps[:, -1]
    # The median and the extreme seeds, as for lengths.
    ends = Interval(float(np.median(last)), float(last.min()), float(last.max()), len(last))
    rows.append(interval(experiment, "longest_gap_ulps", ends, length=max(lengths), **conditions))
    return rows
