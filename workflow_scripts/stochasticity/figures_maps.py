"""Figures of what a model does with given numbers: S8, S9, S10."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workflow_scripts.shared.figures import COLOURS, PAGE_IN, margins
from workflow_scripts.stochasticity import targets
from workflow_scripts.stochasticity.controls import RIGGED, TRUE
from workflow_scripts.stochasticity.plots import TITLES, Cast, p_text, pick

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CLAIMED_ACCURACY = 0.9  # published-2nd: "> 90 %"; what is scored is not known


def generators(scores: pd.DataFrame, cast: Cast) -> "Figure":
    """S8: share of right outputs by step."""
    import matplotlib.pyplot as plt

    rows = pick(scores, experiment="S8", metric="step_right")
    kinds = list(dict.fromkeys(rows["style"]))
    figure, axes = plt.subplots(
        1, max(len(kinds), 1), figsize=(PAGE_IN * min(1, 0.34 * len(kinds) + 0.12), 2.5),
        squeeze=False, sharey=True,
    )  # fmt: skip
    for panel, kind in zip(axes[0], kinds, strict=False):
        for model in cast.everybody(RIGGED):
            here = rows[(rows["style"] == kind) & (rows["model"] == model)]
            here = here.assign(step=here["cell"].astype(int)).sort_values("step")
            panel.errorbar(
                here["step"], here["value"], margins(here), marker="o", elinewidth=0.6,
                ls=":" if model == RIGGED else "-", color=cast.colour(model),
                label=cast.label(model),
            )  # fmt: skip
        panel.axhline(CLAIMED_ACCURACY, color=COLOURS["black"], lw=0.8, ls="--")
        name, _, size = kind.partition("-")
        panel.set_title({"lcg": f"x → a·x + c mod {size}"}.get(name, f"{name}, {size} bits"))
        panel.set_xlabel("step")
        panel.set_ylim(0, 1.03)
    axes[0][0].set_ylabel("share of outputs right")
    handles, labels = axes[0][0].get_legend_handles_labels()
    note = plt.Line2D([], [], color=COLOURS["black"], lw=0.8, ls="--")
    figure.legend(
        [*handles, note], [*labels, "published: > 90 %"], loc="outside lower center", ncols=4
    )
    return figure


def conversion(scores: pd.DataFrame, cast: Cast) -> "Figure":
    """S9: right images of given numbers by model, smallest first as the config lists them."""
    import matplotlib.pyplot as plt

    rows = pick(scores, experiment="S9", metric="map_right")
    names = list(dict.fromkeys(rows["style"]))
    models = cast.everybody(RIGGED)
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE_IN, 2.6))
    for panel, metric in ((left, "map_right"), (right, "rejection_rate")):
        here = pick(scores, experiment="S9", metric=metric)
        everybody = models if metric == "map_right" else cast.everybody(TRUE, RIGGED)
        for number, model in enumerate(everybody):
            own = here[here["model"] == model].set_index("style").reindex(names)
            place = np.arange(len(names)) + (number - (len(everybody) - 1) / 2) * 0.16
            marker = {TRUE: "s", RIGGED: "x"}.get(model, "o")
            panel.errorbar(
                place, own["value"], margins(own), fmt=marker, color=cast.colour(model),
                label=cast.label(model),
            )  # fmt: skip
        panel.set_xticks(range(len(names)), [n.replace("_", "\n") for n in names])
        panel.set_ylim(-0.03, 1.03)
    left.set_ylabel("share of right images")
    right.set_ylabel("share of runs of 1,024 rejected (χ²)")
    right.axhline(0.05, color=COLOURS["black"], lw=0.8, ls=":")
    handles, labels = right.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def seeds(scores: pd.DataFrame, cast: Cast) -> "Figure":
    """S10: the numbers that models make up themselves."""
    import matplotlib.pyplot as plt

    target = targets.of("seed")
    rows = pick(scores, experiment="S10", target="seed")
    names = list(dict.fromkeys(rows["style"]))
    models = cast.everybody(TRUE)
    figure, axes = plt.subplots(
        max(len(names), 1), len(models), figsize=(PAGE_IN, 1.5 * max(len(names), 1) + 0.4),
        squeeze=False, sharex=True, sharey=True,
    )  # fmt: skip
    for line, name in zip(axes, names, strict=False):
        for panel, model in zip(line, models, strict=True):
            here = rows[(rows["style"] == name) & (rows["model"] == model)]
            shares = here[here["metric"] == "share"].set_index("cell").reindex(target.labels)
            place = np.arange(target.size)
            panel.bar(place, shares["value"], color=cast.colour(model), alpha=0.55, width=0.85)
            panel.errorbar(place, shares["value"], margins(shares), fmt="none", ecolor="black",
                           lw=0.6, capsize=1)  # fmt: skip
            panel.stairs(target.probabilities, np.arange(target.size + 1) - 0.5,
                         color=COLOURS["black"], lw=0.9)  # fmt: skip
            p = here[here["metric"] == "chi_square_p"]["value"]
            if len(p):
                panel.text(0.97, 0.96, f"p(χ²) = {p_text(float(p.iloc[0]))}", ha="right", va="top",
                           transform=panel.transAxes, fontsize=6)  # fmt: skip
            ticks = [0, 4, 8, 12]
            panel.set_xticks(np.array(ticks) - 0.5, [f"{i / target.size:g}" for i in ticks])
            if name == names[0]:
                panel.set_title(cast.label(model))
        line[0].set_ylabel(f"before {name.replace('_', ' ')}\nshare")
    for panel in axes[-1]:
        panel.set_xlabel(TITLES["seed"])
    return figure
