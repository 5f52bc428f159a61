"""The figure of exact laws: distance from the target over the decoder's settings, and its parts."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workflow_scripts.shared.figures import COLOURS, PAGE_IN
from workflow_scripts.stochasticity.figures_common import TITLES, Data, legend
from workflow_scripts.stochasticity.law_table import EXPERIMENT
from workflow_scripts.stochasticity.metrics import TOLERATED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PARTS = {
    "law_tv_model": ("model", COLOURS["grey"]),
    "law_tv_temperature": ("temperature", COLOURS["orange"]),
    "law_tv_filters": ("filters", COLOURS["blue"]),
}


def exact(data: Data) -> "Figure":
    """Exact total variation over temperature and top-p, beside draws; its parts at one setting."""
    import matplotlib.pyplot as plt

    every = data.pick(experiment=EXPERIMENT, style="plain")
    laws = every[every["metric"] == "law_tv"]
    names = [name for name in data.names() if name in set(laws["model"])]
    known = [target for target in (*TITLES, "die") if target in set(laws["target"])]
    if not names:
        return _empty()
    figure, axes = plt.subplots(
        len(names), len(known) + 1, figsize=(PAGE_IN, 1.5 * len(names) + 0.9), squeeze=False
    )
    for row, name in zip(axes, names, strict=True):
        for panel, target in zip(row, known, strict=False):
            here = laws[(laws["model"] == name) & (laws["target"] == target)]
            _distances(panel, here)
            drawn = data.pick(experiment=["S1", "S3"], metric="tv", model=name, target=target)
            panel.plot(drawn["temperature"], drawn["value"], "o", ms=2.5, mfc="none", mew=0.6,
                       color=COLOURS["black"], label="draws")  # fmt: skip
            masses = every[(every["metric"] == "support_mass") & (every["model"] == name)]
            least = masses[masses["target"] == target]["value"].min()
            text = f"answers: at least {least:.0%}"
            panel.text(0.97, 0.95, text, transform=panel.transAxes, ha="right", va="top", size=5.5)
            panel.set_ylim(0, 1)
            panel.tick_params(labelleft=panel is row[0])
        _parts(row[-1], every[every["model"] == name], known)
        row[0].set_ylabel(f"{data.label(name, lines=True)}\ntotal variation")
    for panel, target in zip(axes[0], known, strict=False):
        panel.set_title(TITLES.get(target, "die"))
    for panel in axes[-1][:-1]:
        panel.set_xlabel("temperature")
    axes[0][-1].set_title("vendor's setting")
    legend(figure, axes[0][0])
    return figure


def _empty() -> "Figure":
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(4, 1))
    axes.axis("off")
    axes.text(0.5, 0.5, "no model of this run gives the logits of all tokens", ha="center")
    return figure


def _distances(panel: "Axes", laws: pd.DataFrame) -> None:
    grid = laws[laws["top_k"] == 0]
    shades = np.linspace(0.35, 1.0, grid["top_p"].nunique())
    for shade, (top_p, line) in zip(shades, grid.groupby("top_p"), strict=True):
        line = line.sort_values("temperature")
        panel.plot(line["temperature"], line["value"], "-", color=COLOURS["blue"], alpha=shade,
                   lw=1, label=f"top-p {top_p:g}")  # fmt: skip
        panel.fill_between(line["temperature"], line["ci_low"], line["ci_high"],
                           color=COLOURS["blue"], alpha=0.2 * shade, lw=0)  # fmt: skip
    vendor = laws[laws["top_k"] > 0]
    panel.plot(vendor["temperature"], vendor["value"], "*", color=COLOURS["vermilion"], ms=5,
               label="vendor's setting")  # fmt: skip
    panel.axhline(TOLERATED, color=COLOURS["black"], lw=0.6, ls=":")


def _parts(panel: "Axes", rows: pd.DataFrame, known: list[str]) -> None:
    """Parts of the distance at the setting with top_k, stacked; the dot is their sum."""
    own = rows[rows["top_k"] > 0].pivot_table(index="target", columns="metric", values="value")
    own = own.reindex(known)
    place = np.arange(len(known))
    above, below = np.zeros(len(known)), np.zeros(len(known))
    for metric, (label, colour) in PARTS.items():
        height = own[metric].fillna(0).to_numpy() if metric in own else np.zeros(len(known))
        panel.bar(place, height, 0.7, bottom=np.where(height >= 0, above, below), color=colour,
                  label=label)  # fmt: skip
        above, below = above + np.maximum(height, 0), below + np.minimum(height, 0)
    panel.plot(place, own["law_tv"] if "law_tv" in own else place * np.nan, "k.", ms=4)
    panel.axhline(0, color=COLOURS["black"], lw=0.5)
    panel.set_ylim(top=1.5 * max(above.max(), 0.05))  # room for the legend
    panel.set_xticks(place, known, rotation=40, ha="right", fontsize=6)
    panel.legend(fontsize=5, loc="upper left", handlelength=1)
