"""Figure of induction heads and copying."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workflow_scripts.parallel_sequential.figures_common import Data, name_lines, points, zero
from workflow_scripts.shared.figure_text import write_cells
from workflow_scripts.shared.figures import PAGE_IN, missing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ABLATED = {"none": "all heads", "random": "without\nrandom", "induction": "without\ninduction"}


def induction(data: Data) -> "Figure":
    """P6: induction scores and weight on the earlier answer by head, and ablation."""
    import matplotlib.pyplot as plt

    measured = set(data.pick("induction_score")["model"])
    models = [model for model in data.models.names if model in measured]
    figure, axes = plt.subplots(
        max(len(models), 1),
        3,
        figsize=(PAGE_IN, 2.2 * max(len(models), 1)),
        squeeze=False,
        width_ratios=[1, 1, 0.85],
    )
    for row, model in zip(axes, models, strict=False):
        for panel, metric, text in (
            (row[0], "induction_score", "induction score"),
            (row[1], "attention_to_earlier", "weight on earlier answer"),
        ):
            _heat(panel, data.pick(metric, model=model))
            data.models.title(panel, model, f": {text}", fontsize=7)
        points(row[2], data.pick("copying_gain", model=model), "cell", list(ABLATED), "blue")
        zero(row[2])
        name_lines(row[2], list(ABLATED.values()))
        row[2].set_xlabel("gain in\nlog-probability, nats")
        data.models.title(row[2], model, ": copying", fontsize=7)
    if not models:
        for panel in axes.flat:
            missing(panel)
    return figure


def _heat(axes: "Axes", rows: pd.DataFrame) -> None:
    """A heat map over layers and heads; small ones show the values too."""
    cells = rows["cell"].str.split(".", expand=True).astype(int)
    values = np.full((cells[0].max() + 1, cells[1].max() + 1), np.nan)
    values[cells[0], cells[1]] = rows["value"]
    image = axes.imshow(values, cmap="Blues", vmin=0, aspect="auto")
    axes.grid(False)
    if values.size <= 64:
        texts = [[f"{value:.2f}".removeprefix("0") for value in row] for row in values]
        write_cells(image, texts, fontsize=6)
        axes.set_xticks(range(values.shape[1]))
        axes.set_yticks(range(values.shape[0]))
    axes.set_xlabel("head")
    axes.set_ylabel("layer")
    axes.figure.colorbar(image, ax=axes, shrink=0.9, pad=0.03)
