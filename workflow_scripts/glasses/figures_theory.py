"""Figures of the theory, and of gaps in random decoders at full precision."""

from typing import TYPE_CHECKING, Any

import numpy as np

from workflow_scripts.glasses.plots import (
    ENCODINGS,
    STACK,
    Data,
    letters,
    line,
    log_lengths,
    numbers,
)
from workflow_scripts.shared.figures import COLOURS, PAGE_IN, mark_stand_in, missing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def schematic(data: Data) -> "Figure":
    """Figure 1: the causal graph, paths to the last token, and who wins with more layers."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 3, figsize=(PAGE_IN, 2.5), width_ratios=[1.1, 1, 1])
    _paths_drawn(panels[0])
    rows = data.pick(experiment="paths", metric="path_count")
    for depth, own in rows.groupby("depth"):
        line(panels[1], own, "position", f"{depth}", _shade(rows, depth), band=False)
    panels[1].set_yscale("log")
    panels[1].set_xlabel("token")
    panels[1].set_ylabel("causal paths to the last token")
    panels[1].legend(title="layers", ncols=2, title_fontsize=7)
    panels[1].set_ylim(top=numbers(rows, "value").max() * 1e4)
    rows = data.pick(experiment="B8", metric="averaged_weight")
    for depth, own in rows.groupby("depth"):
        line(panels[2], own, "position", f"{depth}", _shade(rows, depth), band=False)
    panels[2].set_ylim(0, 1.02)
    panels[2].set_xlabel("token")
    panels[2].set_ylabel("weight in ((Λ+I)/2)$^L$, uniform Λ")
    panels[2].legend(title="layers", title_fontsize=7)
    letters(panels, ["over-squashing", "paths", "token 1 takes all"])
    return figure


def _shade(rows: Any, depth: Any) -> Any:
    import matplotlib

    depths = sorted(rows["depth"].unique())
    return matplotlib.colormaps["viridis"](0.9 * depths.index(depth) / max(1, len(depths) - 1))


def _paths_drawn(axes: "Axes", tokens: int = 5, layers: int = 3) -> None:
    """A causal graph: every arrow into the last token, heavier where more paths use it."""
    for level in range(layers):
        for target in range(tokens):
            for source in range(target + 1):
                dark = target == tokens - 1 and level == layers - 1
                axes.plot(
                    [source, target],
                    [level, level + 1],
                    color=COLOURS["vermilion" if dark else "grey"],
                    linewidth=1.2 if dark else 0.4,
                    zorder=1,
                )
    for level in range(layers + 1):
        for place in range(tokens):
            last = level == layers and place == tokens - 1
            axes.plot(
                place,
                level,
                marker="o",
                color=COLOURS["vermilion" if last else "sky"],
                markersize=9 if last else 6,
                zorder=2,
            )
    for place in range(tokens):
        axes.annotate("1" if place else "0", (place, -0.35), ha="center", va="top", fontsize=7)
    axes.annotate(
        "all that the answer sees",
        (tokens - 1, layers),
        (6, 9),
        textcoords="offset points",
        ha="right",
        fontsize=6.5,
    )
    axes.set_ylim(-0.9, layers + 0.7)
    axes.set_yticks(
        range(layers + 1), ["tokens", *(f"layer {level + 1}" for level in range(layers))]
    )
    axes.set_xticks([])
    axes.grid(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0)


def encodings(data: Data) -> "Figure":
    """Figures 8 and 10: L1 gap against length, float64, by encoding."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 4, figsize=(PAGE_IN, 2.6), sharey=True)
    shown = (
        ("E6", "attention", "attention (E6)"),
        ("E6", "vectors", "q, k, v ~ N(0, 1/d)"),
        ("E6", "layer", "whole layer"),
        ("E8", "attention", "q, k, v ~ N(0, 1)"),
    )
    for axes, (experiment, part, _) in zip(panels, shown, strict=True):
        rows = data.pick(experiment=experiment, metric="gap_l1", part=part, precision="float64")
        rows = rows[rows["model"] == STACK]
        for name, (label, colour, marker) in ENCODINGS.items():
            own = rows[rows["encoding"] == name]
            line(
                axes, own, "length", label, COLOURS[colour], floor=1e-6, marker=marker, markersize=2
            )
        axes.set_yscale("log")
        log_lengths(axes, numbers(rows, "length").max(), "length n, tokens")
        n = np.array([100.0, numbers(rows, "length").max()])
        for power, text in ((-1.0, "1/n"), (-0.5, "1/√n")):
            at = 20 * n[0] ** -power * n**power / 20
            axes.plot(n, at * 0.5, color=COLOURS["grey"], linewidth=0.7, linestyle=":")
            axes.annotate(text, (n[1], 0.5 * at[1]), (2, -2), textcoords="offset points",
                          fontsize=6, color=COLOURS["grey"], annotation_clip=False)  # fmt: skip
    panels[0].set_ylabel("L1 gap of the last token, n and n + 1")
    letters(panels, [title for *_, title in shown])
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(ENCODINGS)
    )
    return figure


