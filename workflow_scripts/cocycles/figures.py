"""The study's figures: one function draws one figure from the scores."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workflow_scripts.cocycles import figures_schematic, figures_trained
from workflow_scripts.shared import figures, job, tables
from workflow_scripts.shared.figures import COLOURS, PAGE_IN, margins
from workflow_scripts.shared.readings import select
from workflow_scripts.shared.schemas import SCORES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LAYERS = {
    "ordinary": "MLP messages, max, ReLU",
    "linear_sum": "linear, sum, sum (control)",
    "sum_relu": "L1: linear, sum, ReLU",
    "max_max": "L2: linear, max, max",
    "logarithmic": "L3: log-bilinear, max, max",
    "log_throughout": "log-bilinear, LSE, LSE",
    "tropical": "L3 tropical, max, max",
    "tropical_path": "L3 tropical PathGNN",
    "tropical_integers": "L3 tropical, integers",
}
KINDS = {
    "delivery": "late, lost,\nin parts",
    "updates": "repeated\nupdates",
    "duplicates": "messages\ntwice",
    "resent": "states\nsent again",
    "increments": "news sent\nat once",
    "everything": "all of\nthem",
}
LEVELS = {"level 1": (0, 0), "level 2": (1, 2), "level 3": (3, 4)}
ROUNDING = 1.0e-12  # relative error below which float64 sums only differ in their order
CURVES = {
    "ordinary": "grey",
    "sum_relu": "vermilion",
    "max_max": "green",
    "logarithmic": "blue",
    "tropical": "black",
}
WAYS = {
    "rounds": ("in rounds, all edges", "black"),
    "rounds, changed only": ("in rounds, changed nodes", "grey"),
    "at once": ("by events", "vermilion"),
    "lost and doubled": ("by events, 20 % lost, 20 % doubled", "orange"),
    "grouped": ("by events, grouped at the node", "blue"),
    "nearest first": ("by events, nearest first", "green"),
}
FAMILIES = {"random": "random graphs, degree 4", "lattice": "square lattices"}


def residuals(scores: pd.DataFrame) -> "Figure":
    """E2: relative error of asynchronous runs, layer by freedom, at the greatest degree."""
    import matplotlib.pyplot as plt
    from matplotlib.colors import LogNorm

    rows = select(scores, experiment="schedules", metric="largest_error")
    degree = rows["degree"].max()
    table = rows[rows["degree"] == degree].pivot(index="layer", columns="kind", values="value")
    means = select(scores, experiment="schedules", metric="relative_error")
    means = means[means["degree"] == degree].pivot(index="layer", columns="kind", values="value")
    top = table.loc[list(LAYERS), list(KINDS)].to_numpy()
    mean = means.loc[list(LAYERS), list(KINDS)].to_numpy()
    figure, axes = plt.subplots(figsize=(PAGE_IN, 3.4))
    shown = np.where(top < ROUNDING, np.nan, mean)
    image = axes.imshow(shown, cmap="Oranges", norm=LogNorm(1e-4, 10), aspect="auto")
    for (y, x), value in np.ndenumerate(mean):
        if top[y, x] == 0:
            text = "0"
        elif top[y, x] < ROUNDING:
            text = "rounding"
        else:
            text = f"{value:.2g}" if value < 100 else ">100"
        dark = value > 2 and top[y, x] >= ROUNDING
        axes.text(x, y, text, ha="center", va="center", fontsize=7, color="w" if dark else "k")
    axes.set_xticks(range(len(KINDS)), list(KINDS.values()))
    axes.set_yticks(range(len(LAYERS)), list(LAYERS.values()))
    axes.grid(False)
    for edge in (0.5, 2.5, 4.5):
        axes.axvline(edge, color=COLOURS["grey"], linewidth=0.6)
    for name, (first, last) in LEVELS.items():
        axes.text((first + last) / 2, -0.62, name, ha="center", va="bottom", fontsize=7)
    figure.colorbar(image, ax=axes, label="relative error, mean", extend="both", pad=0.01)
    return figure


def degrees(scores: pd.DataFrame) -> "Figure":
    """E2: relative error against the degree of asynchrony, one panel for each level."""
    import matplotlib.pyplot as plt

    rows = select(scores, experiment="schedules", metric="relative_error")
    kinds = ("updates", "resent", "increments")
    figure, panels = plt.subplots(1, 3, figsize=(PAGE_IN, 2.6), sharex=True, sharey=True)
    for axes, kind in zip(panels, kinds, strict=True):
        for layer, colour in CURVES.items():
            mine = rows[(rows["layer"] == layer) & (rows["kind"] == kind)].sort_values("degree")
            x = np.concatenate([[0.0], mine["degree"].to_numpy(float)])
            y = np.concatenate([[0.0], mine["value"].to_numpy(float)])
            error = np.concatenate([[[0.0], [0.0]], margins(mine)], axis=1)
            axes.errorbar(
                x, y, error, color=COLOURS[colour], marker="o", markersize=3, label=LAYERS[layer]
            )
        axes.set_title(KINDS[kind].replace("\n", " "))
        axes.set_yscale("symlog", linthresh=1e-3, linscale=0.6)
        axes.set_ylim(-3e-4, 10)
        axes.set_xlabel("degree of asynchrony")
    panels[0].set_ylabel("relative error of the result")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def sizes(axes: "Axes", rows: pd.DataFrame, metric: str, label: str) -> None:
    """Lines of one metric against nodes, a way each, with its interval."""
    rows = rows[rows["metric"] == metric]
    for way, (text, colour) in WAYS.items():
        mine = rows[rows["way"] == way].sort_values("nodes")
        if mine.empty:
            continue
        x = mine["nodes"].to_numpy(float)
        style: dict[str, Any] = {"marker": "o", "markersize": 3, "label": text}
        axes.errorbar(x, mine["value"], margins(mine), color=COLOURS[colour], **style)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylabel(label)


def convergence(scores: pd.DataFrame) -> "Figure":
    """Beyond the paper: messages and time of Bellman-Ford until the last distance is right."""
    import matplotlib.pyplot as plt

    figure, grid = plt.subplots(2, 2, figsize=(PAGE_IN, 4.4), sharex=True, sharey="row")
    for column, (family, title) in zip(grid.T, FAMILIES.items(), strict=True):
        rows = select(scores, experiment="messages", family=family)
        sizes(column[0], rows, "messages_per_edge", "messages an edge")
        sizes(column[1], rows, "time", "time, mean latencies")
        column[0].set_title(title)
        column[1].set_xlabel("nodes")
    for axes in grid[:, 1]:
        axes.set_ylabel("")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def rules(scores: pd.DataFrame) -> "Figure":
    """Claim 7: messages under way under the two argument rules."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(PAGE_IN * 0.6, 2.6))
    rows = select(scores, experiment="rules", metric="under_way")
    names = {
        "never silent": ("$\\delta_m(s) = m \\vee s$", "vermilion"),
        "silent": ("$\\delta_m(s) = 0$ where $m \\leq s$", "blue"),
    }
    for rule, (label, colour) in names.items():
        mine = rows[rows["rule"] == rule].sort_values("delivery")
        axes.plot(mine["delivery"], mine["value"], color=COLOURS[colour], label=label)
    end = rows[rows["rule"] == "silent"]["delivery"].max()
    axes.plot([end], [0], "o", color=COLOURS["blue"], clip_on=False, zorder=3)
    axes.annotate(
        "silent", (end, 0), (4, 4), textcoords="offset points", fontsize=7, color=COLOURS["blue"]
    )
    axes.set_xlabel("messages delivered")
    axes.set_ylabel("messages under way")
    axes.set_ylim(0, None)
    axes.legend()
    return figure


FIGURES: dict[str, Callable[[pd.DataFrame], "Figure"]] = {
    "trace": figures_schematic.trace,
    "flow": figures_schematic.flow,
    "machines": figures_schematic.machines,
    "residuals": residuals,
    "degrees": degrees,
    "rules": rules,
    "convergence": convergence,
    "asynchrony": figures_trained.asynchrony,
}


def main(scores: str, figure_2_csv: str, pngs: list[str]) -> None:
    figures.use_style()
    frame = tables.read(scores, SCORES)
    drawn = FIGURES | {"tasks": partial(figures_trained.tasks, published=pd.read_csv(figure_2_csv))}
    for png in pngs:
        figures.save(drawn[Path(png).stem](frame), png)


if __name__ == "__main__":
    with job.running(snakemake):
        pngs = [path for path in snakemake.output if path.endswith(".png")]
        main(snakemake.input.scores, snakemake.input.figure_2, pngs)
