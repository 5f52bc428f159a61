"""Figure of the precision budget: where a format loses a count or a copy, predicted and found."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workflow_scripts.glasses.figures_common import Data, model_grid, numbers
from workflow_scripts.shared.figures import COLOURS, legend_below, missing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TASKS = {"count": "count of ones", "copy": "copy of ones"}


def budget(data: Data) -> "Figure":
    """Ours: lengths at which a loss is possible, expected and found, by task and format."""
    figure, grid = model_grid(data, list(TASKS.values()), "ones", "", 0.9, sharey="row")
    rows = data.pick(experiment="budget", undefined="keep")
    formats = rows.loc[rows["metric"] == "losses", ["precision", "cache"]].drop_duplicates()
    for panels, model in zip(grid, data.models.names, strict=True):
        for axes, task in zip(panels, TASKS, strict=True):
            own = rows[(rows["model"] == model) & (rows["task"] == task)]
            if not (own["metric"] == "losses").any():
                missing(axes, "nothing is right in float32")
                continue
            _formats(axes, own, formats)
    legend_below(figure, [axes for panels in grid for axes in panels], columns=3)
    return figure


def _formats(axes: "Axes", rows: pd.DataFrame, formats: pd.DataFrame) -> None:
    """A row per format; what lies beyond the longest length is drawn as an arrow there."""
    known = numbers(rows[rows["metric"] == "margin"], "length")
    beyond = 1.4 * known.max()
    for height, (dtype, cache) in enumerate(formats.itertuples(index=False)):
        own = rows[(rows["precision"] == dtype) & (rows["cache"] == cache)]
        lines = {
            str(metric): part.iloc[0]
            for metric, part in own.groupby("metric")
            if metric in ("possible_length", "predicted_length", "lost_length")
        }
        if not lines:
            continue
        told = lines["predicted_length"]
        low, high, median = (
            beyond if pd.isna(told[end]) else float(told[end])
            for end in ("ci_low", "ci_high", "value")
        )
        axes.plot(
            [low, high], [height, height], color=COLOURS["sky"], linewidth=4, alpha=0.6,
            solid_capstyle="butt", label="first loss expected, 95 %",
        )  # fmt: skip
        for name, place, colour, mark, label in (
            ("predicted_length", median, "blue", "|", "expected, median"),
            ("possible_length", None, "black", "d", "possible, worst case"),
            ("lost_length", None, "vermilion", "x", "found"),
        ):
            value = lines[name]["value"]
            at = place if place is not None else beyond if pd.isna(value) else float(value)
            axes.scatter(
                at, height, marker=">" if at >= beyond else mark, s=16, linewidths=1.0,
                color=COLOURS[colour], zorder=3, label=label if at < beyond else None,
            )  # fmt: skip
    names = [f"{dtype}, cache {cache}".replace("_", " ") for dtype, cache in formats.to_numpy(str)]
    axes.set_yticks(np.arange(len(names)), names, fontsize=6)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.axvline(known.max(), color=COLOURS["grey"], linewidth=0.6, linestyle=":")
    axes.set_xlim(0, 1.08 * beyond)
    axes.locator_params(axis="x", integer=True)
