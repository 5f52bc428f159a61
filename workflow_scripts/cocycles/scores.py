"""Scores of the study in one table: one row, one number."""

from collections.abc import Iterator
from itertools import permutations
from typing import Any

import pandas as pd

from workflow_scripts.shared import job, scores, tables
from workflow_scripts.shared.schemas import SCORES
from workflow_scripts.shared.scores import Row, mean

WHOLE = ("nodes", "delivery")
CONDITIONS = [
    *("algorithm", "other", "variant", "layer", "aggregator", "kind", "degree"),
    *("family", "nodes", "way", "rule", "delivery", "time", "place"),
]
ALL = "all"


def overall(frame: pd.DataFrame) -> Iterator[Row]:
    """Scores of each level and their differences, as means over all algorithms of each seed."""
    single = frame[frame["seed"].notna() & (frame["experiment"] == "training")]
    for metric, rows in single.groupby("metric"):
        # Rows are seeds, columns levels.
        values = rows.pivot_table(values="value", index="seed", columns="model", aggfunc="mean")
        for level in values.columns:
            yield mean("training", str(metric), values[level], model=level, algorithm=ALL)
        if metric == "ood_score":
            for level, other in permutations(values.columns, 2):
                place = {"model": level, "other": other, "algorithm": ALL}
                yield mean("training", "ood_difference", values[level] - values[other], **place)


def main(
    algebra: str,
    schedules: str,
    messages: str,
    trained: list[str],
    table: str,
    provenance: dict[str, Any],
) -> None:
    """Join the computed tables and those of each algorithm in `trained`, and write `table`."""
    computed = (algebra, schedules, messages)
    parts = [tables.read(path).assign(model="theory") for path in computed]
    if trained:
        learned = pd.concat([tables.read(path) for path in trained], ignore_index=True)
        parts += [learned, pd.DataFrame(overall(learned))]
    tables.write(scores.table(parts, CONDITIONS, WHOLE), table, SCORES, provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
