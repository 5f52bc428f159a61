"""Everything the study measured, as one table of scores: one row, one number."""

from typing import Any

import pandas as pd

from workflow_scripts.cocycles import pooling
from workflow_scripts.shared import job, provenance, tables
from workflow_scripts.shared.schemas import SCORES

CONDITIONS = [
    *("algorithm", "other", "variant", "layer", "aggregator", "kind", "degree"),
    *("family", "nodes", "way", "rule", "delivery", "time", "place"),
]


def main(table: str, exact: list[str], trained: list[str], provenance: dict[str, Any]) -> None:
    """`exact` are tables of what is computed, `trained` those of each algorithm's processors."""
    parts = [tables.read(path).assign(model="theory") for path in exact]
    if trained:
        learned = pd.concat([tables.read(path) for path in trained], ignore_index=True)
        parts += [learned, pd.DataFrame(pooling.overall(learned))]
    columns = ["experiment", *CONDITIONS, "model", "seed", "metric"]
    columns += ["value", "ci_low", "ci_high", "n"]
    frame = pd.concat(parts, ignore_index=True).reindex(columns=columns)
    for column in ("nodes", "delivery"):
        frame[column] = frame[column].astype("Int64")
    tables.write(frame, table, SCORES, provenance)


if __name__ == "__main__":
    with job.running(snakemake):
        given = snakemake.input
        main(
            snakemake.output.table,
            [given.algebra, given.schedules, given.messages],
            list(given.trained),
            provenance=provenance.of(snakemake),
        )
