"""Figures of the regressions and of the paradigm."""

from typing import TYPE_CHECKING, Any

import numpy as np

from workflow_scripts.change_of_mind.plots import FILLED, Data, margins
from workflow_scripts.shared.figures import COLOURS, PAGE_IN, mark_stand_in

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

VARIANTS = {
    "A": "A  first confidence",
    "B": "B  A + advice",
    "C": "C  shown flag, one weight",
    "D": "D  shown flag, two weights",
}


def elpd(data: Data) -> "Figure":
    """Figure 22: expected log predictive density of the four regressions, as a lead of D."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE_IN, 2.4), sharey=True)
    places = np.arange(3)
    for number, model in enumerate(data.models):
        rows = data.pick("elpd_lead_of_D", experiment="E5", model=model).set_index("variant")
        total = int(rows["n"].iloc[0])
        rows = rows.reindex(["A", "B", "C"])
        for column in ("value", "ci_low", "ci_high"):
            rows[column] /= total
        left.errorbar(
            rows["value"], places + 0.15 * number, xerr=margins(rows), fmt="o",
            color=data.colour(model), label=data.label(model),
        )  # fmt: skip
    left.axvline(0, color=COLOURS["black"], linewidth=0.6)
    left.set_yticks(places + 0.075, [VARIANTS[v] for v in ("A", "B", "C")])
    left.set_xlabel("ELPD-LOO of D less that of the variant,\nnats per trial")
    left.set_title("a  this run")
    left.invert_yaxis()
    known = data.published["elpd"]
    known = known[known["dataset"] == "SimpleQA"].set_index("model_variant").loc[["A", "B", "C"]]
    right.plot(known["elpd_diff_vs_best"], places, label="paper (Gemma 3 12B)", **FILLED)
    right.set_xlim(left=0)
    right.set_xlabel("the same, nats in all\n(number of trials not known)")
    right.set_title("b  paper, Gemma 3 12B on SimpleQA")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def posterior(data: Data) -> "Figure":
    """Posterior means and 95 % intervals of regression D beside the published ones."""
    import matplotlib.pyplot as plt

    known = data.published["posterior"]
    names = [f"{t}.{p}" for t, p in zip(known["table"], known["parameter"], strict=True)]
    places = np.arange(len(names))
    figure, axes = plt.subplots(figsize=(PAGE_IN, 4.3))
    around = np.stack([known["mean"] - known["hdi_low"], known["hdi_high"] - known["mean"]])
    axes.errorbar(known["mean"], places, xerr=around, ecolor="black", elinewidth=0.8,
                  label="paper (Gemma 3 12B, SimpleQA)", **FILLED)  # fmt: skip
    for number, model in enumerate(data.models):
        rows = data.pick("posterior_mean", experiment="E5", model=model).set_index("parameter")
        rows = rows.reindex(names)
        axes.errorbar(rows["value"], places + 0.22 * (number + 1), xerr=margins(rows), fmt="o",
                      markersize=3, color=data.colour(model), label=data.label(model))  # fmt: skip
    for edge in (1.5, 5.5, 9.5):
        axes.axhline(edge + 0.25, color=COLOURS["grey"], linewidth=0.6)
    labels = [name.split(".")[1].replace("_", " ") for name in names]
    heads = {0: "shared: ", 2: "finally chosen: ", 6: "change: ", 10: "first-chosen: "}
    axes.set_yticks(places + 0.2, [heads.get(i, "") + text for i, text in enumerate(labels)])
    axes.axvline(0, color=COLOURS["black"], linewidth=0.6)
    axes.set_xlabel("weight, log-odds (magnitudes: the sign is in the design)")
    axes.invert_yaxis()
    axes.legend(loc="lower right")
    return figure


def transfer(data: Data) -> "Figure":
    """Figure 10: D on the other task: confidence by cell, and predicted chances of a change."""
    import matplotlib.pyplot as plt

    count = len(data.models)
    figure, axes = plt.subplots(
        2, count, figsize=(min(PAGE_IN, 2.9 * count + 0.8), 4.6), squeeze=False
    )
    keys = ["display", "advice", "accuracy"]
    paper = data.scalar("R2_model_D_on_GSM_MC")
    looks = {"same": ("green", "o"), "opposite": ("vermilion", "s"), "neutral": ("grey", "^")}
    for column, model in enumerate(data.models):
        panel = axes[0][column]
        found: dict[str, Any] = {
            side: data.pick(f"transfer_{side}_confidence", experiment="E6", model=model)
            .set_index(keys)["value"]
            for side in ("predicted", "observed")
        }  # fmt: skip
        for key, x in found["predicted"].items():
            display, advice, _ = key
            colour, marker = looks[advice]
            face = COLOURS[colour] if display == "shown" else "white"
            panel.plot(x, found["observed"][key], marker, markersize=4,
                       color=COLOURS[colour], markerfacecolor=face,
                       label=f"{advice}, {display}")  # fmt: skip
        panel.plot([0, 1], [0, 1], "--", color=COLOURS["black"], linewidth=0.8)
        r2 = data.pick("r2_cells", experiment="E6", model=model).iloc[0]
        shown = f"{r2['value']:.2f}".replace("-", "−")
        panel.text(0.04, 0.96, f"R² = {shown} (paper {paper})", va="top",
                   transform=panel.transAxes, fontsize=6.5)  # fmt: skip
        panel.set_title(model)
        panel.set_xlabel("predicted confidence, mean of a cell")
        below = axes[1][column]
        _histogram(data, below, model)
        if model in data.stand_ins:
            mark_stand_in(below)
    axes[0][0].set_ylabel("observed confidence\nin the first-chosen option")
    axes[1][0].set_ylabel("trials")
    handles, labels = axes[0][0].get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    bars, names = axes[1][0].get_legend_handles_labels()
    figure.legend([*unique.values(), *bars], [*unique, *names], loc="outside lower center",
                  ncols=4)  # fmt: skip
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
    score = data.pick("transfer_auroc", experiment="E6", model=model)["value"]
    if len(score):
        axes.set_title(f"AUROC {score.iloc[0]:.2f}", fontsize=7)
    axes.set_ylim(0, bottom.max() * 1.25)
    axes.set_xlabel("predicted chance of a change")


def paradigm(data: Data) -> "Figure":
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
        (71, 12, 28, 16, "turn 2, a fresh call\n\nThe question again, display\nand advice. "
         "Final option and\nconfidence are read.", "sky"),
    )  # fmt: skip
    for x, y, width, height, text, colour in boxes:
        axes.add_patch(
            plt.Rectangle(
                (x, y),
                width,
                height,
                facecolor=COLOURS[colour],
                alpha=0.25,
                edgecolor=COLOURS[colour],
                linewidth=1,
            )
        )
        axes.text(x + width / 2, y + height / 2, text, ha="center", va="center", fontsize=7)
    for start, end in (((23, 22), (31, 29)), ((23, 18), (31, 11)), ((64, 29), (71, 22)),
                       ((64, 11), (71, 18))):  # fmt: skip
        axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "linewidth": 1})
    axes.text(12, 9.5, "choice and\nconfidence c", ha="center", va="top", fontsize=6.5)
    axes.text(85, 9.5, "change of mind: another option than in\nturn 1; ideal observer: Bayes’ "
              "rule on c\nand the stated accuracy", ha="center", va="top",
              fontsize=6.5)  # fmt: skip
    return figure
