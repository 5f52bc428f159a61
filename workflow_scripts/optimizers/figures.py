"""Figures of streams of tasks and of tuning; each function draws one figure from the scores."""

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workflow_scripts.optimizers import figures_exact, figures_solutions
from workflow_scripts.optimizers.figures_common import colour, line, mark_digits, present
from workflow_scripts.optimizers.measurements import pick
from workflow_scripts.shared import figures, tables
from workflow_scripts.shared.figures import (
    COLOURS,
    PAGE_IN,
    legend_below,
    margins,
    panel_grid,
    panel_letters,
)
from workflow_scripts.shared.schemas import SCORES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAIR_LABELS = ["0, 1", "2, 3", "4, 5", "6, 7", "8, 9"]
WAYS: dict[str, dict[str, Any]] = {  # how optimisers are made comparable
    "same steps": {"metric": "forgetting", "protocol": "steps", "state": "kept"},
    "same steps, state reset": {"metric": "forgetting", "protocol": "steps", "state": "reset"},
    "same training loss": {"metric": "forgetting", "protocol": "matched", "state": "kept"},
    "same distance, on task 2": {"metric": "forgetting_at_distance", "protocol": "steps"},
}


def last(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows after the last task; rows without a task stay."""
    return rows[(rows["task"] == rows["task"].max()) | rows["task"].isna()]


def forgetting(scores: pd.DataFrame) -> "Figure":
    """R2: accuracy and forgetting on permuted tasks, and the overlap of updates."""
    figure, panels = panel_grid(3, PAGE_IN, 2.9, width_ratios=[1, 1.25, 1])
    left, middle, right = panels
    rows = pick(scores, experiment="continual", stream="permuted", rate="tuned")
    plain = pick(rows, protocol="steps", state="kept")
    average = pick(plain, metric="average_accuracy")
    overlap = pick(plain, metric="update_overlap", layer="layer1")
    names = present(rows)
    for name in names:
        line(left, average, "task", name, marker="o", markersize=2.5)
        line(right, overlap, "task", name)
    for at, wanted in enumerate(WAYS.values()):
        found = last(pick(rows, **wanted))
        for index, name in enumerate(names):
            value = pick(found, optimizer=name)
            shift = (index - (len(names) - 1) / 2) * 0.8 / len(names)
            middle.errorbar(
                value["value"],
                np.full(len(value), at + shift),
                xerr=margins(value),
                color=colour(name),
                marker="o",
                markersize=2.5,
                capsize=0,
                linestyle="none",
            )
    middle.set_yticks(range(len(WAYS)), [way.replace(", ", ",\n") for way in WAYS])
    middle.invert_yaxis()
    middle.set_xlabel("accuracy forgotten")
    left.set_xlabel("tasks learned")
    left.set_ylabel("mean accuracy on them")
    right.set_xlabel("task")
    right.set_ylabel("overlap with the previous update")
    panel_letters(panels, ("permuted tasks", "forgetting", "update subspaces"))
    for axes in (left, right):
        axes.locator_params(axis="x", integer=True)
    mark_digits(figure, rows)
    legend_below(figure, left, 5)
    return figure


def rank(scores: pd.DataFrame) -> "Figure":
    """R3: ranks of representations and weights over tasks, and spectra after the last."""
    figure, grid = panel_grid(4, PAGE_IN, 2.6)
    rows = pick(
        scores,
        experiment="continual",
        stream="permuted",
        rate="tuned",
        protocol="steps",
        state="kept",
    )
    panels = (
        ("activation_effective_rank", "hidden1", "representations", "effective rank"),
        ("weight_effective_rank", "layer1", "first weights", "effective rank"),
        ("activation_spectrum", "hidden1", "representations", "singular value / largest"),
        ("weight_spectrum", "layer1", "first weights", "singular value / largest"),
    )
    for axes, (metric, layer, _, unit) in zip(grid, panels, strict=True):
        found = pick(rows, metric=metric, layer=layer)
        spectrum = metric.endswith("spectrum")
        for name in present(found):
            line(axes, found, "index" if spectrum else "task", name, linewidth=1.1)
        if spectrum:
            axes.set_yscale("log")
            axes.set_ylim(1.0e-3, 1.2)
        axes.set_xlabel("index" if spectrum else "tasks learned")
        axes.set_ylabel(unit)
    panel_letters(grid, [panel[2] for panel in panels])
    mark_digits(figure, rows)
    legend_below(figure, grid[0], 5)
    return figure


def classes(scores: pd.DataFrame) -> "Figure":
    """R4: accuracy on each pair after the whole stream; cosines between classes."""
    rows = last(
        pick(scores, experiment="continual", stream="classes", protocol="steps", state="kept")
    )
    wanted = [
        ("adam", "0.001", "Adam, rate 1e-3", "sky", "--"),
        ("adam", "0.0001", "Adam, rate 1e-4", "blue", "--"),
        ("shampoo", "tuned", "Shampoo", "vermilion", "-"),
    ]
    figure, grid = panel_grid(4, PAGE_IN, 2.8, width_ratios=[1.5, 1, 1, 1])
    accuracy = pick(rows, metric="task_accuracy")
    tuned = pick(accuracy, rate="tuned")
    for name in present(rows):
        if name not in ("adam", "shampoo", "adamw"):
            line(grid[0], tuned, "of_task", name, linewidth=0.8, alpha=0.8, band=False)
    image = None
    for axes, (name, rate, text, hue, dashes) in zip(grid[1:], wanted, strict=True):
        values = pick(accuracy, optimizer=name, rate=rate).sort_values("of_task")
        x, y = values["of_task"].to_numpy(float), values["value"]
        grid[0].plot(x, y, linestyle=dashes, color=COLOURS[hue], label=text)
        style: dict[str, Any] = {"color": COLOURS[hue], "marker": "o", "linestyle": "none"}
        grid[0].errorbar(x, y, margins(values), markersize=3, **style)
        cosines = pick(rows, metric="class_cosine", optimizer=name, rate=rate)
        axes.set_title(text, fontsize=8)
        axes.grid(False)
        axes.set_xticks(range(0, 10, 3))
        axes.set_yticks(range(0, 10, 3))
        axes.set_xlabel("class")
        if cosines.empty:
            continue
        cosines = cosines.assign(other=cosines["other"].astype(int))
        matrix = cosines.pivot(index="index", columns="other", values="value").to_numpy(float)
        image = axes.imshow(matrix, cmap="viridis", vmin=0, vmax=1)
    grid[1].set_ylabel("class")
    grid[0].set_xticks(range(1, 6), PAIR_LABELS)
    grid[0].set_xlabel("pair of digits, in the order learned")
    grid[0].set_ylabel("final accuracy")
    grid[0].set_ylim(-0.03, 1.15)
    grid[0].axhline(0.1, color=COLOURS["grey"], linestyle=":", linewidth=0.8)
    if image is not None:
        figure.colorbar(image, ax=grid[1:], label="cosine of mean activations", shrink=0.7)
    mark_digits(figure, rows)
    legend_below(figure, grid[0], 4)
    return figure


def tuning(scores: pd.DataFrame) -> "Figure":
    """Accuracy on the task just learned against the rate, with the tuned rate."""
    figure, grid = panel_grid(2, PAGE_IN, 2.7, sharey=True)
    streams = ("permuted", "classes")
    for axes, stream in zip(grid, streams, strict=True):
        found = pick(scores, experiment="tuning", stream=stream)
        curves = pick(found, metric="validation_accuracy")
        for name in present(found):
            line(axes, curves, "learning_rate", name, linewidth=1.1)
            best = float(pick(found, metric="tuned_rate", optimizer=name)["value"].iloc[0])
            curve = pick(curves, optimizer=name)
            at = curve[np.isclose(curve["learning_rate"].astype(float), best)]
            axes.plot([best], at["value"], marker="o", color=colour(name), markersize=4)
        axes.set_xscale("log")
        axes.set_xlabel("learning rate")
    panel_letters(grid, streams)
    grid[0].set_ylabel("accuracy on the task just learned")
    grid[0].set_ylim(0, 1.02)
    legend_below(figure, grid[0], 5)
    return figure


TOPICS = (figures_exact, figures_solutions)


def read(scores: str) -> pd.DataFrame:
    """The table of scores at the path `scores`."""
    return tables.read(scores, SCORES)


if __name__ == "__main__":
    figures.run(snakemake, read, sys.modules[__name__], *TOPICS)
