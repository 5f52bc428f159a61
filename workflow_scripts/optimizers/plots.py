"""What the study's figures share: names, colours, lines with intervals."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workflow_scripts.shared import figures
from workflow_scripts.shared.figures import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Label, colour and line of each optimiser: elementwise ones dashed, matrix ones solid.
OPTIMIZERS: dict[str, tuple[str, str, str]] = {
    "sgd": ("SGD", "black", "--"),
    "adam": ("Adam", "grey", "--"),
    "adamw": ("AdamW", "sky", ":"),
    "shampoo": ("Shampoo", "vermilion", "-"),
    "shampoo_grafted": ("Shampoo, grafted", "orange", "-"),
    "soap": ("SOAP", "green", "-"),
    "kfac": ("K-FAC", "purple", "-"),
    "muon": ("Muon", "blue", "-"),
}


def label(name: str) -> str:
    return OPTIMIZERS[name][0] if name in OPTIMIZERS else name


def present(rows: pd.DataFrame) -> list[str]:
    """The optimisers of some rows, in the order of the legend."""
    found = set(rows["optimizer"].dropna())
    return [name for name in OPTIMIZERS if name in found]


def pooled(scores: pd.DataFrame, **wanted: Any) -> pd.DataFrame:
    """Rows over all seeds with the wanted values; None asks for a blank."""
    rows = scores[scores["seed"].isna()]
    for column, value in wanted.items():
        if value is None:
            rows = rows[rows[column].isna()]
        else:
            rows = rows[(rows[column] == value).fillna(False).astype(bool)]
    return rows


def line(axes: "Axes", rows: pd.DataFrame, x: str, name: str, **style: Any) -> None:
    """One optimiser's line over `x` with its interval as a band."""
    text, colour, dashes = OPTIMIZERS[name]
    band(axes, rows, x, **({"label": text, "color": COLOURS[colour], "linestyle": dashes} | style))


def band(axes: "Axes", rows: pd.DataFrame, x: str, **style: Any) -> None:
    rows = rows.sort_values(x)
    at = rows[x].to_numpy(float)
    axes.plot(at, rows["value"].to_numpy(float), **style)
    low, high = rows["ci_low"].to_numpy(float), rows["ci_high"].to_numpy(float)
    axes.fill_between(at, low, high, color=style["color"], alpha=0.15, linewidth=0)


def points(axes: "Axes", rows: pd.DataFrame, at: np.ndarray, shift: float, **style: Any) -> None:
    """Values with intervals at the places `at`, moved by `shift`."""
    values = rows["value"].to_numpy(float)
    around = np.abs(rows[["ci_low", "ci_high"]].to_numpy(float).T - values)
    axes.errorbar(at + shift, values, around, linestyle="none", **style)


def stand_in(axes: "Axes", rows: pd.DataFrame) -> None:
    """Say on the panel that digits stand in for MNIST, where they do."""
    if (rows["model"] == "MLP on digits").any():
        figures.mark_stand_in(axes, "digits stand in for MNIST")


def legend_below(axes: "Axes", columns: int, drop: float = -0.2) -> None:
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, drop), ncols=columns)
