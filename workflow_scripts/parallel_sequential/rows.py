"""The score rows of one model in one domain, with bootstrap intervals over questions."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from workflow_scripts.shared import scores, seeds, statistics
from workflow_scripts.shared.scores import Row
from workflow_scripts.shared.statistics import Bounds, Interval

UNITS = "questions"
TEXTS = ["domain", "arm", "aggregator", "cell"]
SHARE: Bounds = (0.0, 1.0)  # the range of one question's accuracy
DIFFERENCE: Bounds = (-1.0, 1.0)  # and that of a difference of two


class Rows:
    """Collects the rows of one model and domain in `made`; `seed` seeds their bootstraps."""

    def __init__(self, model: str, domain: str, seed: int):
        self.model, self.domain, self.seed = model, domain, seed
        self.made: list[Row] = []

    def mean(
        self,
        experiment: str,
        metric: str,
        values: ArrayLike,
        units: str = UNITS,
        bounds: Bounds | None = None,
        **conditions: Any,
    ) -> None:
        """The mean of `values`, shape (n,), one per unit, with its bootstrap interval.

        `bounds` is the range of one unit's value. Units without a value (NaN) are left out. The
        order of `conditions` is part of the seed.
        """
        known = np.asarray(values, float)
        known = known[~np.isnan(known)]
        found = Interval(math.nan, math.nan, math.nan, 0)
        if known.size:
            key = seeds.derive(self.seed, experiment, metric, *map(str, conditions.values()))
            found = statistics.bootstrap_mean(known, key, bounds=bounds)
        self.interval(experiment, metric, found, units, **conditions)

    def share(self, experiment: str, metric: str, values: ArrayLike, **conditions: Any) -> None:
        """The mean over questions of a share (accuracy), shape (Q,), with its interval."""
        self.mean(experiment, metric, values, bounds=SHARE, **conditions)

    def difference(
        self, experiment: str, metric: str, first: ArrayLike, second: ArrayLike, **conditions: Any
    ) -> None:
        """The mean of `first` minus `second`, shares paired by question, of shape (Q,) each.

        Where both are 0 % or both 100 % at every question, a difference could not have shown: the
        row has no interval, and its note says so.
        """
        left, right = np.asarray(first, float), np.asarray(second, float)
        for end, amount in ((0.0, "0 %"), (1.0, "100 %")):
            if left.size and np.allclose([left, right], end, rtol=0, atol=statistics.DUST):
                note = f"both are {amount} at each of {left.size} questions: no difference can show"
                self.number(experiment, metric, 0.0, left.size, UNITS, note=note, **conditions)
                return
        self.mean(experiment, metric, left - right, bounds=DIFFERENCE, **conditions)

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
