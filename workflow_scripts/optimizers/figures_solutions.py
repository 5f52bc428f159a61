"""Figures of solutions at one training loss, and of pruning."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workflow_scripts.optimizers.figures_common import (
    exponent_colours,
    label,
    line,
    mark_digits,
    present,
)
from workflow_scripts.optimizers.measurements import pick
from workflow_scripts.shared import figure_text, figures
from workflow_scripts.shared.figures import COLOURS, PAGE_IN, margins, panel_grid, panel_letters

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PROPERTIES = (  # metric, layer, heading, format of SGD's own value
    ("sharpness", None, "sharpness", ".2f"),
    ("hessian_trace", None, "Hessian\ntrace", ".1f"),
    ("activation_effective_rank", "hidden1", "rank of rep-\nresentation", ".1f"),
    ("weight_stable_rank", "layer1", "stable rank\nof weights", ".1f"),
    ("hoyer_sparsity", None, "weight\nsparsity", ".2f"),
    ("margin_mean", None, "mean\nmargin", ".2f"),
    ("distance_from_start", None, "distance\nfrom start", ".1f"),
    ("steps", None, "steps to\nthe loss", ".0f"),
)
LARGEST_LOG = np.log(2.5)  # where the colours end


def interval(low: float, high: float, form: str) -> str:
    """An interval in brackets; "no interval" where the seeds give none."""
    return "no interval" if np.isnan(low) else f"[{low:{form}}, {high:{form}}]"


def changes(scores: pd.DataFrame) -> "Figure":
    """The table: what each optimiser changes about the solution, at equal loss and tuning."""
    rows = pick(scores, experiment="matched")
    names = present(rows)
    others = [name for name in names if name != "sgd"]
    headings = [*(p[2] for p in PROPERTIES), "test accu-\nracy, points", "runs used"]
    colours = np.full((len(names), len(headings)), np.nan)
    texts = [["" for _ in headings] for _ in names]
    for column, (metric, layer, _, form) in enumerate(PROPERTIES):
        own = pick(rows, metric=metric, optimizer="sgd", layer=layer)
        if len(own):
            texts[0][column] = f"{own['value'].iloc[0]:{form}}"
        for line_, name in enumerate(others, start=1):
            ratio = pick(rows, metric=f"{metric}_ratio", optimizer=name, layer=layer)
            if len(ratio):
                value, low, high = ratio.iloc[0][["value", "ci_low", "ci_high"]]
                texts[line_][column] = f"× {value:.2f}\n{interval(low, high, '.2f')}"
                decided = low > 1 or high < 1
                colours[line_, column] = np.log(value) / LARGEST_LOG if decided else np.nan
    last = len(PROPERTIES)
    for line_, name in enumerate(names):
        if name == "sgd":
            own = pick(rows, metric="test_accuracy", optimizer=name)
            texts[0][last] = f"{100 * own['value'].iloc[0]:.1f} %" if len(own) else ""
        else:
            found = pick(rows, metric="test_accuracy_difference", optimizer=name)
            if len(found):
                value, low, high = 100 * found.iloc[0][["value", "ci_low", "ci_high"]].astype(float)
                texts[line_][last] = f"{value:+.1f}\n{interval(low, high, '+.1f')}"
        used = pick(rows, metric="sharpness", optimizer=name)
        texts[line_][last + 1] = str(int(used["n"].iloc[0])) if len(used) else "0"
    figure, (axes,) = panel_grid(1, PAGE_IN, 0.42 * len(names) + 0.9)
    image = axes.imshow(colours, cmap="PuOr_r", vmin=-1, vmax=1, aspect="auto", alpha=0.5)
    figure_text.write_cells(image, texts, fontsize=5.5)
    axes.set_xticks(range(len(headings)), headings, fontsize=6)
    axes.set_yticks(range(len(names)), [label(name) for name in names], fontsize=7)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    return figure


def matrix(rows: pd.DataFrame, names: list[str], metric: str) -> np.ndarray:
    """Values between optimisers, shape (names, names); on the diagonal, of two batch orders."""
    values = np.full((len(names), len(names)), np.nan)
    for _, row in rows[(rows["metric"] == metric) & (rows["pair"] != "seeds")].iterrows():
        if row["optimizer"] in names and row["other"] in names:
            i, j = names.index(row["optimizer"]), names.index(row["other"])
            values[i, j] = values[j, i] = row["value"]
    return values


def pairs(scores: pd.DataFrame) -> "Figure":
    """Distances between functions, barriers between weights, and barriers of one optimiser."""
    rows = pick(scores, experiment="pairs")
    names = present(rows)
    figure, grid = panel_grid(3, PAGE_IN, 2.9, width_ratios=[1.15, 1.15, 0.9])
    for axes, metric in zip(grid, ("function_distance", "barrier_nats"), strict=False):
        values = matrix(rows, names, metric)
        image = axes.imshow(values, cmap="Blues", vmin=0)
        texts = [[f"{v:.3f}".removeprefix("0") if np.isfinite(v) else "" for v in row]
                 for row in values]  # fmt: skip
        figure_text.write_cells(image, texts, fontsize=5)
        ticks = [label(name).replace(", grafted", "\ngrafted") for name in names]
        axes.set_xticks(range(len(names)), ticks, rotation=60, ha="right", fontsize=6)
        axes.set_yticks(range(len(names)), ticks, fontsize=6)
        axes.grid(False)
    axes = grid[2]
    for pair, text, hue in (
        ("batches", "other batches", "blue"),
        ("seeds", "other seed", "vermilion"),
    ):
        barriers = pick(rows, metric="barrier_nats", pair=pair, optimizer=names)
        at = [names.index(name) for name in barriers["optimizer"]]
        style: dict[str, Any] = {"color": COLOURS[hue], "marker": "o", "label": text}
        value, around = barriers["value"], margins(barriers)
        axes.errorbar(value, at, xerr=around, markersize=3, linestyle="none", **style)
    axes.set_yticks(range(len(names)), [""] * len(names))
    axes.invert_yaxis()
    axes.set_xlabel("barrier, nats")
    panel_letters(grid, ("distance of functions", "barrier, nats", "same optimiser"))
    axes.set_xlim(left=0)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.25))
    return figure


def sparsity(scores: pd.DataFrame) -> "Figure":
    """R5: accuracy after pruning, for both forms of power-propagation and all optimisers."""
    figure, (left, right) = panel_grid(2, PAGE_IN, 2.8, sharey=True)
    scores = scores.assign(percent=100 * scores["kept"].astype(float))
    rows = pick(scores, experiment="sparsity", metric="pruned_accuracy")
    for alpha, hue in exponent_colours(rows["alpha"]).items():
        for form, dashes in (("preconditioned", "-"), ("reparameterised", ":")):
            mine = pick(rows, alpha=alpha, form=form)
            if len(mine):
                text = f"exponent {alpha:g}" if form == "preconditioned" else None
                figures.line(left, mine, "percent", color=hue, linestyle=dashes, label=text)
    left.plot([], [], color=COLOURS["grey"], linestyle=":", label="reparameterised")
    found = pick(scores, experiment="matched", metric="pruned_accuracy")
    for name in present(found):
        line(right, found, "percent", name)
    for axes in (left, right):
        axes.set_xscale("log")
        axes.invert_xaxis()
        axes.set_xticks([100, 30, 10, 3, 1], ["100", "30", "10", "3", "1"])
        axes.minorticks_off()
        axes.set_xlabel("weights kept, %")
        axes.legend(loc="lower left", fontsize=6)
    left.set_ylabel("test accuracy, not retrained")
    panel_letters((left, right), ("power-propagation, SGD", "optimisers at one training loss"))
    mark_digits(figure, rows)
    return figure
