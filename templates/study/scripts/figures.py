"""The study's figures, drawn from its scores: function `name` draws `name.png`."""

import sys
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workflow_scripts.example_study.measurements import pick
from workflow_scripts.shared import figures, schemas, tables
from workflow_scripts.shared.figures import COLOURS, COLUMN_IN

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TOPICS = ()  # modules figures_<topic>.py, where one file would be long


def read(scores: str) -> pd.DataFrame:
    """The argument of every figure function."""
    return tables.read(scores, schemas.SCORES)


def spread(scores: pd.DataFrame) -> "Figure":
    """Spread of a mean against the number of draws, with the exact value."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(COLUMN_IN, 2.4))
    rows = pick(scores, experiment="E1", metric="spread")
    figures.line(axes, rows, "size", color=COLOURS["blue"], marker="o", label="simulated")
    sizes = np.sort(rows["size"].to_numpy(float))
    axes.plot(sizes, (12 * sizes) ** -0.5, "--", color=COLOURS["black"], label="exact")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("draws per mean")
    axes.set_ylabel("standard deviation of the mean")
    axes.legend()
    return figure


if __name__ == "__main__":
    figures.run(snakemake, read, sys.modules[__name__], *TOPICS)
