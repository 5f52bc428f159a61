"""Figures of representation gaps inside language models."""

from typing import TYPE_CHECKING, Any

from workflow_scripts.glasses.figures_common import (
    PRECISIONS,
    Data,
    above,
    diamonds,
    model_grid,
    numbers,
)
from workflow_scripts.glasses.metrics import BFLOAT16_LINE
from workflow_scripts.shared.figures import COLOURS, legend_below, line, missing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# In most precisions the curve is the same: each line style leaves those below it visible.
STROKES: dict[str, dict[str, Any]] = {
    "float64": {"linewidth": 3.2, "alpha": 0.35},
    "float32": {"linewidth": 1.8},
    "bfloat16": {"linewidth": 1.3, "linestyle": (0, (4, 4))},
    "float16": {"linewidth": 1.3, "linestyle": (0, (1, 4))},
    "int8_weights": {"linestyle": "none", "marker": "x", "markersize": 3},
    "int8_cache": {"linestyle": "none", "marker": "+", "markersize": 5},
    "int4_cache": {"linewidth": 1.0},
}
PANELS = {
    "count_ones": "count, ones",
    "count_digits": "count, digits",
    "copy_ones": "copy, ones",
    "copy_separated": "copy, commas",
    "last_ones": "Type 1, ones",
}
PLACES = {"digit": "last digit", "reply": "start of the reply"}
PAPER = {
    "count_ones": "5a",
    "count_digits": "5b",
    "copy_ones": "5c",
    "copy_separated": "5d",
    "last_ones": "12",
}


def gaps(data: Data) -> "Figure":
    """Figures 5 and 12: gap of the last token against length, by panel and precision."""
    figure, grid = model_grid(
        data, list(PANELS.values()), "digits n", "L∞ gap, mean of heads", 0.9,
        sharex=True, sharey=True,
    )  # fmt: skip
    for panels, model in zip(grid, data.models.names, strict=True):
        for axes, panel in zip(panels, PANELS, strict=True):
            rows = data.pick(
                experiment="E4", metric="gap_heads", model=model, panel=panel, place="digit"
            )
            rows = above(rows[rows["layer"] == rows["layer"].max()], 1e-8)
            for precision, own in rows.groupby("precision", sort=False):
                style = PRECISIONS[str(precision)] | STROKES[str(precision)]
                line(axes, own, "length", band=precision == "bfloat16", **style)
            diamonds(axes, data.paper.curve(PAPER[panel]), "mean", label="Gemma 7B (paper)")
            axes.axhline(
                BFLOAT16_LINE, color=COLOURS["vermilion"], linewidth=0.7, linestyle="--",
                label="2$^{-7}$, the paper's bfloat16 line",
            )  # fmt: skip
            axes.set_xscale("log")
            axes.xaxis.set_minor_formatter("")
            axes.set_yscale("log")
    legend_below(figure, grid[0][0], columns=5)
    return figure


def layers(data: Data) -> "Figure":
    """Gap of repeated ones by layer and length, at the last digit and where the reply begins."""
    from matplotlib.colors import LogNorm

    key = {"experiment": "E4", "metric": "gap_layer", "panel": "count_ones"}
    rows = data.pick(precision="float32", **key)
    found = numbers(rows, "value")
    found = found[found > 0]
    ends = (found.min(), found.max()) if len(found) else (1e-5, 10.0)
    figure, grid = model_grid(data, list(PLACES.values()), "digits n", "layer", 0.5)
    image = None
    for panels, model in zip(grid, data.models.names, strict=True):
        for axes, place in zip(panels, PLACES, strict=True):
            own = rows[(rows["model"] == model) & (rows["place"] == place)]
            if own.empty:
                missing(axes, "float32 was not run")
                continue
            table = own.pivot(index="layer", columns="length", values="value").astype(float)
            image = axes.imshow(table, cmap="viridis", norm=LogNorm(*ends), aspect="auto")
            names = [str(layer) for layer in table.index[:-1]] + ["final norm"]
            axes.set_yticks(range(len(names)), names)
            axes.set_xticks(range(len(table.columns)), [str(n) for n in table.columns], rotation=60)
            axes.grid(False)
    if image is not None:
        bar = figure.colorbar(image, ax=grid, shrink=0.8)
        bar.set_label("L∞ gap, n and n + 1 ones, float32")
    return figure
