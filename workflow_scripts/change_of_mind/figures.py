"""Draw the study's figures from its scores."""

import sys
from typing import Any

from workflow_scripts.change_of_mind import figures_confidence, figures_models, figures_rates
from workflow_scripts.change_of_mind.figures_common import Data
from workflow_scripts.change_of_mind.published import read_tables
from workflow_scripts.shared import figures, schemas, tables

TOPICS = (figures_rates, figures_confidence, figures_models)


def read(
    scores: str,
    published: list[str],
    models: dict[str, dict[str, Any]],
    answerers: dict[str, dict[str, float]],
) -> Data:
    """The tables and settings that the figures are drawn from."""
    return Data(
        tables.read(scores, schemas.SCORES),
        read_tables(published),
        figures.Models.of(models),
        answerers,
    )


if __name__ == "__main__":
    figures.run(snakemake, read, sys.modules[__name__], *TOPICS)
