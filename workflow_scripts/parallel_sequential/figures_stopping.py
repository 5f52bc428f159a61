"""Figure of two arms that are asked in rounds until it is decided which is better."""

from typing import TYPE_CHECKING

from workflow_scripts.parallel_sequential.dialogue import CODE, MATH
from workflow_scripts.parallel_sequential.figures_common import Data, panels
from workflow_scripts.parallel_sequential.stopping_scores import EQUAL, EXPERIMENT
from workflow_scripts.shared.figures import COLOURS, legend_below

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLES = (("blue", "o"), ("vermilion", "s"))  # of the arms, as in other figures for the main ones


def stopping(data: Data) -> "Figure":
    """E-values for each answer after each round of questions, and the border that decides."""
    rounds = data.pick("log_e", experiment=EXPERIMENT)
    shown = [
        {"model": model, "domain": domain}
        for domain in (MATH, CODE)
        for model in data.models.names
        if ((rounds["model"] == model) & (rounds["domain"] == domain)).any()
    ]
    figure, drawn = panels(data, 2.7, shown)
    arms = [cell for cell in rounds["cell"].unique() if cell != EQUAL]
    names = {cell: f"{cell} is better" for cell in arms} | {EQUAL: "equal, up to the margin"}
    styles = dict(zip(names, (*STYLES, ("green", "^")), strict=False))
    borders = []
    for panel, own in drawn:
        for cell, label in names.items():
            colour, marker = styles[cell]
            rows = data.pick("log_e", experiment=EXPERIMENT, cell=cell, **own).sort_values("k")
            at, values = rows["k"].to_numpy(float), rows["value"].to_numpy(float)
            panel.plot(at, values, color=COLOURS[colour], marker=marker, markersize=3, label=label)
        border = data.pick("log_e_border", experiment=EXPERIMENT, **own)["value"].iloc[0]
        panel.axhline(
            border, color=COLOURS["black"], linestyle="--", linewidth=0.8, label="decides"
        )
        panel.set_xlabel("questions asked")
        # One tick is enough where a domain has a single round.
        panel.locator_params(axis="x", integer=True, min_n_ticks=1)
        borders.append(border)
    # The panels share this axis, so its ends are those of all their points.
    low, high = figure.axes[0].get_ylim()
    figure.axes[0].set_ylim(max(low, -3 * max(borders)), max(high, 1.2 * max(borders)))
    figure.axes[0].set_ylabel("natural log of the e-value")
    legend_below(figure, figure.axes, 4)
    return figure
