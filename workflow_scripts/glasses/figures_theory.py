"""Figures of the theory and of random decoders."""

from typing import TYPE_CHECKING, Any

import numpy as np

from workflow_scripts.glasses.plots import (
    CURES,
    ENCODINGS,
    PRECISIONS,
    STACK,
    Data,
    letters,
    line,
    log_lengths,
    missing,
    numbers,
)
from workflow_scripts.shared.figures import COLOURS, PAGE_IN, mark_stand_in

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


def _shade(rows: Any, depth: int) -> Any:
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
    """Figures 8 and 10: L1 gap against length, float64, by encoding, with the bf16 unit."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 3, figsize=(PAGE_IN, 2.7))
    shown = (
        ("E6", "attention", "one attention layer (E6)"),
        ("E6", "layer", "with residual path"),
        ("E8", "attention", "independent q, k, v (E8)"),
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
            axes.annotate(text, (n[1], 0.5 * at[1]), (0, -7), textcoords="offset points",
                          ha="right", fontsize=6, color=COLOURS["grey"])  # fmt: skip
    panels[0].set_ylabel("L1 gap of the last token, n and n + 1")
    letters(panels, [title for *_, title in shown])
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(ENCODINGS)
    )
    return figure


def variation(data: Data) -> "Figure":
    """Figure 9 and proposition B.4."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(PAGE_IN * 0.8, 2.5))
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
    for axes in panels:
        log_lengths(axes, max(numbers(data.pick(experiment="E7"), "length")), "entries n")
        axes.legend(loc="lower left")
    letters(panels, ["lemma 4.1 (E7)", "where it fails (prop. B.4)"])
    return figure


