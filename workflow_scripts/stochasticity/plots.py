"""What the study's figures share: who is drawn, in which colour, and small pieces of panels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workflow_scripts.shared.figures import COLOURS, CYCLE
from workflow_scripts.stochasticity.controls import RIGGED, TRUE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PALETTE = CYCLE[:6]  # black and grey are the controls'
TITLES = {
    "digit": "digit 0–9",
    "uniform": "uniform on [0, 1]",
    "uniform10": "uniform on [0, 10]",
    "normal": "normal (0, 1)",
    "seed": "own u on [0, 1]",
}


@dataclass(frozen=True)
class Cast:
    """The models of a figure, in the config's order, and which of them are stand-ins."""

    models: tuple[str, ...]
    stand_ins: frozenset[str]

    def label(self, model: str) -> str:
        return f"{model} (stand-in)" if model in self.stand_ins else model

    def colour(self, model: str) -> str:
        if model in (TRUE, RIGGED):
            return COLOURS["black" if model == TRUE else "grey"]
        return COLOURS[PALETTE[self.models.index(model) % len(PALETTE)]]

    def everybody(self, *controls: str) -> tuple[str, ...]:
        return (*self.models, *controls)


def pick(scores: pd.DataFrame, **wanted: Any) -> pd.DataFrame:
    """Rows with a value whose columns have the wanted values (or one of a list of them)."""
    rows = scores[scores["value"].notna()]
    for column, value in wanted.items():
        values = value if isinstance(value, (list, tuple, set)) else [value]
        rows = rows[rows[column].isin(list(values))]
    return rows


def p_text(p: float) -> str:
    """A p-value for a cell of a table."""
    if p >= 0.001:
        return f"{p:.3f}".removeprefix("0") if p < 1 else "1"
    return "<1e-99" if p < 1e-99 else f"1e{int(np.floor(np.log10(p)))}"


def p_heat(axes: "Axes", values: np.ndarray, rows: Sequence[str], columns: Sequence[str]) -> Any:
    """A table of p-values, shape (rows, columns); at the level 0.05 the hue turns."""
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
    for (i, j), p in np.ndenumerate(values):
        text = "–" if np.isnan(p) else p_text(float(p))
        axes.text(j, i, text, ha="center", va="center", fontsize=6 if len(text) < 6 else 5)
    return image


def p_scale(figure: Any, image: Any, axes: Any) -> None:
    """The colour bar of `p_heat`."""
    bar = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02)
    bar.set_ticks([-6, -3, np.log10(0.05), 0], labels=["≤ 1e-6", "0.001", "0.05", "1"])
    bar.set_label("p")
