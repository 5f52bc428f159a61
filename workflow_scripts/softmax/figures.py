"""The study's figures: one function draws one figure from the scores."""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workflow_scripts.shared import figures, tables
from workflow_scripts.shared.figures import COLOURS, PAGE_IN, PUBLISHED
from workflow_scripts.shared.schemas import SCORES
from workflow_scripts.softmax import figures_models

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FILLED: dict[str, Any] = {**PUBLISHED}
OPEN: dict[str, Any] = {**PUBLISHED, "markerfacecolor": "white"}
WAYS = {
    "trained": ("$\\theta$ = 1", "blue"),
    "published": ("adaptive $\\theta$, published", "vermilion"),
    "refit_log_likelihood": ("adaptive $\\theta$, refit to likelihood", "green"),
    "refit_accuracy": ("adaptive $\\theta$, refit to accuracy", "purple"),
}
NORMALISERS = {
    "softmax": ("softmax", "blue"),
    "sparsemax": ("sparsemax", "vermilion"),
    "entmax15": ("entmax-1.5", "green"),
    "ssmax": ("scalable softmax", "orange"),
    "topk": ("top-k", "purple"),
    "sigmoid": ("sigmoid", "sky"),
}


@dataclass(frozen=True)
class Data:
    """What the figures show: our scores, the attention maps, and the published tables."""

    scores: pd.DataFrame
    maps: pd.DataFrame
    accuracy: pd.DataFrame
    spread: pd.DataFrame
    models: figures.Models


def line(axes: "Axes", rows: pd.DataFrame, label: str, colour: str, **style: Any) -> None:
    """A line over items with its interval as a band."""
    rows = rows.sort_values("items")
    x = rows["items"].to_numpy(float)
    axes.plot(x, rows["value"], color=COLOURS[colour], label=label, **style)
    low, high = rows["ci_low"].to_numpy(float), rows["ci_high"].to_numpy(float)
    axes.fill_between(x, low, high, color=COLOURS[colour], alpha=0.2, linewidth=0)


def pooled(scores: pd.DataFrame, **wanted: str) -> pd.DataFrame:
    """Rows over all heads with the wanted values."""
    rows = scores[scores["seed"].isna()]
    for column, value in wanted.items():
        rows = rows[rows[column] == value]
    return rows


