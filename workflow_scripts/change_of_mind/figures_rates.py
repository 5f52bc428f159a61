"""Figures of how often minds change: by accuracy, by first confidence, and the controls."""

from typing import TYPE_CHECKING, Any

import numpy as np

from workflow_scripts.change_of_mind.plots import (
    ADVICE,
    DISPLAY,
    FILLED,
    OPEN,
    PAPER,
    Data,
    by_accuracy,
    grid,
    joined,
    legend,
    margins,
    name_row,
    series,
)
from workflow_scripts.shared.figures import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POOLED_AT = 113  # where the value over all accuracies stands on an axis that ends at 100 %
SHOWN_FILLED = {"hidden": OPEN, "shown": FILLED}


def accuracy_axis(axes: "Axes", label: bool) -> None:
    axes.set_xticks([50, 60, 70, 80, 90, 100, POOLED_AT], [*map(str, range(50, 101, 10)), "all"])
    axes.axvline(106.5, color=COLOURS["grey"], linewidth=0.6, linestyle=":")
    axes.set_xlim(46, 118)
    if label:
        axes.set_xlabel("stated accuracy of the advice, %")


def change_rate(data: Data) -> "Figure":
    """Figure 2: rate of change by stated accuracy; published rates are over all accuracies."""
    figure, axes = grid(data, 3, sharex=True, sharey=True)
    known: Any = data.published["rates"].set_index(["model", "contrast"])
    paper = {
        ("opposite", "hidden"): known.loc[(PAPER, "opposite advice"), "hidden_pct"],
        ("opposite", "shown"): known.loc[(PAPER, "opposite advice"), "shown_pct"],
        ("same", "shown"): known.loc[(PAPER, "same advice shown"), "shown_pct"],
        ("neutral", "shown"): known.loc[(PAPER, "neutral advice shown"), "shown_pct"],
    }
    for panels, model in zip(axes, data.models, strict=True):
        for panel, (advice, title) in zip(panels, ADVICE.items(), strict=True):
            for display in ("hidden", "shown"):
                rows = data.pick("change_rate", model=model, display=display, advice=advice)
                series(panel, by_accuracy(rows), display)
                pooled = rows[rows["accuracy"] == "all"].assign(at=POOLED_AT)
                series(panel, pooled, display, linestyle="none")
                if (advice, display) in paper:
                    label = f"paper (Gemma 3 12B), {DISPLAY[display][0].removeprefix('answer ')}"
                    share = paper[advice, display] / 100
                    panel.plot(POOLED_AT + 2.5, share, label=label, **SHOWN_FILLED[display])
            accuracy_axis(panel, model == data.models[-1])
            panel.set_ylim(-0.03, 1.0)
            if model == data.models[0]:
                panel.set_title(title)
        name_row(data, panels, model, "change-of-mind rate")
    legend(figure, axes[0][1])
    return figure


