"""Figures of layers with random weights and of Bellman-Ford; each function draws one figure."""

import sys
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workflow_scripts.cocycles import figures_certificate, figures_schematic, figures_trained
from workflow_scripts.cocycles.figures_common import Data
from workflow_scripts.cocycles.measurements import pick
from workflow_scripts.shared import figures
from workflow_scripts.shared.figures import COLOURS, PAGE_IN, legend_below, margins, panel_grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LAYERS = {
    "ordinary": "MLP messages, max, ReLU",
    "linear_sum": "linear, sum, sum (control)",
    "sum_relu": "L1: linear, sum, ReLU",
    "max_max": "L2: linear, max, max",
    "logarithmic": "L3: log-bilinear, max, max",
    "log_throughout": "log-bilinear, LSE, LSE",
    "tropical": "L3 tropical, max, max",
    "tropical_path": "L3 tropical PathGNN",
    "tropical_integers": "L3 tropical, integers",
}
KINDS = {
    "delivery": "late, lost,\nin parts",
    "updates": "repeated\nupdates",
    "duplicates": "duplicated\nmessages",
    "resent": "states\nresent",
    "increments": "increments\nsent at once",
    "everything": "all of\nthem",
}
LEVELS = {"level 1": (0, 0), "level 2": (1, 2), "level 3": (3, 4)}
ROUNDING = 1.0e-12  # relative error below which float64 sums differ only in their order
CURVES = {
    "ordinary": "grey",
    "sum_relu": "vermilion",
    "max_max": "green",
    "logarithmic": "blue",
    "tropical": "black",
}
WAYS = {
    "rounds": ("in rounds, all edges", "black"),
    "rounds, changed only": ("in rounds, changed nodes", "grey"),
    "at once": ("by events", "vermilion"),
    "lost and doubled": ("by events, 20 % lost, 20 % duplicated", "orange"),
    "grouped": ("by events, grouped at the node", "blue"),
    "nearest first": ("by events, nearest first", "green"),
}
FAMILIES = {"random": "random graphs, degree 4", "lattice": "square lattices"}


def residuals(data: Data) -> "Figure":
    """E2: relative error of asynchronous runs by layer and freedom, at the greatest degree."""
    from matplotlib.colors import LogNorm

    rows = pick(data.scores, experiment="schedules", layer=list(LAYERS))
    rows = pick(rows, degree=rows["degree"].max())
    top, mean = (
        pick(rows, metric=metric)
        .pivot(index="layer", columns="kind", values="value")
        .loc[list(LAYERS), list(KINDS)]
        .to_numpy()
        for metric in ("largest_error", "relative_error")
    )
    figure, (axes,) = panel_grid(1, PAGE_IN, 3.4)
    shown = np.where(top < ROUNDING, np.nan, mean)
    image = axes.imshow(shown, cmap="Oranges", norm=LogNorm(1e-4, 10), aspect="auto")
    for (y, x), value in np.ndenumerate(mean):
        if top[y, x] == 0:
            text = "0"
        elif top[y, x] < ROUNDING:
            text = "rounding"
        else:
            text = f"{value:.2g}" if value < 100 else ">100"
        dark = value > 2 and top[y, x] >= ROUNDING
        axes.text(x, y, text, ha="center", va="center", fontsize=7, color="w" if dark else "k")
    axes.set_xticks(range(len(KINDS)), list(KINDS.values()))
    axes.set_yticks(range(len(LAYERS)), list(LAYERS.values()))
    axes.grid(False)
    for edge in (0.5, 2.5, 4.5):
        axes.axvline(edge, color=COLOURS["grey"], linewidth=0.6)
    for name, (first, last) in LEVELS.items():
        axes.text((first + last) / 2, -0.62, name, ha="center", va="bottom", fontsize=7)
    figure.colorbar(image, ax=axes, label="mean relative error", extend="both", pad=0.01)
    return figure


def degrees(data: Data) -> "Figure":
    """E2: relative error against the degree of asynchrony, one panel per freedom."""
    kinds = ("updates", "resent", "increments")
    figure, panels = panel_grid(3, PAGE_IN, 2.6, sharex=True, sharey=True)
    for axes, kind in zip(panels, kinds, strict=True):
        rows = pick(data.scores, experiment="schedules", metric="relative_error", kind=kind)
        for layer, colour in CURVES.items():
            mine = pick(rows, layer=layer).sort_values("degree")
            x = np.concatenate([[0.0], mine["degree"].to_numpy(float)])
            y = np.concatenate([[0.0], mine["value"].to_numpy(float)])
            error = np.concatenate([[[0.0], [0.0]], margins(mine)], axis=1)
            axes.errorbar(
                x, y, error, color=COLOURS[colour], marker="o", markersize=3, label=LAYERS[layer]
            )
        axes.set_title(KINDS[kind].replace("\n", " "))
        axes.set_yscale("symlog", linthresh=1e-3, linscale=0.6)
        axes.set_ylim(-3e-4, 10)
        axes.set_xlabel("degree of asynchrony")
    panels[0].set_ylabel("relative error of the result")
    legend_below(figure, panels[0], 3)
    return figure


def sizes(axes: "Axes", rows: pd.DataFrame) -> None:
    """One line per way against the number of nodes, with intervals."""
    for way, (text, colour) in WAYS.items():
        mine = pick(rows, way=way).sort_values("nodes")
        if len(mine):
            x, y, error = mine["nodes"].to_numpy(float), mine["value"], margins(mine)
            axes.errorbar(x, y, error, color=COLOURS[colour], marker="o", markersize=3, label=text)
    axes.set_xscale("log")
    axes.set_yscale("log")


def convergence(data: Data) -> "Figure":
    """Beyond the paper: messages and time of Bellman-Ford until the last distance is right."""
    figure, grid = panel_grid(4, PAGE_IN, 2.2, across=2, sharex=True, sharey="row")
    metrics = ("messages_per_edge", "time")
    for place, axes in enumerate(grid):
        family = list(FAMILIES)[place % 2]
        sizes(
            axes,
            pick(data.scores, experiment="messages", family=family, metric=metrics[place // 2]),
        )
        if place < 2:
            axes.set_title(FAMILIES[family])
        else:
            axes.set_xlabel("nodes")
    grid[0].set_ylabel("messages per edge")
    grid[2].set_ylabel("time, mean latencies")
    legend_below(figure, grid[0], 3)
    return figure


def rules(data: Data) -> "Figure":
    """Claim 7: messages in transit under the two argument functions."""
    figure, (axes,) = panel_grid(1, PAGE_IN * 0.6, 2.6)
    rows = pick(data.scores, experiment="rules", metric="under_way")
    for name, label, colour in (
        ("never silent", "$\\delta_m(s) = m \\vee s$", "vermilion"),
        ("silent", "$\\delta_m(s) = 0$ where $m \\leq s$", "blue"),
    ):
        mine = pick(rows, rule=name).sort_values("delivery")
        axes.plot(mine["delivery"], mine["value"], color=COLOURS[colour], label=label)
    end, blue = pick(rows, rule="silent")["delivery"].max(), COLOURS["blue"]
    axes.plot([end], [0], "o", color=blue, clip_on=False, zorder=3)
    axes.annotate("silent", (end, 0), (4, 4), textcoords="offset points", fontsize=7, color=blue)
    axes.set_xlabel("messages delivered")
    axes.set_ylabel("messages in transit")
    axes.set_ylim(0, None)
    axes.legend()
    return figure


TOPICS = (figures_schematic, figures_trained, figures_certificate)

if __name__ == "__main__":
    figures.run(snakemake, Data.read, sys.modules[__name__], *TOPICS)
