"""The study's figures, drawn from its scores."""

import sys

from workflow_scripts.parallel_sequential import (
    figures_accuracy,
    figures_exploration,
    figures_mechanism,
    figures_stopping,
)
from workflow_scripts.parallel_sequential.figures_common import read
from workflow_scripts.shared import figures

TOPICS = (figures_accuracy, figures_exploration, figures_mechanism, figures_stopping)

if __name__ == "__main__":
    figures.run(snakemake, read, sys.modules[__name__], *TOPICS)