def first_confidence(data: Data) -> "Figure":
    """Figure 3: rate of change by first confidence, with the line, for each display and advice."""
    import matplotlib.pyplot as plt

    from workflow_scripts.shared.figures import PAGE_IN

    figure, axes = plt.subplots(2, 3, figsize=(PAGE_IN, 4.0), sharex=True, sharey=True)
    for panels, display in zip(axes, ("hidden", "shown"), strict=True):
        for panel, (advice, title) in zip(panels, ADVICE.items(), strict=True):
            notes = []
            for model in data.models:
                where = {"model": model, "display": display, "advice": advice, "accuracy": "all"}
                rows = joined(
                    data.pick("confidence_in_bin", **where),
                    data.pick("change_by_confidence", **where),
                )
                colour = data.colour(model)
                panel.errorbar(
                    rows["at"], rows["value"], margins(rows), fmt="o", color=colour, markersize=2.5,
                )  # fmt: skip
                fit = {
                    part: data.pick(f"line_{part}", **where)["value"].iloc[0]
                    for part in ("slope", "intercept", "r2")
                }
                ends = np.array([rows["at"].min(), rows["at"].max()])
                panel.plot(ends, fit["intercept"] + fit["slope"] * ends, color=colour, linewidth=1)
                notes.append((fit["r2"], colour))
            for number, (r2, colour) in enumerate(notes):
                panel.text(
                    0.98, 0.97 - 0.1 * number, f"R² = {r2:.2f}", transform=panel.transAxes,
                    ha="right", va="top", fontsize=6, color=colour,
                )  # fmt: skip
            panel.set_title(f"{title}, {display}")
            panel.set_ylim(-0.03, 1.05)
        panels[0].set_ylabel("change-of-mind rate")
    fits = {
        model: data.pick("line_r2", model=model, display="all")["value"] for model in data.models
    }
    for model, r2 in fits.items():  # claim 7 is about all conditions together
        if len(r2):
            axes[0][0].errorbar(
                [], [], [], fmt="o", color=data.colour(model), markersize=2.5,
                label=f"{data.label(model)}, all conditions: R² = {r2.iloc[0]:.2f}",
            )  # fmt: skip
    known = data.scalar("R2_linear_confidence_vs_com_all_conditions")
    axes[0][0].plot([], [], label=f"paper (Gemma 3 12B): R² = {known}", **FILLED)
    for panel in axes[1]:
        panel.set_xlabel("confidence in the first answer")
    legend(figure, axes[0][0], 2)
    return figure


def sigmoid(data: Data) -> "Figure":
    """Figure 4: hidden-opposite at each stated accuracy against hidden-neutral, with the fits."""
    from matplotlib import colormaps

    figure, axes = grid(data, 3, 2.1, sharex="col", width_ratios=[1.8, 1, 1])
    shades = colormaps["viridis"](np.linspace(0.05, 0.85, 6))
    known = data.published["sigmoid"]
    paper = [data.scalar(f"R2_{kind}_hidden_opposite") for kind in ("sigmoid", "linear")]
    for (panel, *right), model in zip(axes, data.models, strict=True):
        accuracies = by_accuracy(
            data.pick("change_rate", model=model, display="hidden", advice="opposite")
        )["accuracy"]
        fits: list[tuple[Any, Any, int]] = []
        for shade, accuracy in zip(shades, accuracies, strict=False):
            where = {"model": model, "display": "hidden", "advice": "opposite"}
            where |= {"accuracy": accuracy}
            rows = joined(
                data.pick("confidence_in_bin", **where), data.pick("change_by_confidence", **where)
            )
            panel.plot(rows["at"], rows["value"], "o", color=shade, markersize=2.5)
            midpoint = data.pick("sigmoid_midpoint", **where)
            slope = data.pick("sigmoid_slope", **where)
            label = f"opposite, {accuracy} %"
            if len(midpoint):
                x = np.linspace(rows["at"].min(), rows["at"].max(), 100)
                curve = 1 / (1 + np.exp(-slope["value"].iloc[0] * (x - midpoint["value"].iloc[0])))
                panel.plot(x, curve, color=shade, label=label)
                fits.append((midpoint, slope, int(accuracy)))
            else:
                panel.plot([], [], color=shade, label=label)
        where = {"model": model, "display": "hidden", "advice": "neutral", "accuracy": "all"}
        rows = joined(
            data.pick("confidence_in_bin", **where), data.pick("change_by_confidence", **where)
        )
        panel.plot(rows["at"], rows["value"], "x--", color=COLOURS["grey"], markersize=3,
                   linewidth=1, label="neutral")  # fmt: skip
        panel.set_ylim(-0.03, 1.05)
        pooled: dict[str, Any] = {"model": model, "advice": "opposite", "accuracy": "all"}
        r2 = [data.pick(f"{kind}_r2", display="hidden", **pooled) for kind in ("sigmoid", "line")]
        if all(map(len, r2)):
            panel.text(
                0.02, 0.02, f"all accuracies, R²: sigmoid {r2[0]['value'].iloc[0]:.2f}, "
                f"line {r2[1]['value'].iloc[0]:.2f}\n(paper: {paper[0]}, {paper[1]})",
                transform=panel.transAxes, fontsize=6,
            )  # fmt: skip
        for side, (column, name) in enumerate(
            (("inflection_confidence", "midpoint (confidence)"), ("slope", "slope of the sigmoid"))
        ):
            for fit in fits:
                found: Any = fit[side]
                right[side].errorbar(
                    fit[2], found["value"], margins(found), fmt="o", markersize=3,
                    color=COLOURS["blue"], label="fitted sigmoid",
                )  # fmt: skip
            right[side].plot(known["advice_accuracy_pct"], known[column],
                             label="paper (Gemma 3 12B)", **FILLED)  # fmt: skip
            right[side].set_ylabel(name)
            right[side].set_xticks(range(50, 101, 10))
        low, high = right[0].get_ylim()
        right[0].set_ylim(low, high + 0.15 * (high - low))
        name_row(data, (panel, right[0]), model, "change-of-mind rate")
    axes[-1][0].set_xlabel("confidence in the first answer")
    for panel in axes[-1][1:]:
        panel.set_xlabel("stated accuracy, %")
    handles = [
        dict(zip(labels, found, strict=True))
        for found, labels in (panel.get_legend_handles_labels() for panel in axes[0])
    ]
    unique = handles[0] | handles[1]
    figure.legend(unique.values(), unique.keys(), loc="outside lower center", ncols=5)
    return figure


