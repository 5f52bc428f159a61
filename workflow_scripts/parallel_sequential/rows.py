"""The score rows of one model in one domain, with bootstrap intervals over questions."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from workflow_scripts.shared import scores, seeds, statistics
from workflow_scripts.shared.scores import Row
from workflow_scripts.shared.statistics import Interval

UNITS = "questions"
TEXTS = ["domain", "arm", "aggregator", "cell"]


class Rows:
    """Collects the rows of one model and domain in `made`; `seed` seeds their bootstraps."""

    def __init__(self, model: str, domain: str, seed: int):
        self.model, self.domain, self.seed = model, domain, seed
        self.made: list[Row] = []

    def mean(
        self, experiment: str, metric: str, values: ArrayLike, units: str = UNITS, **conditions: Any
    ) -> None:
        """The mean of `values`, shape (n,), one per unit, with its bootstrap interval.

        Units without a value (NaN) are left out. The order of `conditions` is part of the seed.
        """
        known = np.asarray(values, float)
        known = known[~np.isnan(known)]
        found = Interval(math.nan, math.nan, math.nan, 0)
        if known.size:
            key = seeds.derive(self.seed, experiment, metric, *map(str, conditions.values()))
            found = statistics.bootstrap_mean(known, key)
        self.interval(experiment, metric, found, units, **conditions)

    def interval(
        self, experiment: str, metric: str, found: Interval, units: str = UNITS, **conditions: Any
    ) -> None:
        """An estimate with its interval."""
        base = {"units": units, "model": self.model, "domain": self.domain}
        self.made.append(scores.interval(experiment, metric, found, **base, **conditions))

    def number(
        self, experiment: str, metric: str, value: float, n: int, units: str, **conditions: Any
    ) -> None:
        """A sampled number without an interval."""
        found = Interval(value, math.nan, math.nan, n)
        self.interval(experiment, metric, found, units, **conditions)


def table(parts: Sequence[Sequence[Row]]) -> pd.DataFrame:
    """The study's table of scores from lists of rows."""
    return scores.table(parts, [*TEXTS, "k"], whole=["k"], texts=TEXTS)
