"""What the study's figures share: their data, labels and colours, and small pieces of panels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workflow_scripts.glasses import measurements
from workflow_scripts.glasses.published import Numbers
from workflow_scripts.shared import figures, tables
from workflow_scripts.shared.figures import COLOURS, PAGE_IN
from workflow_scripts.shared.schemas import SCORES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ENCODINGS: dict[str, dict[str, Any]] = {
    name: {"label": label, "color": COLOURS[colour], "marker": marker}
    for (name, label), colour, marker in zip(
        measurements.ENCODINGS.items(), ("black", "orange", "green", "blue"), "os^v", strict=True
    )
}
PRECISIONS: dict[str, dict[str, Any]] = {
    name: {"label": name.replace("_", " "), "color": COLOURS[colour]}
    for name, colour in (
        ("float64", "black"),
        ("float32", "blue"),
        ("float16", "green"),
        ("bfloat16", "vermilion"),
        ("int8_weights", "purple"),
        ("int8_cache", "orange"),
        ("int4_cache", "sky"),
    )
}


@dataclass(frozen=True)
class Data:
    """Scores, the paper's numbers and its answers, the models, the longest trained sequence.

    `answers` is the histogram of figure 4.
    """

    scores: pd.DataFrame
    paper: Numbers
    answers: pd.DataFrame
    models: figures.Models
    trained: int

    def pick(self, **wanted: Any) -> pd.DataFrame:
        """Rows of the scores with the wanted values; `measurements.pick`."""
        return measurements.pick(self.scores, **wanted)

    def published(self, finding: str) -> float:
        """The published value of a finding."""
        return float(self.paper.threshold(finding).value)

    def shade_trained(self, axes: "Axes", model: str, start: float = 0.0) -> None:
        """Shade the lengths that a stand-in was trained on, from `start`."""
        if model in self.models.stand_ins:
            axes.axvspan(start, self.trained, color=COLOURS["grey"], alpha=0.15, lw=0)


def read(
    scores: str,
    thresholds: str,
    copies: str,
    errors: str,
    gaps: str,
    answers: str,
    models: dict[str, dict[str, Any]],
    trained: int,
) -> Data:
    """The data of all figures, from the rule's tables and settings."""
    paper = Numbers.read(thresholds, copies, errors, gaps)
    rows = tables.read(scores, SCORES)
    return Data(rows, paper, pd.read_csv(answers), figures.Models.of(models), trained)


def diamonds(axes: "Axes", rows: pd.DataFrame, column: str, **style: Any) -> None:
    """The paper's values in `column` over `length` as open diamonds with a dark edge."""
    style = {"color": "none", "edgecolors": COLOURS["black"], "label": "paper"} | style
    axes.scatter(rows["length"], rows[column], marker="D", s=9, linewidths=0.7, zorder=3, **style)


def numbers(rows: pd.DataFrame, column: str) -> np.ndarray:
    """A column as floats, shape (rows,), NaN where it is missing."""
    return rows[column].to_numpy(float, na_value=np.nan)


def above(rows: pd.DataFrame, floor: float) -> pd.DataFrame:
    """The rows with values below `floor` undefined and interval ends cut at it, for log axes."""
    columns = ["value", "ci_low", "ci_high"]
    cut = rows[columns].where(rows["value"] >= floor)
    cut[columns[1:]] = cut[columns[1:]].clip(lower=floor)
    return rows.assign(**cut)


def log_lengths(axes: "Axes", longest: float, label: str) -> None:
    """A logarithmic axis of lengths up to `longest`."""
    axes.set_xscale("log")
    axes.xaxis.set_minor_formatter("")  # labels that overlap on a short axis
    axes.set_xlim(right=longest * 1.15)
    axes.set_xlabel(label)


def model_grid(
    data: Data, titles: Sequence[str], x_label: str, y_label: str, height_in: float, **more: Any
) -> "tuple[Figure, np.ndarray]":
    """A figure with a row of panels per model and a column per title, labelled at its edges."""
    import matplotlib.pyplot as plt

    names = data.models.names
    figure, grid = plt.subplots(
        len(names), len(titles), figsize=(PAGE_IN, height_in + 1.55 * len(names)), squeeze=False,
        **more,
    )  # fmt: skip
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title, fontsize=8)
    for axes in grid[-1]:
        axes.set_xlabel(x_label)
    for model, panels in zip(names, grid, strict=True):
        data.models.row(panels[0], model, y_label)
    return figure, grid
