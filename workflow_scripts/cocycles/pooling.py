"""Means over the algorithms that were trained, by seed, beside those of each algorithm."""

from collections.abc import Iterator
from itertools import combinations

import pandas as pd

from workflow_scripts.cocycles.rows import Row, mean

ALL = "all"


def overall(frame: pd.DataFrame) -> Iterator[Row]:
    """Scores of each level and their differences, each a mean over all algorithms of a seed."""
    single = frame[frame["seed"].notna() & (frame["experiment"] == "training")]
    means = single.groupby(["metric", "model", "seed"])["value"].mean()
    for (metric, level), values in means.groupby(level=["metric", "model"]):
        yield mean("training", str(metric), values, model=level, algorithm=ALL)
    scores = means.loc["ood_score"].unstack("model")
    for first, second in combinations(sorted(scores.columns), 2):
        place = {"model": second, "other": first, "algorithm": ALL}
        yield mean("training", "ood_difference", scores[second] - scores[first], **place)
