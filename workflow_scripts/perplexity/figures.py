"""The study's figures of copying: one function draws one figure."""

import sys
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workflow_scripts.perplexity import figures_blind, figures_parity, figures_theory
from workflow_scripts.perplexity.figures_common import Data, over_sizes, sizes_axis
from workflow_scripts.perplexity.measurements import pick
from workflow_scripts.shared import figures
from workflow_scripts.shared.figures import COLOURS, PAGE_IN, legend_below, missing
from workflow_scripts.shared.measurements import by_model

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ENCODINGS = {
    "rope": ("rotary", "blue"),
    "nope": ("no positions", "green"),
    "sinusoidal": ("sinusoidal", "orange"),
}
Lines = list[tuple[str, str, pd.DataFrame]]  # label, colour, rows
SKETCHED = 32  # bits, or the size nearest to it
LEAST_GAP = 1.0e-4  # of a logarithmic axis
# Columns of the figure: metric of the solid line, of the dashed line, label, range of the values.
PANELS = (
    ("gap", None, "largest difference of\noutput probabilities", (LEAST_GAP / 10, 1.0)),
    ("alpha_least", "beta_flip", "probability", (0.0, 1.0)),
    ("nats_alpha", "nats_beta", "log-perplexity, nats", (LEAST_GAP / 10, 10.0)),
)


def sketch(data: Data) -> "Figure":
    """Figure 1: every bit of alpha and beta, what one copier writes, and its cost in nats."""
    import matplotlib.pyplot as plt

    steps = data.steps[data.steps["seed"] == 0]
    sizes = np.sort(steps["size"].unique())
    size = int(sizes[np.abs(sizes - SKETCHED).argmin()])
    own = steps[steps["size"] == size]
    figure, panels = plt.subplots(2, 1, figsize=(PAGE_IN, 2.6), sharex=True, sharey=True)
    for axes, string, name in zip(panels, ("alpha", "beta"), ("\\alpha", "\\beta"), strict=True):
        rows = own[own["string"] == string].sort_values("step")
        asked = np.zeros(size, int)
        asked[-1] = int(string == "beta")
        p = np.where(asked == 1, rows["p_one"], 1.0 - rows["p_one"])
        nats = -np.log(np.maximum(p, 1.0e-12))
        wrong = rows["written"].to_numpy() != asked
        colours = [COLOURS["vermilion" if bad else "blue"] for bad in wrong]
        axes.bar(np.arange(size), nats, color=colours, width=0.8)
        below = axes.get_xaxis_transform()  # x in data coordinates, y as a fraction of the axes
        for at, (bit, out, colour) in enumerate(zip(asked, rows["written"], colours, strict=True)):
            label = axes.text(at, -0.04, f"{bit}\n{out}", transform=below, color=colour)
            label.set(ha="center", va="top", fontsize=6 if size <= 40 else 3)
        side = axes.text(-0.012, -0.04, "asked\nwritten", transform=axes.transAxes)
        side.set(ha="right", va="top", fontsize=6)
        result = "copied wrongly" if wrong.any() else "copied"
        text = f"${name}_{{{size}}}$: {result}, log-perplexity {nats.mean():.3g} nats"
        axes.text(0.01, 0.9, text, transform=axes.transAxes, va="top", fontsize=8)
        axes.set_xticks([])
        axes.set_ylabel("nats")
        axes.grid(axis="x", visible=False)
    return figure


def copying(data: Data) -> "Figure":
    """Figure 2: small copiers in the upper row, language models in the lower."""
    import matplotlib.pyplot as plt

    ours, models = (
        pick(data.scores, experiment=name, flip="last", wording="") for name in ("E1", "E2")
    )
    copiers = [
        (label, COLOURS[colour], ours[ours["encoding"] == name])
        for name, (label, colour) in ENCODINGS.items()
        if (ours["encoding"] == name).any()
    ]
    named = [
        (data.models.label(model), data.models.colour(model), own)
        for model, own in by_model(models)
    ]
    figure, grid = plt.subplots(2, 3, figsize=(PAGE_IN, 4.6))
    _row(grid[0], ("a  small copiers", "b", "c"), ours, copiers)
    _row(grid[1], ("d  language models", "e", "f"), models, named)
    for axes in grid[0]:
        axes.axvline(data.longest["copying"], color=COLOURS["grey"], linewidth=0.8, linestyle=":")
    grid[0, 0].legend(loc="upper right", fontsize=6)
    if named:
        legend_below(figure, grid[1, 0], 4)
    _line_styles(
        grid[0, 1], ("$\\alpha$: smallest of any bit", "$\\beta$: flipped bit"), "center right"
    )
    _line_styles(grid[0, 2], ("$\\alpha$", "$\\beta$"), "upper right")
    return figure


def _row(panels: np.ndarray, titles: tuple[str, ...], rows: pd.DataFrame, lines: Lines) -> None:
    """One row of panels, shape (3,), with a solid and a dashed line per label and colour."""
    for axes, title, (solid, dashed, ylabel, clip) in zip(panels, titles, PANELS, strict=True):
        axes.set_title(title)
        if rows.empty:
            missing(axes)
            continue
        for label, colour, own in lines:
            over_sizes(axes, own[own["metric"] == solid], clip, color=colour, label=label)
            if dashed:
                over_sizes(axes, own[own["metric"] == dashed], clip, color=colour, linestyle="--")
        axes.set_ylabel(ylabel)
        sizes_axis(axes, rows)
        if solid == "alpha_least":
            axes.set_ylim(-0.03, 1.12)
        else:
            axes.set_yscale("log")
            axes.set_ylim(LEAST_GAP / 20, 10.0)


def _line_styles(axes: "Axes", texts: tuple[str, str], place: str) -> None:
    """Add a legend of solid and dashed lines."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=COLOURS["black"], linestyle=style) for style in ("-", "--")]
    axes.legend(handles, texts, loc=place, fontsize=6)  # type: ignore[call-overload]


TOPICS = (figures_blind, figures_parity, figures_theory)

if __name__ == "__main__":
    figures.run(snakemake, Data.read, sys.modules[__name__], *TOPICS)
