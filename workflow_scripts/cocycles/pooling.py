"""Means over the algorithms that were trained, by seed, beside those of each algorithm."""

from collections.abc import Iterator
from itertools import permutations

import pandas as pd

from workflow_scripts.cocycles.rows import Row, mean

ALL = "all"


def overall(frame: pd.DataFrame) -> Iterator[Row]:
    """Scores of each level and their differences, each a mean over all algorithms of a seed."""
    single = frame[frame["seed"].notna() & (frame["experiment"] == "training")]
    for metric, rows in single.groupby("metric"):
        # Rows are seeds, columns levels.
        scores = rows.pivot_table(values="value", index="seed", columns="model", aggfunc="mean")
        for level in scores.columns:
            yield mean("training", str(metric), scores[level], model=level, algorithm=ALL)
        if metric == "ood_score":
            for level, other in permutations(scores.columns, 2):
                place = {"model": level, "other": other, "algorithm": ALL}
                yield mean("training", "ood_difference", scores[level] - scores[other], **place)
