"""Figures of confidence: changes, the ideal observer, updates, OUCS, ratios, reliability."""

from typing import TYPE_CHECKING, Any

import numpy as np

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
            panel.set_ylim(ends[0] - 0.05 * np.ptp(ends), ends[1] + 0.15 * np.ptp(ends))
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
    middle = axes[-1][len(accuracies) // 2]
    middle.set_xlabel("confidence in the first answer (panels: stated accuracy)", loc="center")
    if len(accuracies) % 2 == 0:
        middle.xaxis.set_label_coords(-0.1, -0.17)  # below the gap in the middle of the row
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
    legend(figure, axes[0], 3)
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
            # What is published are means of ratios.
            if display == "hidden" and metric == "overweighting":
                panel.plot(place + 0.3, known[advice], label="paper (Gemma 3 12B)", **FILLED)
        panel.axhline(1, color=COLOURS["black"], linewidth=0.8, linestyle="--")
        panel.axhline(0, color=COLOURS["black"], linewidth=0.5)
        panel.set_xticks(range(len(cases)), [f"{advice},\n{display}" for display, advice in cases])
        panel.set_xlim(-0.5, len(cases) - 0.5)
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
        panel.set_ylim(-0.05, 1.15)
        panel.set_xlabel("confidence in the first answer")
        if model in data.stand_ins:
            mark_stand_in(panel)
    axes[0][0].set_ylabel("share of right answers")
    legend(figure, axes[0][0])
    return figure


def recovery(data: Data) -> "Figure":
    """Artificial answerers: what the estimators say against the parameters put in."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 4, figsize=(PAGE_IN, 2.4), width_ratios=[1, 1, 1, 1.4])
    hidden = {"display": "hidden"}
    cases: tuple[tuple[str, str, tuple[tuple[str, dict[str, str]], ...]], ...] = (
        ("a  temperature", "temperature", (("temperature", {}),)),
        ("b  shift to the\nshown answer", "log_odds_gain", (("shift", {}),)),
        (
            "c  weights of\nadvice",
            "log_odds_weight",
            tuple((f"{a}_weight", hidden | {"advice": a}) for a in ("same", "opposite")),
        ),
    )
    looks = dict(zip(data.answerers, (("vermilion", "o"), ("blue", "s"), ("green", "^"),
                                      ("purple", "v")), strict=False))  # fmt: skip
    for panel, (title, metric, parameters) in zip(axes, cases, strict=False):
        for number, (answerer, own) in enumerate(data.answerers.items()):
            colour, marker = looks.get(answerer, ("grey", "D"))
            for name, where in parameters:
                row = data.pick(metric, model=answerer, **where).iloc[:1]
                at = own[name] + 0.05 * (number - (len(data.answerers) - 1) / 2)
                panel.errorbar(at, row["value"], margins(row), fmt=marker, markersize=3.5,
                               color=COLOURS[colour], label=answerer)  # fmt: skip
        put_in = [own[name] for own in data.answerers.values() for name, _ in parameters]
        ends = [min([*put_in, 0]) - 0.2, max(put_in) * 1.25 + 0.2]
        panel.plot(ends, ends, color=COLOURS["black"], linestyle="--", linewidth=0.8)
        panel.set_title(title)
        panel.set_xlabel("put in" if metric == "temperature" else "put in, log-odds")
    axes[0].set_ylabel("recovered")
    panel = axes[3]
    groups = [(advice, display) for advice in ADVICE for display in ("hidden", "shown")]
    for number, answerer in enumerate(data.answerers):
        colour, marker = looks.get(answerer, ("grey", "D"))
        for place, (advice, display) in enumerate(groups):
            row = data.pick("oucs", model=answerer, display=display, advice=advice, accuracy="all")
            panel.errorbar(row["value"], [place + 0.2 * number], xerr=margins(row), fmt=marker,
                           markersize=3, color=COLOURS[colour], label=answerer)  # fmt: skip
    panel.set_yticks(range(len(groups)), [f"{advice}, {display}" for advice, display in groups])
    panel.axvline(0, color=COLOURS["black"], linewidth=0.6)
    panel.set_ylim(len(groups) - 0.4, -0.5)
    panel.set_title("d  OUCS")
    panel.set_xlabel("confidence less ideal")
    legend(figure, panel)
    return figure
