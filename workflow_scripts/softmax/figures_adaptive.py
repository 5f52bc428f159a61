"""Figures of adaptive temperature in language models: retrieval, and the atlas of dispersion."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workflow_scripts.shared import figures
from workflow_scripts.shared.figures import COLOURS, PAGE_IN, legend_below, missing
from workflow_scripts.shared.measurements import by_model
from workflow_scripts.softmax.figures_common import Data
from workflow_scripts.softmax.measurements import pick

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WAYS = {
    "plain": ("$\\theta$ = 1", "blue"),
    "published": ("published polynomial", "vermilion"),
    "published_content": ("published, sinks apart", "orange"),
    "refit": ("refitted to the model", "green"),
    "per_head": ("fitted per head", "purple"),
}
TASKS = {"largest": "largest number", "needle": "given number"}
TASK_COLOURS = {"largest": "black", "needle": "sky"}
MEASURES = {
    "content_entropy": "content entropy / ln keys",
    "sink_weight": "weight on the sink",
    "item_weight": "weight on the answer's line",
}


def adaptive(data: Data) -> "Figure":
    """Ours: accuracy by length and way of weighting; the published polynomial layer by layer."""
    import matplotlib.pyplot as plt

    rows = pick(data.scores, experiment="adaptive", metric="accuracy")
    models = [model for model, _ in by_model(rows)]
    count = max(len(models), 1)
    figure, grid = plt.subplots(count, 3, figsize=(PAGE_IN, 1.9 * count + 0.4), squeeze=False)
    for panels, model in zip(grid, models, strict=False):
        own = pick(rows, model=model)
        for axes, (task, label) in zip(panels, TASKS.items(), strict=False):
            for way, (text, colour) in WAYS.items():
                line = pick(own, task=task, inference=way).sort_values("items")
                style: dict[str, Any] = {"label": text, "color": COLOURS[colour]}
                style |= {"marker": "o", "markersize": 2.5}
                figures.line(axes, line, "items", band=way == "plain", **style)
            axes.axhline(0.1, color=COLOURS["grey"], linestyle=":", linewidth=1)
            axes.set_xscale("log", base=2)
            sizes = sorted(own["items"].dropna().unique())
            axes.set_xticks(sizes, [f"{size:g}" for size in sizes])
            axes.set_ylim(0, 1.02)
            axes.set_xlabel("numbers in the list")
            axes.set_title(f"{data.models.label(model)}: {label}", fontsize=7)
        panels[0].set_ylabel("accuracy")
        _layers(panels[2], data, model)
    if not models:
        for axes in grid.flat:
            missing(axes)
        return figure
    legend_below(figure, grid[0][0], 5)
    return figure


def _layers(axes: "Axes", data: Data, model: str) -> None:
    """Gain in log-likelihood of the published polynomial in one layer alone, with intervals."""
    rows = pick(data.scores, experiment="adaptive", inference="published_in_one_layer")
    rows = pick(rows, model=model, metric="log_likelihood_gain_over_plain")
    for task, label in TASKS.items():
        own = pick(rows, task=task).sort_values("layer")
        colour = COLOURS[TASK_COLOURS[task]]
        figures.line(axes, own, "layer", label=label, color=colour, marker="o", markersize=2.5)
    axes.axhline(0, color=COLOURS["grey"], linewidth=0.6)
    axes.locator_params(axis="x", integer=True)
    axes.set_xlabel("the one layer that adapts")
    axes.set_ylabel("gain, nats")
    axes.set_title("published, one layer", fontsize=7)
    axes.legend(fontsize=6)


def atlas(data: Data) -> "Figure":
    """Ours: each head's attention at the last token in the longest lists, sinks apart."""
    import matplotlib.pyplot as plt

    found = [frame for frame in data.atlas if len(frame)]
    count = max(len(found), 1)
    figure, grid = plt.subplots(
        count, len(MEASURES), figsize=(PAGE_IN, 1.9 * count + 0.3), squeeze=False
    )
    if not found:
        for axes in grid.flat:
            missing(axes)
        return figure
    for place, (panels, frame) in enumerate(zip(grid, found, strict=True)):
        longest = frame[frame["task"] == "needle"]
        longest = longest[longest["items"] == longest["items"].max()]
        keys = longest["keys"].iloc[0]
        longest = longest.assign(content_entropy=longest["content_entropy_nats"] / np.log(keys))
        for axes, (measure, label) in zip(panels, MEASURES.items(), strict=True):
            image = _heads(axes, longest, measure)
            axes.set_xlabel("head")
            if place == 0:
                axes.set_title(label, fontsize=7)
        model = data.models.label(str(frame["model"].iloc[0]))
        panels[0].set_ylabel(f"{model}\nlayer ({keys:.0f} keys)")
        figure.colorbar(image, ax=list(panels), pad=0.01)
    return figure


def _heads(axes: "Axes", rows: pd.DataFrame, measure: str) -> Any:
    values = rows.pivot(index="layer", columns="head", values=measure).to_numpy()
    axes.grid(False)
    axes.locator_params(integer=True)
    return axes.imshow(values, cmap="Blues", vmin=0, vmax=1, aspect="auto", rasterized=True)
