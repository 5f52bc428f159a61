"""Figures of how often a model changes its mind: by accuracy, by first confidence, controls."""

from typing import TYPE_CHECKING, Any

import numpy as np

from workflow_scripts.change_of_mind import figures_common as common
from workflow_scripts.change_of_mind.figures_common import Data
from workflow_scripts.change_of_mind.published import MODEL, scalar
from workflow_scripts.shared.figures import COLOURS, PAGE_IN, legend_below, margins, panel_grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POOLED_AT = 113  # where the value over all accuracies is drawn, on an axis that ends at 100 %
TEXT_LINES = 3  # of R² above the data, before the next column
BINNED = ("confidence_in_bin", "change_by_confidence")


def change_rate(data: Data) -> "Figure":
    """Figure 2: rate of change by stated accuracy; published rates are over all accuracies."""
    known: Any = data.published["rates"].set_index(["model", "contrast"])
    opposite = known.loc[(MODEL, "opposite advice")]
    paper = {
        ("opposite", "hidden"): opposite["hidden_pct"],
        ("opposite", "shown"): opposite["shown_pct"],
        ("same", "shown"): known.loc[(MODEL, "same advice shown"), "shown_pct"],
        ("neutral", "shown"): known.loc[(MODEL, "neutral advice shown"), "shown_pct"],
    }
    ticks = [*range(50, 101, 10), POOLED_AT]

    def draw(panel: "Axes", model: str, advice: str) -> None:
        for display, look in (("hidden", common.OPEN), ("shown", common.FILLED)):
            rows = data.pick("change_rate", model=model, display=display, advice=advice)
            common.series(panel, common.by_accuracy(rows), display)
            pooled = rows[rows["accuracy"] == "all"].assign(at=POOLED_AT)
            common.series(panel, pooled, display, linestyle="none")
            if (advice, display) in paper:
                share = paper[advice, display] / 100
                panel.plot(POOLED_AT + 2.5, share, label=f"{common.PAPER}, {display}", **look)
        panel.set_xticks(ticks, [*map(str, ticks[:-1]), "all"])
        panel.axvline(106.5, color=COLOURS["grey"], linewidth=0.6, linestyle=":")
        panel.set_xlim(46, 118)
        panel.set_ylim(-0.03, 1.0)

    return common.by_advice(data, draw, (common.ACCURACY, "change-of-mind rate"))


def first_confidence(data: Data) -> "Figure":
    """Figure 3: rate of change by first confidence, with the line, per display and advice."""
    figure, axes = panel_grid(6, PAGE_IN, 2.0, across=3, sharex=True, sharey=True)
    cases = [(display, advice) for display in ("hidden", "shown") for advice in common.ADVICE]
    for panel, (display, advice) in zip(axes, cases, strict=True):
        for number, model in enumerate(data.models.names):
            where = {"model": model, "display": display, "advice": advice, "accuracy": "all"}
            rows = data.binned(*BINNED, **where)
            look: dict[str, Any] = {"color": data.models.colour(model)}
            panel.errorbar(rows["at"], rows["value"], margins(rows), fmt="o", markersize=2.5,
                           **look)  # fmt: skip
            slope, intercept, r2 = (
                data.value(f"line_{part}", **where) for part in ("slope", "intercept", "r2")
            )
            ends = np.array([rows["at"].min(), rows["at"].max()])
            panel.plot(ends, intercept + slope * ends, linewidth=1, **look)
            column, line = divmod(number, TEXT_LINES)
            panel.text(0.98 - 0.24 * column, 1.08 + 0.14 * line, f"R² = {r2:.2f}", ha="right",
                       fontsize=6, transform=panel.get_yaxis_transform(), **look)  # fmt: skip
        panel.set_title(f"{common.ADVICE[advice]}, {display}")
        panel.set_yticks(np.linspace(0, 1, 6))
        panel.set_ylim(-0.03, 1.1 + 0.14 * min(len(data.models.names), TEXT_LINES))
    for model in data.models.names:  # claim 7 is about all conditions together
        r2 = data.value("line_r2", model=model, display="all")
        label = f"{data.models.label(model)}, all conditions: R² = {r2:.2f}"
        axes[0].errorbar([], [], [], fmt="o", markersize=2.5, color=data.models.colour(model),
                         label=label)  # fmt: skip
    known = scalar(data.published, "R2_linear_confidence_vs_com_all_conditions")
    axes[0].plot([], [], label=f"{common.PAPER}: R² = {known}", **common.FILLED)
    for panel in axes[::3]:
        panel.set_ylabel("change-of-mind rate")
    for panel in axes[3:]:
        panel.set_xlabel(common.FIRST_CONFIDENCE)
        panel.locator_params(axis="x", nbins=4)
    legend_below(figure, axes[0], 2)
    return figure


