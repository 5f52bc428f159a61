"""The study's figures of the trained heads: one function draws one figure."""

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workflow_scripts.shared import figures
from workflow_scripts.shared.figures import COLOURS, PAGE_IN, PUBLISHED, legend_below, panel_letters
from workflow_scripts.shared.measurements import one
from workflow_scripts.softmax import figures_adaptive, figures_models
from workflow_scripts.softmax.figures_common import WAYS, Data, items_axis, over_items
from workflow_scripts.softmax.measurements import percent, pick

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FILLED: dict[str, Any] = {**PUBLISHED}
OPEN: dict[str, Any] = {**FILLED, "markerfacecolor": "white"}
NORMALISERS = {
    "softmax": ("softmax", "blue"),
    "sparsemax": ("sparsemax", "vermilion"),
    "entmax15": ("entmax-1.5", "green"),
    "ssmax": ("scalable softmax", "orange"),
    "topk": ("top-k", "purple"),
    "sigmoid": ("sigmoid", "sky"),
}


def _by_inference(metric: str, data: Data, skip: int = 0) -> "tuple[Figure, Axes, float]":
    """A figure with a metric of E1 in percent over items, a line per inference.

    Leaves out the first `skip` inferences. Returns the figure, its axes and the largest size.
    """
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(PAGE_IN * 0.8, 2.9))
    rows = percent(pick(data.scores, experiment="E1", metric=metric))
    for way, (label, colour) in list(WAYS.items())[skip:]:
        over_items(axes, rows[rows["inference"] == way], label, colour)
    items_axis(axes)
    return figure, axes, float(rows["items"].max())


def accuracy(data: Data) -> "Figure":
    """Table 1: accuracy against the number of items, plain and adaptive."""
    figure, axes, _ = _by_inference("accuracy", data)
    known = data.accuracy
    axes.plot(known["n_items"], known["baseline_acc_pct"], label="paper, $\\theta$ = 1", **FILLED)
    axes.plot(
        known["n_items"], known["adaptive_theta_acc_pct"], label="paper, adaptive $\\theta$", **OPEN
    )
    axes.axhline(10, color=COLOURS["grey"], linestyle=":", linewidth=1)
    axes.annotate("chance", (16, 10), (0, -3), textcoords="offset points", va="top", fontsize=6)
    axes.set_ylim(0, 102)
    axes.set_ylabel("accuracy, %")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def gain(data: Data) -> "Figure":
    """Gain of the adaptive temperature; sizes at which the published one cannot act are shaded."""
    figure, axes, largest = _by_inference("accuracy_gain_over_trained", data, skip=1)
    known = data.accuracy
    published = known["adaptive_theta_acc_pct"] - known["baseline_acc_pct"]
    axes.plot(known["n_items"], published, label="paper", **FILLED)
    axes.axhline(0, color=COLOURS["black"], linewidth=0.6)
    idle = no_op_from(data.scores)
    if idle is not None:
        axes.axvspan(idle, largest, color=COLOURS["grey"], alpha=0.15, linewidth=0)
        text = "entropy past the\npublished window"
        axes.text(0.99, 0.97, text, transform=axes.transAxes, ha="right", va="top", fontsize=6)
    axes.set_ylabel("accuracy gain, points")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def no_op_from(scores: pd.DataFrame) -> float | None:
    """Items at which the heads' mean entropy leaves the window of the published polynomial."""
    end = one(scores, experiment="S5", metric="window_high_nats")["value"]
    rows = pick(scores, experiment="E1", metric="entropy_nats", inference="trained")
    rows = rows.sort_values("items")
    entropy, items = rows["value"].to_numpy(float), rows["items"].to_numpy(float)
    if entropy[-1] <= end:
        return None
    return float(np.exp(np.interp(end, entropy, np.log(items))))


