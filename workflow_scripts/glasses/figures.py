"""The study's figures of replies: copying, counting and the answers given."""

import sys
from typing import TYPE_CHECKING

import numpy as np

from workflow_scripts.glasses import (
    figures_budget,
    figures_collapse,
    figures_models,
    figures_theory,
)
from workflow_scripts.glasses.answers import EXACT_TASKS
from workflow_scripts.glasses.figures_common import Data, diamonds, model_grid, numbers, read
from workflow_scripts.shared import figures
from workflow_scripts.shared.figures import COLOURS, PAGE_IN, legend_below, line, panel_grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

TASKS = {
    "sum": "sum of ones",
    "ones": "ones in 1…1",
    "bits": "ones in bits, rate 0.7",
    "word": "a word in a sentence",
}
PROMPTINGS = {
    "plain": ("no CoT", "blue", "o"),
    "zero_shot": ("zero-shot CoT", "vermilion", "s"),
    "few_shot": ("few-shot CoT", "green", "^"),
}
COPYING = (  # experiment, task, family, label; a line is drawn between experiments
    ("E1a", "last", "edge", "last of 1…10"),
    ("E1a", "first", "edge", "first of 01…1"),
    ("E1b", "last", "edge", "last of 1…10, hint"),
    ("E1b", "first", "edge", "first of 01…1, hint"),
    ("E1c", "last", "zero_first", "last of 0101…0"),
    ("E1c", "last", "one_first", "last of 1010…0"),
    ("E5", "last", "edge", "last of 1…10, sequence first"),
    ("E5", "type1", "edge", "question first (Type 1)"),
    ("E5", "type2", "edge", "answer form first (Type 2)"),
)
PUBLISHED = {  # row of `COPYING`: figure, task and hint in the paper's table of marks
    0: ("2a", "last element of 1...10", "no"),
    1: ("2a", "first element of 01...1", "no"),
    2: ("2b", "last element of 1...10", "yes"),
    4: ("2c", "last element of [0;1] repeated + 0", "no"),
    5: ("2c", "last element of [1;0] repeated + 0", "no"),
    7: ("11", "last digit; wording type 1", "no"),
    8: ("11", "last digit; wording type 2", "no"),
}
PAPER_TASKS = {"sum": "sum", "ones": "count_ones", "bits": "count_mixed", "word": "count_word"}
GEMINI = "Gemini 1.5"
TOP = "predicted count that dominates the histogram"


def copying(data: Data) -> "Figure":
    """Figures 2 and 11: right and wrong replies about the first and last element, by length."""
    names = data.models.names
    figure, panels = panel_grid(
        len(names), PAGE_IN, 0.9 + 0.2 * len(COPYING), across=2, sharey=True
    )
    longest = numbers(data.pick(experiment="E1a", undefined="keep"), "length")
    for axes, model in zip(panels, names, strict=True):
        colour = data.models.colour(model)
        for height, (experiment, task, family, _) in enumerate(COPYING):
            rows = data.pick(
                experiment=experiment, metric="accuracy", task=task, family=family, model=model
            )
            axes.scatter(
                numbers(rows, "length"), np.full(len(rows), height), s=22,
                c=numbers(rows, "value"), cmap=_shades(colour), vmin=0, vmax=1,
                edgecolors=colour, linewidths=0.7, zorder=2,
            )  # fmt: skip
            if height and experiment != COPYING[height - 1][0]:
                axes.axhline(height - 0.5, color=COLOURS["grey"], linewidth=0.5)
        _marks(axes, data)
        axes.set_xscale("log")
        axes.set_xlim(right=1.3 * max(np.nanmax(longest), data.paper.copies["length"].max()))
        data.models.title(axes, model)
        data.shade_trained(axes, model, axes.get_xlim()[0])
    panels[0].set_yticks(range(len(COPYING)), [label for *_, label in COPYING])
    for axes in panels[-2:]:  # a label of the figure would overlap the legend
        axes.set_xlabel("length, digits (filled: right, open: wrong)")
    panels[0].set_ylim(len(COPYING) - 0.4, -0.6)
    legend_below(figure, panels[0], columns=1)
    return figure


def _marks(axes: "Axes", data: Data) -> None:
    """The marks of figures 2 and 11, below the measured ones of the same sequences."""
    for height, (figure, task, hint) in PUBLISHED.items():
        rows = data.paper.copies
        rows = rows[(rows["figure"] == figure) & (rows["task"] == task) & (rows["hint"] == hint)]
        axes.scatter(
            rows["length"], np.full(len(rows), height + 0.3), marker="D", s=7, linewidths=0.6,
            c=np.where(rows["correct"] == 1, COLOURS["black"], "white"),
            edgecolors=COLOURS["black"], label=None if height else "Gemini 1.5 (paper)",
        )  # fmt: skip


