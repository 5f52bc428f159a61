"""Figure of blind spots: error against the distance of log-perplexity, lengths, and separation."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workflow_scripts.perplexity.figures_common import Data, over_sizes, sizes_axis
from workflow_scripts.perplexity.measurements import pick
from workflow_scripts.shared import figures
from workflow_scripts.shared.figures import COLOURS, PAGE_IN, legend_below, margins, missing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TASKS = {
    "constant": ("copy of one bit repeated", "blue"),
    "bits": ("copy of random bits", "vermilion"),
    "digits": ("copy of random digits", "green"),
    "last": ("last digit", "purple"),
    "recall": ("value of a key", "orange"),
}
SCORES = {  # label, colour, shape
    "given": ("log-perplexity of the answer", "blue", "o"),
    "least_given": ("its least likely symbol", "vermilion", "s"),
    "prompt": ("log-perplexity of the prompt", "grey", "^"),
}
LEAST = 1.0e-4  # nats, of a logarithmic axis


def blind_spots(data: Data) -> "Figure":
    """Ours: for each model errors within a distance, distances by length, and separation."""
    import matplotlib.pyplot as plt

    rows = pick(data.scores, experiment="blind")
    names = data.models.names
    count = max(len(names), 1)
    size = (PAGE_IN, 1.9 * count + 0.6)
    figure, grid = plt.subplots(count, 3, figsize=size, squeeze=False)
    for panels, model in zip(grid, names, strict=False):
        own = rows[rows["model"] == model]
        data.models.row(panels[0], model, "wrong answers")
        if not (own["metric"] == "wrong").any():
            for axes in panels:
                missing(axes, "no prompt is answered rightly")
            continue
        _curves(panels[0], own)
        _lengths(panels[1], own)
        _separation(panels[2], own)
    titles = ("a  within a distance", "b  distance by length", "c  separation")
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title)
    legend_below(figure, list(grid.flat), 3, fontsize=6)
    return figure


def _curves(axes: "Axes", own: pd.DataFrame) -> None:
    """Share of wrong answers within a distance: changed prompts solid, controls dashed."""
    lines = pick(own, metric="wrong_within", score="right", size=None)
    for task, (label, colour) in TASKS.items():
        for kind, style in (("change", "-"), ("control", "--")):
            each = pick(lines, task=task, edit=kind)
            figures.line(
                axes, each, "distance", band=kind == "change", color=COLOURS[colour],
                label=label if kind == "change" else None, linestyle=style, marker="o",
                markersize=2.5,
            )  # fmt: skip
    axes.set_xscale("log")
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("distance of log-perplexity at most, nats")


def _lengths(axes: "Axes", own: pd.DataFrame) -> None:
    """The distance of wrong copies over their length, and the bound of lemma 3.1, dotted."""
    drawn = []
    for task, (label, colour) in TASKS.items():
        style = {"color": COLOURS[colour], "label": label}
        each = pick(own, metric="wrong_distance", task=task)
        over_sizes(axes, each, (LEAST, 100.0), **style)
        bound = pick(own, metric="bound", task=task).sort_values("size")
        axes.plot(bound["size"], bound["value"], linestyle=":", color=COLOURS[colour])
        drawn.append(each)
    every = pd.concat(drawn)
    if every.empty:
        missing(axes, "no edited prompt is answered wrongly")
        return
    axes.set_yscale("log")
    axes.set_ylabel("distance, nats")
    sizes_axis(axes, every)
    axes.set_xlabel("symbols in the prompt, n")


def _separation(axes: "Axes", own: pd.DataFrame) -> None:
    """Area under the curve of each score, by task, with intervals."""
    areas = pick(own, metric="auc", size=None)
    known = [task for task in TASKS if (areas["task"] == task).any()]
    if not known:
        missing(axes, "all edited prompts are answered alike")
        return
    for at, (score, (label, colour, mark)) in enumerate(SCORES.items()):
        each = pick(areas, score=score).set_index("task").reindex(known).reset_index()
        axes.errorbar(
            np.arange(len(known)) + 0.2 * (at - 1), each["value"], yerr=margins(each), fmt=mark,
            color=COLOURS[colour], label=label, markersize=3,
        )  # fmt: skip
    axes.axhline(0.5, color=COLOURS["grey"], linestyle=":", linewidth=1)
    axes.set_xticks(np.arange(len(known)), known, fontsize=6)
    axes.set_ylim(-0.03, 1.03)
    axes.set_ylabel("area under the curve")
