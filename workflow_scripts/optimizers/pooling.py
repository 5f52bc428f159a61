"""From values by seed to rows of scores: means, paired differences, counts of excluded runs."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from workflow_scripts.shared.scores import Row, exact, mean


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
        place: Row = dict(zip(keys, at, strict=True))
        rows.append(mean(experiment, str(metric), values, **place))
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
    experiment: str, metric: str, first: pd.Series, second: pd.Series, **place: Any
) -> list[Row]:
    """Mean difference over common seeds; no row if there are none."""
    both = pd.concat([first, second], axis=1, join="inner").dropna()
    if both.empty:
        return []
    return [mean(experiment, metric, both.iloc[:, 0] - both.iloc[:, 1], **place)]
