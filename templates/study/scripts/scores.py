"""All measurements of the study as one table of scores: one row, one number."""

from typing import Any

import pandas as pd

from workflow_scripts.example_study import metrics
from workflow_scripts.shared import job, schemas, tables
from workflow_scripts.shared.scores import Row, mean, table

CONDITIONS = ["size"]


def rows_of(frame: pd.DataFrame) -> list[Row]:
    """Mean spread per size, and the log-log slope of the spread against the size, over seeds."""
    wide = frame.pivot(index="seed", columns="size", values="value")
    means = [mean("E1", "spread", wide[size], size=size) for size in wide.columns]
    slopes = metrics.log_slope(wide.columns.to_numpy(float), wide.to_numpy(float))
    return [*means, mean("E1", "spread_slope", slopes)]


def main(simulated: str, scores: str, provenance: dict[str, Any]) -> None:
    """Read the simulation and write the table of scores."""
    frame = table([rows_of(tables.read(simulated))], CONDITIONS, whole=CONDITIONS)
    tables.write(frame.assign(model="theory"), scores, schemas.SCORES, provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
