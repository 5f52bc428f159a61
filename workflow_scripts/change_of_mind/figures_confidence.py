"""Figures of confidence: changes, the ideal observer, updates, OUCS, ratios, reliability."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from workflow_scripts.change_of_mind.plots import (
    ADVICE,
    FILLED,
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
from workflow_scripts.shared.figures import COLOURS, PAGE_IN, mark_stand_in

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ADVICE_COLOURS = {"same": "green", "opposite": "vermilion", "neutral": "grey"}


def _changes(data: Data, metric: str, label: str) -> "Figure":
    figure, axes = grid(data, 3, sharex=True, sharey="row")
    for panels, model in zip(axes, data.models, strict=True):
        for panel, (advice, title) in zip(panels, ADVICE.items(), strict=True):
            for display in ("hidden", "shown"):
                rows = data.pick(metric, model=model, display=display, advice=advice)
                series(panel, by_accuracy(rows), display)
            panel.axhline(0, color=COLOURS["black"], linewidth=0.6)
            panel.set_xticks(range(50, 101, 10))
            if model == data.models[0]:
                panel.set_title(title)
            if model == data.models[-1]:
                panel.set_xlabel("stated accuracy of the advice, %")
        name_row(data, panels, model, label)
    legend(figure, axes[0][0])
    return figure


def confidence_change(data: Data) -> "Figure":
    """Figure 5: change of confidence in the first answer."""
    return _changes(data, "confidence_change", "change of confidence")


def confidence_change_odds(data: Data) -> "Figure":
    """Figure 12: the same in log-odds."""
    return _changes(data, "log_odds_change", "change, log-odds")


def _against_ideal(data: Data, metric: str, label: str) -> "Figure":
    figure, axes = grid(data, 3, 2.0, sharex=True, sharey=True)
    every = data.pick(f"ideal_{metric}")["value"]
    ends = [float(every.min()), float(every.max())]
    for panels, model in zip(axes, data.models, strict=True):
        for panel, (advice, title) in zip(panels, ADVICE.items(), strict=True):
            panel.plot(ends, ends, color=COLOURS["black"], linestyle="--", linewidth=0.8)
            for display in ("hidden", "shown"):
                where = {"model": model, "display": display, "advice": advice, "accuracy": "all"}
                rows = joined(data.pick(f"ideal_{metric}", **where),
                              data.pick(f"final_{metric}", **where))  # fmt: skip
                series(panel, rows, display)
            if model == data.models[0]:
                panel.set_title(title)
            if model == data.models[-1]:
                panel.set_xlabel(f"ideal observer{label}")
        name_row(data, panels, model, f"final confidence{label}")
    legend(figure, axes[0][0])
    return figure


def ideal(data: Data) -> "Figure":
    """Figure 6: final confidence in the first answer against the ideal observer's."""
    return _against_ideal(data, "by_ideal", "")


def ideal_odds(data: Data) -> "Figure":
    """Figure 13: the same in log-odds."""
    return _against_ideal(data, "odds_by_ideal", ",\nlog-odds")


