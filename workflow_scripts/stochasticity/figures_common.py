"""What the study's figures share: their data, and small pieces of panels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workflow_scripts.shared.figure_text import write_cells
from workflow_scripts.shared.figures import COLOURS, Models, legend_below, margins
from workflow_scripts.stochasticity.draw_table import RIGGED, TRUE
from workflow_scripts.stochasticity.measurements import pick
from workflow_scripts.stochasticity.targets import Target

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CONTROL_COLOURS = {TRUE: COLOURS["black"], RIGGED: COLOURS["grey"]}
TITLES = {
    "digit": "digit 0–9",
    "uniform": "uniform on [0, 1]",
    "uniform10": "uniform on [0, 10]",
    "normal": "normal (0, 1)",
    "seed": "own u on [0, 1]",
}


@dataclass(frozen=True)
class Data:
    """What the figures are drawn from: the scores, the models and the controls beside them."""

    scores: pd.DataFrame
    models: Models

    def pick(self, **wanted: Any) -> pd.DataFrame:
        """Rows with a value in the wanted conditions."""
        return pick(self.scores, **wanted)

    def names(self, *controls: str) -> tuple[str, ...]:
        """The models and then the controls."""
        return (*self.models.names, *controls)

    def colour(self, name: str) -> str:
        """The colour of a model or control."""
        return CONTROL_COLOURS.get(name) or self.models.colour(name)

    def label(self, name: str, *, lines: bool = False) -> str:
        """The name, marked if it is a stand-in; with `lines` the mark is on the next line."""
        label = self.models.label(name)
        return label.replace(" (", "\n(") if lines else label

    def points(self, axes: "Axes", name: str, at: Any, rows: pd.DataFrame, **style: Any) -> None:
        """A model's values with their intervals at the places `at`, shape (n,)."""
        style = {"color": self.colour(name), "label": self.label(name)} | style
        axes.errorbar(at, rows["value"], margins(rows), **style)


def apart(names: Sequence[str], step: float) -> Iterator[tuple[str, float]]:
    """Each name with its shift along the axis, `step` apart and 0.8 in all at most."""
    step = min(step, 0.8 / max(len(names), 1))
    for number, name in enumerate(names):
        yield name, (number - (len(names) - 1) / 2) * step


def legend(figure: "Figure", axes: "Axes") -> None:
    """The legend of one panel below all panels, as many entries per line as fit."""
    fitting = int(figure.get_figwidth() / 1.4)
    legend_below(figure, axes, max(1, min(len(axes.get_legend_handles_labels()[1]), fitting)))


def histogram(axes: "Axes", rows: pd.DataFrame, target: Target, colour: str) -> pd.DataFrame:
    """Shares of the target's cells with their intervals; the line is the target.

    Returns the shares, one row per cell.
    """
    shares = rows[rows["metric"] == "share"].set_index("cell").reindex(target.labels)
    place = np.arange(target.size)
    axes.bar(place, shares["value"], color=colour, alpha=0.55, width=0.85)
    axes.errorbar(
        place, shares["value"], margins(shares), fmt="none", ecolor="black", lw=0.6, capsize=1
    )
    edges = np.arange(target.size + 1) - 0.5
    axes.stairs(target.probabilities, edges, color=COLOURS["black"], lw=0.9)
    if shares["value"].isna().all():
        text = "no readable draw"
        axes.text(0.5, 0.6, text, transform=axes.transAxes, ha="center", fontsize=7)
    return shares


def p_text(p: float) -> str:
    """A p-value for a cell of a table."""
    if p >= 0.001:
        return f"{p:.3f}".removeprefix("0") if p < 1 else "1"
    return "<1e-99" if p < 1e-99 else f"1e{int(np.floor(np.log10(p)))}"


def p_heat(axes: "Axes", values: np.ndarray, rows: Sequence[str], columns: Sequence[str]) -> Any:
    """A table of p-values, shape (rows, columns), whose hue changes at the level 0.05."""
    from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm

    colours = [COLOURS["vermilion"], "#FFFFFF", COLOURS["blue"]]
    scale = TwoSlopeNorm(vmin=-6, vcenter=np.log10(0.05), vmax=0)
    with np.errstate(divide="ignore"):
        shown = np.clip(np.log10(values), -6, 0)
    image = axes.imshow(
        shown, LinearSegmentedColormap.from_list("p", colours), scale, aspect="auto", alpha=0.75
    )
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.grid(False)
    axes.tick_params(length=0)
    texts = [["–" if np.isnan(p) else p_text(float(p)) for p in row] for row in values]
    write_cells(image, texts, fontsize=lambda text: 6 if len(text) < 6 else 5)
    return image


def p_scale(figure: "Figure", image: Any, axes: Any) -> None:
    """The colour bar of `p_heat`."""
    bar = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02)
    bar.set_ticks([-6, -3, np.log10(0.05), 0], labels=["≤ 1e-6", "0.001", "0.05", "1"])
    bar.set_label("p")
