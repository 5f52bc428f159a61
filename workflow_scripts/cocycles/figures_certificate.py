"""Figure of the asynchrony certificate."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workflow_scripts.cocycles.figures_common import Data
from workflow_scripts.cocycles.measurements import levels, pick
from workflow_scripts.shared.figures import COLOURS, PAGE_IN, missing, panel_grid

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FREEDOMS = {
    "order": "any order,\ngrouping",
    "updates": "repeated\nupdates",
    "duplicates": "duplicated\nmessages",
    "resent": "states\nresent",
    "increments": "states sent\nin parts",
}
LEVELS = {"level 1": (0, 0), "level 2": (1, 2), "level 3": (3, 4)}
KEPT, ROUNDING, BROKEN = range(3)
FILLS = ["#FFFFFF", "#E4E4E4", "#F7CFA4"]


def cell(rows: pd.DataFrame, name: str, freedom: str) -> tuple[int, str]:
    """How a module fares with a freedom, and what is written there."""
    own = pick(rows, layer=name, kind=freedom)
    values = own.pivot(index="metric", columns="variant", values="value")
    if "undefined" in values.index:
        return BROKEN, "not defined"
    if not values.loc["broken", "bits"]:
        return KEPT, "kept"
    if not values.loc["broken", "rounding"]:
        return ROUNDING, "rounding"
    place = values["rounding"]
    nodes, edges = (int(place[f"counterexample_{part}"]) for part in ("nodes", "edges"))
    return BROKEN, f"{place['counterexample_gap']:.2g}  ({nodes}, {edges})"


def certificate(data: Data) -> "Figure":
    """Ours: what each module withstands, its smallest counterexamples, and the level it keeps."""
    from matplotlib.colors import ListedColormap

    found = levels(data.scores)
    figure, (axes,) = panel_grid(1, PAGE_IN, 0.9 + 0.25 * max(len(found), 4))
    if found.empty:
        missing(axes)
        return figure
    found = found.sort_values(["rounding", "bits"], kind="stable")
    rows = pick(data.scores, experiment="certificate")
    cells = [[cell(rows, str(name), freedom) for freedom in FREEDOMS] for name in found.index]
    fills = np.array([[fill for fill, _ in line] for line in cells])
    axes.imshow(fills, cmap=ListedColormap(FILLS), vmin=0, vmax=len(FILLS) - 1, aspect="auto")
    for y, line in enumerate(cells):
        for x, (_, text) in enumerate(line):
            axes.text(x, y, text, ha="center", va="center", fontsize=6.5)
    columns = [*FREEDOMS.values(), "level,\nexact", "level, up\nto rounding"]
    for x, variant in enumerate(("bits", "rounding"), len(FREEDOMS)):
        for y, value in enumerate(found[variant]):
            axes.text(x, y, f"{value:.0f}", ha="center", va="center", fontsize=7, weight="bold")
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_xticks(range(len(columns)), columns, fontsize=7)
    axes.set_yticks(range(len(found)), [str(name).replace("_", " ") for name in found.index])
    axes.grid(False)
    for edge in (0.5, 2.5, 4.5):
        axes.axvline(edge, color=COLOURS["grey"], linewidth=0.6)
    for name, (first, last) in LEVELS.items():
        axes.text((first + last) / 2, -0.62, name, ha="center", va="bottom", fontsize=7)
    return figure