def percent(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(**{name: 100 * rows[name] for name in ("value", "ci_low", "ci_high")})


def items_axis(axes: "Axes", label: str = "items in the set") -> None:
    axes.set_xscale("log", base=2)
    ticks = [16, 64, 256, 1024, 4096, 16384]
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.set_xlabel(label)


def accuracy(data: Data) -> "Figure":
    """Table 1: accuracy against the number of items, plain and adaptive."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(PAGE_IN * 0.8, 2.9))
    rows = percent(pooled(data.scores, experiment="E1", metric="accuracy"))
    for way, (label, colour) in WAYS.items():
        line(axes, rows[rows["inference"] == way], label, colour, marker="o", markersize=2.5)
    known = data.accuracy
    axes.plot(known["n_items"], known["baseline_acc_pct"], label="paper, $\\theta$ = 1", **FILLED)
    axes.plot(
        known["n_items"], known["adaptive_theta_acc_pct"], label="paper, adaptive $\\theta$", **OPEN
    )
    axes.axhline(10, color=COLOURS["grey"], linestyle=":", linewidth=1)
    axes.annotate("chance", (16, 10), (0, -3), textcoords="offset points", va="top", fontsize=6)
    axes.set_ylim(0, 102)
    axes.set_ylabel("accuracy, %")
    items_axis(axes)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def gain(data: Data) -> "Figure":
    """Gain of the adaptive temperature, with the sizes where the published one cannot act."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(PAGE_IN * 0.8, 2.9))
    rows = percent(pooled(data.scores, experiment="E1", metric="accuracy_gain_over_trained"))
    for way, (label, colour) in list(WAYS.items())[1:]:
        line(axes, rows[rows["inference"] == way], label, colour, marker="o", markersize=2.5)
    known = data.accuracy
    published = known["adaptive_theta_acc_pct"] - known["baseline_acc_pct"]
    axes.plot(known["n_items"], published, label="paper", **FILLED)
    axes.axhline(0, color=COLOURS["black"], linewidth=0.6)
    idle = no_op_from(data.scores)
    if idle is not None:
        axes.axvspan(idle, rows["items"].max(), color=COLOURS["grey"], alpha=0.15, linewidth=0)
        axes.annotate(
            "entropy past the\npublished window",
            (1, 0.97),
            (-3, 0),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="right",
            va="top",
            fontsize=6,
        )
    axes.set_ylabel("accuracy gain, points")
    items_axis(axes)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def no_op_from(scores: pd.DataFrame) -> float | None:
    """Items at which the heads' mean entropy leaves the window of the published polynomial."""
    end = pooled(scores, experiment="S5", metric="window_high_nats")["value"].iloc[0]
    rows = pooled(scores, experiment="E1", metric="entropy_nats", inference="trained")
    rows = rows.sort_values("items")
    entropy, items = rows["value"].to_numpy(float), rows["items"].to_numpy(float)
    if entropy[-1] <= end:
        return None
    return float(np.exp(np.interp(end, entropy, np.log(items))))


def maps(data: Data) -> "Figure":
    """Figure 2: weights of the 16 largest items of 32 sets, panel by size."""
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
    figure.supxlabel("rank of the item by priority (1: the largest)", fontsize=8)
    figure.colorbar(image, ax=grid, shrink=0.8, label="attention weight", pad=0.01)
    return figure


def temperature(data: Data) -> "Figure":
    """Figure 6: the best inverse temperature against entropy, and the polynomials."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(PAGE_IN, 3.0))
    scores = data.scores[data.scores["experiment"] == "E3"]
    for way in ("refit_log_likelihood", "refit_accuracy"):
        label, colour = WAYS[way]
        own = scores[scores["inference"] == way]
        points = own[own["metric"] == "best_beta"]
        axes.plot(
            points["entropy_nats"],
            points["value"],
            ".",
            color=COLOURS[colour],
            alpha=0.35,
            markersize=3,
            label=f"best by {way.removeprefix('refit_').replace('_', '-')}, one head and size",
        )
        curve = own[own["metric"] == "beta"].sort_values("entropy_nats")
        axes.plot(curve["entropy_nats"], curve["value"], color=COLOURS[colour], label=label)
    curve = scores[(scores["inference"] == "published") & (scores["metric"] == "beta")]
    curve = curve.sort_values("entropy_nats")
    axes.plot(
        curve["entropy_nats"], curve["value"], color=COLOURS["black"], label="published polynomial"
    )
    axes.set_yscale("log", base=2)
    axes.set_yticks([0.5, 1, 2, 4, 8, 16], ["0.5", "1", "2", "4", "8", "16"])
    axes.set_xlabel("attention entropy at $\\theta$ = 1, nats")
    axes.set_ylabel("inverse temperature 1/$\\theta$")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def normalisers(data: Data) -> "Figure":
    """E7: accuracy, and weight on the largest item, for each normaliser."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(PAGE_IN, 2.8), sharex=True)
    for axes, metric, label in (
        (panels[0], "accuracy", "accuracy, %"),
        (panels[1], "largest_item_weight", "attention on the largest item, %"),
    ):
        rows = percent(pooled(data.scores, experiment="E7", metric=metric))
        for name, (text, colour) in NORMALISERS.items():
            line(axes, rows[rows["normaliser"] == name], text, colour, marker="o", markersize=2.5)
        axes.set_ylabel(label)
        axes.set_ylim(0, 102)
        items_axis(axes)
    panels[0].axhline(10, color=COLOURS["grey"], linestyle=":", linewidth=1)
    panels[0].set_title("a")
    panels[1].set_title("b")
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(NORMALISERS)
    )
    return figure


def entropy(data: Data) -> "Figure":
    return figures_models.entropy(data.scores, line, items_axis)


def spread(data: Data) -> "Figure":
    return figures_models.spread(data.scores, data.spread)


def read(
    scores: str, maps: str, accuracy: str, spread: str, models: dict[str, dict[str, Any]]
) -> Data:
    """The tables that the figures are drawn from."""
    return Data(
        tables.read(scores, SCORES),
        tables.read(maps),
        pd.read_csv(accuracy),
        pd.read_csv(spread),
        figures.Models.of(models),
    )


TOPICS = ()

if __name__ == "__main__":
    figures.run(snakemake, read, sys.modules[__name__], *TOPICS)
