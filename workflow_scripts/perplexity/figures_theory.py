"""Figures of what can be computed: iso-perplexity curves, bounds, gradients, sampling."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workflow_scripts.perplexity.figures_common import Data, over_sizes, shades, sizes_axis
from workflow_scripts.perplexity.measurements import pick
from workflow_scripts.shared.figures import COLOURS, PAGE_IN, margins

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEAST = 1.0e-5  # of logarithmic axes


def isoperplexity(data: Data) -> "Figure":
    """Figure 3: the accuracy that a more confident predictor needs for the same perplexity."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(PAGE_IN, 2.9), sharex=True)
    for axes, panel, along, title in (
        (panels[0], "left", "gamma", "a  base accuracy 0.5"),
        (panels[1], "right", "base_accuracy", "b  base $\\gamma$ = 0.4"),
    ):
        own = pick(data.scores, experiment="E3", panel=panel)
        values = np.sort(own[along].unique())
        for value, shade in zip(values, shades(len(values)), strict=True):
            line = own[(own[along] == value)].sort_values("delta_share")
            each = line[line["metric"] == "critical_accuracy"]
            name = "$\\gamma$" if along == "gamma" else "$a$"
            axes.plot(each["delta_share"], each["value"], color=shade, label=f"{name} = {value:g}")
            least = line[line["metric"] == "least_critical_accuracy"]
            if least["delta_share"].iloc[0] > 0:
                axes.plot(least["delta_share"], least["value"], "o", color=shade, markersize=4)
        axes.set_title(title)
        axes.set_xlabel("additional confidence, $\\Delta/\\gamma$")
        axes.set_ylabel("accuracy for equal perplexity, $a'$")
        axes.set_xlim(0, 1)
        axes.set_ylim(0.48, 1.02)
        axes.legend(loc="upper left" if panel == "left" else "lower right", ncols=2, fontsize=6)
    return figure


def theory(data: Data) -> "Figure":
    """Both forms of the inequality, the gradients, the union bounds and the temperature map."""
    import matplotlib.pyplot as plt

    figure, grid = plt.subplots(2, 2, figsize=(PAGE_IN, 5.0))
    ours = pick(data.scores, experiment="E1", flip="last", encoding="rope")
    _inequality(grid[0, 0], ours)
    _gradients(grid[0, 1], ours)
    _unions(grid[1, 0], pick(data.scores, experiment="C5"))
    _temperatures(grid[1, 1], pick(data.scores, metric="tempered_gamma"))
    return figure


def _inequality(axes: "Axes", ours: pd.DataFrame) -> None:
    held = ours[ours["size"].isin(ours[ours["metric"] == "corrected_bound"]["size"])]
    for metric, colour, label in (
        ("corrected_bound", "green", "bound, corrected"),
        ("nats_apart", "blue", "measured $|\\Delta|$"),
        ("printed_bound", "vermilion", "bound, sign as printed"),
    ):
        over_sizes(axes, held[held["metric"] == metric], color=COLOURS[colour], label=label)
    axes.set_yscale("symlog", linthresh=0.01)
    axes.axhline(0, color=COLOURS["black"], linewidth=0.6)
    axes.set_ylabel("difference of log-perplexity, nats")
    axes.set_title("a  lemma 3.1, rotary copiers")
    sizes_axis(axes, ours)
    axes.legend(loc="center left", bbox_to_anchor=(0.0, 0.33), fontsize=6)


def _gradients(axes: "Axes", ours: pd.DataFrame) -> None:
    for metric, colour, label, style in (
        ("size_times_gradient_beta", "vermilion", "$n\\,\\|\\nabla L(\\beta)\\|$", "--"),
        ("gradient_beta", "vermilion", "$\\|\\nabla L(\\beta)\\|$", "-"),
        ("gradient_alpha", "blue", "$\\|\\nabla L(\\alpha)\\|$", "-"),
    ):
        rows = ours[ours["metric"] == metric]
        look = {"color": COLOURS[colour], "label": label, "linestyle": style}
        over_sizes(axes, rows, (LEAST, 1.0e4), **look)
    axes.set_yscale("log")
    axes.set_ylim(LEAST, 1.0e4)
    axes.set_ylabel("norm of the gradient")
    axes.set_title("b  corollary 3.7, rotary copiers")
    sizes_axis(axes, ours[ours["metric"] == "gradient_beta"])
    axes.legend(loc="lower left", fontsize=6)


def _unions(axes: "Axes", rows: pd.DataFrame) -> None:
    from matplotlib.lines import Line2D

    rows = rows[rows["size"].notna()].sort_values("size")
    gammas = np.sort(rows["gamma"].unique())
    for colour, gamma in zip(shades(len(gammas)), gammas, strict=True):
        for string, marker, style in (("alpha", "o", "-"), ("beta", "s", ":")):
            own = rows[(rows["gamma"] == gamma) & (rows["string"] == string)]
            bound, rate = (own[own["metric"] == name] for name in ("union_bound", "error_rate"))
            axes.plot(bound["size"].astype(float), bound["value"], color=colour, linestyle=style)
            axes.errorbar(
                rate["size"].astype(float),
                rate["value"].clip(lower=LEAST),
                margins(rate),
                color=colour,
                marker=marker,
                markersize=2.5,
                linestyle="none",
                elinewidth=0.7,
                markerfacecolor=colour if string == "alpha" else "white",
                label=f"$\\gamma$ = {gamma:g}" if string == "alpha" else None,
            )
    axes.set_yscale("log")
    axes.set_ylim(LEAST, 1.5)
    axes.set_ylabel("probability of an error")
    axes.set_title("c  proposition 3.6, simulated")
    sizes_axis(axes, rows)
    handles, labels = axes.get_legend_handles_labels()
    black: dict[str, Any] = {"color": COLOURS["black"], "markersize": 3}
    handles.append(Line2D([], [], linestyle="-", marker="o", **black))
    handles.append(Line2D([], [], linestyle=":", marker="s", markerfacecolor="white", **black))
    labels += ["$\\alpha$, bound $n\\gamma$", "$\\beta$, bound $n(\\gamma+\\epsilon)$"]
    axes.legend(handles, labels, loc="lower right", fontsize=6)


def _temperatures(axes: "Axes", rows: pd.DataFrame) -> None:
    thetas = np.sort(rows["theta"].unique())
    for theta, shade in zip(thetas, shades(len(thetas)), strict=True):
        own = rows[rows["theta"] == theta].sort_values("gamma")
        axes.plot(own["gamma"], own["value"], color=shade, label=f"$\\theta$ = {theta:g}")
    axes.set_xlabel("$\\gamma$ at temperature $\\theta$")
    axes.set_ylabel("equal $\\gamma'$ at temperature 1")
    axes.set_title("d  remark 3.4")
    axes.legend(loc="upper left", fontsize=6)
