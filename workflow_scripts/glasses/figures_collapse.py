"""Figures of collapse in random decoders: precision, depth, equality, cures."""

from itertools import cycle, product
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workflow_scripts.glasses.figures_common import (
    ENCODINGS,
    PRECISIONS,
    Data,
    above,
    log_lengths,
    numbers,
)
from workflow_scripts.glasses.gap_scores import OVERFLOW
from workflow_scripts.glasses.measurements import STACK
from workflow_scripts.glasses.metrics import BFLOAT16_LINE
from workflow_scripts.shared.figure_text import write_cells
from workflow_scripts.shared.figures import (
    COLOURS,
    PAGE_IN,
    line,
    margins,
    panel_letters,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURES = {
    "none": "no cure",
    "separators": "separators",
    "window": "window",
    "sink": "first-token sink",
}
GROUP = 3  # with separators the length is up to this many tokens off
FLOOR = 1.0e-17  # a gap of 0 on a logarithmic axis


def precision(data: Data) -> "Figure":
    """Gap in units in the last place, by precision and by depth."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 3, figsize=(PAGE_IN, 2.6))
    for axes, encoding in zip(panels[:2], ("none", "rotary"), strict=True):
        rows = data.pick(experiment="layer", metric="gap_ulps", encoding=encoding)
        curves = [
            (rows[rows["precision"] == name], PRECISIONS[name] | {"marker": "o"})
            for name in ("float32", "float16", "bfloat16")
        ]
        _units(axes, curves)
    panels[0].set_ylabel("gap, units in the last place")
    rows = data.pick(experiment="depth", metric="gap_ulps", encoding="none", precision="bfloat16")
    styles = cycle(zip(("sky", "orange", "purple", "green"), "os^D", strict=True))
    curves = [
        (own, {"label": f"layers: {depth}", "color": COLOURS[colour], "marker": marker})
        for (depth, own), (colour, marker) in zip(rows.groupby("depth"), styles, strict=False)
    ]
    _units(panels[2], curves)
    for axes in panels[[0, 2]]:
        axes.legend(loc="upper right")
    panel_letters(panels, ["no encoding", "rotary", "deeper, bfloat16"])
    return figure


def _units(axes: "Axes", curves: list[tuple[pd.DataFrame, dict[str, Any]]]) -> None:
    """Gaps in units in the last place over length: each curve's rows and style."""
    for rows, style in curves:
        line(axes, above(rows, 1e-2), "length", markersize=2, **style)
    axes.axhline(1, color=COLOURS["black"], linewidth=0.7, linestyle="--")
    axes.set_yscale("log")
    axes.set_ylim(top=axes.get_ylim()[1] * 100)  # room for a legend
    longest = max(numbers(rows, "length").max(initial=1) for rows, _ in curves)
    log_lengths(axes, longest, "length n, tokens")


def equal(data: Data) -> "Figure":
    """Lengths at which n and n + 1 are within one unit, and equal, as two tables."""
    import matplotlib.pyplot as plt
    from matplotlib.colors import LogNorm

    stacks: dict[str, dict[str, Any]] = {"1 layer": {"experiment": "layer"}}
    for depth in sorted(data.pick(experiment="depth")["depth"].unique()):
        if depth > 1:
            stacks[f"{depth} layers"] = {"experiment": "depth", "depth": depth}
    stacks["independent q, k, v"] = {"experiment": "E8"}
    kinds = ("float32", "float16", "bfloat16")
    cells = list(product(ENCODINGS, stacks))
    figure, panels = plt.subplots(1, 2, figsize=(PAGE_IN, 0.8 + 0.19 * len(cells)), sharey=True)
    for axes, metric in zip(panels, ("collapse_length", "equal_length"), strict=True):
        table = np.full((len(cells), len(kinds)), np.nan)
        texts = np.full(table.shape, "", dtype=object)
        for row, (encoding, stack) in enumerate(cells):
            key = {"encoding": encoding, "model": STACK, **stacks[stack]}
            found = data.pick(undefined="keep", metric=metric, **key)
            longest = numbers(data.pick(metric="equal", **key), "length").max()
            for column, kind in enumerate(kinds):
                own = numbers(found[found["precision"] == kind], "value")
                text = "not run" if not len(own) else f"> {longest:,.0f}"
                if len(own) and not np.isnan(own[0]):
                    table[row, column] = own[0]
                    text = f"{own[0]:,.0f}"
                elif (found.loc[found["precision"] == kind, "note"] == OVERFLOW).any():
                    text = OVERFLOW
                texts[row, column] = text
        image = axes.imshow(table, cmap="Oranges_r", norm=LogNorm(30, 3e5), aspect="auto")
        write_cells(image, texts, fontsize=6)
        axes.set_xticks(range(len(kinds)), kinds)
        axes.grid(False)
        for edge in range(len(stacks), len(cells), len(stacks)):
            axes.axhline(edge - 0.5, color=COLOURS["black"], linewidth=0.6)
    labels = [f"{ENCODINGS[name]['label']}, {stack}" for name, stack in cells]
    panels[0].set_yticks(range(len(cells)), labels)
    panel_letters(panels, ["within one unit from n =", "first equal at n ="])
    return figure


def cures(data: Data) -> "Figure":
    """Gap at the longest length by cure: random layers of two families of tokens, and models."""
    import matplotlib.pyplot as plt
    from matplotlib.lines import Line2D

    models = {
        name: {"label": data.models.label(name), "color": data.models.colour(name), "marker": "o"}
        for name in data.models.names
    }
    size = (PAGE_IN, 2.5 + 0.15 * len(models))
    figure, panels = plt.subplots(1, 3, figsize=size, sharey=True)
    for axes, family in zip(panels[:2], ("digits", "ones"), strict=True):
        where = {"experiment": "cures", "model": STACK, "family": family, "precision": "float64"}
        rows = data.pick(metric="gap_linf", **where)
        rows = rows[rows["length"] >= rows["length"].max() - GROUP]  # separators end on a digit
        for (name, style), shift in zip(ENCODINGS.items(), _shifts(len(ENCODINGS)), strict=True):
            _cure_points(axes, rows[rows["encoding"] == name], shift, style)
        axes.set_xlabel(f"gap at {numbers(rows, 'length').min():,.0f} tokens")
    digits = numbers(data.pick(experiment="cures", metric="gap_heads"), "length").max(initial=0)
    for (name, style), shift in zip(models.items(), _shifts(len(models)), strict=True):
        own = _model_cures(data, name)
        _cure_points(panels[2], own[own["length"] == digits], shift, style)
    panels[2].set_xlabel(f"gap at {digits:,.0f} digits")
    for axes in panels:
        axes.set_xscale("log")
        axes.axvline(BFLOAT16_LINE, color=COLOURS["grey"], linewidth=0.7, linestyle="--")
    panels[0].set_yticks(range(len(CURES)), list(CURES.values()))
    panels[0].set_ylim(len(CURES) - 0.4, -0.6)
    panel_letters(panels, ["random digits", "repeated ones", "models, copying ones"])
    styles = [*ENCODINGS.values(), *models.values()]
    handles = [Line2D([], [], markersize=4, linestyle="none", **style) for style in styles]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def _shifts(count: int) -> np.ndarray:
    """Offsets, shape (count,), that keep the points of one row apart."""
    return (np.arange(count) - (count - 1) / 2) * 0.68 / max(count, 4)


def _model_cures(data: Data, model: str) -> pd.DataFrame:
    """Gaps at a model's last digit in the precision of the cures, with cures and without."""
    key = {"metric": "gap_linf", "model": model, "place": "digit"}
    cured = data.pick(experiment="cures", **key)
    base = data.pick(experiment="E4", precision=list(cured["precision"].unique()), **key)
    plain = base[base["panel"] == "copy_ones"].assign(cure="none")
    commas = base[base["panel"] == "copy_separated"].assign(cure="separators")
    return pd.concat([plain, commas, cured])


def _cure_points(axes: "Axes", rows: pd.DataFrame, shift: float, style: dict[str, Any]) -> None:
    """A point per cure with its interval."""
    places = {cure: place + shift for place, cure in enumerate(CURES)}
    rows = above(rows, 0.0)
    at = [places[cure] for cure in rows["cure"]]
    ends = margins(rows)
    values = numbers(rows, "value").clip(FLOOR)
    axes.errorbar(values, at, xerr=ends, elinewidth=0.8, markersize=4, linestyle="none", **style)
