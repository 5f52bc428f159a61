"""Figures of the study, from its scores alone."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workflow_scripts.models.corpora import sampling_words as words
from workflow_scripts.shared import figures, job, schemas, tables
from workflow_scripts.shared.figures import COLOURS, PAGE_IN, margins
from workflow_scripts.stochasticity import figures_maps, figures_sequences, targets
from workflow_scripts.stochasticity.controls import RIGGED, TRUE
from workflow_scripts.stochasticity.plots import (
    TITLES,
    Cast,
    p_heat,
    p_scale,
    p_text,
    pick,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def histograms(scores: pd.DataFrame, cast: Cast) -> "Figure":
    """S1: shares of the cells, model x target, the target's probabilities drawn over."""
    import matplotlib.pyplot as plt

    rows = cast.everybody(TRUE, RIGGED)
    figure, axes = plt.subplots(
        len(rows), 3, figsize=(PAGE_IN, 1.25 * len(rows) + 0.4), sharex="col", squeeze=False
    )
    for line, model in zip(axes, rows, strict=True):
        for panel, name in zip(line, words.TARGETS, strict=True):
            target = targets.of(name)
            here = pick(scores, experiment="S1", target=name, model=model)
            shares = here[here["metric"] == "share"].set_index("cell").reindex(target.labels)
            place = np.arange(target.size)
            panel.bar(place, shares["value"], color=cast.colour(model), alpha=0.55, width=0.85)
            panel.errorbar(
                place, shares["value"], margins(shares), fmt="none", ecolor="black", lw=0.6,
                capsize=1,
            )  # fmt: skip
            edges = np.arange(target.size + 1) - 0.5
            panel.stairs(target.probabilities, edges, color=COLOURS["black"], lw=0.9)
            panel.set_ylim(0, max(0.14, float(np.nanmax(shares["ci_high"].fillna(0))) * 1.45))
            ticks = place if target.size == 10 else place[::5]
            panel.set_xticks(ticks, _cell_names(target, ticks))
            _note(panel, here)
        line[0].set_ylabel(f"{cast.label(model).replace(' (', chr(10) + '(')}\nshare")
    for panel, name in zip(axes[0], words.TARGETS, strict=True):
        panel.set_title(TITLES[name])
    axes[-1][0].set_xlabel("digit")
    for panel in axes[-1][1:]:
        panel.set_xlabel(f"{targets.CELLS} cells of equal probability")
    return figure


def _cell_names(target: targets.Target, ticks: np.ndarray) -> list[str]:
    if target.edges is None:
        return [target.labels[i] for i in ticks]
    return [target.labels[i].split("..")[0] or f"<{target.labels[i][2:]}" for i in ticks]


def _note(panel: Any, here: pd.DataFrame) -> None:
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


def styles(scores: pd.DataFrame, cast: Cast) -> "Figure":
    """S1, S2 and S4: chi-square p by model and prompt style."""
    import matplotlib.pyplot as plt

    models = cast.everybody(TRUE, RIGGED)
    rows = pick(scores, experiment=["S1", "S2", "S4"], metric="chi_square_p")
    columns = [s for s in (*words.STYLES, "reasoning") if s in set(rows["style"])]
    figure, axes = plt.subplots(1, 3, figsize=(PAGE_IN, 0.32 * len(models) + 1.3), sharey=True)
    for panel, name in zip(axes, words.TARGETS, strict=True):
        wide = rows[rows["target"] == name].pivot(index="model", columns="style", values="value")
        values = wide.reindex(index=models, columns=columns).to_numpy(dtype=float)
        image = p_heat(panel, values, [cast.label(m) for m in models], columns)
        panel.set_xticklabels([c.replace("_", " ") for c in columns], rotation=40, ha="right")
        panel.set_title(TITLES[name])
    p_scale(figure, image, axes)
    return figure


