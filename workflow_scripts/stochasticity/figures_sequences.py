"""Figures of successive draws: S5, S6, S7."""

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workflow_scripts.shared.figures import COLOURS, PAGE_IN, missing
from workflow_scripts.stochasticity import targets
from workflow_scripts.stochasticity.draw_table import RIGGED, TRUE
from workflow_scripts.stochasticity.figures_common import TITLES, Data, apart, legend, p_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = {"S5": "all draws in view", "S6": "last draw in view", "S7": "one reply"}
LINES = {TRUE: "--", RIGGED: ":"}


def conditions(rows: pd.DataFrame) -> list[tuple[str, int]]:
    """Experiment and batch of each condition, sorted."""
    found = rows[["experiment", "batch"]].drop_duplicates()
    return [(str(e), int(b)) for e, b in sorted(found.itertuples(index=False))]


def title(experiment: str, batch: int) -> str:
    """What is in view in a condition of S5, S6 or S7."""
    more = f" of {batch}" if experiment == "S7" else ""
    return f"{experiment}: {KINDS[experiment]}{more}"


def dependence(data: Data) -> "Figure":
    """Autocorrelation by lag, targets x conditions, of models and both controls."""
    import matplotlib.pyplot as plt

    rows = data.pick(experiment=list(KINDS), metric="acf")
    rows = rows.assign(lag=rows["cell"].astype(int)).sort_values("lag")
    known = sorted(rows["target"].unique())
    kinds = conditions(rows)
    figure, axes = plt.subplots(
        len(known), len(kinds), figsize=(PAGE_IN, 1.6 * len(known) + 0.6), squeeze=False,
        sharey=True, sharex=True,
    )  # fmt: skip
    for line, target in zip(axes, known, strict=True):
        for panel, (experiment, batch) in zip(line, kinds, strict=True):
            own = rows[(rows["target"] == target) & (rows["experiment"] == experiment)]
            own = own[own["batch"] == batch]
            for name, shift in apart(data.names(TRUE, RIGGED), 0.12):
                here = own[own["model"] == name]
                data.points(
                    panel, name, here["lag"] + shift, here, ls=LINES.get(name, "-"), lw=0.9,
                    marker="o", markersize=0 if name in LINES else 2.2, elinewidth=0.5, capsize=0,
                )  # fmt: skip
            panel.axhline(0, color=COLOURS["black"], lw=0.5)
            panel.set_ylim(-0.6, 1.05)
            if target == known[0]:
                panel.set_title(title(experiment, batch), fontsize=7)
        line[0].set_ylabel(f"{TITLES[target]}\nautocorrelation")
    for panel in axes[-1]:
        panel.set_xlabel("lag")
    legend(figure, axes[0][0])
    return figure


def transitions(data: Data) -> "Figure":
    """Share of digit j directly after digit i, models x conditions."""
    import matplotlib.pyplot as plt

    rows = data.pick(experiment=list(KINDS), target="digit")
    kinds = conditions(rows[rows["metric"] == "acf"])
    names = data.names(TRUE, RIGGED)
    if not kinds:
        figure, axes = plt.subplots(figsize=(PAGE_IN, 1.5))
        missing(axes, "no digits in S5, S6 or S7")
        return figure
    figure, grid = plt.subplots(
        len(names), len(kinds), figsize=(PAGE_IN, 1.5 * len(names) + 0.5), squeeze=False,
        sharex=True, sharey=True,
    )  # fmt: skip
    labels = targets.of("digit").labels
    image: Any = None
    for line, name in zip(grid, names, strict=True):
        for panel, (experiment, batch) in zip(line, kinds, strict=True):
            here = rows[(rows["experiment"] == experiment) & (rows["batch"] == batch)]
            here = here[here["model"] == name]
            cells = here[here["metric"] == "transition"].set_index("cell")["value"]
            matrix = [[cells.get(f"{i}>{j}", np.nan) for j in labels] for i in labels]
            image = panel.imshow(np.array(matrix, dtype=float), "cividis", vmin=0, vmax=0.3)
            panel.grid(False)
            panel.set_xticks(range(0, 10, 3))
            panel.set_yticks(range(0, 10, 3))
            p = here[here["metric"] == "transition_p"]["value"]
            text = f"p = {p_text(float(p.iloc[0]))}" if len(p) else "no draws"
            head = f"{title(experiment, batch)}\n" if name == names[0] else ""
            panel.set_title(head + text, fontsize=7)
        line[0].set_ylabel(f"{data.label(name, lines=True)}\nprevious")
    for panel in grid[-1]:
        panel.set_xlabel("next")
    bar = figure.colorbar(image, ax=grid, shrink=0.6, pad=0.02, extend="max")
    bar.set_label("share of the row (independent draws: 0.1)")
    return figure


def positions(data: Data) -> "Figure":
    """S7: mean draw by position in the reply; shares of wrong counts and of lost replies."""
    import matplotlib.pyplot as plt

    rows = data.pick(experiment="S7", metric="position_mean")
    rows = rows.assign(place=rows["cell"].astype(int)).sort_values("place")
    wanted = {"experiment": "S7", "model": data.models.names}
    wrong = data.pick(metric="wrong_count_rate", **wanted)
    lost = data.pick(metric="lost_reply_rate", **wanted)
    known = [target for target in TITLES if target in set(rows["target"])]
    sizes = sorted(rows["batch"].unique())
    figure, axes = plt.subplots(
        max(len(known), 1), max(len(sizes), 1), figsize=(PAGE_IN, 1.7 * max(len(known), 1) + 0.6),
        squeeze=False, sharex="col", sharey="row",
    )  # fmt: skip
    for line, target in zip(axes, known, strict=False):
        for panel, size in zip(line, sizes, strict=True):
            own = rows[(rows["target"] == target) & (rows["batch"] == size)]
            for name, shift in apart(data.names(TRUE, RIGGED), 1 / 150):
                here = own[own["model"] == name]
                data.points(
                    panel, name, here["place"] + shift * size, here, ls=LINES.get(name, "-"),
                    lw=0.9, elinewidth=0.5, capsize=0, marker="o", markersize=2,
                )  # fmt: skip
            panel.axhline(targets.of(target).mean, color=COLOURS["black"], lw=0.6)
            head = f"{size} draws per reply\n" if target == known[0] else ""
            texts = []
            for name, rates in (("wrong counts", wrong), ("lost replies", lost)):
                here = rates[(rates["target"] == target) & (rates["batch"] == size)]
                pairs = zip(here["model"], here["value"], strict=True)
                shares = "; ".join(f"{model}: {value:.0%}" for model, value in pairs)
                texts.append(textwrap.fill(f"{name} {shares}", 110 // len(sizes)))
            text = "\n".join(texts)
            panel.set_title(head + text, fontsize=6.5)
        line[0].set_ylabel(f"{TITLES[target]}\nmean draw")
    for panel in axes[-1]:
        panel.set_xlabel("position in the reply")
    legend(figure, axes[0][0])
    return figure
