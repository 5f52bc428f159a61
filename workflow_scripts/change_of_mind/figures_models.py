"""Figures of the paradigm and of the regressions."""

from typing import TYPE_CHECKING

import numpy as np

from workflow_scripts.change_of_mind import figures_common as common
from workflow_scripts.change_of_mind.figures_common import Data
from workflow_scripts.change_of_mind.published import scalar
from workflow_scripts.shared.figures import (
    COLOURS,
    PAGE_IN,
    legend_below,
    margins,
    missing,
    panel_grid,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PRIOR_ONLY = "neutral_advice"  # weights without data, in this run as in the paper's table
RIVALS = {  # of D, "shown flag, two weights"
    "A": "A  first confidence",
    "B": "B  A + advice",
    "C": "C  shown flag, one weight",
}


def elpd(data: Data) -> "Figure":
    """Figure 22: the lead of D over the other regressions in expected log predictive density."""
    figure, (left, right) = panel_grid(2, PAGE_IN, 2.4, sharey=True)
    places = np.arange(len(RIVALS))
    models = data.models
    for model, shift in zip(models.names, common.offsets(len(models.names), 0.15), strict=True):
        rows = data.pick("elpd_lead_of_D", experiment="E5", model=model)
        rows = rows.set_index("variant").reindex(list(RIVALS))
        rows[["value", "ci_low", "ci_high"]] /= rows["n"].max()  # questions
        left.errorbar(rows["value"], places + shift, xerr=margins(rows), fmt="o",
                      color=models.colour(model), label=models.label(model))  # fmt: skip
    left.axvline(0, color=COLOURS["black"], linewidth=0.6)
    left.set_yticks(places, list(RIVALS.values()))
    left.set_xlabel("ELPD-LOO of D minus that of the variant,\nnats per question")
    left.set_title("a  this run")
    left.invert_yaxis()
    known = data.published["elpd"]
    known = known[known["dataset"] == "SimpleQA"].set_index("model_variant").loc[list(RIVALS)]
    right.plot(known["elpd_diff_vs_best"], places, **common.FILLED)
    right.set_xlim(left=0)
    right.set_xlabel("the same, nats in total\n(number of trials not known)")
    right.set_title("b  paper, Gemma 3 12B on SimpleQA")
    legend_below(figure, left, 4)
    return figure


def posterior(data: Data) -> "Figure":
    """Posterior means and 95 % intervals of regression D beside the published ones."""
    import matplotlib.pyplot as plt

    known = data.published["posterior"]
    names = [f"{t}.{p}" for t, p in zip(known["table"], known["parameter"], strict=True)]
    places = np.arange(len(names))
    figure, axes = plt.subplots(figsize=(PAGE_IN, 4.6))
    first, *shifts = common.offsets(len(data.models.names) + 1, 0.22)
    around = np.stack([known["mean"] - known["hdi_low"], known["hdi_high"] - known["mean"]])
    measured = np.array([not name.endswith(PRIOR_ONLY) for name in names])
    mean = known["mean"].where(measured)
    axes.errorbar(mean, places + first, xerr=around, ecolor="black", elinewidth=0.8,
                  label=common.PAPER.replace(")", ", SimpleQA)"), **common.FILLED)  # fmt: skip
    for model, shift in zip(data.models.names, shifts, strict=True):
        rows = data.pick("posterior_mean", experiment="E5", model=model)
        rows = rows.set_index("parameter").reindex(names)
        rows.loc[~measured, ["value", "ci_low", "ci_high"]] = np.nan
        axes.errorbar(rows["value"], places + shift, xerr=margins(rows), fmt="o", markersize=3,
                      color=data.models.colour(model), label=data.models.label(model))  # fmt: skip
    for place in places[~measured]:
        axes.axhspan(place - 0.5, place + 0.5, color=COLOURS["grey"], alpha=0.12, linewidth=0)
        text = "no data: the design gives neutral advice no column, so this weight is its prior"
        axes.text(0.99, place, text, transform=axes.get_yaxis_transform(), ha="right", va="center",
                  fontsize=6, color="#4D4D4D")  # fmt: skip
    heads = {0: "shared: ", 2: "finally chosen: ", 6: "change: ", 10: "first-chosen: "}
    for start in list(heads)[1:]:
        axes.axhline(start - 0.5, color=COLOURS["grey"], linewidth=0.6)
    labels = [name.split(".")[1].replace("_", " ") for name in names]
    axes.set_yticks(places, [heads.get(i, "") + text for i, text in enumerate(labels)])
    axes.axvline(0, color=COLOURS["black"], linewidth=0.6)
    axes.set_xlabel("weight, log-odds (magnitudes: the sign is in the design)")
    axes.invert_yaxis()
    legend_below(figure, axes, 3)
    return figure


def transfer(data: Data) -> "Figure":
    """Figure 10: D on the other task: confidence by cell, and predicted chances of a change."""
    figure, axes = common.grid(data, 2, 2.2)
    paper = scalar(data.published, "R2_model_D_on_GSM_MC")
    markers = {"same": "o", "opposite": "s", "neutral": "^"}
    for (left, right), model in zip(axes, data.models.names, strict=True):
        predicted, observed = (
            data.pick(f"transfer_{side}_confidence", experiment="E6", model=model)
            .set_index(["display", "advice", "accuracy"])["value"].sort_index()
            for side in ("predicted", "observed")
        )  # fmt: skip
        if predicted.empty:
            missing(left)
            missing(right)
            common.name_row(data, (left, right), model, "")
            continue
        for advice, marker in markers.items():
            for display in ("hidden", "shown"):
                colour = COLOURS[common.ADVICE_COLOURS[advice]]
                face = colour if display == "shown" else "white"
                left.plot(predicted[display, advice], observed[display, advice], marker,
                          markersize=4, color=colour, markerfacecolor=face,
                          label=f"{advice}, {display}")  # fmt: skip
        left.plot([0, 1], [0, 1], "--", color=COLOURS["black"], linewidth=0.8)
        r2 = f"{data.value('r2_cells', experiment='E6', model=model):.2f}".replace("-", "−")
        left.text(0.04, 0.96, f"R² = {r2} (paper {paper})", va="top", transform=left.transAxes,
                  fontsize=6.5)  # fmt: skip
        _histogram(data, right, model)
        common.name_row(
            data, (left, right), model, "observed confidence\nin the first-chosen option"
        )
    common.name_columns(axes, ["a  confidence, by cell", "b  change of mind"], "")
    axes[-1][0].set_xlabel("predicted confidence, mean of a cell")
    axes[-1][1].set_xlabel("predicted chance of a change")
    legend_below(figure, list(axes[0]), 4)
    return figure


def _histogram(data: Data, axes: "Axes", model: str) -> None:
    bottom = np.zeros(10)
    for outcome, colour in (("kept", "sky"), ("changed", "orange")):
        rows = data.pick(f"transfer_histogram_{outcome}", experiment="E6", model=model)
        counts = np.zeros(10)
        counts[rows["bin"].astype(int)] = rows["value"]
        axes.bar(np.arange(10) / 10 + 0.05, counts, 0.09, bottom, color=COLOURS[colour],
                 label=f"answer {outcome}")  # fmt: skip
        bottom += counts
    auroc = data.value("transfer_auroc", experiment="E6", model=model)
    axes.text(0.04, 0.96, f"AUROC {auroc:.2f}", va="top", transform=axes.transAxes, fontsize=6.5)
    axes.set_ylim(0, bottom.max() * 1.25)
    axes.set_ylabel("trials")


def paradigm(_: Data) -> "Figure":
    """Figure 1: what is asked, in which order, and what varies."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(PAGE_IN, 2.6))
    axes.set_axis_off()
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 40)
    boxes = (
        (1, 12, 22, 16, "turn 1\n\nA place, two latitudes.\nThe model picks one.", "sky"),
        (31, 22, 33, 16, "display of the first answer\n\nshown:  “You answered A”\n"
         "hidden: “You answered xx”", "orange"),
        (31, 2, 33, 16, "advice of another model\n\nsame, opposite or neutral,\n"
         "said to be right 50 … 100 % of the time", "green"),
        (71, 12, 28, 16, "turn 2, a fresh call\n\nThe question again, with display\nand advice. "
         "Its final option and\nconfidence are recorded.", "sky"),
    )  # fmt: skip
    for x, y, width, height, text, colour in boxes:
        box = plt.Rectangle((x, y), width, height, linewidth=1, color=COLOURS[colour], alpha=0.25)
        axes.add_patch(box)
        axes.text(x + width / 2, y + height / 2, text, ha="center", va="center", fontsize=7)
    for start, end in (((23, 22), (31, 29)), ((23, 18), (31, 11)), ((64, 29), (71, 22)),
                       ((64, 11), (71, 18))):  # fmt: skip
        axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "linewidth": 1})
    notes = {12: "choice and\nconfidence c",
             85: "change of mind: another option than in\nturn 1; ideal observer: Bayes’ rule on\n"
             "c and the stated accuracy"}  # fmt: skip
    for x, text in notes.items():
        axes.text(x, 9.5, text, ha="center", va="top", fontsize=6.5)
    return figure