def maps(data: Data) -> "Figure":
    """Figure 2: weights of the 16 largest items of 32 sets, one column of panels per size."""
    import matplotlib.pyplot as plt

    sizes = sorted(data.maps["items"].unique())
    ways = {"trained": "$\\theta$ = 1", "published": "adaptive $\\theta$"}
    figure, grid = plt.subplots(
        len(ways), len(sizes), figsize=(PAGE_IN, 2.9), sharex=True, sharey=True, squeeze=False
    )
    for panels, (way, label) in zip(grid, ways.items(), strict=True):
        for axes, size in zip(panels, sizes, strict=True):
            rows = data.maps[(data.maps["items"] == size) & (data.maps["inference"] == way)]
            weights = rows.pivot(index="set", columns="rank", values="weight").to_numpy()
            image = axes.imshow(
                weights[:, ::-1], cmap="Blues", vmin=0, vmax=1, aspect="auto", rasterized=True
            )
            axes.grid(False)
            axes.set_xticks([0, weights.shape[1] - 1], [f"{weights.shape[1]}", "1"])
            axes.set_yticks([])
            if way == "trained":
                axes.set_title(f"{size:,} items" if size == sizes[0] else f"{size:,}", fontsize=8)
        panels[0].set_ylabel(f"{label}\n{weights.shape[0]} sets")
    figure.supxlabel("rank of the item by priority (1 is the largest)", fontsize=8)
    figure.colorbar(image, ax=grid, shrink=0.8, label="attention weight", pad=0.01)
    return figure


def temperature(data: Data) -> "Figure":
    """Figure 6: the best inverse temperature against entropy, and the polynomials."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(PAGE_IN, 3.0))
    scores = data.scores[data.scores["experiment"] == "E3"]
    for way in ("refit_log_likelihood", "refit_accuracy"):
        label, colour = WAYS[way]
        points = scores[(scores["inference"] == way) & (scores["metric"] == "best_beta")]
        axes.plot(
            points["entropy_nats"],
            points["value"],
            ".",
            color=COLOURS[colour],
            alpha=0.35,
            markersize=3,
            label=f"best by {way.removeprefix('refit_').replace('_', '-')}, one head and size",
        )
        _polynomial(axes, scores, way, label, colour)
    _polynomial(axes, scores, "published", "published polynomial", "black")
    axes.set_yscale("log", base=2)
    axes.set_yticks([0.5, 1, 2, 4, 8, 16], ["0.5", "1", "2", "4", "8", "16"])
    axes.set_xlabel("attention entropy at $\\theta$ = 1, nats")
    axes.set_ylabel("inverse temperature 1/$\\theta$")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _polynomial(axes: "Axes", scores: pd.DataFrame, way: str, label: str, colour: str) -> None:
    curve = pick(scores, metric="beta", inference=way)
    figures.line(axes, curve, "entropy_nats", band=False, color=COLOURS[colour], label=label)


def normalisers(data: Data) -> "Figure":
    """E7: accuracy, and weight on the largest item, for each normaliser."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(PAGE_IN, 2.8), sharex=True)
    for axes, metric, label in (
        (panels[0], "accuracy", "accuracy, %"),
        (panels[1], "largest_item_weight", "attention on the largest item, %"),
    ):
        rows = percent(pick(data.scores, experiment="E7", metric=metric))
        measured = [name for name in NORMALISERS if (rows["normaliser"] == name).any()]
        for name in measured:
            over_items(axes, rows[rows["normaliser"] == name], *NORMALISERS[name])
        axes.set_ylabel(label)
        axes.set_ylim(0, 102)
        items_axis(axes)
    panels[0].axhline(10, color=COLOURS["grey"], linestyle=":", linewidth=1)
    panel_letters(panels, ("accuracy", "sharpness"))
    legend_below(figure, panels[0], len(measured))
    return figure


TOPICS = (figures_models, figures_adaptive)

if __name__ == "__main__":
    figures.run(snakemake, Data.read, sys.modules[__name__], *TOPICS)