def decoding(scores: pd.DataFrame, cast: Cast) -> "Figure":
    """S3: chi-square p over temperature and top-p."""
    import matplotlib.pyplot as plt

    rows = pick(scores, experiment="S3", metric="chi_square_p")
    names = [name for name in words.TARGETS if name in set(rows["target"])]
    grid = rows[rows["top_k"] == 0]
    temperatures = sorted(grid["temperature"].unique())
    top_ps = sorted(grid["top_p"].unique())
    figure, axes = plt.subplots(
        len(cast.models),
        len(names),
        figsize=(PAGE_IN, 1.35 * len(cast.models) + 0.5),
        squeeze=False,
        sharex=True,
        sharey=True,
    )
    for line, model in zip(axes, cast.models, strict=True):
        for panel, name in zip(line, names, strict=True):
            here = grid[(grid["model"] == model) & (grid["target"] == name)]
            wide = here.pivot(index="top_p", columns="temperature", values="value")
            values = wide.reindex(index=top_ps, columns=temperatures).to_numpy(dtype=float)
            image = p_heat(
                panel, values, [f"{p:g}" for p in top_ps], [f"{t:g}" for t in temperatures]
            )
            own = rows[(rows["model"] == model) & (rows["target"] == name) & (rows["top_k"] > 0)]
            title = f"{TITLES[name]}" if model == cast.models[0] else ""
            if len(own):
                setting = own.iloc[0]
                title += "\n" * bool(title)
                title += f"p = {p_text(setting['value'])} at the makers' setting"
            panel.set_title(title, fontsize=7)
        line[0].set_ylabel(f"{cast.label(model).replace(' (', chr(10) + '(')}\ntop-p")
    for panel in axes[-1]:
        panel.set_xlabel("temperature")
    p_scale(figure, image, axes)
    return figure