def precision(data: Data) -> "Figure":
    """Gap in units of the last place by precision, and the length at collapse by depth."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 3, figsize=(PAGE_IN, 2.8), width_ratios=[1, 1, 1.1])
    for axes, encoding in zip(panels[:2], ("none", "rotary"), strict=True):
        rows = data.pick(experiment="E6", metric="gap_ulps", part="layer", encoding=encoding)
        for name in ("float32", "float16", "bfloat16"):
            label, colour = PRECISIONS[name]
            own = rows[rows["precision"] == name]
            line(axes, own, "length", label, COLOURS[colour], floor=1e-2, marker="o", markersize=2)
        axes.axhline(1, color=COLOURS["black"], linewidth=0.7, linestyle="--")
        axes.set_yscale("log")
        log_lengths(axes, numbers(rows, "length").max(), "length n, tokens")
    panels[0].set_ylabel("gap, units of the last place")
    panels[0].legend(loc="upper right")
    _depths(panels[2], data)
    letters(panels, ["no encoding", "rotary", "length at collapse"])
    return figure


def _depths(axes: "Axes", data: Data) -> None:
    rows = data.pick(experiment="depth", metric="collapse_length")
    longest = numbers(data.pick(experiment="depth", metric="gap_ulps"), "length").max()
    depths = sorted(rows["depth"].dropna().unique())
    for number, (name, (_, colour, marker)) in enumerate(ENCODINGS.items()):
        for low, filled in (("bfloat16", True), ("float16", False)):
            own = rows[(rows["encoding"] == name) & (rows["precision"] == low)].sort_values("depth")
            at = np.array([depths.index(depth) for depth in own["depth"]]) + 0.16 * (number - 1.5)
            draw_onsets(axes, at, own, longest, COLOURS[colour], marker, filled)
    axes.set_yscale("log")
    axes.axhline(longest, color=COLOURS["grey"], linewidth=0.6, linestyle=":")
    axes.annotate(f"arrow: not by {longest:,.0f}", (0, longest), (0, 11),
                  textcoords="offset points",
                  xycoords=("axes fraction", "data"), fontsize=6,
                  color=COLOURS["grey"])  # fmt: skip
    axes.set_ylim(20, longest * 3)
    axes.set_xticks(range(len(depths)), [str(depth) for depth in depths])
    axes.set_xlabel("layers (filled bfloat16, open float16)")
    axes.set_ylabel("length from which gap ≤ 1 unit")
    axes.legend(handles=_encoding_handles(), loc="lower right", fontsize=6)


def _encoding_handles() -> list[Any]:
    from matplotlib.lines import Line2D

    return [
        Line2D(
            [],
            [],
            color=COLOURS[colour],
            marker=marker,
            markersize=4,
            linestyle="none",
            label=label,
        )
        for label, colour, marker in ENCODINGS.values()
    ]


def draw_onsets(
    axes: "Axes",
    at: np.ndarray,
    rows: Any,
    longest: float,
    colour: str,
    marker: str,
    filled: bool,
) -> None:
    """Median with least and greatest seed, upright; an arrow where it lies past `longest`."""
    value, low, high = (numbers(rows, name) for name in ("value", "ci_low", "ci_high"))
    face = colour if filled else "white"
    reached = ~np.isnan(value)
    ends = np.stack([value - low, np.where(np.isnan(high), longest * 1.25, high) - value])
    axes.errorbar(at[reached], value[reached], ends[:, reached], color=colour, marker=marker,
                  markersize=3.5, markerfacecolor=face, linestyle="none",
                  linewidth=0.8)  # fmt: skip
    axes.plot(at[~reached], np.full((~reached).sum(), longest * 1.12), color=colour,
              marker="^", markersize=4, linestyle="none", markerfacecolor=face)  # fmt: skip


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


def cures(data: Data) -> "Figure":
    """Length at collapse by cure, on random layers and on the models; and how far from it."""
    import matplotlib.pyplot as plt
    from matplotlib.lines import Line2D

    cells = [(cure, "bfloat16") for cure in CURES]
    cells += [("none", "float16"), ("none", "float32")]
    names = [CURES[cure] if kind == "bfloat16" else kind for cure, kind in cells]
    figure, panels = plt.subplots(
        1, 3, figsize=(PAGE_IN, 3.0), sharey=True, width_ratios=[1.4, 1, 1]
    )
    rows = data.pick(experiment="cures", metric="collapse_length", model=STACK)
    longest = numbers(data.pick(experiment="cures", metric="gap_ulps", model=STACK), "length").max()
    for number, (encoding, (_, colour, marker)) in enumerate(ENCODINGS.items()):
        own = rows[rows["encoding"] == encoding].set_index(["cure", "precision"])
        _cure_points(panels[0], own, cells, 0.17 * (number - 1.5), longest, COLOURS[colour], marker)
    _finish_cures(panels[0], longest)
    model_longest = 0.0
    for number, model in enumerate(data.models):
        shift = 0.2 * (number - 0.5 * (len(data.models) - 1))
        lengths = numbers(data.pick(experiment="E4", metric="gap_ulps", model=model), "length")
        model_longest = max([model_longest, *lengths])
        own = _model_cures(data, model, "collapse_length")
        _cure_points(panels[1], own, cells, shift, model_longest, data.colour(model), "o")
        units = _model_cures(data, model, "longest_gap_ulps")
        _cure_points(panels[2], units, cells, shift, 0.0, data.colour(model), "o")
    _finish_cures(panels[1], model_longest)
    panels[2].set_xscale("log")
    panels[2].axvline(1, color=COLOURS["black"], linewidth=0.7, linestyle="--")
    panels[2].set_xlabel(f"gap at {model_longest:,.0f} digits,\nunits of the last place")
    if data.stand_ins:
        for axes in panels[1:]:
            mark_stand_in(axes, "embedded: stand-ins")
    panels[0].set_yticks(range(len(cells)), names)
    panels[0].set_ylim(len(cells) - 0.4, -0.8)
    letters(panels, ["one random layer", "models, copying ones", "how far apart still"])
    handles = [
        Line2D(
            [], [], color=data.colour(name), marker="o", markersize=4, linestyle="none", label=name
        )
        for name in data.models
    ]
    figure.legend(handles=[*_encoding_handles(), *handles], loc="outside lower center", ncols=6)
    return figure


def _model_cures(data: Data, model: str, metric: str) -> Any:
    """Rows of a metric at a model's last digit by (cure, precision), from E4 and from its cures."""
    import pandas as pd

    base = data.pick(experiment="E4", metric=metric, model=model, place="digit")
    plain = base[base["panel"] == "copy_ones"].assign(cure="none")
    commas = base[base["panel"] == "copy_separated"].assign(cure="separators")
    own = data.pick(experiment="cures", metric=metric, model=model, place="digit")
    return pd.concat([plain, commas, own]).set_index(["cure", "precision"])


def _cure_points(
    axes: "Axes", own: Any, cells: Any, shift: float, longest: float, colour: str, marker: str
) -> None:
    """A point a cell with its interval; an arrow past `longest` where there is none."""
    for row, key in enumerate(cells):
        if key not in own.index:
            continue
        entry = own.loc[key]
        at = row + shift
        if np.isnan(entry["value"]):
            axes.plot(longest * 1.2, at, marker=">", color=colour, markersize=4, linestyle="none")
            continue
        high = longest * 1.2 if np.isnan(entry["ci_high"]) else entry["ci_high"]
        ends = [[entry["value"] - entry["ci_low"]], [high - entry["value"]]]
        axes.errorbar(entry["value"], at, xerr=ends, color=colour, marker=marker, markersize=4,
                      linewidth=0.8, linestyle="none")  # fmt: skip


def _finish_cures(axes: "Axes", longest: float) -> None:
    axes.set_xscale("log")
    axes.axvline(longest, color=COLOURS["grey"], linewidth=0.6, linestyle=":")
    axes.set_xlim(9, longest * 1.6)
    axes.xaxis.set_minor_formatter("")
    axes.set_xlabel(f"length at collapse, tokens\n(arrow: not by {longest:,.0f})")
