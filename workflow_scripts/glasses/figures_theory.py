"""Figures of the theory, and of gaps in random decoders at full precision."""

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from workflow_scripts.glasses.figures_common import (
    ENCODINGS,
    Data,
    above,
    diamonds,
    log_lengths,
    numbers,
)
from workflow_scripts.glasses.measurements import STACK
from workflow_scripts.glasses.metrics import BFLOAT16_LINE
from workflow_scripts.shared.figures import (
    COLOURS,
    PAGE_IN,
    legend_below,
    line,
    missing,
    panel_grid,
    panel_letters,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PAPER_FIGURES = {"E6": "8", "E8": "10"}
PAPER_SERIES = {"none": "none", "sinusoidal": "sinusoidal", "alibi": "alibi", "rotary": "rope"}
KINDS: dict[str, dict[str, Any]] = {
    "bound": {"label": "bound", "color": COLOURS["black"], "linestyle": "--"},
    "fixed": {"label": "Jacobian, fixed weights", "color": COLOURS["blue"]},
    "varying": {"label": "Jacobian, varying weights", "color": COLOURS["vermilion"]},
}


def schematic(data: Data) -> "Figure":
    """Figure 1: the causal graph, paths to the last token, and the weight of token 1 with depth."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 3, figsize=(PAGE_IN, 2.5), width_ratios=[1.1, 1, 1])
    _draw_paths(panels[0])
    rows = data.pick(experiment="paths", metric="path_count")
    _by_depth(panels[1], rows, columns=2)
    panels[1].set_yscale("log")
    panels[1].set_ylabel("causal paths to the last token")
    panels[1].set_ylim(top=numbers(rows, "value").max() * 1e4)
    _by_depth(panels[2], data.pick(experiment="B8", metric="averaged_weight"), columns=1)
    panels[2].set_ylim(0, 1.02)
    panels[2].set_ylabel("weight in ((Λ+I)/2)$^L$, uniform Λ")
    panel_letters(panels, ["over-squashing", "paths", "token 1 takes all"])
    return figure


def _by_depth(axes: "Axes", rows: "pd.DataFrame", columns: int) -> None:
    """Values over positions, one line per number of layers."""
    import matplotlib

    depths = sorted(rows["depth"].unique())
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.9, len(depths)))
    for depth, shade in zip(depths, shades, strict=True):
        own = rows[rows["depth"] == depth]
        line(axes, own, "position", label=f"{depth}", color=shade, band=False)
    axes.set_xlabel("token")
    axes.legend(title="layers", ncols=columns, title_fontsize=7)


def _draw_paths(axes: "Axes", tokens: int = 5, layers: int = 3) -> None:
    """A causal graph: every edge of the attention, those into the answer's token in colour."""
    grey, blue, red = (COLOURS[name] for name in ("grey", "sky", "vermilion"))
    answer = tokens - 1
    for level, target in product(range(layers), range(tokens)):
        last = (level, target) == (layers - 1, answer)
        for source in range(target + 1):
            axes.plot(
                [source, target], [level, level + 1], color=red if last else grey,
                linewidth=1.2 if last else 0.4, zorder=1,
            )  # fmt: skip
    for level, place in product(range(layers + 1), range(tokens)):
        last = (level, place) == (layers, answer)
        axes.plot(
            place, level, marker="o", color=red if last else blue, markersize=9 if last else 6,
            zorder=2,
        )  # fmt: skip
    for place in range(tokens):
        axes.annotate("1" if place else "0", (place, -0.35), ha="center", va="top", fontsize=7)
    axes.annotate(
        "all that the answer sees", (answer, layers), (6, 9), textcoords="offset points",
        ha="right", fontsize=6.5,
    )  # fmt: skip
    axes.set_ylim(-0.9, layers + 0.7)
    axes.set_yticks(range(layers + 1), ["tokens", *(f"layer {n + 1}" for n in range(layers))])
    axes.set_xticks([])
    axes.grid(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0)


def encodings(data: Data) -> "Figure":
    """Figures 8 and 10: gap against length, float64, by encoding; and one whole layer."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 3, figsize=(PAGE_IN, 2.8))
    shown = (
        ("E6", "gap_linf", "figure 8 (E6)", "L∞ gap, n and n + 1"),
        ("E8", "gap_l1", "figure 10 (E8)", "L1 gap, n and n + 1"),
        ("layer", "gap_l1", "whole layer", "L1 gap, n and n + 1"),
    )
    for axes, (experiment, metric, _, label) in zip(panels, shown, strict=True):
        where = {"experiment": experiment, "precision": "float64", "model": STACK}
        rows = above(data.pick(metric=metric, **where), 1e-6)
        for name, style in ENCODINGS.items():
            own = rows[rows["encoding"] == name]
            for part in own["part"].unique():
                more = {"linestyle": ":"} if part == "values" else {}
                if part == "values":
                    more["label"] = "sinusoids on values, too"
                line(axes, own[own["part"] == part], "length", markersize=2, **style | more)
            if experiment in PAPER_FIGURES and len(own):
                known = data.paper.curve(PAPER_FIGURES[experiment], PAPER_SERIES[name])
                diamonds(axes, known, "mean", edgecolors=style["color"])
        axes.axhline(
            BFLOAT16_LINE, color=COLOURS["grey"], linewidth=0.7, linestyle="--",
            label="2$^{-7}$, the paper's bfloat16 line",
        )  # fmt: skip
        axes.set_yscale("log")
        axes.set_ylabel(label)
        log_lengths(axes, numbers(rows, "length").max(), "length n, tokens")
    panel_letters(panels, [title for _, _, title, _ in shown])
    legend_below(figure, list(panels), columns=4)
    return figure


def variation(data: Data) -> "Figure":
    """Figure 9, proposition B.4, and the two terms that bound the gap in theorem 4.2."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 3, figsize=(PAGE_IN, 2.5))
    ours: dict[str, Any] = {"color": COLOURS["blue"], "marker": "o", "markersize": 2.5}
    rows = data.pick(experiment="E7", metric="variation_l1").sort_values("length")
    line(panels[0], rows, "length", label="noise on the first 200", **ours)
    n, values = numbers(rows, "length"), numbers(rows, "value")
    far = n[n >= 800]
    panels[0].plot(far, values[-1] * n[-1] / far, color=COLOURS["grey"], linestyle=":", label="1/n")
    diamonds(panels[0], data.paper.curve("9"), "mean")
    panels[0].set_yscale("log")
    rows = data.pick(experiment="G4", metric="variation_l1")
    line(panels[1], rows[rows["length"].notna()], "length", label="1010… against 0101…", **ours)
    limit = data.published("limit of the alternating-sequence total variation (Prop. B.4)")
    panels[1].axhline(
        limit, color=COLOURS["black"], linestyle="--", linewidth=1, label="2(e−1)/(e+1), paper"
    )
    panels[1].set_ylim(0, 1.1)
    rows = data.pick(experiment="G3")
    total = rows[rows["metric"].isin(["shared", "repeated"])].groupby("length")["value"].sum()
    panels[2].plot(
        total.index.to_numpy(float), total.to_numpy(float), color=COLOURS["grey"], linestyle="--",
        label="their sum, the bound",
    )  # fmt: skip
    black: dict[str, Any] = {"color": COLOURS["black"], "linestyle": (0, (3, 3))}
    orange: dict[str, Any] = {"color": COLOURS["orange"], "linewidth": 3.2, "alpha": 0.5}
    for metric, label, style in (
        ("shared", "weights on shared tokens", orange),
        ("repeated", "weight on the repeated one", black),
        ("gap_l1", "gap", ours),
    ):
        own = above(rows[rows["metric"] == metric], 1e-6)
        line(panels[2], own, "length", label=label, band=metric == "gap_l1", **style)
    panels[2].set_yscale("log")
    for axes, experiment in zip(panels, ("E7", "G4", "G3"), strict=True):
        log_lengths(axes, max(numbers(data.pick(experiment=experiment), "length")), "entries n")
        axes.set_ylabel("L1 gap, or weight" if experiment == "G3" else "L1 distance of softmaxes")
        axes.legend(loc="upper right" if experiment == "G3" else "lower left", fontsize=6)
    panels[2].set_ylim(top=50)
    panel_letters(panels, ["lemma 4.1 (E7)", "where it fails (prop. B.4)", "terms of theorem 4.2"])
    return figure


def sensitivity(data: Data) -> "Figure":
    """Theorem 5.1: Jacobian norms and bound by position, random and trained."""
    inside = data.pick(experiment="model_sensitivity")
    rows = data.pick(experiment="G5")
    deepest = rows["depth"].max()
    shown = {
        f"{text}, L={deepest}": rows[(rows["encoding"] == name) & (rows["depth"] == deepest)]
        for name, text in (("none", "no encoding"), ("alibi", "ALiBi"))
    }
    shown |= {name: inside[inside["model"] == name] for name in data.models.names}
    figure, panels = panel_grid(len(shown), PAGE_IN, 2.6, sharey=True)
    for axes, (name, own) in zip(panels, shown.items(), strict=True):
        data.models.mark(axes, name)
        if own.empty:
            missing(axes, "bound not computed")
        for kind, style in KINDS.items():
            curve = above(own[own["metric"] == f"sensitivity_{kind}"], 1e-3)
            line(axes, curve, "position", **style)
        axes.set_xlabel("token")
    panels[0].set_yscale("log")  # of all panels, and after `missing`, which takes their ticks away
    panels[0].set_ylabel("sensitivity over its mean")
    panel_letters(panels, list(shown))
    legend_below(figure, panels[0], columns=3)
    return figure
