"""Scores of the study in one table: one row, one number."""

from collections.abc import Iterator
from itertools import permutations
from typing import Any

import pandas as pd

from workflow_scripts.shared import intervals, job, scores, tables
from workflow_scripts.shared.intervals import DIFFERENCE, SHARE, Part
from workflow_scripts.shared.schemas import SCORES
from workflow_scripts.shared.scores import Row, interval, mean

WHOLE = ("nodes", "delivery")
CONDITIONS = [
    *("algorithm", "other", "variant", "layer", "aggregator", "kind", "degree"),
    *("family", "nodes", "way", "rule", "delivery", "time", "place"),
]
ALL = "all"


def overall(frame: pd.DataFrame) -> Iterator[Row]:
    """Scores of each level and their differences, over all algorithms.

    Scores are means over algorithms of each seed. `largest_difference` is the difference of the
    algorithm where it is largest, with limits corrected for the number of algorithms.
    """
    single = frame[frame["seed"].notna() & (frame["experiment"] == "training")]
    for metric, rows in single.groupby("metric"):
        # Rows are seeds, columns levels.
        values = rows.pivot_table(values="value", index="seed", columns="model", aggfunc="mean")
        for level in values.columns:
            place = {"model": level, "algorithm": ALL}
            yield mean("training", str(metric), values[level], bounds=SHARE, **place)
        if metric != "ood_score":
            continue
        for level, other in permutations(values.columns, 2):
            place = {"model": level, "other": other, "algorithm": ALL}
            gap = values[level] - values[other]
            yield mean("training", "ood_difference", gap, bounds=DIFFERENCE, **place)
            tasks = []
            for _, own in rows.groupby("algorithm"):
                wide = own.pivot_table(values="value", index="seed", columns="model")
                if {level, other} <= set(wide):
                    tasks.append(intervals.of_seeds(wide[level] - wide[other], DIFFERENCE))
            found = intervals.kth_largest(tasks, 1)
            yield interval("training", "largest_difference", found, units="algorithms", **place)


def map_gaps(frame: pd.DataFrame) -> Iterator[Row]:
    """The largest gap of a trained level-3 map: mean over seeds and algorithms, per aggregator."""
    rows = frame[frame["seed"].notna() & (frame["metric"] == "map_largest_gap")]
    for (model, aggregator), own in rows.groupby(["model", "aggregator"]):
        values = own.pivot_table(values="value", index="seed", columns="algorithm").to_numpy()
        found = intervals.mean([Part(1.0, values)]).interval()
        place = {"model": model, "aggregator": aggregator, "algorithm": ALL}
        yield interval("trained", "map_gap", found, units="seeds", **place)


def main(
    algebra: str,
    schedules: str,
    messages: str,
    certificate: str,
    trained: list[str],
    table: str,
    provenance: dict[str, Any],
) -> None:
    """Join the computed tables and those of each algorithm in `trained`, and write `table`."""
    computed = (algebra, schedules, messages, certificate)
    parts = [tables.read(path).assign(model="theory") for path in computed]
    if trained:
        learned = pd.concat([tables.read(path) for path in trained], ignore_index=True)
        parts += [learned, pd.DataFrame([*overall(learned), *map_gaps(learned)])]
    tables.write(scores.table(parts, CONDITIONS, WHOLE), table, SCORES, provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
