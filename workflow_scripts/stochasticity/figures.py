"""Figures of the study, drawn from its scores."""

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workflow_scripts.models.corpora import sampling_words as words
from workflow_scripts.shared import figures, schemas, tables
from workflow_scripts.shared.figures import COLOURS, PAGE_IN, Models, line, margins
from workflow_scripts.stochasticity import (
    figures_collisions,
    figures_exact,
    figures_maps,
    figures_sequences,
    targets,
)
from workflow_scripts.stochasticity.draw_table import RIGGED, TRUE
from workflow_scripts.stochasticity.figures_common import (
    TITLES,
    Data,
    apart,
    histogram,
    legend,
    p_heat,
    p_scale,
    p_text,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def histograms(data: Data) -> "Figure":
    """S1: shares of the cells, models x targets, with the target's probabilities."""
    import matplotlib.pyplot as plt

    names = data.names(TRUE, RIGGED)
    figure, axes = plt.subplots(
        len(names), 3, figsize=(PAGE_IN, 1.25 * len(names) + 0.4), sharex="col", squeeze=False
    )
    for row, name in zip(axes, names, strict=True):
        for panel, target in zip(row, map(targets.of, words.TARGETS), strict=True):
            here = data.pick(experiment="S1", target=target.name, model=name)
            shares = histogram(panel, here, target, data.colour(name))
            panel.set_ylim(0, max(0.14, float(np.nanmax(shares["ci_high"].fillna(0))) * 1.45))
            place = np.arange(target.size)
            ticks = place if target.size == 10 else place[::5]
            panel.set_xticks(ticks, _cell_names(target, ticks))
            _note(panel, here)
        row[0].set_ylabel(f"{data.label(name, lines=True)}\nshare")
    for panel, target_name in zip(axes[0], words.TARGETS, strict=True):
        panel.set_title(TITLES[target_name])
    axes[-1][0].set_xlabel("digit")
    for panel in axes[-1][1:]:
        panel.set_xlabel(f"{targets.CELLS} cells of equal probability")
    return figure


def _cell_names(target: targets.Target, ticks: np.ndarray) -> list[str]:
    """Names of the cells at `ticks`, shape (n,): the digit or the lower end."""
    if target.edges is None:
        return [target.labels[i] for i in ticks]
    return [target.labels[i].split("..")[0] or f"<{target.labels[i][2:]}" for i in ticks]


def _note(panel: "Axes", here: pd.DataFrame) -> None:
    value = here.drop_duplicates("metric").set_index("metric")["value"]
    parts = []
    for metric, sign in (("chi_square_p", "χ²"), ("ks_p", "KS")):
        if metric in value:
            parts.append(f"p({sign}) = {p_text(value[metric])}")
    failed = value.get("failure_rate", np.nan)
    if failed > 0:
        parts.append(f"unreadable {failed:.1%}")
    panel.text(0.98, 0.97, "\n".join(parts), transform=panel.transAxes, ha="right", va="top",
               fontsize=5.5)  # fmt: skip


def styles(data: Data) -> "Figure":
    """S1, S2 and S4: chi-square p by model and prompt style."""
    import matplotlib.pyplot as plt

    names = data.names(TRUE, RIGGED)
    rows = data.pick(experiment=["S1", "S2", "S4"], metric="chi_square_p")
    columns = [s for s in (*words.STYLES, "reasoning") if s in set(rows["style"])]
    figure, axes = plt.subplots(1, 3, figsize=(PAGE_IN, 0.32 * len(names) + 1.3), sharey=True)
    for panel, target in zip(axes, words.TARGETS, strict=True):
        wide = rows[rows["target"] == target].pivot(index="model", columns="style", values="value")
        values = wide.reindex(index=names, columns=columns).to_numpy(dtype=float)
        image = p_heat(panel, values, [data.label(name) for name in names], columns)
        panel.set_xticklabels([c.replace("_", " ") for c in columns], rotation=40, ha="right")
        panel.set_title(TITLES[target])
    p_scale(figure, image, axes)
    return figure


def decoding(data: Data) -> "Figure":
    """S3: chi-square p over temperature and top-p."""
    import matplotlib.pyplot as plt

    rows = data.pick(experiment="S3", metric="chi_square_p")
    names = data.names()
    known = [target for target in words.TARGETS if target in set(rows["target"])]
    grid = rows[rows["top_k"] == 0]
    temperatures = sorted(grid["temperature"].unique())
    top_ps = sorted(grid["top_p"].unique())
    figure, axes = plt.subplots(
        len(names), len(known), figsize=(PAGE_IN, 1.35 * len(names) + 0.5), squeeze=False,
        sharex=True, sharey=True,
    )  # fmt: skip
    for row, name in zip(axes, names, strict=True):
        for panel, target in zip(row, known, strict=True):
            here = grid[(grid["model"] == name) & (grid["target"] == target)]
            wide = here.pivot(index="top_p", columns="temperature", values="value")
            values = wide.reindex(index=top_ps, columns=temperatures).to_numpy(dtype=float)
            ticks = [[f"{x:g}" for x in setting] for setting in (top_ps, temperatures)]
            image = p_heat(panel, values, *ticks)
            own = rows[(rows["model"] == name) & (rows["target"] == target) & (rows["top_k"] > 0)]
            title = [TITLES[target]] if name == names[0] else []
            title += [f"p = {p_text(p)} at the vendor's setting" for p in own["value"][:1]]
            panel.set_title("\n".join(title), fontsize=7)
        row[0].set_ylabel(f"{data.label(name, lines=True)}\ntop-p")
    for panel in axes[-1]:
        panel.set_xlabel("temperature")
    p_scale(figure, image, axes)
    return figure


def letters(data: Data) -> "Figure":
    """S12: where models place the right option."""
    import matplotlib.pyplot as plt

    rows = data.pick(experiment="S12", metric="share")
    p_values = data.pick(experiment="S12", metric="chi_square_p").set_index("model")["value"]
    names = [name for name in data.names(TRUE, RIGGED) if name in p_values]
    figure, axes = plt.subplots(figsize=(PAGE_IN * 0.7, 2.4))
    width = 0.8 / max(len(names), 1)
    for name, shift in apart(names, width):
        here = rows[rows["model"] == name].set_index("cell").reindex(list(words.LETTERS))
        place = np.arange(4) + shift
        label = f"{data.label(name)}, p(χ²) = {p_text(p_values[name])}"
        axes.bar(
            place, here["value"], width * 0.92, color=data.colour(name), alpha=0.7, label=label
        )
        axes.errorbar(place, here["value"], margins(here), fmt="none", ecolor="black", lw=0.8)
    axes.axhline(0.25, color=COLOURS["black"], lw=0.9, ls="--")
    axes.set_xticks(range(4), list(words.LETTERS))
    axes.set_xlabel("position of the right option\n(published: strong preference for C)")
    axes.set_ylabel("share of questions")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def discrete(data: Data) -> "Figure":
    """S14: share of ones over the stated probability; distance by stated weights."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE_IN, 2.6))
    coins = data.pick(experiment="S14", metric="share", cell="1")
    coins = coins.assign(stated=coins["target"].str.removeprefix("bernoulli-").astype(float) / 100)
    left.plot([0, 1], [0, 1], color=COLOURS["black"], lw=0.8, ls="--")
    rows = data.pick(experiment="S14", metric="tv")
    weights = [t for t in dict.fromkeys(rows["target"]) if t.startswith("categorical")]
    for name, shift in apart(data.names(TRUE), 0.15):
        here = coins[coins["model"] == name].sort_values("stated")
        data.points(left, name, here["stated"], here, marker="o")
        here = rows[rows["model"] == name].set_index("target").reindex(weights)
        data.points(right, name, np.arange(len(weights)) + shift, here, fmt="o")
    left.set_xlabel("stated probability of 1")
    left.set_ylabel("share of ones")
    left.legend()
    limits = data.pick(experiment="S14", metric="tv_of_true_draws")
    for number, target in enumerate(weights):
        for limit in limits[limits["target"] == target]["value"][:1]:
            ends = number - 0.4, number + 0.4
            right.hlines(limit, *ends, color=COLOURS["black"], lw=0.8, ls=":")
    ticks = [target.removeprefix("categorical-").replace("-", " : ") for target in weights]
    right.set_xticks(range(len(weights)), ticks)
    right.set_xlabel("stated weights, %\n(dotted: 95 % of true draws lie below)")
    right.set_ylabel("total variation")
    right.set_ylim(bottom=0)
    return figure


def power(data: Data) -> "Figure":
    """Power of the tests, with the rates measured in S1; pass rates of both controls."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 4, figsize=(PAGE_IN, 2.3), width_ratios=[1, 1, 1, 0.95])
    curves = data.pick(experiment="power")
    curves = curves.assign(d=curves["cell"].astype(float))
    for panel, target in zip(axes, words.TARGETS, strict=False):
        rows = curves[curves["target"] == target]
        for test, style, sign in (("chi_square", "-", "χ²"), ("ks", "--", "KS")):
            if test in set(rows["style"]):
                curve = rows[rows["style"] == test]
                line(panel, curve, "d", color=COLOURS["grey"], linestyle=style, label=sign)
        for name in data.names(TRUE):
            here = data.pick(experiment="S1", target=target, model=name)
            tv, rate = (here[here["metric"] == metric] for metric in ("tv", "rejection_rate"))
            at = np.minimum(tv["value"], rows["d"].max())
            data.points(panel, name, at, rate, fmt="s" if name == TRUE else "o")
        panel.set_title(TITLES[target])
        panel.set_xlabel("d, or total variation")
        panel.set_ylim(0, 1.03)
    axes[0].set_ylabel("share of runs rejected")
    legend(figure, axes[1])
    _pass_rates(axes[3], data)
    return figure


def _pass_rates(panel: "Axes", data: Data) -> None:
    signs = {"chi_square": "χ²", "ks": "KS", "ks_ties": "KS, ties"}
    rows = data.pick(experiment="controls", metric="pass_rate")
    rows = rows.assign(name=rows["target"] + " " + rows["style"].map(signs))
    order = list(dict.fromkeys(rows["name"]))[::-1]
    for model, marker in ((TRUE, "s"), (RIGGED, "x")):
        here = rows[rows["model"] == model].set_index("name").reindex(order)
        panel.errorbar(here["value"], range(len(order)), xerr=margins(here), fmt=marker,
                       color=data.colour(model), markersize=3)  # fmt: skip
    panel.axvline(0.95, color=COLOURS["black"], lw=0.6, ls=":")
    panel.set_yticks(range(len(order)), order, fontsize=6)
    panel.set_xlim(-0.05, 1.05)
    panel.set_title("controls")
    panel.set_xlabel("share of runs that pass")


def read(scores: str, models: dict[str, dict[str, Any]]) -> Data:
    """The scores and the models of the figures."""
    return Data(tables.read(scores, schemas.SCORES), Models.of(models))


TOPICS = (figures_collisions, figures_exact, figures_maps, figures_sequences)

if __name__ == "__main__":
    figures.run(snakemake, read, sys.modules[__name__], *TOPICS)
