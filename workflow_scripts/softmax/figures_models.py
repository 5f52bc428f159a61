"""Figures of dispersion: entropy and largest weight against n, and logit spreads of models."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workflow_scripts.shared.figures import COLOURS, PAGE_IN, PUBLISHED, mark_stand_in

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SERIES = ("blue", "vermilion", "green", "orange", "purple", "sky")


def entropy(
    scores: pd.DataFrame, line: Callable[..., None], items_axis: Callable[..., None]
) -> "Figure":
    """Largest weight and entropy of the E1 heads, entropy of the models' first layer."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 3, figsize=(PAGE_IN, 2.6))
    heads = scores[(scores["experiment"] == "E1") & scores["seed"].isna()]
    for axes, metric, label in (
        (panels[0], "max_weight", "largest attention weight"),
        (panels[1], "entropy_nats", "attention entropy, nats"),
    ):
        rows = heads[heads["metric"] == metric]
        for way, text, colour in (
            ("trained", "$\\theta$ = 1", "blue"),
            ("published", "adaptive $\\theta$", "vermilion"),
        ):
            line(axes, rows[rows["inference"] == way], text, colour, marker="o", markersize=2.5)
        axes.set_ylabel(label)
        items_axis(axes)
        axes.tick_params(axis="x", labelrotation=45)
    sizes = np.sort(heads["items"].dropna().unique()).astype(float)
    panels[0].set_yscale("log")
    panels[0].plot(sizes, 1 / sizes, color=COLOURS["black"], linestyle="--", label="1/n")
    panels[1].plot(sizes, np.log(sizes), color=COLOURS["black"], linestyle="--", label="ln n")
    panels[0].set_title("a  max-retrieval heads")
    panels[1].set_title("b  max-retrieval heads")
    panels[0].legend(loc="lower left")
    panels[1].legend(loc="upper left")
    _models(panels[2], scores)
    return figure


def _models(axes: "Axes", scores: pd.DataFrame) -> None:
    """Entropy of first-layer heads at the last token against the keys that it sees."""
    rows = scores[scores["experiment"] == "E4"]
    longest = 0.0
    for colour, (model, own) in zip(SERIES, rows.groupby("model"), strict=False):
        tokens = own[own["metric"] == "tokens"].set_index("items")["value"]
        first = own[(own["metric"] == "entropy_nats") & (own["layer"] == 0)].sort_values("items")
        keys = tokens.loc[first["items"]].to_numpy(float)
        longest = max(longest, keys.max())
        value = first["value"].to_numpy(float)
        around = np.stack([value - first["ci_low"], first["ci_high"] - value]).astype(float)
        axes.errorbar(
            keys, value, around, color=COLOURS[colour], marker="o", markersize=2.5, label=str(model)
        )
    floor = scores[scores["metric"] == "entropy_floor_nats"]
    spread = floor["spread"].min()
    floor = floor[(floor["spread"] == spread) & (floor["items"] <= 2 * longest)]
    floor = floor[floor["items"] >= 8].sort_values("items")
    n = floor["items"].to_numpy(float)
    axes.plot(n, np.log(n), color=COLOURS["black"], linestyle="--")
    axes.plot(n, floor["value"], color=COLOURS["grey"], linestyle=":")
    for text, height, points in (
        ("ln n", np.log(n), 3),
        (f"floor at $\\delta$ = {spread:g}", floor["value"], -33),
    ):
        end = (n[-1], float(np.asarray(height)[-1]))
        axes.annotate(text, end, (0, points), textcoords="offset points", ha="right", fontsize=6)
    axes.set_xscale("log", base=2)
    ticks = [8, 32, 128, 512, 2048, 8192]
    ticks = [tick for tick in ticks if tick <= 2 * longest]
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.set_xlabel("keys seen by the last token")
    axes.set_ylabel("entropy, nats, first layer")
    axes.set_title("c  language models")
    axes.set_ylim(0, 1.4 * np.log(2 * longest))
    axes.legend(loc="upper left", bbox_to_anchor=(0, 0.97))
    mark_stand_in(axes, "embedded: stand-ins")


def spread(scores: pd.DataFrame, published: pd.DataFrame) -> "Figure":
    """Logit spread of each model: mean and sd as a bar, least and most as a line."""
    import matplotlib.pyplot as plt

    ours = scores[scores["experiment"] == "E5"].pivot(
        index="model", columns="metric", values="value"
    )
    count = len(ours) + len(published)
    figure, axes = plt.subplots(figsize=(PAGE_IN * 0.6, 0.9 + 0.3 * count))
    names = [f"{name} (paper)" for name in published["model"]] + list(ours.index)
    columns = ["logit_spread_mean", "logit_spread_sd", "logit_spread_min", "logit_spread_max"]
    table = [
        *published[["delta_mean", "delta_sd", "delta_min", "delta_max"]].to_numpy(),
        *ours[columns].to_numpy(),
    ]
    for row, (mean, sd, low, high) in enumerate(table):
        paper = row < len(published)
        style: dict[str, Any] = (
            PUBLISHED
            if paper
            else {
                "color": COLOURS[SERIES[(row - len(published)) % len(SERIES)]],
                "marker": "o",
                "linestyle": "none",
            }
        )
        axes.plot([low, high], [row, row], color=style["color"], linewidth=0.8)
        axes.plot([mean - sd, mean + sd], [row, row], color=style["color"], linewidth=3, alpha=0.5)
        axes.plot([mean], [row], **style)
    axes.set_yticks(range(count), names)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlim(left=0)
    axes.set_xlabel(
        "logit spread $\\delta$ = max - min of a row\n(mean; bar: sd; line: min to max)"
    )
    mark_stand_in(axes, "embedded: stand-ins")
    return figure
