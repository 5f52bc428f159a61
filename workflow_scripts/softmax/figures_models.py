"""Figures of dispersion: entropy and largest weight against n, and logit spreads of models."""

from typing import TYPE_CHECKING, Any

import numpy as np

from workflow_scripts.shared.figures import COLOURS, PAGE_IN, margins, missing
from workflow_scripts.shared.measurements import by_model
from workflow_scripts.softmax.figures_common import WAYS, Data, items_axis, over_items
from workflow_scripts.softmax.measurements import pick

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def entropy(data: Data) -> "Figure":
    """Largest weight and entropy of the E1 heads, entropy of the models' first layer."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 3, figsize=(PAGE_IN, 2.6))
    for axes, metric, label in (
        (panels[0], "max_weight", "largest attention weight"),
        (panels[1], "entropy_nats", "attention entropy, nats"),
    ):
        rows = pick(data.scores, experiment="E1", metric=metric)
        for way in ("trained", "published"):
            text, colour = WAYS[way]
            over_items(axes, rows[rows["inference"] == way], text.split(",")[0], colour)
        axes.set_ylabel(label)
        items_axis(axes)
        axes.tick_params(axis="x", labelrotation=45)
    sizes = np.sort(rows["items"].unique()).astype(float)
    panels[0].set_yscale("log")
    panels[0].plot(sizes, 1 / sizes, color=COLOURS["black"], linestyle="--", label="1/n")
    panels[1].plot(sizes, np.log(sizes), color=COLOURS["black"], linestyle="--", label="ln n")
    panels[0].set_title("a  max-retrieval heads")
    panels[1].set_title("b  max-retrieval heads")
    panels[2].set_title("c  language models")
    panels[0].legend(loc="lower left")
    panels[1].legend(loc="upper left")
    _models(panels[2], data)
    return figure


def _models(axes: "Axes", data: Data) -> None:
    """Entropy of first-layer heads at the last token against the keys that it attends to."""
    first = pick(data.scores, experiment="E4", metric="entropy_nats", layer=0)
    if first.empty:
        return missing(axes)
    longest = 0.0
    for model, own in by_model(first):
        own = own.sort_values("items")
        tokens = pick(data.scores, experiment="E4", metric="tokens", model=model)
        keys = tokens.set_index("items")["value"].loc[own["items"]].to_numpy(float)
        longest = max(longest, keys.max())
        axes.errorbar(
            keys,
            own["value"],
            margins(own),
            color=data.models.colour(model),
            marker="o",
            markersize=2.5,
            label=data.models.label(model),
        )
    floor = pick(data.scores, metric="entropy_floor_nats")
    spread = floor["spread"].min()
    floor = floor[(floor["spread"] == spread) & floor["items"].between(8, 2 * longest)]
    floor = floor.sort_values("items")
    n = floor["items"].to_numpy(float)
    axes.plot(n, np.log(n), color=COLOURS["black"], linestyle="--", label="ln n")
    label = f"floor at $\\delta$ = {spread:g}"
    axes.plot(n, floor["value"], color=COLOURS["grey"], linestyle=":", label=label)
    axes.set_xscale("log", base=2)
    ticks = [tick for tick in (8, 32, 128, 512, 2048, 8192) if tick <= 2 * longest]
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.set_xlabel("keys of the last token")
    axes.set_ylabel("entropy, nats, first layer")
    axes.set_ylim(0, 1.4 * np.log(2 * longest))
    axes.legend(loc="upper left", fontsize=6)


def spread(data: Data) -> "Figure":
    """Logit spread of each model: mean and sd as a bar, minimum to maximum as a line."""
    import matplotlib.pyplot as plt

    published = data.spread[["delta_mean", "delta_sd", "delta_min", "delta_max"]].to_numpy()
    black = COLOURS["black"]
    lines: list[tuple[str, Any, str, str]] = [
        (f"{name} (paper)", row, black, "D")
        for name, row in zip(data.spread["model"], published, strict=True)
    ]
    for model, own in by_model(pick(data.scores, experiment="E5")):
        value = own.set_index("metric")["value"]
        row = [value[f"logit_spread_{name}"] for name in ("mean", "sd", "min", "max")]
        lines.append((data.models.label(model), row, data.models.colour(model), "o"))
    figure, axes = plt.subplots(figsize=(PAGE_IN * 0.6, 0.9 + 0.3 * len(lines)))
    for place, (_, (mean, sd, low, high), colour, marker) in enumerate(lines):
        axes.hlines(place, low, high, color=colour, linewidth=0.8)
        axes.hlines(place, mean - sd, mean + sd, color=colour, linewidth=3, alpha=0.5)
        axes.plot([mean], [place], marker, color=colour)
    axes.set_yticks(range(len(lines)), [name for name, *_ in lines])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlim(left=0)
    axes.set_xlabel(
        "logit spread $\\delta$ = max - min of a row\n(dot: mean; bar: sd; line: range)"
    )
    return figure
