"""Figures of trained processors: the paper's figure 2 with our runs, and their asynchrony."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workflow_scripts.cocycles.figures_common import Data
from workflow_scripts.cocycles.measurements import pick
from workflow_scripts.cocycles.published import means
from workflow_scripts.shared import figures
from workflow_scripts.shared.figures import (
    COLOURS,
    PAGE_IN,
    PUBLISHED,
    margins,
    panel_grid,
    panel_letters,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLES = {
    "L1": ("L1: linear, sum, ReLU", "vermilion", "s"),
    "L2": ("L2: linear, max, max", "green", "^"),
    "L3": ("L3: log-bilinear, max, max", "blue", "o"),
}
KINDS = {
    "updates": "repeated\nupdates",
    "duplicates": "duplicated\nmessages",
    "increments": "arguments\nin pieces",
}
ROUNDING = 1.0e-4  # smallest relative error of float32 runs that is shown


def tasks(data: Data) -> "Figure":
    """Figure 2: every task of CLRS-30, as read off the paper's figure and as trained here."""
    from matplotlib.lines import Line2D

    order = means(data.figure_2)["L3"].sort_values(ascending=False).index
    ours = pick(data.scores, experiment="training", metric="ood_score")
    figure, (axes,) = panel_grid(1, PAGE_IN, 4.0)
    for model, (_, colour, marker) in STYLES.items():
        rows = data.figure_2[data.figure_2["model"] == model].set_index("algorithm").loc[order]
        y = rows["ood_micro_f1_mean_digitised"].to_numpy(float)
        low = y - rows["errorbar_low_digitised"].to_numpy(float)
        high = rows["errorbar_high_digitised"].to_numpy(float) - y
        shift = {"L1": -0.26, "L2": 0.0, "L3": 0.26}[model]
        style: dict[str, Any] = {"color": COLOURS[colour], "linestyle": "none"}
        axes.errorbar(
            np.arange(len(order)) + shift,
            y,
            np.clip([low, high], 0, None),
            marker=PUBLISHED["marker"],
            markersize=2.5,
            markerfacecolor="white",
            elinewidth=0.7,
            capsize=0,
            **style,
        )
        mine = pick(ours, model=model).set_index("algorithm")
        mine = mine.loc[[name for name in order if name in mine.index]]
        x = np.array([order.get_loc(name) for name in mine.index], dtype=float) + shift + 0.1
        style |= {"marker": marker, "markersize": 4, "zorder": 3}
        axes.errorbar(x, mine["value"], margins(mine), **style)
    for place in range(1, len(order)):
        axes.axvline(place - 0.5, color="#CCCCCC", linestyle=":", linewidth=0.6)
    axes.set_xticks(range(len(order)), [name.replace("_", " ") for name in order], rotation=90)
    axes.tick_params(axis="x", labelsize=6, length=0)
    axes.set_xlim(-0.6, len(order) - 0.4)
    axes.set_ylim(-0.02, 1.04)
    axes.grid(axis="x", visible=False)
    axes.set_ylabel("score at 64 nodes")
    handles = [
        Line2D([], [], color=COLOURS[colour], marker=marker, linestyle="none", label=label)
        for label, colour, marker in STYLES.values()
    ]
    known: dict[str, Any] = {**PUBLISHED, "markerfacecolor": "white"}
    handles.append(Line2D([], [], label="paper, read off", **known))
    text = f"ours (filled): {scale(data.scores)}"
    handles.append(Line2D([], [], color="none", label=text))
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def scale(scores: pd.DataFrame) -> str:
    """For how many steps, and with how many seeds, our processors were trained."""
    steps = pick(scores, experiment="training", metric="training_steps")
    found = pick(scores, experiment="training", metric="ood_score")
    if steps.empty or found.empty:
        return "none trained"
    low, high = int(steps["value"].min()), int(steps["value"].max())
    text = f"{low:,}" if low == high else f"{low:,}–{high:,}"
    return f"{text} steps, {int(found['n'].min())} seeds"


def asynchrony(data: Data) -> "Figure":
    """Asynchronous runs of trained networks, and the gap of the trained level-3 maps."""
    figure, (left, right) = panel_grid(2, PAGE_IN, 3.0, width_ratios=(1.5, 1))
    rows = pick(data.scores, experiment="trained", metric="relative_error")
    if rows.empty:
        figures.missing(left, "none trained at this scale")
        figures.missing(right, "none trained at this scale")
        return figure
    errors(left, rows)
    gaps(right, pick(data.scores, experiment="trained", model="L3"))
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=4)
    titles = ("trained networks, run asynchronously", "sums that the trained map of L3 preserves")
    panel_letters((left, right), titles)
    return figure


def errors(axes: "Axes", rows: pd.DataFrame) -> None:
    """Relative error by freedom, one point per task and level."""
    rows = rows[rows["degree"] == rows["degree"].max()]
    for place, kind in enumerate(KINDS):
        for number, (model, (label, colour, marker)) in enumerate(STYLES.items()):
            mine = pick(rows, kind=kind, model=model).sort_values("algorithm")
            value = mine["value"].to_numpy(float)
            spread = np.linspace(-0.08, 0.08, len(value)) if len(value) > 1 else np.zeros(1)
            axes.errorbar(
                place + 0.27 * (number - 1) + spread[: len(value)],
                np.maximum(value, ROUNDING),
                np.where(value > ROUNDING, margins(mine), 0.0),
                color=COLOURS[colour],
                marker=marker,
                markersize=3.5,
                linestyle="none",
                elinewidth=0.8,
                label=label if place == 0 else None,
            )
    axes.set_yscale("log")
    axes.set_ylim(ROUNDING / 1.6, None)
    style: dict[str, Any] = {"color": COLOURS["grey"], "linestyle": ":", "label": "0, or rounding"}
    axes.axhline(ROUNDING, linewidth=0.8, **style)
    axes.set_xticks(range(len(KINDS)), list(KINDS.values()))
    axes.set_ylabel("relative error of the states")


def gaps(axes: "Axes", rows: pd.DataFrame) -> None:
    """Largest and mean gap of the trained maps under max and under logsumexp, task by task."""
    order = sorted(pick(rows, metric="map_largest_gap")["algorithm"].dropna().unique())
    for aggregator, colour in (("max", "blue"), ("logsumexp", "orange")):
        for metric, marker, text in (
            ("map_largest_gap", "o", "largest"),
            ("map_mean_gap", "_", "mean"),
        ):
            mine = pick(rows, metric=metric, aggregator=aggregator)
            values = mine.set_index("algorithm")["value"].reindex(order).to_numpy(float)
            axes.plot(
                range(len(order)),
                np.maximum(values, 1e-8),
                marker,
                color=COLOURS[colour],
                markersize=6 if marker == "_" else 3.5,
                label=f"{aggregator}, {text}",
            )
    bound = pick(rows, metric="map_gap_bound")["value"]
    if not bound.empty:
        style: dict[str, Any] = {
            "color": COLOURS["black"],
            "linestyle": "--",
            "label": "bound of max, log 2",
        }
        axes.axhline(bound.max(), linewidth=0.7, **style)
    axes.set_yscale("log")
    axes.set_xticks(range(len(order)), [name.replace("_", " ") for name in order], rotation=90)
    axes.tick_params(axis="x", labelsize=6)
    axes.set_ylabel("gap of the map")
    axes.legend(fontsize=6, loc="center left", bbox_to_anchor=(1.0, 0.5))
