"""Figures of what a model does with given numbers: S8, S9, S10."""

from typing import TYPE_CHECKING

import numpy as np

from workflow_scripts.shared.figures import COLOURS, PAGE_IN, panel_grid
from workflow_scripts.stochasticity import targets
from workflow_scripts.stochasticity.draw_table import RIGGED, TRUE
from workflow_scripts.stochasticity.figures_common import (
    TITLES,
    Data,
    apart,
    histogram,
    legend,
    p_text,
)
from workflow_scripts.stochasticity.metrics import TOLERATED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CLAIMED_ACCURACY = 0.9  # published-2nd: "> 90 %"; the scoring is not known


def generators(data: Data) -> "Figure":
    """S8: share of right outputs by step."""
    rows = data.pick(experiment="S8", metric="step_right")
    rows = rows.assign(step=rows["cell"].astype(int)).sort_values("step")
    kinds = list(dict.fromkeys(rows["style"]))
    width = PAGE_IN * min(1, 0.34 * len(kinds) + 0.12)
    figure, panels = panel_grid(len(kinds), width, 2.5, sharey=True)
    for panel, kind in zip(panels, kinds, strict=False):
        for name in data.names(RIGGED):
            here = rows[(rows["style"] == kind) & (rows["model"] == name)]
            style = {"marker": "o", "elinewidth": 0.6, "ls": ":" if name == RIGGED else "-"}
            data.points(panel, name, here["step"], here, **style)
        panel.axhline(
            CLAIMED_ACCURACY, color=COLOURS["black"], lw=0.8, ls="--", label="published: > 90 %"
        )
        prefix, _, size = kind.partition("-")
        panel.set_title({"lcg": f"x → a·x + c mod {size}"}.get(prefix, f"{prefix}, {size} bits"))
        panel.set_xlabel("step")
        steps = sorted(set(rows["step"]))
        panel.set_xticks(steps[:: -(-len(steps) // 8)])
        panel.set_ylim(0, 1.03)
    panels[0].set_ylabel("share of outputs that are right")
    legend(figure, panels[0])
    return figure


def conversion(data: Data) -> "Figure":
    """S9: right images of given numbers and the distance from them, by model and map."""
    import matplotlib.pyplot as plt

    rows = data.pick(experiment="S9", metric=["map_right", "image_distance"])
    kinds = list(dict.fromkeys(rows["style"]))
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE_IN, 2.6))
    for panel, metric, controls in (
        (left, "map_right", (RIGGED,)),
        (right, "image_distance", (TRUE, RIGGED)),
    ):
        for name, shift in apart(data.names(*controls), 0.16):
            own = rows[(rows["metric"] == metric) & (rows["model"] == name)]
            marker = {TRUE: "s", RIGGED: "x"}.get(name, "o")
            place = np.arange(len(kinds)) + shift
            data.points(panel, name, place, own.set_index("style").reindex(kinds), fmt=marker)
        panel.set_xticks(range(len(kinds)), [kind.replace("_", "\n") for kind in kinds])
    left.set_ylim(-0.03, 1.03)
    right.set_ylim(bottom=-0.005)
    left.set_ylabel("share of right images")
    right.set_ylabel("total variation\nfrom the true images")
    right.axhline(TOLERATED, color=COLOURS["black"], lw=0.8, ls=":")
    legend(figure, right)
    return figure


def seeds(data: Data) -> "Figure":
    """S10: the numbers that models make up themselves."""
    import matplotlib.pyplot as plt

    target = targets.of("seed")
    rows = data.pick(experiment="S10", target="seed")
    kinds = list(dict.fromkeys(rows["style"]))
    names = data.names(TRUE)
    figure, axes = plt.subplots(
        len(names), max(len(kinds), 1), squeeze=False, sharex=True, sharey=True,
        figsize=(max(len(kinds), 1) * PAGE_IN / 2, 1.25 * len(names) + 0.4),
    )  # fmt: skip
    for line, name in zip(axes, names, strict=True):
        for panel, kind in zip(line, kinds, strict=False):
            here = rows[(rows["style"] == kind) & (rows["model"] == name)]
            histogram(panel, here, target, data.colour(name))
            for p in here[here["metric"] == "chi_square_p"]["value"][:1]:
                panel.text(0.97, 0.96, f"p(χ²) = {p_text(p)}", ha="right", va="top",
                           transform=panel.transAxes, fontsize=6)  # fmt: skip
            ticks = np.array([0, 4, 8, 12])
            panel.set_xticks(ticks - 0.5, [f"{tick / target.size:g}" for tick in ticks])
            if name == names[0]:
                panel.set_title(f"before map: {kind.replace('_', ' ')}")
        line[0].set_ylabel(f"{data.label(name, lines=True)}\nshare")
    for panel in axes[-1]:
        panel.set_xlabel(TITLES["seed"])
    return figure
