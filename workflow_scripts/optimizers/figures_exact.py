"""Figures of what is computed exactly or simulated: landscapes, linear networks, the two forms."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workflow_scripts.optimizers.plots import OPTIMIZERS, band, label, line, pooled, present
from workflow_scripts.shared.figures import COLOURS, PAGE_IN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BASINS = ("vermilion", "sky", "green", "purple")
PATHS = {"gradient descent": "black", "diagonal": "sky", "full": "vermilion", "Adam": "green"}


def basin_map(axes: "Axes", rows: pd.DataFrame) -> None:
    """Starts coloured by the minimum that they end in; white for none."""
    from matplotlib.colors import ListedColormap

    grid = rows.pivot(index="y", columns="x", values="value").sort_index()
    x, y = grid.columns.to_numpy(float), grid.index.to_numpy(float)
    colours = ListedColormap(["white", *(COLOURS[name] for name in BASINS)])
    values = grid.to_numpy(float)
    axes.pcolormesh(x, y, values, cmap=colours, vmin=-1.5, vmax=3.5, alpha=0.7, rasterized=True)


def landscape(scores: pd.DataFrame) -> "Figure":
    """R6: basins reached by each optimiser, and end points in a valley of minima."""
    import matplotlib.pyplot as plt

    rows = pooled(scores, experiment="wells")
    names = ["flow", *present(rows)]
    columns = (len(names) + 2) // 2
    figure, grid = plt.subplots(2, columns, figsize=(PAGE_IN, 3.6))
    panels = list(grid.flat)
    minima = pooled(rows, metric="minimum_sharpness")
    for axes, name in zip(panels, names, strict=False):
        basin_map(axes, rows[(rows["metric"] == "basin") & (rows["optimizer"] == name)])
        axes.plot(minima["x"], minima["y"], "k+", markersize=5)
        same = pooled(rows, metric="same_basin_as_flow", optimizer=name)["value"].iloc[0]
        text = "gradient flow" if name == "flow" else f"{label(name)}: {100 * same:.0f} %"
        axes.set_title(text, fontsize=7)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.grid(False)
        axes.set_aspect("equal")
    for axes in panels[len(names) : -1]:
        axes.set_visible(False)
    valley(panels[-1], pooled(scores, experiment="valley"))
    return figure


def valley(axes: "Axes", rows: pd.DataFrame) -> None:
    paths = rows[rows["metric"] == "path"]
    for name, colour in PATHS.items():
        mine = paths[paths["optimizer"] == name].sort_values("index")
        x, y = mine["x"].to_numpy(float), mine["y"].to_numpy(float)
        axes.plot(x, y, color=COLOURS[colour], linewidth=1.1, label=name)
        axes.plot(x[-1:], y[-1:], marker="o", color=COLOURS[colour], markersize=3)
    at = np.linspace(-0.4, 1.4, 2)
    axes.plot(at, 2.0 - 2.0 * at, color=COLOURS["grey"], linestyle="--", linewidth=0.8)
    axes.set_title("a valley of minima", fontsize=7)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.legend(fontsize=5, loc="lower left", handlelength=1.2)


def linear(scores: pd.DataFrame) -> "Figure":
    """The control: rank against time with the closed form, and rank against loss."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE_IN, 2.7))
    rows = pooled(scores, experiment="linear")
    control = rows[rows["part"] == "control"]
    measured = control[control["metric"] == "rank"]
    band(left, measured, "time", color=COLOURS["sky"], linewidth=3, label="measured")
    exact = control[control["metric"] == "theory_rank"].sort_values("time")
    left.plot(exact["time"], exact["value"], "k--", linewidth=1, label="closed form")
    left.set_xlabel("time, rate × steps")
    left.set_ylabel("effective rank of the product")
    left.set_title("a  gradient descent, balanced start")
    left.legend()
    found = rows[rows["metric"] == "rank_at_loss"]
    plain = found[found["optimizer"] == "gradient descent"]
    style = {"color": COLOURS["yellow"], "linewidth": 3, "label": "gradient descent"}
    band(right, plain, "loss_share", **style)
    for name in present(found):
        line(right, found[found["optimizer"] == name], "loss_share", name)
    exact = control[control["metric"] == "theory_rank_at_loss"].sort_values("loss_share")
    right.plot(
        exact["loss_share"],
        exact["value"],
        color=COLOURS["black"],
        marker="D",
        markersize=2.5,
        linestyle="none",
        label="flow from a balanced start",
    )
    right.set_xscale("log")
    right.invert_xaxis()
    right.set_xticks([0.5, 0.2, 0.1, 0.05, 0.02], ["0.5", "0.2", "0.1", "0.05", "0.02"])
    right.minorticks_off()
    right.set_xlabel("share of the first loss")
    right.set_ylabel("effective rank of the product")
    right.set_title("b  small random start")
    right.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=6)
    return figure


