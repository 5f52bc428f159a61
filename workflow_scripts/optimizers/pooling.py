"""From rows by seed to one number with its interval: means, paired differences, losses."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from workflow_scripts.shared.statistics import Interval, seed_interval

Row = dict[str, Any]


def ends(interval: Interval) -> Row:
    low, high = interval.low, interval.high
    return {"value": interval.value, "ci_low": low, "ci_high": high, "n": interval.n}


def pooled(frame: pd.DataFrame, keys: Sequence[str]) -> list[Row]:
    """Mean over seeds of every metric and condition; rows without a value are left out."""
    rows = []
    groups = frame.dropna(subset="value").groupby([*keys, "metric"], dropna=False, sort=False)
    for place, values in groups["value"]:
        names = dict(zip([*keys, "metric"], place, strict=True))
        rows.append(names | ends(seed_interval(values)))
    return rows


def lost(frame: pd.DataFrame, keys: Sequence[str], metric: str, column: str) -> list[Row]:
    """How many runs of each condition were kept out, and of how many."""
    runs = frame[[*keys, "run", column]].drop_duplicates()
    rows = []
    for place, flags in runs.groupby(list(keys), dropna=False, sort=False)[column]:
        count = {"metric": metric, "value": float(flags.sum()), "n": len(flags)}
        rows.append(dict(zip(keys, place, strict=True)) | count)
    return rows


def paired(first: pd.Series, second: pd.Series, metric: str, **place: Any) -> list[Row]:
    """Mean difference over the seeds that both have; nothing where they share none."""
    both = pd.concat([first, second], axis=1, join="inner").dropna()
    if both.empty:
        return []
    return [place | {"metric": metric} | ends(seed_interval(both.iloc[:, 0] - both.iloc[:, 1]))]
