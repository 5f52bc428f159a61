"""Figures of collapse in random decoders: precision, depth, equality, cures."""

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
    numbers,
)
from workflow_scripts.shared.figures import COLOURS, PAGE_IN, mark_stand_in

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def precision(data: Data) -> "Figure":
    """Gap in units of the last place, by precision and by depth."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 3, figsize=(PAGE_IN, 2.6))
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
    letters(panels, ["no encoding", "rotary", "deeper, bfloat16"])
    return figure


def _depths(axes: "Axes", data: Data) -> None:
    """Gap in units of the last place of bfloat16, no encoding, by number of layers."""
    where = {"metric": "gap_ulps", "encoding": "none", "precision": "bfloat16"}
    rows = data.pick(experiment="depth", **where)
    styles = zip(("sky", "orange", "purple", "green"), ("o", "s", "^", "D"), strict=True)
    for (depth, own), (colour, marker) in zip(rows.groupby("depth"), styles, strict=False):
        label = f"{depth} layer{'s' if depth != 1 else ''}"
        line(axes, own, "length", label, COLOURS[colour], floor=1e-2, marker=marker, markersize=2)
    axes.axhline(1, color=COLOURS["black"], linewidth=0.7, linestyle="--")
    axes.set_yscale("log")
    log_lengths(axes, numbers(rows, "length").max(), "length n, tokens")
    axes.legend(loc="upper right")


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


def equal(data: Data) -> "Figure":
    """Lengths at which n and n + 1 are within one unit, and equal, as two tables."""
    import matplotlib.pyplot as plt
    from matplotlib.colors import LogNorm

    stacks: list[tuple[str, dict[str, Any]]] = [("1 layer", {"experiment": "E6", "part": "layer"})]
    depths = data.pick(experiment="depth")["depth"].dropna().unique()
    stacks += [
        (f"{depth} layers", {"experiment": "depth", "depth": depth})
        for depth in sorted(depths)
        if depth > 1
    ]
    stacks.append(("q, k, v apart", {"experiment": "E8", "part": "normalised"}))
    kinds = ("float32", "float16", "bfloat16")
    rows = [(name, stack) for name in ENCODINGS for stack in stacks]
    figure, panels = plt.subplots(1, 2, figsize=(PAGE_IN, 0.8 + 0.19 * len(rows)), sharey=True)
    for axes, metric in zip(panels, ("collapse_length", "equal_length"), strict=True):
        table = np.full((len(rows), len(kinds)), np.nan)
        for row, (encoding, (_, where)) in enumerate(rows):
            found = data.pick(metric=metric, encoding=encoding, model=STACK, **where)
            tried = data.pick(metric="equal", encoding=encoding, model=STACK, **where)
            longest = numbers(tried, "length").max()
            for column, kind in enumerate(kinds):
                own = numbers(found[found["precision"] == kind], "value")
                text = "not run" if not len(own) else f"> {longest:,.0f}"
                if len(own) and not np.isnan(own[0]):
                    table[row, column] = own[0]
                    text = f"{own[0]:,.0f}"
                axes.annotate(text, (column, row), ha="center", va="center", fontsize=6)
        axes.imshow(table, cmap="Oranges_r", norm=LogNorm(30, 3e5), aspect="auto")
        axes.set_xticks(range(len(kinds)), kinds)
        axes.grid(False)
        for edge in range(len(stacks), len(rows), len(stacks)):
            axes.axhline(edge - 0.5, color=COLOURS["black"], linewidth=0.6)
    panels[0].set_yticks(
        range(len(rows)), [f"{ENCODINGS[name][0]}, {stack}" for name, (stack, _) in rows]
    )
    letters(panels, ["within one unit from n =", "first equal at n ="])
    return figure


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
