"""The figure of collisions: agents that choose alike, votes, and what their prompts share."""

from typing import TYPE_CHECKING

import numpy as np

from workflow_scripts.shared.figures import COLOURS, PAGE_IN
from workflow_scripts.stochasticity.collision_scores import AGENTS, EXPERIMENT
from workflow_scripts.stochasticity.draw_table import RIGGED, TRUE, UNFILTERED
from workflow_scripts.stochasticity.figures_common import Data, apart, legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = ("digit", "uniform", "normal")


def collisions(data: Data) -> "Figure":
    """Collision probability by target; votes; an opponent's guesses; mutual information."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 4, figsize=(PAGE_IN, 2.5))
    at = UNFILTERED | {"experiment": EXPERIMENT}
    one = at | {"style": "plain", "cell": ""}
    _by_target(axes[0], data, "collision", one)
    axes[0].set_yscale("log")
    axes[0].set_title("two agents choose alike")
    axes[0].set_ylabel("probability")
    for name, shift in apart(data.names(TRUE, RIGGED), 0.5):
        wanted = at | {"style": "plain", "target": "digit", "model": name}
        rows = data.pick(metric="majority", **wanted)
        data.points(axes[1], name, rows["cell"].astype(float) + shift, rows, fmt="o", ms=3)
        laws = data.pick(metric="law_majority", **wanted)
        agents, colour = laws["cell"].astype(float), data.colour(name)
        axes[1].plot(agents, laws["value"], "-", color=colour, lw=1)
        axes[1].fill_between(
            agents, laws["ci_low"], laws["ci_high"], color=colour, alpha=0.2, linewidth=0
        )
    axes[1].set_xticks(AGENTS)
    axes[1].set_xlabel("agents that vote for a digit")
    axes[1].set_title("a majority forms")
    axes[1].set_ylim(bottom=0)
    _by_target(axes[2], data, "guessed", one)
    axes[2].set_yscale("log")
    axes[2].set_title("an opponent guesses right")
    _by_target(axes[3], data, "information_bits", at | {"style": "", "cell": ""})
    axes[3].axhline(0, color=COLOURS["black"], lw=0.5)
    axes[3].set_title("shared by wordings")
    axes[3].set_ylabel("mutual information, bits")
    legend(figure, axes[1])
    return figure


def _by_target(panel: "Axes", data: Data, metric: str, wanted: dict[str, object]) -> None:
    """Dots: draws, dashes: exact laws; with intervals, those of a law for what it leaves open."""
    place = np.arange(len(SHOWN))
    for name, shift in apart(data.names(TRUE, RIGGED), 0.2):
        for kind in ("", "law_"):
            rows = data.pick(metric=kind + metric, model=name, **wanted)
            rows = rows.set_index("target").reindex(list(SHOWN))
            marker = {"fmt": "_", "ms": 8, "capsize": 0} if kind else {"fmt": "o", "ms": 3}
            data.points(panel, name, place + shift, rows, **marker)
    panel.set_xticks(place, SHOWN)
