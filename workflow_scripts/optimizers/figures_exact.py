"""Figures of exact computations: landscapes, linear networks, the two forms, what is reachable."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workflow_scripts.optimizers.figures_common import (
    colour,
    exponent_colours,
    label,
    line,
    present,
)
from workflow_scripts.optimizers.measurements import pick
from workflow_scripts.shared import figures
from workflow_scripts.shared.figures import COLOURS, PAGE_IN, margins, panel_grid, panel_letters

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BASINS = ("vermilion", "sky", "green", "purple")
PATHS = {"gradient descent": "black", "diagonal": "sky", "full": "vermilion", "Adam": "green"}


def basin_map(axes: "Axes", rows: pd.DataFrame) -> None:
    """Starts, coloured by the minimum in which they end; white for none."""
    from matplotlib.colors import ListedColormap

    grid = rows.pivot(index="y", columns="x", values="value").sort_index()
    x, y = grid.columns.to_numpy(float), grid.index.to_numpy(float)
    colours = ListedColormap(["white", *(COLOURS[name] for name in BASINS)])
    values = grid.to_numpy(float)
    axes.pcolormesh(x, y, values, cmap=colours, vmin=-1.5, vmax=3.5, alpha=0.7, rasterized=True)


def landscape(scores: pd.DataFrame) -> "Figure":
    """R6: basins reached by each optimiser, and paths into a valley of minima."""
    rows = pick(scores, experiment="wells")
    names = ["flow", *present(rows)]
    figure, panels = panel_grid(len(names) + 1, PAGE_IN, 1.8, across=(len(names) + 2) // 2)
    minima = pick(rows, metric="minimum_sharpness")
    for axes, name in zip(panels, names, strict=False):
        basin_map(axes, pick(rows, metric="basin", optimizer=name))
        axes.plot(minima["x"], minima["y"], "k+", markersize=5)
        same = pick(rows, metric="same_basin_as_flow", optimizer=name)["value"].iloc[0]
        text = "gradient flow" if name == "flow" else f"{label(name)}: {100 * same:.0f} %"
        axes.set_title(text, fontsize=7)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.grid(False)
        axes.set_aspect("equal")
    valley(panels[-1], pick(scores, experiment="valley", metric="path"))
    return figure


def valley(axes: "Axes", paths: pd.DataFrame) -> None:
    """Paths to the line of minima, with their end points."""
    for name, hue in PATHS.items():
        mine = pick(paths, optimizer=name).sort_values("index")
        x, y = mine["x"].to_numpy(float), mine["y"].to_numpy(float)
        axes.plot(x, y, color=COLOURS[hue], linewidth=1.1, label=name)
        axes.plot(x[-1:], y[-1:], marker="o", color=COLOURS[hue], markersize=3)
    at = np.linspace(-0.4, 1.4, 2)
    axes.plot(at, 2.0 - 2.0 * at, color=COLOURS["grey"], linestyle="--", linewidth=0.8)
    axes.set_title("a valley of minima", fontsize=7)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.legend(fontsize=5, loc="lower left", handlelength=1.2)


def linear(scores: pd.DataFrame) -> "Figure":
    """The control: rank over time with the closed form, and rank against loss."""
    figure, (left, right) = panel_grid(2, PAGE_IN, 2.7)
    rows = pick(scores, experiment="linear")
    measured = pick(rows, part="control", metric="rank")
    figures.line(left, measured, "time", color=COLOURS["sky"], linewidth=3, label="measured")
    exact = pick(rows, metric="theory_rank").sort_values("time")
    left.plot(exact["time"], exact["value"], "k--", linewidth=1, label="closed form")
    left.set_xlabel("time (rate × steps)")
    left.set_ylabel("effective rank of the product")
    left.legend()
    found = pick(rows, metric="rank_at_loss")
    plain = pick(found, optimizer="gradient descent")
    yellow = COLOURS["yellow"]
    figures.line(right, plain, "loss_share", color=yellow, linewidth=3, label="gradient descent")
    for name in present(found):
        line(right, found, "loss_share", name)
    exact = pick(rows, metric="theory_rank_at_loss").sort_values("loss_share")
    right.plot(
        exact["loss_share"],
        exact["value"],
        color=COLOURS["black"],
        marker="o",
        markersize=2.5,
        linestyle="none",
        label="flow from a balanced start",
    )
    right.set_xscale("log")
    right.invert_xaxis()
    right.set_xticks([0.5, 0.2, 0.1, 0.05, 0.02], ["0.5", "0.2", "0.1", "0.05", "0.02"])
    right.minorticks_off()
    right.set_xlabel("share of the initial loss")
    right.set_ylabel("effective rank of the product")
    panel_letters((left, right), ("gradient descent, balanced start", "small random start"))
    right.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=6)
    return figure


def power(scores: pd.DataFrame) -> "Figure":
    """The gap between the two forms of power-propagation after the same time."""
    figure, (axes,) = panel_grid(1, PAGE_IN * 0.55, 2.6)
    rows = pick(scores, experiment="theory", metric="path_gap")
    alphas = sorted(rows["alpha"].unique())
    colours = exponent_colours(alphas)
    for alpha in alphas:
        mine = pick(rows, alpha=alpha).sort_values("learning_rate")
        text = f"exponent {alpha:g}"
        figures.line(axes, mine, "learning_rate", color=colours[alpha], marker="o", label=text)
        x = mine["learning_rate"].to_numpy(float)
        first = float(mine["value"].iloc[0])
        axes.plot(x, first * x / x[0], color=COLOURS["grey"], linestyle=":", linewidth=0.9)
    axes.plot([], [], color=COLOURS["grey"], linestyle=":", label="proportional to the rate")
    axes.set_xscale("log")
    axes.set_yscale("log")
    rates = sorted(rows["learning_rate"].astype(float).unique())
    axes.set_xticks(rates, [f"{rate:g}" for rate in rates])
    axes.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    axes.set_xlabel("learning rate, at the same rate × steps")
    axes.set_ylabel("gap between end points /\ndistance moved")
    axes.legend()
    return figure


def reachable(scores: pd.DataFrame) -> "Figure":
    """R1: a drawing of the idea, and the share of a solution outside the span of the inputs."""
    from matplotlib.patches import Ellipse

    figure, (left, right) = panel_grid(2, PAGE_IN * 0.8, 2.4, width_ratios=[1.4, 1])
    sets = (
        ((0.0, 0.0), 4.0, 2.4, 0, "grey", "representable", (0.0, 1.03)),
        ((-0.75, -0.1), 1.7, 1.1, 25, "blue", "reachable,\noptimiser A", (-1.05, -0.1)),
        ((0.55, -0.15), 1.9, 1.2, -20, "vermilion", "reachable,\noptimiser B", (0.85, -0.2)),
    )
    for centre, width, height, angle, hue, text, at in sets:
        shape = Ellipse(centre, width, height, angle=angle, color=COLOURS[hue], alpha=0.25)
        left.add_patch(shape)
        left.text(*at, text, ha="center", va="center", fontsize=6.5)
    left.set_xlim(-2.1, 2.1)
    left.set_ylim(-1.3, 1.35)
    left.axis("off")
    rows = pick(scores, experiment="theory", metric="outside_span")
    names = present(rows)
    for place, name in enumerate(names):
        mine = pick(rows, optimizer=name)
        right.errorbar([place], mine["value"], margins(mine), marker="o", color=colour(name))
    right.set_xticks(range(len(names)), [label(name) for name in names])
    right.set_xlim(-0.6, len(names) - 0.4)
    right.set_ylim(-0.03, None)
    right.set_ylabel("share of the solution\noutside the inputs' span")
    panel_letters((left, right), ("the idea (a drawing)", "linear regression"))
    return figure
