"""Figures of exploration: similarity, distinct answers, steps between right and wrong."""

from typing import TYPE_CHECKING, Any

from workflow_scripts.parallel_sequential.figures_common import (
    ARMS,
    Data,
    curve,
    k_axis,
    name_lines,
    panels,
    points,
)
from workflow_scripts.shared.figures import COLOURS, legend_below

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEPS = {
    "right to right": "green",
    "wrong to right": "sky",
    "right to wrong": "orange",
    "wrong to wrong": "vermilion",
}


def similarity(data: Data) -> "Figure":
    """P4: histograms of the similarity of solutions to one question, both arms."""
    shown = [
        own | {"cell": measure}
        for own in data.domains()
        for measure in ("lexical", "embedding")
        if len(data.pick("similarity", **own, cell=measure))
    ]
    figure, drawn = panels(data, 2.5, shown)
    for panel, own in drawn:
        rows = data.pick("similarity_share", model=own["model"], domain=own["domain"])
        rows = rows[rows["cell"].str.startswith(own["cell"])]
        for arm, (colour, _) in ARMS.items():
            bins = rows[rows["arm"] == arm]
            edges = bins["cell"].str.split().str[1].astype(float).to_numpy()
            panel.stairs(
                bins["value"].to_numpy(),
                [*edges, 2 * edges[-1] - edges[-2]],
                color=COLOURS[colour],
                linewidth=1.4,
                label=arm,
            )
            mean = data.pick("similarity", **own, arm=arm)["value"].iloc[0]
            panel.axvline(mean, color=COLOURS[colour], linestyle=":", linewidth=1)
        panel.set_xlabel(f"{own['cell']} cosine of two solutions")
    figure.axes[0].set(ylabel="share of pairs", ylim=(0, 1.12 * figure.axes[0].get_ylim()[1]))
    legend_below(figure, figure.axes, 2)
    return figure


def unique(data: Data) -> "Figure":
    """P4: number of distinct answers among the first k."""
    figure, drawn = panels(data, 2.5)
    for panel, own in drawn:
        for arm, (colour, marker) in ARMS.items():
            rows = data.pick("unique", experiment="P4", arm=arm, **own)
            curve(panel, rows, arm, colour, marker=marker)
        k_axis(panel, data.set_size)
    figure.axes[0].set(ylabel="distinct answers", ylim=(0, 1.08 * figure.axes[0].get_ylim()[1]))
    legend_below(figure, figure.axes, 2)
    return figure


def transitions(data: Data) -> "Figure":
    """P4: steps from one attempt to the next between right and wrong, and repeats."""
    figure, drawn = panels(data, 2.0, sharex=True)
    for panel, own in drawn:
        for place, arm in enumerate(ARMS):
            shares: Any = data.pick("transition", arm=arm, **own).set_index("cell")["value"]
            left = 0.0
            for step, colour in STEPS.items():
                share = float(shares[step])
                panel.barh(place, share, left=left, color=COLOURS[colour], height=0.55, label=step)
                if share > 0.07:
                    text = f"{share:.2f}".removeprefix("0")
                    panel.text(left + share / 2, place, text, ha="center", va="center", fontsize=6)
                left += share
        repeats = data.pick("repeat_rate", experiment="P4", **own)
        points(panel, repeats, "arm", list(ARMS), "black", "repeats the previous answer", "D", -0.4)
        panel.set_xlim(0, 1)
        panel.grid(axis="y", visible=False)
        panel.set_xlabel("share of steps")
    name_lines(figure.axes[0], list(ARMS))
    legend_below(figure, figure.axes, 5)
    return figure
