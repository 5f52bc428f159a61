"""Shared by the study's figures: data, colours and markers of conditions, parts of panels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from workflow_scripts.change_of_mind.measurements import pick
from workflow_scripts.change_of_mind.published import Published
from workflow_scripts.shared.figures import (
    COLOURS,
    PAGE_IN,
    PUBLISHED,
    Models,
    legend_below,
    margins,
    panel_grid,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DISPLAY = {  # label, colour, marker
    "hidden": ("answer hidden", "orange", "o"),
    "shown": ("answer shown", "blue", "s"),
    "wrong": ("other option shown", "purple", "^"),
    "incorrect": ("wrong option shown", "grey", "v"),
}
ADVICE = {"same": "same advice", "opposite": "opposite advice", "neutral": "neutral advice"}
ADVICE_COLOURS = {"same": "green", "opposite": "vermilion", "neutral": "grey"}
ACCURACY = "stated accuracy of the advice, %"
FIRST_CONFIDENCE = "confidence in the first answer"
PAPER = "paper (Gemma 3 12B)"
FILLED: dict[str, Any] = {**PUBLISHED}
OPEN: dict[str, Any] = {**PUBLISHED, "markerfacecolor": "white"}


@dataclass(frozen=True)
class Data:
    """The study's scores, the published tables, the models and the answerers' parameters."""

    scores: pd.DataFrame
    published: Published
    models: Models
    answerers: dict[str, dict[str, float]]

    def pick(self, metric: str, **wanted: Any) -> pd.DataFrame:
        """Scores with a value whose columns have the wanted values; of E1 unless stated."""
        return pick(self.scores, **{"metric": metric, "experiment": "E1"} | wanted)

    def value(self, metric: str, **wanted: Any) -> float:
        """The first value that `pick` finds, or NaN."""
        return float(next(iter(self.pick(metric, **wanted)["value"]), np.nan))

    def binned(self, x: str, y: str, **wanted: Any) -> pd.DataFrame:
        """Scores of metric `y`, ascending by `at`, the value of metric `x` in the same bin."""
        at = self.pick(x, **wanted).set_index("bin")["value"].rename("at")
        return self.pick(y, **wanted).join(at, on="bin", how="inner").sort_values("at")


def grid(data: Data, columns: int, height_in: float = 1.75, **more: Any) -> "tuple[Figure, Any]":
    """A row of `columns` panels per model; the panels have shape (models, columns)."""
    rows = len(data.models.names)
    height_in += 0.75 / rows  # for the legend
    figure, panels = panel_grid(rows * columns, PAGE_IN, height_in, columns, **more)
    return figure, np.array(panels).reshape(rows, columns)


def name_row(data: Data, panels: "Sequence[Axes]", model: str, label: str) -> None:
    """The model's name and the y label left of a row."""
    data.models.row(panels[0], model, label)


def name_columns(axes: Any, titles: Sequence[str], label: str) -> None:
    """Titles above the first row of panels, shape (rows, columns); the x label below the last."""
    for top, bottom, title in zip(axes[0], axes[-1], titles, strict=True):
        top.set_title(title)
        bottom.set_xlabel(label)


def offsets(count: int, step: float) -> np.ndarray:
    """Positions of `count` marks side by side around 0, shape (count,).

    They are `step` apart, or closer where that would take more than 0.8 in all.
    """
    return min(step, 0.8 / count) * (np.arange(count) - (count - 1) / 2)


def by_accuracy(rows: pd.DataFrame) -> pd.DataFrame:
    """Scores of single accuracies, ascending, with the accuracy as number `at`."""
    rows = rows[rows["accuracy"].str.isdigit()]
    return rows.assign(at=rows["accuracy"].astype(int)).sort_values("at")


def series(axes: "Axes", rows: pd.DataFrame, display: str, **style: Any) -> None:
    """Values with intervals over the column `at`, in the colour and marker of a display."""
    label, colour, marker = DISPLAY[display]
    look: dict[str, Any] = {
        "marker": marker,
        "markersize": 3,
        "color": COLOURS[colour],
        "label": label,
    }
    axes.errorbar(rows["at"], rows["value"], margins(rows), **look | style)


def by_advice(
    data: Data,
    draw: "Callable[[Axes, str, str], None]",
    labels: tuple[str, str],
    height_in: float = 1.75,
    sharey: Literal["all", "row"] = "all",
) -> "Figure":
    """A row of panels per model, one per kind of advice; `labels` are those of x and y.

    `draw` takes panel, model and advice.
    """
    figure, axes = grid(data, len(ADVICE), height_in, sharex=True, sharey=sharey)
    for panels, model in zip(axes, data.models.names, strict=True):
        for panel, advice in zip(panels, ADVICE, strict=True):
            draw(panel, model, advice)
        name_row(data, panels, model, labels[1])
    name_columns(axes, list(ADVICE.values()), labels[0])
    legend_below(figure, list(axes[0]), 4)
    return figure
