"""Rows of the study's score table, and the intervals of means over questions."""

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workflow_scripts.shared import seeds, statistics
from workflow_scripts.shared.statistics import Interval

CONDITIONS = ["experiment", "domain", "arm", "aggregator", "k", "cell"]
COLUMNS = [*CONDITIONS, "model", "seed", "metric", "value", "ci_low", "ci_high", "n", "note"]
Row = dict[str, Any]


class Rows:
    """Collects the rows of one model and domain."""

    def __init__(self, model: str, domain: str, seed: int):
        self.model, self.domain, self.seed = model, domain, seed
        self.made: list[Row] = []

    def mean(self, experiment: str, metric: str, values: NDArray[Any], **more: Any) -> Interval:
        """The mean of a value for each question, with its bootstrap interval over questions.

        A question whose value is not defined (NaN) does not enter.
        """
        values = np.asarray(values, float)
        values = values[~np.isnan(values)]
        found = Interval(math.nan, math.nan, math.nan, 0)
        if values.size:
            key = seeds.derive(self.seed, experiment, metric, *map(str, more.values()))
            found = statistics.bootstrap_mean(values, key)
        self.add(experiment, metric, found, **more)
        return found

    def add(self, experiment: str, metric: str, found: Interval, **more: Any) -> None:
        """One row; without an observation it has no value."""
        absent = found.n == 0 or math.isnan(found.value)
        base: Row = {"experiment": experiment, "domain": self.domain, "model": self.model}
        base |= {"arm": "", "aggregator": "", "k": None, "cell": "", "note": ""} | more
        names = ("value", "ci_low", "ci_high")
        ends = {
            name: None if absent or math.isnan(end) else end
            for name, end in zip(names, found[:3], strict=True)
        }
        self.made.append(base | {"metric": metric, "n": found.n} | ends)

    def exact(self, experiment: str, metric: str, value: float, n: int, **more: Any) -> None:
        """A count or a share without an interval."""
        self.add(experiment, metric, Interval(value, math.nan, math.nan, n), **more)


def table(rows: list[Row]) -> pd.DataFrame:
    """The rows as a frame with all columns; seeds are pooled in this study."""
    frame = pd.DataFrame(rows).assign(seed=pd.array([pd.NA] * len(rows), dtype="Int64"))
    frame["k"] = frame["k"].astype("Int64")
    floats = {"value": float, "ci_low": float, "ci_high": float}
    return frame[COLUMNS].astype(floats)


def pick(scores: pd.DataFrame, metric: str, **wanted: Any) -> pd.DataFrame:
    """Rows with a value whose columns have the wanted values (or one of a list of them)."""
    rows = scores[(scores["metric"] == metric) & scores["value"].notna()]
    for column, value in wanted.items():
        values = list(value) if isinstance(value, (list, tuple, set)) else [value]
        rows = rows[rows[column].isin(values)]
    return rows
