"""The study's figures, drawn from its scores."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from workflow_scripts.parallel_sequential import figures_inside, figures_main
from workflow_scripts.parallel_sequential.plots import Cast
from workflow_scripts.shared import figures, job, schemas, tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DRAW: dict[str, Callable[[pd.DataFrame, Cast], "Figure"]] = {
    "accuracy": figures_main.accuracy,
    "aggregators": figures_main.aggregators,
    "cost": figures_main.cost,
    "padding": figures_main.padding,
    "similarity": figures_inside.similarity,
    "unique": figures_inside.unique,
    "transitions": figures_inside.transitions,
    "instructions": figures_main.instructions,
    "induction": figures_inside.induction,
    "feedback": figures_main.feedback,
    "controls": figures_main.controls,
}


def main(
    scores: str | Path,
    pngs: dict[str, str],
    models: Sequence[str],
    stand_ins: Sequence[str],
    attempts: int,
) -> None:
    """Draw each named figure; its PDF goes beside it."""
    figures.use_style()
    table = tables.read(scores, schemas.SCORES)
    cast = Cast(tuple(models), frozenset(stand_ins), attempts)
    for name, png in pngs.items():
        figures.save(DRAW[name](table, cast), png)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            snakemake.input.scores,
            {name: snakemake.output[name] for name in DRAW},
            snakemake.params.models,
            snakemake.params.stand_ins,
            snakemake.params.attempts,
        )