def controls(data: Data) -> "Figure":
    """Figures 8, 9 and 21: a wrong answer shown; another model's answer; one conversation."""
    figure, axes = grid(data, 3, sharey=True)
    cases = (
        ("E2", "a  an answer not given", ("hidden", "shown", "wrong", "incorrect")),
        ("E3", "b  said to be another model's", ("hidden", "shown")),
        ("E4", "c  in one conversation", ("hidden", "shown")),
    )
    groups = ["same", "neutral", "opposite", "all"]
    scalars = data.published["scalars"].set_index("quantity")["value"]
    other = (
        data.published["rates"]
        .set_index("contrast")
        .loc["control: first answer attributed to another LLM"]
    )
    paper = {
        ("E2", "shown"): scalars["change_of_initial_answer_pct_answer_shown_reference"],
        ("E2", "wrong"): scalars["change_of_initial_answer_pct_answer_wrong_control"],
        ("E3", "hidden"): other["hidden_pct"],
        ("E3", "shown"): other["shown_pct"],
    }
    for panels, model in zip(axes, data.models, strict=True):
        for panel, (experiment, title, displays) in zip(panels, cases, strict=True):
            for number, display in enumerate(displays):
                rows = data.pick(
                    "change_rate", experiment=experiment, model=model, display=display,
                    accuracy="all",
                ).set_index("advice").reindex(groups)  # fmt: skip
                shift = 0.16 * (number - (len(displays) - 1) / 2)
                rows = rows.assign(at=np.arange(len(groups)) + shift)
                series(panel, rows, display, linestyle="none")
                if (experiment, display) in paper:
                    panel.plot(
                        3.32 + 0.1 * number, float(paper[experiment, display]) / 100,
                        clip_on=False, **(FILLED | {"color": COLOURS[DISPLAY[display][1]]}),
                    )  # fmt: skip
            panel.set_xticks(range(len(groups)), groups)
            panel.set_xlim(-0.5, 3.75)
            panel.set_ylim(0, 1.0)
            if model == data.models[0]:
                panel.set_title(title)
        name_row(data, panels, model, "rate of leaving\nthe first answer")
    for panel in axes[-1]:
        panel.set_xlabel("advice")
    axes[0][0].plot([], [], label="paper (Gemma 3 12B), in the display's colour", **FILLED)
    legend(figure, axes[0][0], 3)
    return figure
