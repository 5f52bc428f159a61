"""What the study's figures share: who is drawn, published values, and small pieces of panels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workflow_scripts.shared.figures import COLOURS, PAGE_IN, PUBLISHED, mark_stand_in

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PALETTE = ("blue", "vermilion", "green", "purple", "orange", "sky")
DISPLAY = {
    "hidden": ("answer hidden", "orange", "o"),
    "shown": ("answer shown", "blue", "s"),
    "wrong": ("other option shown", "purple", "^"),
    "incorrect": ("wrong option shown", "grey", "v"),
}
ADVICE = {"same": "same advice", "opposite": "opposite advice", "neutral": "neutral advice"}
PAPER = "Gemma-3-12B"
FILLED: dict[str, Any] = {**PUBLISHED}
OPEN: dict[str, Any] = {**PUBLISHED, "markerfacecolor": "white"}


@dataclass(frozen=True)
class Data:
    """The study's scores, the published tables, and whose rows are drawn."""

    scores: pd.DataFrame
    published: dict[str, pd.DataFrame]
    models: tuple[str, ...]
    stand_ins: frozenset[str]
    answerers: dict[str, dict[str, float]]

    def label(self, model: str) -> str:
        return f"{model} (stand-in)" if model in self.stand_ins else model

    def colour(self, model: str) -> str:
        return COLOURS[PALETTE[self.models.index(model) % len(PALETTE)]]

    def scalar(self, quantity: str) -> float:
        """A published number of which there is only one."""
        rows = self.published["scalars"]
        return float(rows[rows["quantity"] == quantity]["value"].iloc[0])

    def pick(self, metric: str, **wanted: Any) -> pd.DataFrame:
        """Rows with a value whose columns have the wanted values; E1 unless said otherwise."""
        wanted = {"experiment": "E1"} | wanted
        rows = self.scores[(self.scores["metric"] == metric) & self.scores["value"].notna()]
        for column, value in wanted.items():
            rows = rows[rows[column] == value]
        return rows


def grid(data: Data, columns: int, height: float = 1.75, **more: Any) -> tuple["Figure", Any]:
    """A row of panels for each model, its name on the left."""
    import matplotlib.pyplot as plt

    rows = len(data.models)
    figure, axes = plt.subplots(
        rows, columns, figsize=(PAGE_IN, height * rows + 0.75), squeeze=False, **more
    )
    return figure, axes


def name_row(data: Data, panels: Sequence["Axes"], model: str, label: str) -> None:
    """The model's name and the y label; the stand-in mark in the last panel."""
    panels[0].set_ylabel(f"{model}\n{label}")
    if model in data.stand_ins:
        mark_stand_in(panels[-1])


def margins(rows: pd.DataFrame) -> np.ndarray:
    """Distances of the interval's ends from the value, shape (2, n), for error bars."""
    low = (rows["value"] - rows["ci_low"]).fillna(0.0).clip(lower=0)
    high = (rows["ci_high"] - rows["value"]).fillna(0.0).clip(lower=0)
    return np.stack([low.to_numpy(float), high.to_numpy(float)])


def by_accuracy(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of single accuracies, ascending, with the accuracy as number `at`."""
    rows = rows[rows["accuracy"].str.isdigit()]
    return rows.assign(at=rows["accuracy"].astype(int)).sort_values("at")


def joined(x: pd.DataFrame, y: pd.DataFrame) -> pd.DataFrame:
    """Rows of `y` with the value of `x` of the same bin as `at`, ascending."""
    at = x.set_index("bin")["value"].rename("at")
    return y.join(at, on="bin", how="inner").sort_values("at")


def series(axes: "Axes", rows: pd.DataFrame, display: str, **more: Any) -> None:
    """Points with intervals over `at`, in the look of a display."""
    label, colour, marker = DISPLAY[display]
    style: dict[str, Any] = {
        "marker": marker,
        "markersize": 3,
        "color": COLOURS[colour],
        "label": label,
    } | more
    axes.errorbar(rows["at"], rows["value"], margins(rows), **style)


def legend(figure: "Figure", axes: "Axes", columns: int = 4) -> None:
    """One legend below the panels."""
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(unique.values(), unique.keys(), loc="outside lower center", ncols=columns)