def updates(data: Data) -> "Figure":
    """Figures 7 and 14: observed and ideal update by first confidence, hidden, each accuracy."""
    from matplotlib.lines import Line2D

    accuracies = list(by_accuracy(data.pick("change_rate"))["accuracy"].unique())
    figure, axes = grid(data, len(accuracies), 1.7, sharex=True, sharey=True)
    for panels, model in zip(axes, data.models, strict=True):
        for panel, accuracy in zip(panels, accuracies, strict=True):
            for advice in ("same", "opposite"):
                where = {"model": model, "display": "hidden", "advice": advice}
                where |= {"accuracy": accuracy}
                at = data.pick("update_at", **where)
                colour = COLOURS[ADVICE_COLOURS[advice]]
                rows = joined(at, data.pick("update", **where))
                panel.errorbar(rows["at"], rows["value"], margins(rows), fmt="o", markersize=2.5,
                               color=colour, linewidth=0.8)  # fmt: skip
                rows = joined(at, data.pick("ideal_update", **where))
                panel.plot(rows["at"], rows["value"], "--", color=colour, linewidth=1)
            panel.axhline(0, color=COLOURS["black"], linewidth=0.5)
            panel.set_xlim(0, 1)
            panel.set_xticks([0, 0.5, 1], ["0", ".5", "1"])
            if model == data.models[0]:
                panel.set_title(f"{accuracy} %")
        name_row(data, panels, model, "update")
    figure.supxlabel("confidence in the first answer (panels: stated accuracy)", fontsize=8)
    handles = [Line2D([], [], color=COLOURS[ADVICE_COLOURS[a]], marker="o", linestyle="none",
                      label=ADVICE[a]) for a in ("same", "opposite")]  # fmt: skip
    handles.append(Line2D([], [], color=COLOURS["black"], linestyle="--", label="ideal observer"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def oucs(data: Data) -> "Figure":
    """Over- and underconfidence score of each condition, the published ones beside it."""
    import matplotlib.pyplot as plt

    known = data.published["oucs"]
    looks = {"Gemma-3-12B": "D", "Gemma-3-27B": "P", "GPT-4o": "X"}
    figure, axes = plt.subplots(1, 3, figsize=(PAGE_IN, 2.6), sharey=True)
    for panel, (advice, title) in zip(axes, ADVICE.items(), strict=True):
        for place, display in enumerate(("hidden", "shown")):
            for number, model in enumerate(data.models):
                row = data.pick("oucs", model=model, display=display, advice=advice,
                                accuracy="all")  # fmt: skip
                at = place + 0.13 * (number - (len(data.models) - 1) / 2) - 0.15
                panel.errorbar(at, row["value"], margins(row), fmt="o", color=data.colour(model),
                               label=data.label(model))  # fmt: skip
            rows = known[(known["advice_type"] == advice) & (known["display_type"] == display)]
            for number, (model, value) in enumerate(zip(rows["model"], rows["oucs"], strict=True)):
                panel.plot(place + 0.12 + 0.1 * number, value, label=f"paper, {model}",
                           **(FILLED | {"marker": looks[model]}))  # fmt: skip
        panel.axhline(0, color=COLOURS["black"], linewidth=0.6)
        panel.set_xticks([0, 1], ["answer hidden", "answer shown"])
        panel.set_xlim(-0.5, 1.5)
        panel.set_title(title)
    axes[0].set_ylabel("OUCS (confidence less ideal)")
    legend(figure, axes[0], 5)
    return figure


def overweighting(data: Data) -> "Figure":
    """Observed over ideal update: trial by trial, and as a ratio of means."""
    import matplotlib.pyplot as plt

    rows = data.published["overweighting"]
    rows = rows[rows["model"] == PAPER].set_index("advice_type")
    known = rows["ratio_observed_over_bayes"]
    cases = (("hidden", "same"), ("hidden", "opposite"), ("shown", "same"), ("shown", "opposite"))
    figure, axes = plt.subplots(1, 2, figsize=(PAGE_IN, 2.6), sharey=True)
    titles = {"overweighting": "a  mean of ratios", "overweighting_of_means": "b  ratio of means"}
    for panel, (metric, title) in zip(axes, titles.items(), strict=True):
        for place, (display, advice) in enumerate(cases):
            for number, model in enumerate(data.models):
                row = data.pick(metric, model=model, display=display, advice=advice,
                                accuracy="all")  # fmt: skip
                at = place + 0.15 * (number - (len(data.models) - 1) / 2)
                panel.errorbar(at, row["value"], margins(row), fmt="o", color=data.colour(model),
                               label=data.label(model))  # fmt: skip
            if display == "hidden":
                panel.plot(place + 0.3, known[advice], label="paper (Gemma 3 12B)", **FILLED)
        panel.axhline(1, color=COLOURS["black"], linewidth=0.8, linestyle="--")
        panel.axhline(0, color=COLOURS["black"], linewidth=0.5)
        panel.set_xticks(range(len(cases)), [f"{advice},\n{display}" for display, advice in cases])
        panel.set_title(title)
    axes[0].set_ylabel("observed / ideal update")
    legend(figure, axes[0])
    return figure


def reliability(data: Data) -> "Figure":
    """Figure 11: accuracy of first answers by confidence, before and after temperature scaling."""
    import matplotlib.pyplot as plt

    count = len(data.models)
    figure, axes = plt.subplots(
        1, count, figsize=(min(PAGE_IN, 2.6 * count + 0.6), 2.9), sharey=True, squeeze=False
    )
    for panel, model in zip(axes[0], data.models, strict=True):
        panel.plot([0, 1], [0, 1], color=COLOURS["black"], linestyle="--", linewidth=0.8)
        for variant, colour, label in (("raw", "grey", "as given"),
                                       ("calibrated", "blue", "calibrated")):  # fmt: skip
            where: dict[str, Any] = {"model": model, "variant": variant}
            rows = joined(data.pick("reliability_confidence", **where),
                          data.pick("reliability", **where))  # fmt: skip
            panel.errorbar(rows["at"], rows["value"], margins(rows), fmt="o-", markersize=3,
                           linewidth=1, color=COLOURS[colour], label=label)  # fmt: skip
        quality = {
            name: data.pick(name, model=model, variant="calibrated")["value"].iloc[0]
            for name in ("ece", "brier", "auroc")
        }
        t = data.pick("temperature", model=model)["value"].iloc[0]
        panel.text(
            0.97, 0.03, f"T = {t:.2f}\nECE {quality['ece']:.2f}, Brier {quality['brier']:.2f}\n"
            f"AUROC {quality['auroc']:.2f}", transform=panel.transAxes, ha="right", va="bottom",
            fontsize=6,
        )  # fmt: skip
        panel.set_title(model)
        panel.set_xlabel("confidence in the first answer")
        if model in data.stand_ins:
            mark_stand_in(panel)
    axes[0][0].set_ylabel("share of right answers")
    legend(figure, axes[0][0])
    return figure


def recovery(data: Data) -> "Figure":
    """Artificial answerers: what the estimators say against the parameters put in."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 4, figsize=(PAGE_IN, 2.3), width_ratios=[1, 1, 1, 1.6])
    cases: tuple[tuple[str, dict[str, str], str, str], ...] = (
        ("temperature", {}, "temperature", "temperature"),
        ("log_odds_gain", {}, "shift", "shift towards shown\nanswer, log-odds"),
        ("log_odds_weight", {}, "", "weight of advice,\nlog-odds"),
    )
    for panel, (metric, _, name, title) in zip(axes, cases, strict=False):
        truth, found = [], []
        for answerer, own in data.answerers.items():
            if name:
                truth.append(own[name])
                found.append(data.pick(metric, model=answerer))
            else:
                for advice in ("same", "opposite"):
                    truth.append(own[f"{advice}_weight"])
                    found.append(data.pick(metric, model=answerer, advice=advice, display="hidden"))
        rows = pd.concat([row.iloc[:1] for row in found])
        panel.errorbar(truth, rows["value"], margins(rows), fmt="o", color=COLOURS["blue"])
        ends = [min([*truth, 0]) - 0.2, max(truth) * 1.25 + 0.2]
        panel.plot(ends, ends, color=COLOURS["black"], linestyle="--", linewidth=0.8)
        panel.set_title(title)
        panel.set_xlabel("put in")
    axes[0].set_ylabel("recovered")
    panel = axes[3]
    colours = ("vermilion", "blue", "green", "purple")
    for number, answerer in enumerate(data.answerers):
        places = []
        for display, advice in ((d, a) for a in ADVICE for d in ("hidden", "shown")):
            row = data.pick("oucs", model=answerer, display=display, advice=advice, accuracy="all")
            places.append(f"{advice}, {display}")
            panel.errorbar(row["value"], [len(places) - 1 + 0.2 * number], xerr=margins(row),
                           fmt="o", markersize=3, color=COLOURS[colours[number % 4]],
                           label=answerer)  # fmt: skip
        panel.set_yticks(range(len(places)), places)
    panel.axvline(0, color=COLOURS["black"], linewidth=0.6)
    panel.set_title("OUCS")
    panel.invert_yaxis()
    handles, labels = panel.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(unique.values(), unique.keys(), loc="outside lower right", ncols=2)
    return figure
