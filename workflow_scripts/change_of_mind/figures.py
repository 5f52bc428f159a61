"""The study's figures, from its scores alone."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from workflow_scripts.change_of_mind import figures_confidence, figures_models, figures_rates
from workflow_scripts.change_of_mind.plots import Data
from workflow_scripts.shared import figures, job, schemas, tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES: dict[str, Callable[[Data], "Figure"]] = {
    "paradigm": figures_models.paradigm,
    "change_rate": figures_rates.change_rate,
    "first_confidence": figures_rates.first_confidence,
    "sigmoid": figures_rates.sigmoid,
    "confidence_change": figures_confidence.confidence_change,
    "confidence_change_odds": figures_confidence.confidence_change_odds,
    "ideal": figures_confidence.ideal,
    "ideal_odds": figures_confidence.ideal_odds,
    "updates": figures_confidence.updates,
    "oucs": figures_confidence.oucs,
    "overweighting": figures_confidence.overweighting,
    "controls": figures_rates.controls,
    "transfer": figures_models.transfer,
    "reliability": figures_confidence.reliability,
    "elpd": figures_models.elpd,
    "posterior": figures_models.posterior,
    "recovery": figures_confidence.recovery,
}


def main(
    scores: str | Path,
    published: dict[str, str],
    paths: Sequence[str],
    models: Sequence[str],
    stand_ins: Sequence[str],
    answerers: dict[str, dict[str, float]],
) -> None:
    """Draw the figure of each PNG path, named as its file is."""
    figures.use_style()
    data = Data(
        tables.read(scores, schemas.SCORES),
        {name: pd.read_csv(path) for name, path in published.items()},
        tuple(models),
        frozenset(stand_ins),
        answerers,
    )
    for path in paths:
        figures.save(FIGURES[Path(path).stem](data), path)


if __name__ == "__main__":
    with job.running(snakemake):
        given = dict(snakemake.input.items())
        main(
            given.pop("scores"),
            given,
            [path for path in snakemake.output if path.endswith(".png")],
            snakemake.params.models,
            snakemake.params.stand_ins,
            dict(snakemake.params.answerers),
        )
