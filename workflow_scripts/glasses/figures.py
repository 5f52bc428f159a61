"""The study's figures: copying, counting and gaps here, the others in the modules beside."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workflow_scripts.glasses import figures_collapse, figures_theory
from workflow_scripts.glasses.plots import PRECISIONS, Data, line, numbers
from workflow_scripts.shared import figures, job, tables
from workflow_scripts.shared.figures import COLOURS, PAGE_IN, mark_stand_in, missing
from workflow_scripts.shared.schemas import SCORES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

TASKS = {
    "sum": "sum of ones",
    "ones": "ones in 1…1",
    "bits": "ones in bits, rate 0.7",
    "word": "a word in a sentence",
}
PROMPTINGS = {
    "plain": ("no CoT", "blue", "o"),
    "zero_shot": ("zero-shot CoT", "vermilion", "s"),
    "few_shot": ("few-shot CoT", "green", "^"),
}
# Most precisions draw the same curve: each stroke leaves the ones below it in sight.
STROKES: dict[str, dict[str, Any]] = {
    "float64": {"linewidth": 3.2, "alpha": 0.35},
    "float32": {"linewidth": 1.8},
    "bfloat16": {"linewidth": 1.3, "linestyle": (0, (4, 4))},
    "float16": {"linewidth": 1.3, "linestyle": (0, (1, 4))},
    "int8_weights": {"linestyle": "none", "marker": "x", "markersize": 3},
    "int8_cache": {"linestyle": "none", "marker": "+", "markersize": 5},
    "int4_cache": {"linewidth": 1.0},
}
ONSET = "last-element copy of 1...10 starts to return 1"
NEAR_MACHINE = "Linf gap for counting all-ones prompt is near machine precision"
ROUND_FROM = "counting answers start to cluster at a round value once length reaches about"
TOP = "predicted count that dominates the histogram"


def copying(data: Data) -> "Figure":
    """Figures 2 and 11: right and wrong replies about the first and last element, by length."""
    import matplotlib.pyplot as plt

    shown = {
        "plain": [("E1a", "last", "edge", "last of 1…10"),
                  ("E1a", "first", "edge", "first of 01…1")],
        "with a hint": [("E1b", "last", "edge", "last of 1…10"),
                        ("E1b", "first", "edge", "first of 01…1")],
        "interleaved": [("E1c", "last", "alternating", "last of 1010…"),
                        ("E1c", "first", "alternating", "first of 0101…"),
                        ("E1c", "last", "blocks", "last of 11110…"),
                        ("E1c", "first", "blocks", "first of 01111…")],
        "order of the prompt": [("E5", "last", "edge", "as in a"),
                                ("E5", "type1", "edge", "question first (Type 1)"),
                                ("E5", "type2", "edge", "answer form first (Type 2)")],
    }  # fmt: skip
    lines = [(title, *curve) for title, curves in shown.items() for curve in curves]
    figure, panels = plt.subplots(
        1, len(data.models), figsize=(PAGE_IN, 0.9 + 0.2 * len(lines)), sharey=True, squeeze=False
    )
    for axes, model in zip(panels[0], data.models, strict=True):
        for height, (_, experiment, task, family, _) in enumerate(lines):
            rows = data.pick(experiment=experiment, metric="accuracy", task=task, family=family,
                             model=model)  # fmt: skip
            axes.scatter(numbers(rows, "length"), np.full(len(rows), height), s=22,
                         c=numbers(rows, "value"), cmap=_shades(data.colour(model)), vmin=0, vmax=1,
                         edgecolors=data.colour(model), linewidths=0.7, zorder=2)  # fmt: skip
        axes.set_xscale("log")
        axes.axvline(data.published(ONSET), color=COLOURS["black"], linewidth=0.7, linestyle=":")
        axes.annotate("Gemini 1.5 begins to fail on the last (paper)",
                      (data.published(ONSET), -0.7), (-4, 0), textcoords="offset points",
                      fontsize=5.5, va="center", ha="right")  # fmt: skip
        axes.set_xlim(right=1.6 * np.nanmax(numbers(data.pick(experiment="E1a"), "length")))
        axes.set_xlabel("length, digits (filled: right, open: wrong)")
        axes.set_title(data.label(model))
        if model in data.stand_ins:
            axes.axvspan(axes.get_xlim()[0], data.trained, color=COLOURS["grey"], alpha=0.15, lw=0)
    names = [text for *_, text in lines]
    panels[0][0].set_yticks(range(len(lines)), names)
    panels[0][0].set_ylim(len(lines) - 0.4, -1.1)
    starts = [0]
    for curves in shown.values():
        starts.append(starts[-1] + len(curves))
    for axes in panels[0]:
        for start in starts[1:-1]:
            axes.axhline(start - 0.5, color=COLOURS["grey"], linewidth=0.5)
    for letter, start, title in zip("abcd", starts, shown, strict=False):
        panels[0][-1].annotate(f"{letter}  {title}", (1.01, start), fontsize=7, va="center",
                               xycoords=("axes fraction", "data"),
                               annotation_clip=False)  # fmt: skip
    return figure


def _shades(colour: str) -> "Colormap":
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("right", ["white", colour])


def counting(data: Data) -> "Figure":
    """Figures 3 and 6: absolute error against length."""
    return _errors(data, "absolute_error", "absolute error")


def signed(data: Data) -> "Figure":
    """Which way the counts are wrong."""
    return _errors(data, "signed_error", "answer − truth")


def _errors(data: Data, metric: str, name: str) -> "Figure":
    """Errors against length, tasks by columns, models by rows."""
    import matplotlib.pyplot as plt

    figure, grid = plt.subplots(
        len(data.models), len(TASKS), figsize=(PAGE_IN, 0.7 + 1.5 * len(data.models)),
        sharex=True, sharey=True, squeeze=False,
    )  # fmt: skip
    for row, (panels, model) in enumerate(zip(grid, data.models, strict=True)):
        for axes, (task, title) in zip(panels, TASKS.items(), strict=True):
            for prompting, (label, colour, marker) in PROMPTINGS.items():
                rows = data.pick(experiment="E2", metric=metric, task=task, model=model)
                own = rows[rows["prompting"] == prompting]
                line(axes, own, "length", label, COLOURS[colour], marker=marker, markersize=2.5)
            own = data.pick(experiment="E2", metric="accuracy", task=task, model=model)
            n = np.unique(numbers(own, "length"))
            ticks = [0, 1, 10, 100, 1000, 10_000]
            if metric == "signed_error":
                ticks = [-1000, -100, -10, 0, 10, 100, 1000, 10_000]
            axes.plot(n, np.sign(ticks[0] + 0.5) * n, color=COLOURS["grey"], linewidth=0.7,
                      linestyle=":")  # fmt: skip
            if model in data.stand_ins:
                axes.axvspan(0, data.trained, color=COLOURS["grey"], alpha=0.15, lw=0)
            if row == 0:
                axes.set_title(title, fontsize=8)
            if row == len(grid) - 1:
                axes.set_xlabel("items")
            axes.set_yscale("symlog", linthresh=1, linscale=0.5)
            axes.set_ylim(ticks[0], 2e4)
            axes.set_yticks(ticks, [f"{tick:,}" for tick in ticks])
        panels[0].set_ylabel(f"{model}\n{name}")
        if model in data.stand_ins:
            mark_stand_in(panels[-1])
    grid[0][1].annotate("dotted: the answer 0", (160, 160), (0, 6), textcoords="offset points",
                        ha="right", fontsize=6, color=COLOURS["grey"])  # fmt: skip
    figure.legend(*grid[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def histograms(data: Data) -> "Figure":
    """Figures 4 and 7: which numbers are given, all promptings together."""
    import matplotlib.pyplot as plt

    figure, grid = plt.subplots(
        len(data.models), len(TASKS), figsize=(PAGE_IN, 0.6 + 1.5 * len(data.models)),
        sharex=True, squeeze=False,
    )  # fmt: skip
    for row, (panels, model) in enumerate(zip(grid, data.models, strict=True)):
        for axes, (task, title) in zip(panels, TASKS.items(), strict=True):
            rows = data.pick(experiment="E2", metric="answers", task=task, model=model)
            counts = rows.groupby("answer")["value"].sum()
            most = numbers(data.pick(experiment="E2", metric="accuracy", task=task), "length").max()
            inside = counts[counts.index <= most]
            axes.bar(inside.index.to_numpy(float), inside.to_numpy(float), width=1.5,
                     color=data.colour(model))  # fmt: skip
            more = counts[counts.index > most].sum()
            if more:
                axes.annotate(f"{more:.0f} past {most:.0f}", (0.98, 0.5), xycoords="axes fraction",
                              ha="right", fontsize=6, backgroundcolor="white")  # fmt: skip
            axes.axvline(data.published(TOP), color=COLOURS["black"], linewidth=0.7, linestyle=":")
            if model in data.stand_ins:
                axes.axvspan(0, data.trained, color=COLOURS["grey"], alpha=0.15, lw=0)
            if row == 0:
                axes.set_title(title, fontsize=8)
            if row == len(grid) - 1:
                axes.set_xlabel("answer given")
        panels[0].set_ylabel(f"{model}\nreplies")
        if model in data.stand_ins:
            mark_stand_in(panels[-1])
    grid[0][0].annotate("paper:\npeak at 100", (data.published(TOP), 1), (3, -2), va="top",
                        xycoords=("data", "axes fraction"), textcoords="offset points",
                        fontsize=6)  # fmt: skip
    return figure


def gaps(data: Data) -> "Figure":
    """Figures 5 and 12: gap of the last token against length, by panel and precision."""
    import matplotlib.pyplot as plt

    shown = {
        "count_ones": "count, ones",
        "count_digits": "count, digits",
        "copy_ones": "copy, ones",
        "copy_separated": "copy, commas",
        "last_ones": "Type 1, ones",
    }
    figure, grid = plt.subplots(
        len(data.models), len(shown), figsize=(PAGE_IN, 0.9 + 1.6 * len(data.models)),
        sharex=True, sharey=True, squeeze=False,
    )  # fmt: skip
    for row, (panels, model) in enumerate(zip(grid, data.models, strict=True)):
        for axes, (panel, title) in zip(panels, shown.items(), strict=True):
            rows = data.pick(experiment="E4", metric="gap_heads", model=model, panel=panel,
                             place="digit")  # fmt: skip
            rows = rows[rows["layer"] == rows["layer"].max()]
            for precision, own in rows.groupby("precision", sort=False):
                label, colour = PRECISIONS[str(precision)]
                line(axes, own, "length", label, COLOURS[colour], floor=1e-8,
                     band=precision == "bfloat16", **STROKES[str(precision)])  # fmt: skip
            _units(axes, data, model)
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.axvline(data.published(NEAR_MACHINE), color=COLOURS["black"], linewidth=0.6,
                         linestyle=":", label="Gemma 7B, machine precision (paper)")  # fmt: skip
            if row == 0:
                axes.set_title(title, fontsize=8)
            if row == len(grid) - 1:
                axes.set_xlabel("digits n")
        panels[0].set_ylabel(f"{model}\nL∞ gap, mean of heads")
        if model in data.stand_ins:
            mark_stand_in(panels[-1])
    figure.legend(*grid[0][0].get_legend_handles_labels(), loc="outside lower center",
                  ncols=5)  # fmt: skip
    return figure


def _units(axes: "Axes", data: Data, model: str) -> None:
    """One unit in the last place of bfloat16 at the representation's scale, from gap and units."""
    key = {"experiment": "E4", "model": model, "panel": "count_ones", "place": "digit"}
    key["precision"] = "bfloat16"
    gap, units = (data.pick(metric=name, **key) for name in ("gap_linf", "gap_ulps"))
    ratio = numbers(gap, "value") / np.where(
        numbers(units, "value") > 0, numbers(units, "value"), np.nan
    )
    if len(ratio) and not np.isnan(ratio).all():
        axes.axhline(np.nanmedian(ratio), color=COLOURS["vermilion"], linewidth=0.7,
                     linestyle="--", label="one unit, bfloat16")  # fmt: skip