def letters(scores: pd.DataFrame, cast: Cast) -> "Figure":
    """S12: where models place the right option."""
    import matplotlib.pyplot as plt

    rows = pick(scores, experiment="S12", metric="share")
    models = [m for m in cast.everybody(TRUE, RIGGED) if m in set(rows["model"])]
    figure, axes = plt.subplots(figsize=(PAGE_IN * 0.7, 2.4))
    width = 0.8 / max(len(models), 1)
    for number, model in enumerate(models):
        here = rows[rows["model"] == model].set_index("cell").reindex(list(words.LETTERS))
        place = np.arange(4) + (number - (len(models) - 1) / 2) * width
        p = pick(scores, experiment="S12", metric="chi_square_p", model=model)["value"]
        label = f"{cast.label(model)}, p(χ²) = {p_text(float(p.iloc[0]))}"
        axes.bar(
            place, here["value"], width * 0.92, color=cast.colour(model), alpha=0.7, label=label
        )
        axes.errorbar(place, here["value"], margins(here), fmt="none", ecolor="black", lw=0.8)
    axes.axhline(0.25, color=COLOURS["black"], lw=0.9, ls="--")
    axes.set_xticks(range(4), list(words.LETTERS))
    axes.set_xlabel("place of the right option\n(published: strong preference for C)")
    axes.set_ylabel("share of questions")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def discrete(scores: pd.DataFrame, cast: Cast) -> "Figure":
    """S14: share of ones against the stated probability; distance by stated weights."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE_IN, 2.6))
    coins = pick(scores, experiment="S14", metric="share", cell="1")
    coins = coins.assign(stated=coins["target"].str.removeprefix("bernoulli-").astype(float) / 100)
    left.plot([0, 1], [0, 1], color=COLOURS["black"], lw=0.8, ls="--")
    for model in cast.everybody(TRUE):
        here = coins[coins["model"] == model].sort_values("stated")
        left.errorbar(here["stated"], here["value"], margins(here), color=cast.colour(model),
                      marker="o", label=cast.label(model))  # fmt: skip
    left.set_xlabel("stated probability of 1")
    left.set_ylabel("share of ones")
    left.legend()
    rows = pick(scores, experiment="S14", metric=["tv", "tv_of_true_draws"])
    weights = [t for t in dict.fromkeys(rows["target"]) if t.startswith("categorical")]
    models = cast.everybody(TRUE)
    for number, model in enumerate(models):
        here = rows[(rows["model"] == model) & (rows["metric"] == "tv")]
        here = here.set_index("target").reindex(weights)
        place = np.arange(len(weights)) + (number - (len(models) - 1) / 2) * 0.15
        right.errorbar(place, here["value"], margins(here), fmt="o", color=cast.colour(model))
    for number, name in enumerate(weights):
        limit = rows[(rows["metric"] == "tv_of_true_draws") & (rows["target"] == name)]["value"]
        if len(limit):
            right.hlines(
                limit.iloc[0], number - 0.4, number + 0.4, color=COLOURS["black"], lw=0.8, ls=":"
            )
    names = [name.removeprefix("categorical-").replace("-", " : ") for name in weights]
    right.set_xticks(range(len(weights)), names)
    right.set_xlabel("stated weights, % (dotted: 95 % of true draws lie below)")
    right.set_ylabel("total variation")
    right.set_ylim(bottom=0)
    return figure


def power(scores: pd.DataFrame, cast: Cast) -> "Figure":
    """Power of the tests, with what S1 measured beside it; pass rates of both controls."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 4, figsize=(PAGE_IN, 2.3), width_ratios=[1, 1, 1, 0.95])
    for panel, name in zip(axes, words.TARGETS, strict=False):
        for test, style, sign in (("chi_square", "-", "χ²"), ("ks", "--", "KS")):
            rows = pick(scores, experiment="power", target=name, style=test)
            if rows.empty:
                continue
            rows = rows.assign(d=rows["cell"].astype(float)).sort_values("d")
            panel.plot(rows["d"], rows["value"], style, color=COLOURS["grey"], label=sign)
            panel.fill_between(rows["d"], rows["ci_low"], rows["ci_high"], color=COLOURS["grey"],
                               alpha=0.2, lw=0)  # fmt: skip
        limit = pick(scores, experiment="power", target=name)["cell"].astype(float).max()
        for model in cast.everybody(TRUE):
            tv = pick(scores, experiment="S1", target=name, model=model, metric="tv")
            rate = pick(scores, experiment="S1", target=name, model=model, metric="rejection_rate")
            if len(tv):
                at = np.minimum(tv["value"], limit)
                panel.errorbar(at, rate["value"], margins(rate), fmt="s" if model == TRUE else "o",
                               color=cast.colour(model), label=cast.label(model))  # fmt: skip
        panel.set_title(TITLES[name])
        panel.set_xlabel("d, or total variation")
        panel.set_ylim(0, 1.03)
    axes[0].set_ylabel("share of runs rejected at 5 %")
    handles, labels = axes[1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    _pass_rates(axes[3], scores)
    return figure


def _pass_rates(panel: Any, scores: pd.DataFrame) -> None:
    names = {"chi_square": "χ²", "ks": "KS", "ks_ties": "KS, ties"}
    rows = pick(scores, experiment="controls", metric="pass_rate")
    rows = rows.assign(name=rows["target"] + " " + rows["style"].map(names))
    order = list(dict.fromkeys(rows["name"]))[::-1]
    for model, marker in ((TRUE, "s"), (RIGGED, "x")):
        here = rows[rows["model"] == model].set_index("name").reindex(order)
        panel.errorbar(here["value"], range(len(order)), xerr=margins(here), fmt=marker,
                       color=COLOURS["black" if model == TRUE else "grey"], markersize=3,
                       label=model)  # fmt: skip
    panel.axvline(0.95, color=COLOURS["black"], lw=0.6, ls=":")
    panel.set_yticks(range(len(order)), order, fontsize=6)
    panel.set_xlim(-0.05, 1.05)
    panel.set_title("controls")
    panel.set_xlabel("share of runs passed")


FIGURES: dict[str, Callable[[pd.DataFrame, Cast], "Figure"]] = {
    "histograms": histograms,
    "styles": styles,
    "decoding": decoding,
    "dependence": figures_sequences.dependence,
    "transitions": figures_sequences.transitions,
    "positions": figures_sequences.positions,
    "generators": figures_maps.generators,
    "conversion": figures_maps.conversion,
    "seeds": figures_maps.seeds,
    "letters": letters,
    "discrete": discrete,
    "power": power,
}


def main(
    scores: str | Path, paths: dict[str, str], models: Sequence[str], stand_ins: Sequence[str]
) -> None:
    """Draw each figure of `paths`, name to PNG."""
    figures.use_style()
    frame = tables.read(scores, schemas.SCORES)
    cast = Cast(tuple(models), frozenset(stand_ins))
    for name, path in paths.items():
        figures.save(FIGURES[name](frame, cast), path)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            snakemake.input.scores,
            dict(snakemake.output.items()),
            snakemake.params.models,
            snakemake.params.stand_ins,
        )