def _shades(colour: str) -> "Colormap":
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("right", ["white", colour])


def counting(data: Data) -> "Figure":
    """Figures 3 and 6: absolute error against length, with the paper's errors without CoT."""
    return _errors(data, "absolute_error", "absolute error", [0, 1, 10, 100, 1000, 10_000])


def signed(data: Data) -> "Figure":
    """Signed error of the counts against length."""
    ticks = [-1000, -100, -10, 0, 10, 100, 1000, 10_000]
    return _errors(data, "signed_error", "answer − truth", ticks)


def _errors(data: Data, metric: str, name: str, ticks: list[int]) -> "Figure":
    """Errors against length: a column per task, a row per model."""
    figure, grid = model_grid(
        data, list(TASKS.values()), "items", name, 0.7, sharex=True, sharey=True
    )
    for panels, model in zip(grid, data.models.names, strict=True):
        for axes, task in zip(panels, TASKS, strict=True):
            rows = data.pick(experiment="E2", metric=metric, task=task, model=model)
            for prompting, (label, colour, marker) in PROMPTINGS.items():
                own = rows[rows["prompting"] == prompting]
                line(
                    axes, own, "length", label=label, color=COLOURS[colour], marker=marker,
                    markersize=2.5,
                )  # fmt: skip
            asked = data.pick(
                experiment="E2", metric="accuracy", task=task, model=model, undefined="keep"
            )
            n = np.unique(numbers(asked, "length"))
            zero = n if ticks[0] == 0 else -n  # the error of the answer 0
            axes.plot(
                n, zero, color=COLOURS["grey"], linewidth=0.7, linestyle=":", label="the answer 0"
            )
            if metric == "absolute_error":
                _paper_errors(axes, data, task)
            data.shade_trained(axes, model)
            axes.set_yscale("symlog", linthresh=1, linscale=0.5)
            axes.set_ylim(ticks[0], 2e4)
            axes.set_yticks(ticks, [f"{tick:,}" for tick in ticks])
    legend_below(figure, grid[0][0], columns=4)
    return figure


def _paper_errors(axes: "Axes", data: Data, task: str) -> None:
    """The errors of the paper's two models without CoT; those above its axis are left out."""
    rows = data.paper.errors
    rows = rows[(rows["task"] == PAPER_TASKS[task]) & (rows["prompting"] == "no_cot")]
    for model, colour in ((GEMINI, "black"), ("Gemma 7B", "grey")):
        own = rows[rows["model"] == model]
        label = f"{model} (paper), no CoT"
        diamonds(axes, own, "absolute_error", edgecolors=COLOURS[colour], label=label)


def histograms(data: Data) -> "Figure":
    """Figure 4: the answers given, all promptings together, beside the paper's without CoT."""
    figure, grid = model_grid(
        data, list(TASKS.values()), "answer given", "replies", 0.6, sharex=True
    )
    top = data.published(TOP)
    shown = data.answers[data.answers["group"] == "answers without CoT"]
    for panels, model in zip(grid, data.models.names, strict=True):
        for axes, task in zip(panels, TASKS, strict=True):
            rows = data.pick(experiment="E2", metric="answers", task=task, model=model)
            counts = rows.groupby("answer")["value"].sum()
            asked = data.pick(experiment="E2", metric="accuracy", task=task, undefined="keep")
            most = numbers(asked, "length").max()
            inside = counts[counts.index <= most]
            axes.bar(
                inside.index.to_numpy(float), inside.to_numpy(float), width=1.5,
                color=data.models.colour(model),
            )  # fmt: skip
            axes.margins(y=0.2)  # room for the text below
            more = counts[counts.index > most].sum()
            if more:
                axes.annotate(
                    f"{more:.0f} above {most:.0f}", (0.99, 0.98), xycoords="axes fraction",
                    ha="right", va="top", fontsize=6,
                )  # fmt: skip
            axes.axvline(
                top, color=COLOURS["black"], linewidth=0.7, linestyle=":",
                label=f"most frequent answer in the paper, {top:.0f}",
            )  # fmt: skip
            if task in EXACT_TASKS:
                axes.scatter(
                    shown["value"], shown["count"] / len(EXACT_TASKS), marker="D", s=7,
                    color="none", edgecolors=COLOURS["black"], linewidths=0.6, zorder=3,
                    label="Gemini 1.5 without CoT (paper), a third of three tasks together",
                )  # fmt: skip
            data.shade_trained(axes, model)
    legend_below(figure, grid[0][0], columns=1)
    return figure


TOPICS = (figures_budget, figures_collapse, figures_models, figures_theory)

if __name__ == "__main__":
    figures.run(snakemake, read, sys.modules[__name__], *TOPICS)