def sigmoid(data: Data) -> "Figure":
    """Figure 4: hidden-opposite at each stated accuracy against hidden-neutral, with the fits."""
    from matplotlib import colormaps

    figure, axes = common.grid(data, 3, 2.1, sharex="col", width_ratios=[1.8, 1, 1])
    known = data.published["sigmoid"]
    paper = [scalar(data.published, f"R2_{kind}_hidden_opposite") for kind in ("sigmoid", "linear")]
    sides = (("midpoint", "inflection_confidence", "midpoint (confidence)"),
             ("slope", "slope", "slope of the sigmoid"))  # fmt: skip
    for (panel, *right), model in zip(axes, data.models.names, strict=True):
        opposite = {"model": model, "display": "hidden", "advice": "opposite"}
        accuracies = common.by_accuracy(data.pick("change_rate", **opposite))["accuracy"]
        shades = colormaps["viridis"](np.linspace(0.05, 0.85, len(accuracies)))
        for shade, accuracy in zip(shades, accuracies, strict=True):
            where = opposite | {"accuracy": accuracy}
            rows = data.binned(*BINNED, **where)
            panel.plot(rows["at"], rows["value"], "o", color=shade, markersize=2.5)
            x = np.linspace(rows["at"].min(), rows["at"].max(), 100)
            midpoint, slope = (data.value(f"sigmoid_{part}", **where) for part, *_ in sides)
            curve = 1 / (1 + np.exp(-slope * (x - midpoint)))  # NaN where the fit failed
            panel.plot(x, curve, color=shade, label=f"opposite, {accuracy} %")
        neutral = opposite | {"advice": "neutral", "accuracy": "all"}
        rows = data.binned(*BINNED, **neutral)
        panel.plot(rows["at"], rows["value"], "x--", color=COLOURS["grey"], markersize=3,
                   linewidth=1, label="neutral")  # fmt: skip
        panel.set_ylim(-0.25, 1.05)  # leaves room for the text
        bent, line = (data.value(f"{kind}_r2", **opposite, accuracy="all")
                      for kind in ("sigmoid", "line"))  # fmt: skip
        text = f"all accuracies, R²: sigmoid {bent:.2f}, line {line:.2f}\n"
        text += f"(paper: {paper[0]}, {paper[1]})"
        panel.text(0.02, 0.02, text, transform=panel.transAxes, fontsize=6)
        for side, (part, column, label) in zip(right, sides, strict=True):
            fits = common.by_accuracy(data.pick(f"sigmoid_{part}", **opposite))
            side.errorbar(fits["at"], fits["value"], margins(fits), fmt="o", markersize=3,
                          color=COLOURS["blue"], label="fitted sigmoid")  # fmt: skip
            side.plot(
                known["advice_accuracy_pct"], known[column], label=common.PAPER, **common.FILLED
            )
            side.set_ylabel(label)
            side.set_xticks(range(50, 101, 10))
            side.set_xlabel("stated accuracy, %" if model == data.models.names[-1] else "")
        low, high = right[0].get_ylim()
        right[0].set_ylim(low, high + 0.15 * (high - low))
        common.name_row(data, (panel, right[0]), model, "change-of-mind rate")
    axes[-1][0].set_xlabel(common.FIRST_CONFIDENCE)
    legend_below(figure, list(axes[0][:2]), 5)
    return figure


def controls(data: Data) -> "Figure":
    """Figures 8, 9 and 21: a wrong answer shown; another model's answer; one conversation."""
    figure, axes = common.grid(data, 3, sharey=True)
    cases = {
        "E2": ("a  another answer shown", ("hidden", "shown", "wrong", "incorrect")),
        "E3": ("b  attributed to another model", ("hidden", "shown")),
        "E4": ("c  in one conversation", ("hidden", "shown")),
    }
    groups = ["same", "neutral", "opposite", "all"]
    known = data.published["rates"].set_index("contrast")
    other = known.loc["control: first answer attributed to another LLM"]
    leaving = {case: scalar(data.published, f"change_of_initial_answer_pct_answer_{case}")
               for case in ("shown_reference", "wrong_control")}  # fmt: skip
    paper = {
        ("E2", "shown"): leaving["shown_reference"],
        ("E2", "wrong"): leaving["wrong_control"],
        ("E3", "hidden"): other["hidden_pct"],
        ("E3", "shown"): other["shown_pct"],
    }
    for panels, model in zip(axes, data.models.names, strict=True):
        for panel, (experiment, (_, displays)) in zip(panels, cases.items(), strict=True):
            shifts = common.offsets(len(displays), 0.16)
            for number, (display, shift) in enumerate(zip(displays, shifts, strict=True)):
                where = {"experiment": experiment, "display": display, "accuracy": "all"}
                rows = data.pick("change_rate", model=model, **where)
                rows = rows.set_index("advice").reindex(groups).assign(at=np.arange(4) + shift)
                common.series(panel, rows, display, linestyle="none")
                if (experiment, display) in paper:
                    look = common.FILLED | {"color": COLOURS[common.DISPLAY[display][1]]}
                    share = paper[experiment, display] / 100
                    panel.plot(3.32 + 0.1 * number, share, clip_on=False, **look)
            panel.set_xticks(range(len(groups)), groups)
            panel.set_xlim(-0.5, 3.75)
            panel.set_ylim(0, 1.0)
        common.name_row(data, panels, model, "rate of leaving\nthe first answer")
    common.name_columns(axes, [title for title, _ in cases.values()], "advice")
    axes[0][0].plot([], [], label=f"{common.PAPER}, in the display's colour", **common.FILLED)
    legend_below(figure, axes[0][0], 3)
    return figure
