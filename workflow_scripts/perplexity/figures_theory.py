"""Figures of what can be computed: iso-perplexity curves, bounds, gradients, sampling."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workflow_scripts.shared.figures import COLOURS, PAGE_IN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEAST = 1.0e-5  # the lower end of logarithmic axes


def isoperplexity(scores: pd.DataFrame) -> "Figure":
    """Figure 3: the accuracy that a surer predictor needs for the same perplexity."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(PAGE_IN, 2.9), sharex=True)
    rows = scores[scores["experiment"] == "E3"]
    for axes, panel, along, title in (
        (panels[0], "left", "gamma", "a  base accuracy 0.5"),
        (panels[1], "right", "base_accuracy", "b  base $\\gamma$ = 0.4"),
    ):
        own = rows[rows["panel"] == panel]
        values = np.sort(own[along].unique())
        shades = plt.get_cmap("viridis")(np.linspace(0.0, 0.85, len(values)))
        for value, shade in zip(values, shades, strict=True):
            line = own[(own[along] == value)].sort_values("delta_share")
            each = line[line["metric"] == "critical_accuracy"]
            name = "$\\gamma$" if along == "gamma" else "$a$"
            axes.plot(each["delta_share"], each["value"], color=shade, label=f"{name} = {value:g}")
            least = line[line["metric"] == "least_critical_accuracy"]
            if least["delta_share"].iloc[0] > 0:
                axes.plot(least["delta_share"], least["value"], "o", color=shade, markersize=4)
        axes.set_title(title)
        axes.set_xlabel("extra confidence, $\\Delta/\\gamma$")
        axes.set_ylabel("accuracy for equal perplexity, $a'$")
        axes.set_xlim(0, 1)
        axes.set_ylim(0.48, 1.02)
        axes.legend(loc="upper left" if panel == "left" else "lower right", ncols=2, fontsize=6)
    return figure


def theory(
    scores: pd.DataFrame, curve: Callable[..., None], sizes_axis: Callable[..., None]
) -> "Figure":
    """Both forms of the inequality, the gradients, the union bounds and the temperature map."""
    import matplotlib.pyplot as plt

    figure, grid = plt.subplots(2, 2, figsize=(PAGE_IN, 5.0))
    ours = scores[
        (scores["experiment"] == "E1")
        & scores["seed"].isna()
        & (scores["flip"] == "last")
        & (scores["encoding"] == "rope")
    ]
    _inequality(grid[0, 0], ours, curve, sizes_axis)
    _gradients(grid[0, 1], ours, curve, sizes_axis)
    _unions(grid[1, 0], scores[scores["experiment"] == "C5"], sizes_axis)
    _temperatures(grid[1, 1], scores[scores["metric"] == "tempered_gamma"])
    return figure


def _inequality(axes: "Axes", ours: pd.DataFrame, curve: Any, sizes_axis: Any) -> None:
    small = {"marker": "o", "markersize": 2.5}
    for metric, colour, label in (
        ("corrected_bound", "green", "bound, corrected"),
        ("nats_apart", "blue", "measured $|\\Delta|$"),
        ("printed_bound", "vermilion", "bound, sign as printed"),
    ):
        rows = ours[ours["metric"] == metric]
        if metric == "nats_apart":
            held = ours[ours["metric"] == "corrected_bound"]["size"]
            rows = rows[rows["size"].isin(held)]
        curve(axes, rows, colour, label, **small)
    axes.set_yscale("symlog", linthresh=0.01)
    axes.axhline(0, color=COLOURS["black"], linewidth=0.6)
    axes.set_ylabel("difference of log-perplexity, nats")
    axes.set_title("a  lemma 3.1, rotary copiers")
    sizes_axis(axes, ours)
    axes.legend(loc="center left", bbox_to_anchor=(0.0, 0.33), fontsize=6)


def _gradients(axes: "Axes", ours: pd.DataFrame, curve: Any, sizes_axis: Any) -> None:
    for metric, colour, label, style in (
        ("size_times_gradient_beta", "vermilion", "$n\\,\\|\\nabla L(\\beta)\\|$", "--"),
        ("gradient_beta", "vermilion", "$\\|\\nabla L(\\beta)\\|$", "-"),
        ("gradient_alpha", "blue", "$\\|\\nabla L(\\alpha)\\|$", "-"),
    ):
        rows = ours[ours["metric"] == metric].copy()
        for column in ("value", "ci_low", "ci_high"):
            rows[column] = rows[column].clip(LEAST, 1.0e4)
        curve(axes, rows, colour, label, marker="o", markersize=2.5, linestyle=style)
    axes.set_yscale("log")
    axes.set_ylim(LEAST, 1.0e4)
    axes.set_ylabel("norm of the gradient")
    axes.set_title("b  corollary 3.7, rotary copiers")
    sizes_axis(axes, ours[ours["metric"] == "gradient_beta"])
    axes.legend(loc="lower left", fontsize=6)


def _unions(axes: "Axes", rows: pd.DataFrame, sizes_axis: Any) -> None:
    from matplotlib.lines import Line2D

    rows = rows[rows["size"].notna()]
    colours = ("blue", "green", "vermilion")
    for colour, (gamma, own) in zip(colours, rows.groupby("gamma"), strict=False):
        for string, marker, style in (("alpha", "o", "-"), ("beta", "s", ":")):
            line = own[own["string"] == string].sort_values("size")
            bound = line[line["metric"] == "union_bound"]
            rate = line[line["metric"] == "error_rate"]
            axes.plot(
                bound["size"].astype(float), bound["value"], color=COLOURS[colour], linestyle=style
            )
            value = rate["value"].to_numpy(float)
            ends = np.stack([value - rate["ci_low"], rate["ci_high"] - value]).astype(float)
            axes.errorbar(
                rate["size"].astype(float),
                np.maximum(value, LEAST),
                ends,
                color=COLOURS[colour],
                marker=marker,
                markersize=2.5,
                linestyle="none",
                elinewidth=0.7,
                markerfacecolor=COLOURS[colour] if string == "alpha" else "white",
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
    import matplotlib.pyplot as plt

    thetas = np.sort(rows["theta"].unique())
    shades = plt.get_cmap("viridis")(np.linspace(0.0, 0.85, len(thetas)))
    for theta, shade in zip(thetas, shades, strict=True):
        own = rows[rows["theta"] == theta].sort_values("gamma")
        axes.plot(own["gamma"], own["value"], color=shade, label=f"$\\theta$ = {theta:g}")
    axes.set_xlabel("$\\gamma$ at temperature $\\theta$")
    axes.set_ylabel("equal $\\gamma'$ at temperature 1")
    axes.set_title("d  remark 3.4")
    axes.legend(loc="upper left", fontsize=6)