def layers(data: Data) -> "Figure":
    """Gap of repeated ones by layer and length, at the last digit and where the reply begins."""
    import matplotlib.pyplot as plt
    from matplotlib.colors import LogNorm

    figure, grid = plt.subplots(
        len(data.models), 2, figsize=(PAGE_IN, 0.5 + 1.5 * len(data.models)), squeeze=False
    )
    every = data.pick(experiment="E4", metric="gap_layer", panel="count_ones", precision="float32")
    found = numbers(every, "value")
    found = found[found > 0]
    ends = (found.min(), found.max()) if len(found) else (1e-5, 10.0)
    image = None
    for row, (panels, model) in enumerate(zip(grid, data.models, strict=True)):
        for axes, place in zip(panels, ("digit", "reply"), strict=True):
            rows = data.pick(experiment="E4", metric="gap_layer", model=model, place=place,
                             panel="count_ones", precision="float32")  # fmt: skip
            if rows.empty:
                missing(axes, "float32 was not run")
                continue
            table = rows.pivot(index="layer", columns="length", values="value").astype(float)
            image = axes.imshow(table, cmap="viridis", norm=LogNorm(*ends), aspect="auto")
            names = [f"layer {layer}" for layer in table.index[:-1]] + ["final norm"]
            axes.set_yticks(range(len(names)), names)
            axes.set_xticks(range(len(table.columns)), [str(n) for n in table.columns], rotation=60)
            axes.grid(False)
            axes.set_title(f"{model}, {'last digit' if place == 'digit' else 'start of the reply'}")
            if row == len(grid) - 1:
                axes.set_xlabel("digits n")
    if image is not None:
        bar = figure.colorbar(image, ax=grid, shrink=0.8)
        bar.set_label("L∞ gap, n and n + 1 ones, float32")
    if data.stand_ins:
        figure.text(0.995, 0.995, "embedded: stand-ins", ha="right", va="top", fontsize=6,
                    fontstyle="italic", color=COLOURS["grey"])  # fmt: skip
    return figure


FIGURES: dict[str, Callable[[Data], "Figure"]] = {
    "schematic": figures_theory.schematic,
    "copying": copying,
    "counting": counting,
    "signed": signed,
    "histograms": histograms,
    "gaps": gaps,
    "layers": layers,
    "encodings": figures_theory.encodings,
    "variation": figures_theory.variation,
    "precision": figures_collapse.precision,
    "equal": figures_collapse.equal,
    "sensitivity": figures_theory.sensitivity,
    "cures": figures_collapse.cures,
}


def main(
    scores: str,
    thresholds: str,
    pngs: list[str],
    models: list[str],
    stand_ins: list[str],
    trained: int,
) -> None:
    figures.use_style()
    data = Data(
        tables.read(scores, SCORES),
        pd.read_csv(thresholds).set_index("finding"),
        tuple(models),
        frozenset(stand_ins),
        trained,
    )
    for png in pngs:
        figures.save(FIGURES[Path(png).stem](data), png)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            snakemake.input.scores,
            snakemake.input.thresholds,
            [path for path in snakemake.output if path.endswith(".png")],
            snakemake.params.models,
            snakemake.params.stand_ins,
            snakemake.params.trained,
        )
