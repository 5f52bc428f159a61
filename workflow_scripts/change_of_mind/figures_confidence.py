"""Figures of confidence: changes, the ideal observer, updates, OUCS, ratios, reliability."""

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workflow_scripts.change_of_mind import figures_common as common
from workflow_scripts.change_of_mind import published
from workflow_scripts.change_of_mind.figures_common import Data
from workflow_scripts.shared.figures import (
    COLOURS,
    CYCLE,
    PAGE_IN,
    legend_below,
    margins,
    panel_grid,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Case = tuple[str, str]  # display, advice


def _changes(data: Data, metric: str, label: str) -> "Figure":
    def draw(panel: "Axes", model: str, advice: str) -> None:
        for display in ("hidden", "shown"):
            rows = data.pick(metric, model=model, display=display, advice=advice)
            common.series(panel, common.by_accuracy(rows), display)
        panel.axhline(0, color=COLOURS["black"], linewidth=0.6)
        panel.set_xticks(range(50, 101, 10))

    return common.by_advice(data, draw, (common.ACCURACY, label), sharey="row")


def confidence_change(data: Data) -> "Figure":
    """Figure 5: change of confidence in the first answer."""
    return _changes(data, "confidence_change", "change of confidence")


def confidence_change_odds(data: Data) -> "Figure":
    """Figure 12: change of confidence in the first answer, in log-odds."""
    return _changes(data, "log_odds_change", "change, log-odds")


def _against_ideal(data: Data, metric: str, unit: str) -> "Figure":
    every = data.pick(f"ideal_{metric}")["value"]
    low, high = float(every.min()), float(every.max())

    def draw(panel: "Axes", model: str, advice: str) -> None:
        panel.plot([low, high], [low, high], "--", color=COLOURS["black"], linewidth=0.8)
        for display in ("hidden", "shown"):
            where = {"model": model, "display": display, "advice": advice, "accuracy": "all"}
            rows = data.binned(f"ideal_{metric}", f"final_{metric}", **where)
            common.series(panel, rows, display)
        panel.set_ylim(low - 0.05 * (high - low), high + 0.15 * (high - low))

    labels = f"ideal observer's confidence{unit}", f"final confidence{unit}"
    return common.by_advice(data, draw, labels, 2.0)


def ideal(data: Data) -> "Figure":
    """Figure 6: final confidence in the first answer against the ideal observer's."""
    return _against_ideal(data, "by_ideal", "")


def ideal_odds(data: Data) -> "Figure":
    """Figure 13: final confidence against the ideal observer's, in log-odds."""
    return _against_ideal(data, "odds_by_ideal", ",\nlog-odds")


def updates(data: Data) -> "Figure":
    """Figures 7 and 14: observed and ideal update by first confidence, hidden, each accuracy."""
    from matplotlib.lines import Line2D

    accuracies = list(common.by_accuracy(data.pick("change_rate"))["accuracy"].unique())
    figure, axes = common.grid(data, len(accuracies), 1.7, sharex=True, sharey=True)
    colours = {advice: COLOURS[common.ADVICE_COLOURS[advice]] for advice in ("same", "opposite")}
    for panels, model in zip(axes, data.models.names, strict=True):
        for panel, accuracy in zip(panels, accuracies, strict=True):
            for advice, colour in colours.items():
                where = {"model": model, "display": "hidden", "advice": advice}
                where |= {"accuracy": accuracy}
                rows = data.binned("update_at", "update", **where)
                panel.errorbar(rows["at"], rows["value"], margins(rows), fmt="o", markersize=2.5,
                               color=colour, linewidth=0.8)  # fmt: skip
                rows = data.binned("update_at", "ideal_update", **where)
                panel.plot(rows["at"], rows["value"], "--", color=colour, linewidth=1)
            panel.axhline(0, color=COLOURS["black"], linewidth=0.5)
            panel.set_xlim(0, 1)
            panel.set_xticks([0, 0.5, 1], ["0", ".5", "1"])
        common.name_row(data, panels, model, "update")
    common.name_columns(axes, [f"{accuracy} %" for accuracy in accuracies], "first confidence")
    handles = [Line2D([], [], color=colour, marker="o", linestyle="none", label=f"{advice} advice")
               for advice, colour in colours.items()]  # fmt: skip
    handles.append(Line2D([], [], color=COLOURS["black"], linestyle="--", label="ideal observer"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def _of_cases(rows: pd.DataFrame, cases: Sequence[Case]) -> pd.DataFrame:
    return rows.set_index(["display", "advice"]).reindex(pd.MultiIndex.from_tuples(cases))


def _models_side_by_side(
    data: Data, panel: "Axes", metric: str, cases: Sequence[Case], shifts: np.ndarray
) -> None:
    """Each model's estimate per case (display, advice); `shifts` has shape (models,)."""
    for model, shift in zip(data.models.names, shifts, strict=True):
        rows = _of_cases(data.pick(metric, model=model, accuracy="all"), cases)
        panel.errorbar(np.arange(len(cases)) + shift, rows["value"], margins(rows), fmt="o",
                       color=data.models.colour(model), label=data.models.label(model))  # fmt: skip


def oucs(data: Data) -> "Figure":
    """Over- and underconfidence score of each condition beside the published ones."""
    known = data.published["oucs"]
    looks = {"Gemma-3-12B": "black", "Gemma-3-27B": COLOURS["grey"], "GPT-4o": "white"}
    shifts = common.offsets(len(data.models.names) + len(looks), 0.11)
    figure, axes = panel_grid(3, PAGE_IN, 2.6, sharey=True)
    for panel, (advice, title) in zip(axes, common.ADVICE.items(), strict=True):
        cases = [("hidden", advice), ("shown", advice)]
        _models_side_by_side(data, panel, "oucs", cases, shifts[: -len(looks)])
        for (model, face), shift in zip(looks.items(), shifts[-len(looks) :], strict=True):
            rows = known[(known["model"] == model) & (known["advice_type"] == advice)]
            values = rows.set_index("display_type")["oucs"].reindex(["hidden", "shown"])
            panel.plot(np.arange(2) + shift, values, label=f"paper, {model}",
                       **(common.FILLED | {"markerfacecolor": face}))  # fmt: skip
        panel.axhline(0, color=COLOURS["black"], linewidth=0.6)
        panel.set_xticks([0, 1], ["answer hidden", "answer shown"])
        panel.set_xlim(-0.5, 1.5)
        panel.set_title(title)
    axes[0].set_ylabel("OUCS (confidence minus ideal)")
    legend_below(figure, axes, 3)
    return figure


def overweighting(data: Data) -> "Figure":
    """Observed over ideal update, in two ways, and the weight of the advice in log-odds."""
    rows = data.published["overweighting"]
    rows = rows[rows["model"] == published.MODEL].set_index("advice_type")
    known = rows["ratio_observed_over_bayes"]
    cases = [("hidden", "same"), ("hidden", "opposite"), ("shown", "same"), ("shown", "opposite")]
    shifts = common.offsets(len(data.models.names) + 1, 0.15)
    figure, axes = panel_grid(3, PAGE_IN, 2.6, sharey=True)
    titles = {
        "overweighting": "a  mean of ratios",
        "overweighting_of_means": "b  ratio of means",
        "advice_weight": "c  weight in log-odds",
    }
    for panel, (metric, title) in zip(axes, titles.items(), strict=True):
        _models_side_by_side(data, panel, metric, cases, shifts[:-1])
        panel.axhline(1, color=COLOURS["black"], linewidth=0.8, linestyle="--")
        panel.axhline(0, color=COLOURS["black"], linewidth=0.5)
        panel.set_xticks(range(len(cases)), [f"{advice},\n{display}" for display, advice in cases])
        panel.tick_params(axis="x", labelsize=6)
        panel.set_xlim(-0.5, len(cases) - 0.5)
        panel.set_title(title)
    # The published numbers are means of ratios.
    values = [known[advice] for _, advice in cases[:2]]
    axes[0].plot(np.arange(2) + shifts[-1], values, label=common.PAPER, **common.FILLED)
    axes[0].set_ylabel("observed / ideal change")
    legend_below(figure, axes[0], 4)
    return figure


def reliability(data: Data) -> "Figure":
    """Figure 11: accuracy of first answers by confidence, before and after temperature scaling."""
    count = len(data.models.names)
    width_in = min(PAGE_IN, 2.6 * count + 0.6)
    figure, axes = panel_grid(count, width_in, 2.9, across=3, sharey=True)
    for panel, model in zip(axes, data.models.names, strict=True):
        panel.plot([0, 1], [0, 1], color=COLOURS["black"], linestyle="--", linewidth=0.8)
        for variant, colour in (("raw", "grey"), ("calibrated", "blue")):
            rows = data.binned(
                "reliability_confidence", "reliability", model=model, variant=variant
            )
            panel.errorbar(rows["at"], rows["value"], margins(rows), fmt="o-", markersize=3,
                           linewidth=1, color=COLOURS[colour], label=variant)  # fmt: skip
        ece, brier, auroc = (
            data.value(name, model=model, variant="calibrated")
            for name in ("ece", "brier", "auroc")
        )
        text = f"T = {data.value('temperature', model=model):.2f}\nECE {ece:.2f}, "
        text += f"Brier {brier:.2f}\nAUROC {auroc:.2f}"
        panel.text(0.97, 0.03, text, transform=panel.transAxes, ha="right", va="bottom", fontsize=6)
        data.models.title(panel, model)
        panel.set_ylim(-0.05, 1.15)
        panel.set_xlabel(common.FIRST_CONFIDENCE)
    axes[0].set_ylabel("share of right answers")
    legend_below(figure, axes[0], 2)
    return figure


def recovery(data: Data) -> "Figure":
    """Estimates on artificial answerers against their known parameters."""
    figure, axes = panel_grid(4, PAGE_IN, 2.4, width_ratios=[1, 1, 1, 1.4])
    looks = dict(zip(data.answerers, zip(cycle(CYCLE), cycle("os^vPX*")), strict=False))
    shifts = dict(zip(data.answerers, common.offsets(len(looks), 0.05), strict=True))
    weights = [(f"{advice}_weight", {"display": "hidden", "advice": advice})
               for advice in ("same", "opposite")]  # fmt: skip
    cases: tuple[tuple[str, str, str, list[tuple[str, dict[str, str]]]], ...] = (
        ("a  temperature", "temperature", "true value", [("temperature", {})]),
        ("b  shift to the\nshown answer", "log_odds_gain", "true value, log-odds", [("shift", {})]),
        ("c  weights of\nadvice", "advice_weight", "true value", weights),
    )
    for panel, (title, metric, label, parameters) in zip(axes[:3], cases, strict=True):
        for answerer, own in data.answerers.items():
            colour, marker = looks[answerer]
            for name, where in parameters:
                row = data.pick(metric, model=answerer, **where).iloc[:1]
                at = own[name] + shifts[answerer]
                panel.errorbar(at, row["value"], margins(row), fmt=marker, markersize=3.5,
                               color=COLOURS[colour], label=answerer)  # fmt: skip
        true = [own[name] for own in data.answerers.values() for name, _ in parameters]
        ends = [min([*true, 0]) - 0.2, max(true) * 1.25 + 0.2]
        panel.plot(ends, ends, color=COLOURS["black"], linestyle="--", linewidth=0.8)
        panel.set_title(title)
        panel.set_xlabel(label)
    axes[0].set_ylabel("estimate")
    panel = axes[3]
    groups = [(display, advice) for advice in common.ADVICE for display in ("hidden", "shown")]
    places = np.arange(len(groups))
    for (answerer, (colour, marker)), shift in zip(
        looks.items(), common.offsets(len(looks), 0.2), strict=True
    ):
        rows = _of_cases(data.pick("oucs", model=answerer, accuracy="all"), groups)
        panel.errorbar(rows["value"], places + shift, xerr=margins(rows), fmt=marker,
                       markersize=3, color=COLOURS[colour], label=answerer)  # fmt: skip
    panel.set_yticks(places, [f"{advice}, {display}" for display, advice in groups])
    panel.axvline(0, color=COLOURS["black"], linewidth=0.6)
    panel.set_ylim(len(groups) - 0.4, -0.6)
    panel.set_title("d  OUCS")
    panel.set_xlabel("confidence minus ideal")
    legend_below(figure, panel, 4)
    return figure
