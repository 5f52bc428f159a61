"""Scores of the gap between a sequence and the same with its last token repeated."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from workflow_scripts.glasses import metrics
from workflow_scripts.shared import limits
from workflow_scripts.shared.scores import Row, absent, exact, interval, number, share
from workflow_scripts.shared.statistics import Interval

LIMIT_RANGE = 1000.0  # limits are fitted from the longest length / this on
OVERFLOW = "overflow"  # note of a number that a precision could not hold


def onset_rows(
    experiment: str, name: str, lengths: Sequence[int], onsets: np.ndarray, **conditions: Any
) -> tuple[Row, Row]:
    """Rows of onsets (seeds,) at `lengths` (G,), infinite where a seed has none.

    `<name>_length`: the median with the least and greatest seed. `<name>_share`: of seeds with one.
    """
    found = metrics.over_seeds(lengths, onsets)
    length = interval(experiment, f"{name}_length", found, **conditions)
    length["ci_low"] = found.low  # the first seed may have one where the median has none
    hits = int(np.isfinite(onsets).sum())
    return length, share(experiment, f"{name}_share", hits, found.n, **conditions)


def gap_rows(
    experiment: str, lengths: Sequence[int], gaps: dict[str, np.ndarray], **conditions: Any
) -> list[Row]:
    """Gaps by length, and where and how far they collapse.

    `gaps` is what `metrics.gaps` returns, arrays (seeds, lengths); `conditions` include `precision`
    and `units`, what the first axis counts. Besides these: the length from which no coordinate is
    more than one unit in the last place apart, also per seed; the first length at which both sides
    are equal; and the share of seeds whose L-infinity gap is above the bfloat16 line at the longest
    length. Where a number overflowed the rows have no value but the note `overflow`.
    """
    broken = ~np.isfinite(gaps["gap_linf"]).all(0)
    rows = []
    for column, length in enumerate(lengths):
        at = conditions | {"length": length}
        if broken[column]:
            rows += [
                absent(experiment, metric, OVERFLOW, **at)
                for metric in ("gap_l1", "gap_linf", "gap_ulps", "equal")
            ]
            continue
        for metric, name in (("gap_l1", "gap_l1"), ("gap_linf", "gap_linf"), ("gap_ulps", "ulps")):
            found = metrics.positive_mean(gaps[name][:, column])
            rows.append(interval(experiment, metric, found, **at))
        equal = gaps["equal"][:, column]
        rows.append(share(experiment, "equal", int(equal.sum()), len(equal), **at))
    if broken.any():
        first = lengths[int(broken.argmax())]
        rows.append(exact(experiment, "overflow_length", first, len(broken), **conditions))
        names = ("collapse_length", "equal_length", "longest_gap_ulps", "apart_share")
        return rows + [absent(experiment, name, OVERFLOW, **conditions) for name in names]
    onsets = metrics.lasting_onset(lengths, gaps["ulps"] <= 1)
    rows += onset_rows(experiment, "collapse", lengths, onsets, **conditions)
    for seed, length in enumerate(np.where(np.isfinite(onsets), onsets, np.nan)):
        rows.append(number(experiment, "collapse_length", length, 1, seed=seed, **conditions))
    equal = metrics.first_onset(lengths, gaps["equal"] > 0)
    rows += onset_rows(experiment, "equal", lengths, equal, **conditions)
    last = gaps["ulps"][:, -1]
    # The median and the extreme seeds, as for lengths; seeds that agree have no interval.
    ends = (float(last.min()), float(last.max())) if np.ptp(last) else (np.nan, np.nan)
    middle = Interval(float(np.median(last)), *ends, len(last))
    rows.append(interval(experiment, "longest_gap_ulps", middle, length=max(lengths), **conditions))
    hits = int((gaps["gap_linf"][:, -1] > metrics.BFLOAT16_LINE).sum())
    rows.append(
        share(experiment, "apart_share", hits, len(last), length=max(lengths), **conditions)
    )
    return rows


def limit_rows(
    experiment: str, lengths: Sequence[int], gaps: dict[str, np.ndarray], **conditions: Any
) -> list[Row]:
    """Limits of the gaps as the length grows, and where the L1 gap passes the bfloat16 line.

    `gaps` maps `gap_l1` and `gap_linf` to arrays (seeds, lengths). The limits are fitted over the
    last three decades of lengths, if these hold four lengths. `line_length`, per seed, needs gaps
    above 0.
    """
    rows = []
    far = metrics.last_decades(lengths, LIMIT_RANGE)
    if len(far) >= limits.LEAST_SIZES:
        for norm in ("l1", "linf"):
            found = limits.limit([lengths[i] for i in far], gaps[f"gap_{norm}"][:, far])
            rows.append(interval(experiment, f"limit_{norm}", found, **conditions))
    if (gaps["gap_l1"] > 0).all():
        each = metrics.crossings(lengths, gaps["gap_l1"], metrics.BFLOAT16_LINE)
        for seed, length in enumerate(np.where(np.isfinite(each), each, np.nan)):
            rows.append(number(experiment, "line_length", length, 1, seed=seed, **conditions))
    return rows
