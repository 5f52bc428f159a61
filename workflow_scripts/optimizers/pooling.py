"""From values by seed to rows of scores: means, paired differences, counts of excluded runs."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from workflow_scripts.shared.scores import Row, exact, mean
from workflow_scripts.shared.statistics import Bounds

ROUNDING = 1.0e-5
# Metrics by the range of one seed's value; all others are unbounded.
SHARES = frozenset(
    {
        *("task_accuracy", "average_accuracy", "learned_accuracy", "earlier_accuracy"),
        *("learned_first", "probe_accuracy", "test_accuracy", "pruned_accuracy", "reached"),
        *("function_distance", "small_weight_share", "update_overlap"),
        *("class_cosine", "class_cosine_mean"),  # of ReLU activations, so none is negative
    }
)
CHANGES = frozenset(
    {"forgetting", "forgetting_at_distance", "backward_transfer", "forward_transfer"}
)


def bounds_of(metric: str) -> Bounds | None:
    """The range that one seed's value of a metric can take; None if it has no bounds."""
    if metric in SHARES:
        return (0.0, 1.0)
    return (-1.0, 1.0) if metric in CHANGES else None


def difference_bounds(metric: str) -> Bounds | None:
    """The range of the difference between two seeds' values of a metric."""
    bounds = bounds_of(metric)
    return None if bounds is None else (bounds[0] - bounds[1], bounds[1] - bounds[0])


def within(values: pd.Series, bounds: Bounds | None) -> pd.Series:
    """`values`, one per seed, without the rounding errors of float32 that leave their bounds.

    Raises `ValueError` for a value further outside.
    """
    if bounds is None:
        return values
    low, high = bounds
    if ((values < low - ROUNDING) | (values > high + ROUNDING)).any():
        raise ValueError(
            f"expected values from {low:g} to {high:g}, found {values.min():g} to {values.max():g}"
        )
    return values.clip(low, high)


def by_seed(metric: str, values: Iterable[float], **place: Any) -> list[Row]:
    """One row for each seed's value, shape (S,), to be pooled later."""
    return [
        {"metric": metric, "seed": seed, "value": float(value)} | place
        for seed, value in enumerate(values)
    ]


def pooled(experiment: str, frame: pd.DataFrame, keys: Sequence[str]) -> list[Row]:
    """Mean over seeds of every metric at every place; rows without a value are left out."""
    groups = frame.dropna(subset="value").groupby([*keys, "metric"], dropna=False, sort=False)
    rows = []
    for (*at, metric), values in groups["value"]:
        bounds = bounds_of(str(metric))
        place: Row = dict(zip(keys, at, strict=True), bounds=bounds)
        rows.append(mean(experiment, str(metric), within(values, bounds), **place))
    return rows


def lost(
    experiment: str, metric: str, frame: pd.DataFrame, keys: Sequence[str], column: str
) -> list[Row]:
    """Number of runs of each condition that are flagged in `column`, and their total."""
    runs = frame[[*keys, "run", column]].drop_duplicates()
    rows = []
    for at, flags in runs.groupby(list(keys), dropna=False, sort=False)[column]:
        place: Row = dict(zip(keys, at, strict=True), units="runs")
        rows.append(exact(experiment, metric, flags.sum(), len(flags), **place))
    return rows


def paired(
    experiment: str,
    metric: str,
    first: pd.Series,
    second: pd.Series,
    bounds: Bounds | None = None,
    **place: Any,
) -> list[Row]:
    """Mean difference over the seeds of both; no row if they share none.

    `bounds` is the range of one difference.
    """
    both = pd.concat([first, second], axis=1, join="inner").dropna()
    if both.empty:
        return []
    differences = within(both.iloc[:, 0] - both.iloc[:, 1], bounds)
    return [mean(experiment, metric, differences, bounds=bounds, **place)]
