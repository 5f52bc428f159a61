"""Figures of exploration and of the copying mechanism."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workflow_scripts.parallel_sequential.plots import (
    ARMS,
    Cast,
    curve,
    grid,
    k_axis,
    panels,
    points,
    zero,
)
from workflow_scripts.parallel_sequential.scoring import pick
from workflow_scripts.shared.figures import COLOURS, PAGE_IN, missing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STEPS = ("right to right", "wrong to right", "right to wrong", "wrong to wrong")
STEP_COLOURS = ("green", "sky", "orange", "vermilion")


def similarity(scores: pd.DataFrame, cast: Cast) -> "Figure":
    """P4: histograms of the similarity of solutions to one question, both arms."""
    shown = [
        (model, domain, measure)
        for model, domain in panels(scores, cast)
        for measure in ("lexical", "embedding")
        if len(pick(scores, "similarity", model=model, domain=domain, cell=measure))
    ]
    figure, axes = grid(len(shown), PAGE_IN, 2.5, sharey=True)
    for panel, (model, domain, measure) in zip(axes, shown, strict=False):
        rows = pick(scores, "similarity_share", model=model, domain=domain)
        rows = rows[rows["cell"].str.startswith(measure)]
        for arm, (label, colour, _) in ARMS.items():
            own = rows[rows["arm"] == arm]
            edges = own["cell"].str.split().str[1].astype(float).to_numpy()
            mean = pick(scores, "similarity", model=model, domain=domain, arm=arm, cell=measure)
            width = edges[1] - edges[0]
            panel.stairs(
                own["value"].to_numpy(),
                [*edges, edges[-1] + width],
                color=COLOURS[colour],
                fill=False,
                linewidth=1.4,
                label=label,
            )
            panel.axvline(mean["value"].iloc[0], color=COLOURS[colour], linestyle=":", linewidth=1)
        panel.set_xlabel(f"{measure} cosine of two solutions")
        panel.legend(loc="upper left")
        cast.title(panel, model, domain)
    axes[0].set_ylabel("share of pairs")
    low, high = axes[0].get_ylim()
    axes[0].set_ylim(low, 1.15 * high)
    return figure


def unique(scores: pd.DataFrame, cast: Cast) -> "Figure":
    """P4: different answers among the first k."""
    shown = panels(scores, cast)
    figure, axes = grid(len(shown), PAGE_IN, 2.5, sharey=True)
    for panel, (model, domain) in zip(axes, shown, strict=False):
        for arm, (label, colour, marker) in ARMS.items():
            rows = pick(scores, "unique", experiment="P4", model=model, domain=domain, arm=arm)
            curve(panel, rows, label, colour, marker)
        k_axis(panel, cast.attempts)
        panel.legend(loc="upper left", bbox_to_anchor=(0, 0.95))
        cast.title(panel, model, domain)
    axes[0].set_ylabel("different answers")
    axes[0].set_ylim(bottom=0)
    return figure


def transitions(scores: pd.DataFrame, cast: Cast) -> "Figure":
    """P4: steps from one attempt to the next between right and wrong, and repeats."""
    shown = panels(scores, cast)
    figure, axes = grid(len(shown), PAGE_IN, 2.0, sharey=True, sharex=True)
    for panel, (model, domain) in zip(axes, shown, strict=False):
        for place, arm in enumerate(ARMS):
            own = {"model": model, "domain": domain, "arm": arm}
            shares: Any = pick(scores, "transition", **own).set_index("cell")["value"]
            left = 0.0
            for step, colour in zip(STEPS, STEP_COLOURS, strict=True):
                share = float(shares[step])
                panel.barh(place, share, left=left, color=COLOURS[colour], height=0.55, label=step)
                if share > 0.07:
                    text = f"{share:.2f}".removeprefix("0")
                    panel.text(left + share / 2, place, text, ha="center", va="center", fontsize=6)
                left += share
            repeat = pick(scores, "repeat_rate", experiment="P4", **own)
            points(panel, repeat, [place - 0.4], "black", "same answer as before", "D")
        panel.set_xlim(0, 1)
        panel.grid(axis="y", visible=False)
        panel.set_xlabel("share of steps")
        cast.title(panel, model, domain)
    axes[0].set_yticks(range(len(ARMS)), list(ARMS))
    axes[0].set_ylim(len(ARMS) - 0.5, -1.1)
    handles, labels = axes[0].get_legend_handles_labels()
    both = dict(zip(labels, handles, strict=True))
    figure.legend(both.values(), both.keys(), loc="outside lower center", ncols=5)
    return figure


def induction(scores: pd.DataFrame, cast: Cast) -> "Figure":
    """P6: induction scores by layer and head, attention to the earlier answer, and ablation."""
    import matplotlib.pyplot as plt

    rows = pick(scores, "induction_score")
    models = [model for model in cast.models if (rows["model"] == model).any()]
    figure, axes = plt.subplots(
        max(len(models), 1),
        3,
        figsize=(PAGE_IN, 2.2 * max(len(models), 1)),
        squeeze=False,
        width_ratios=[1, 1, 0.85],
    )
    for line, model in zip(axes, models, strict=False):
        for panel, metric, text in (
            (line[0], "induction_score", "induction score"),
            (line[1], "attention_to_earlier", "weight on earlier answer"),
        ):
            image = _heat(panel, pick(scores, metric, model=model))
            figure.colorbar(image, ax=panel, shrink=0.9, pad=0.03)
            panel.set_title(f"{model}: {text}", fontsize=7)
        _ablation(line[2], pick(scores, "copying_gain", model=model))
        cast.title(line[2], model)
        line[2].set_title(f"{model}: copying", fontsize=7)
    if not models:
        for panel in axes.flat:
            missing(panel, "no model was looked into")
    return figure


def _heat(axes: "Axes", rows: pd.DataFrame) -> Any:
    cells = rows["cell"].str.split(".", expand=True).astype(int)
    values = np.full((cells[0].max() + 1, cells[1].max() + 1), np.nan)
    values[cells[0], cells[1]] = rows["value"]
    image = axes.imshow(values, cmap="Blues", vmin=0, aspect="auto")
    axes.grid(False)
    if values.size <= 64:
        for (layer, head), value in np.ndenumerate(values):
            dark = value > 0.6 * np.nanmax(values)
            text = f"{value:.2f}".removeprefix("0")
            colour = "white" if dark else "black"
            axes.text(head, layer, text, ha="center", va="center", fontsize=6, color=colour)
        axes.set_xticks(range(values.shape[1]))
        axes.set_yticks(range(values.shape[0]))
    axes.set_xlabel("head")
    axes.set_ylabel("layer")
    return image


def _ablation(axes: "Axes", rows: pd.DataFrame) -> None:
    names = {
        "none": "all heads",
        "random": "less\nrandom",
        "induction": "less\ninduction",
    }
    rows = rows.set_index("cell").reindex(list(names)).dropna(subset=["value"])
    points(axes, rows, range(len(rows)), "blue")
    zero(axes)
    axes.set_yticks(range(len(rows)), [names[name] for name in rows.index])
    axes.set_ylim(len(rows) - 0.5, -0.8)
    axes.set_xlabel("gain, nats")