def power(scores: pd.DataFrame) -> "Figure":
    """How far the two forms of power-propagation part over the same time."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(PAGE_IN * 0.55, 2.6))
    rows = pooled(scores, experiment="theory", metric="path_gap")
    for alpha, colour in zip(
        sorted(rows["alpha"].unique()), ("blue", "vermilion", "green"), strict=False
    ):
        mine = rows[rows["alpha"] == alpha].sort_values("learning_rate")
        style = {"color": COLOURS[colour], "marker": "o", "label": f"exponent {alpha:g}"}
        band(axes, mine, "learning_rate", **style)
        x = mine["learning_rate"].to_numpy(float)
        first = float(mine["value"].iloc[0])
        axes.plot(x, first * x / x[0], color=COLOURS["grey"], linestyle=":", linewidth=0.9)
    axes.plot([], [], color=COLOURS["grey"], linestyle=":", label="in proportion to the rate")
    axes.set_xscale("log")
    axes.set_yscale("log")
    rates = sorted(rows["learning_rate"].astype(float).unique())
    axes.set_xticks(rates, [f"{rate:g}" for rate in rates])
    axes.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    axes.set_xlabel("learning rate, at the same rate × steps")
    axes.set_ylabel("gap between end points /\ndistance walked")
    axes.legend()
    return figure


def reachable(scores: pd.DataFrame) -> "Figure":
    """R1: a drawing of the idea, beside the share of a solution outside the span of the inputs."""
    import matplotlib.pyplot as plt
    from matplotlib.patches import Ellipse

    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE_IN * 0.8, 2.4), width_ratios=[1.4, 1])
    sets = (
        ((0.0, 0.0), 4.0, 2.4, 0, "grey", "representable", (0.0, 1.03)),
        ((-0.75, -0.1), 1.7, 1.1, 25, "blue", "reachable,\noptimiser A", (-1.05, -0.1)),
        ((0.55, -0.15), 1.9, 1.2, -20, "vermilion", "reachable,\noptimiser B", (0.85, -0.2)),
    )
    for centre, width, height, angle, colour, text, at in sets:
        shape = Ellipse(centre, width, height, angle=angle, color=COLOURS[colour], alpha=0.25)
        left.add_patch(shape)
        left.text(*at, text, ha="center", va="center", fontsize=6.5)
    left.set_xlim(-2.1, 2.1)
    left.set_ylim(-1.3, 1.35)
    left.axis("off")
    left.set_title("a  the idea (a drawing)")
    rows = pooled(scores, experiment="theory", metric="outside_span")
    for place, name in enumerate(present(rows)):
        mine = rows[rows["optimizer"] == name]
        value = float(mine["value"].iloc[0])
        low, high = float(mine["ci_low"].iloc[0]), float(mine["ci_high"].iloc[0])
        right.errorbar(
            [place],
            [value],
            [[value - low], [high - value]],
            marker="o",
            color=COLOURS[OPTIMIZERS[name][1]],
        )
    right.set_xticks(range(len(present(rows))), [label(name) for name in present(rows)])
    right.set_xlim(-0.6, len(present(rows)) - 0.4)
    right.set_ylim(-0.03, None)
    right.set_ylabel("share of the solution\noutside the inputs' span")
    right.set_title("b  linear regression")
    return figure
