"""What the study's figures share: names, colours and lines of the optimisers."""

from collections.abc import Iterable
from itertools import cycle
from typing import TYPE_CHECKING, Any

import pandas as pd

from workflow_scripts.optimizers.measurements import DATA
from workflow_scripts.shared import figure_text, figures
from workflow_scripts.shared.figures import COLOURS, CYCLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Label, colour and line of each optimiser: elementwise ones dashed, matrix ones solid, controls
# of another one with its colour.
OPTIMIZERS: dict[str, tuple[str, str, str]] = {
    "sgd": ("SGD", "black", "--"),
    "adam": ("Adam", "grey", "--"),
    "adamw": ("AdamW", "sky", ":"),
    "adagrad": ("AdaGrad", "yellow", "--"),
    "shampoo": ("Shampoo", "vermilion", "-"),
    "shampoo_averaged": ("Shampoo, averaged", "vermilion", "-."),
    "shampoo_grafted": ("Shampoo, grafted", "orange", "-"),
    "soap": ("SOAP", "green", "-"),
    "kfac": ("K-FAC", "purple", "-"),
    "muon": ("Muon", "blue", "-"),
}


def label(name: str) -> str:
    """The optimiser's name for readers."""
    return OPTIMIZERS[name][0] if name in OPTIMIZERS else name


def colour(name: str) -> str:
    """The optimiser's colour, as #RRGGBB."""
    return COLOURS[OPTIMIZERS[name][1]]


def present(rows: pd.DataFrame) -> list[str]:
    """The optimisers of some rows, in the order of the legend."""
    found = set(rows["optimizer"].dropna())
    return [name for name in OPTIMIZERS if name in found]


def line(axes: "Axes", rows: pd.DataFrame, x: str, name: str, **style: Any) -> None:
    """One optimiser's line over `x`, with its interval as a band."""
    rows = rows[rows["optimizer"] == name]
    own = {"label": label(name), "color": colour(name), "linestyle": OPTIMIZERS[name][2]}
    figures.line(axes, rows, x, **(own | style))


def exponent_colours(alphas: Iterable[float]) -> dict[float, str]:
    """One colour per exponent of power-propagation; black for exponent 1, which is plain SGD."""
    others = sorted(set(alphas) - {1.0})
    hues = cycle(name for name in CYCLE if name != "black")
    colours = {alpha: COLOURS[hue] for alpha, hue in zip(others, hues, strict=False)}
    return {1.0: COLOURS["black"]} | colours


def mark_digits(figure: "Figure", rows: pd.DataFrame) -> None:
    """Note in the figure if other images, as the digits, stand in for MNIST."""
    for name in sorted(set(rows["model"].dropna()) - {"theory", f"MLP on {DATA}"}):
        figure_text.note(figure, f"{name.removeprefix('MLP on ')} stand in for {DATA}")