def variation(data: Data) -> "Figure":
    """Figure 9, proposition B.4, and the two terms that bound the gap in theorem 4.2."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 3, figsize=(PAGE_IN, 2.5))
    rows = data.pick(experiment="E7", metric="variation_l1")
    line(panels[0], rows, "length", "noise on the first 200", COLOURS["blue"], marker="o",
         markersize=2.5)  # fmt: skip
    n = numbers(rows.sort_values("length"), "length")
    last = numbers(rows.sort_values("length"), "value")[-1]
    far = n[n >= 800]
    panels[0].plot(far, last * n[-1] / far, color=COLOURS["grey"], linestyle=":", label="1/n")
    panels[0].set_yscale("log")
    panels[0].set_ylabel("L1 distance of the softmaxes")
    rows = data.pick(experiment="G4", metric="variation_l1")
    rows = rows[rows["length"].notna()]
    line(panels[1], rows, "length", "1010… against 0101…", COLOURS["blue"], marker="o",
         markersize=2.5)  # fmt: skip
    limit = data.published("limit of the alternating-sequence total variation (Prop. B.4)")
    panels[1].axhline(limit, color=COLOURS["black"], linestyle="--", linewidth=1,
                      label="2(e−1)/(e+1), paper")  # fmt: skip
    panels[1].set_ylim(0, 1.1)
    panels[1].set_ylabel("L1 distance of the softmaxes")
    terms = (
        ("shared", "weights on shared tokens", "orange", {"linewidth": 3.2, "alpha": 0.5}),
        ("repeated", "weight on the repeated one", "black", {"linestyle": (0, (3, 3))}),
        ("gap_l1", "gap", "blue", {"marker": "o", "markersize": 2.5}),
    )
    rows = data.pick(experiment="G3")
    total = rows[rows["metric"].isin(["shared", "repeated"])].groupby("length")["value"].sum()
    panels[2].plot(total.index.to_numpy(float), total.to_numpy(float), color=COLOURS["grey"],
                   linestyle="--", label="their sum, the bound")  # fmt: skip
    for metric, label, colour, style in terms:
        own = rows[rows["metric"] == metric]
        line(panels[2], own, "length", label, COLOURS[colour], floor=1e-6, band=metric == "gap_l1",
             **style)  # fmt: skip
    panels[2].set_yscale("log")
    panels[2].set_ylabel("L1 gap, or weight")
    for axes, experiment in zip(panels, ("E7", "G4", "G3"), strict=True):
        log_lengths(axes, max(numbers(data.pick(experiment=experiment), "length")), "entries n")
        axes.legend(loc="upper right" if experiment == "G3" else "lower left", fontsize=6)
    panels[2].set_ylim(top=5)
    letters(panels, ["lemma 4.1 (E7)", "where it fails (prop. B.4)", "theorem 4.2's terms"])
    return figure


def sensitivity(data: Data) -> "Figure":
    """Theorem 5.1: Jacobian norms and bound by position, random and trained."""
    import matplotlib.pyplot as plt

    models = [name for name in data.models if len(data.pick(experiment="heard", model=name))]
    shown = [("none", "no encoding"), ("alibi", "ALiBi")]
    figure, panels = plt.subplots(1, 2 + max(1, len(models)), figsize=(PAGE_IN, 2.6), sharey=True)
    rows = data.pick(experiment="G5", model="theory")
    deepest = rows["depth"].max()
    kinds = (
        ("bound", "bound", "black", "--"),
        ("fixed", "Jacobian, fixed weights", "blue", "-"),
        ("varying", "Jacobian, as it is", "vermilion", "-"),
    )
    for axes, (encoding, _) in zip(panels, shown, strict=False):
        own = rows[(rows["encoding"] == encoding) & (rows["depth"] == deepest)]
        _profiles(axes, own, kinds)
    for axes, model in zip(panels[2:], models, strict=False):
        _profiles(axes, data.pick(experiment="heard", model=model), kinds)
        if model in data.stand_ins:
            mark_stand_in(axes)
    if not models:
        missing(panels[2], "no model that the bound reads")
    panels[0].set_ylabel("sensitivity over its mean")
    titles = [f"{text}, L={deepest}" for _, text in shown] + models
    letters(panels, titles)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _profiles(axes: "Axes", rows: Any, kinds: Any) -> None:
    for kind, label, colour, style in kinds:
        own = rows[rows["metric"] == f"sensitivity_{kind}"]
        line(axes, own, "position", label, COLOURS[colour], floor=1e-3, linestyle=style)
    axes.set_yscale("log")
    axes.set_xlabel("token")
