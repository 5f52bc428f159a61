"""Figures of draws that come one after another: S5, S6, S7."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workflow_scripts.shared.figures import COLOURS, PAGE_IN, margins, missing
from workflow_scripts.stochasticity import targets
from workflow_scripts.stochasticity.controls import RIGGED, TRUE
from workflow_scripts.stochasticity.plots import TITLES, Cast, p_text, pick

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = {"S5": "all draws in view", "S6": "last draw in view", "S7": "one reply"}


def conditions(scores: pd.DataFrame, target: str | None = None) -> list[tuple[str, str, int]]:
    """(experiment, target, batch) of S5, S6 and S7 that have an ACF, in that order."""
    rows = pick(scores, experiment=list(KINDS), metric="acf")
    if target is not None:
        rows = rows[rows["target"] == target]
    found = rows[["experiment", "target", "batch"]].drop_duplicates()
    return [(str(e), str(t), int(b)) for e, t, b in sorted(found.itertuples(index=False))]


def title(experiment: str, batch: int) -> str:
    more = f" of {batch}" if experiment == "S7" else ""
    return f"{experiment}: {KINDS[experiment]}{more}"


def dependence(scores: pd.DataFrame, cast: Cast) -> "Figure":
    """Autocorrelation by lag, target x condition; both controls beside the models."""
    import matplotlib.pyplot as plt

    every = conditions(scores)
    names = list(dict.fromkeys(t for _, t, _ in every))
    kinds = list(dict.fromkeys((e, b) for e, _, b in every))
    figure, axes = plt.subplots(
        len(names), len(kinds), figsize=(PAGE_IN, 1.6 * len(names) + 0.6), squeeze=False,
        sharey=True, sharex=True,
    )  # fmt: skip
    everybody = cast.everybody(TRUE, RIGGED)
    for line, name in zip(axes, names, strict=True):
        for panel, (experiment, batch) in zip(line, kinds, strict=True):
            rows = pick(scores, experiment=experiment, target=name, batch=batch, metric="acf")
            rows = rows.assign(lag=rows["cell"].astype(int)).sort_values("lag")
            for number, model in enumerate(everybody):
                here = rows[rows["model"] == model]
                shift = (number - (len(everybody) - 1) / 2) * 0.12
                style: dict[str, Any] = {"marker": "o", "markersize": 2.2, "lw": 0.9}
                if model in (TRUE, RIGGED):
                    style |= {"ls": "--" if model == TRUE else ":", "markersize": 0}
                panel.errorbar(
                    here["lag"] + shift, here["value"], margins(here), elinewidth=0.5, capsize=0,
                    color=cast.colour(model), label=cast.label(model), **style,
                )  # fmt: skip
            panel.axhline(0, color=COLOURS["black"], lw=0.5)
            panel.set_ylim(-0.6, 1.05)
            if name == names[0]:
                panel.set_title(title(experiment, batch), fontsize=7)
        line[0].set_ylabel(f"{TITLES[name]}\nautocorrelation")
    for panel in axes[-1]:
        panel.set_xlabel("lag")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def transitions(scores: pd.DataFrame, cast: Cast) -> "Figure":
    """Shares of digit j right after digit i, model x condition."""
    import matplotlib.pyplot as plt

    kinds = [(e, b) for e, _, b in conditions(scores, "digit")]
    models = cast.everybody(TRUE, RIGGED)
    if not kinds:
        figure, axes = plt.subplots(figsize=(PAGE_IN, 1.5))
        missing(axes, "no digits in S5, S6 or S7")
        return figure
    figure, grid = plt.subplots(
        len(models), len(kinds), figsize=(PAGE_IN, 1.5 * len(models) + 0.5), squeeze=False,
        sharex=True, sharey=True,
    )  # fmt: skip
    labels = targets.of("digit").labels
    image: Any = None
    for line, model in zip(grid, models, strict=True):
        for panel, (experiment, batch) in zip(line, kinds, strict=True):
            here = pick(scores, experiment=experiment, target="digit", batch=batch, model=model)
            cells = here[here["metric"] == "transition"].set_index("cell")["value"]
            matrix = [[cells.get(f"{i}>{j}", np.nan) for j in labels] for i in labels]
            image = panel.imshow(np.array(matrix, dtype=float), "cividis", vmin=0, vmax=0.3)
            panel.grid(False)
            panel.set_xticks(range(0, 10, 3))
            panel.set_yticks(range(0, 10, 3))
            p = here[here["metric"] == "transition_p"]["value"]
            text = f"p = {p_text(float(p.iloc[0]))}" if len(p) else "nothing to see"
            head = f"{title(experiment, batch)}\n" if model == models[0] else ""
            panel.set_title(head + text, fontsize=7)
        line[0].set_ylabel(f"{cast.label(model).replace(' (', chr(10) + '(')}\nbefore")
    for panel in grid[-1]:
        panel.set_xlabel("after")
    bar = figure.colorbar(image, ax=grid, shrink=0.6, pad=0.02, extend="max")
    bar.set_label("share of the row (independent draws: 0.1)")
    return figure


def positions(scores: pd.DataFrame, cast: Cast) -> "Figure":
    """S7: mean draw by its place in the reply."""
    import matplotlib.pyplot as plt

    rows = pick(scores, experiment="S7", metric="position_mean")
    names = list(dict.fromkeys(rows["target"]))
    sizes = sorted(rows["batch"].unique())
    figure, axes = plt.subplots(
        max(len(names), 1), max(len(sizes), 1), figsize=(PAGE_IN, 1.7 * max(len(names), 1) + 0.6),
        squeeze=False, sharex="col", sharey="row",
    )  # fmt: skip
    for line, name in zip(axes, names, strict=False):
        target = targets.of(name)
        for panel, size in zip(line, sizes, strict=True):
            everybody = cast.everybody(TRUE, RIGGED)
            for number, model in enumerate(everybody):
                here = rows[
                    (rows["target"] == name) & (rows["batch"] == size) & (rows["model"] == model)
                ]
                here = here.assign(place=here["cell"].astype(int)).sort_values("place")
                shift = (number - (len(everybody) - 1) / 2) * size / 150
                line_style = {TRUE: "--", RIGGED: ":"}.get(model, "-")
                panel.errorbar(
                    here["place"] + shift, here["value"], margins(here), ls=line_style, lw=0.9,
                    elinewidth=0.5, capsize=0, marker="o", markersize=2,
                    color=cast.colour(model), label=cast.label(model),
                )  # fmt: skip
            panel.axhline(target.mean, color=COLOURS["black"], lw=0.6)
            wrong = pick(
                scores, experiment="S7", target=name, batch=size, metric="wrong_count_rate"
            )
            wrong = wrong[wrong["model"].isin(cast.models)]
            text = "; ".join(
                f"{m}: {v:.0%}" for m, v in zip(wrong["model"], wrong["value"], strict=True)
            )
            head = f"{size} draws in a reply\n" if name == names[0] else ""
            panel.set_title(f"{head}wrong counts {text}", fontsize=6.5)
        line[0].set_ylabel(f"{TITLES[name]}\nmean draw")
    for panel in axes[-1]:
        panel.set_xlabel("place in the reply")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=max(len(labels), 1))
    return figure
