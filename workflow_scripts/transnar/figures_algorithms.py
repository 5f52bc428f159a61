"""Figures 4 to 6 of the paper, algorithm by algorithm, and the panels of CLRS-Text."""

from typing import TYPE_CHECKING

import numpy as np

from workflow_scripts.shared import figure_text, figures
from workflow_scripts.shared.figures import COLOURS, COLUMN_IN, PAGE_IN, margins
from workflow_scripts.transnar.contrasts import pretrained
from workflow_scripts.transnar.figures_common import LOOK, SMALL, TOP, Data, looks
from workflow_scripts.transnar.measurements import AS_TRAINED, pick

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAIR = ("text", "hybrid")  # the arms of the paper's figures
# Models of the CLRS-Text figure: (name there, line).
PUBLISHED = {
    "Gemma 2B (Tuned)": ("Gemma 2B, tuned", "-"),
    "Gemma 2B (Tuned) + RPE": ("Gemma 2B, tuned, randomised positions", "--"),
    "Gemini 1.5 Flash (Base)": ("Gemini 1.5 Flash", ":"),
}
FEW = 6  # algorithms whose names fit without turning them
BARS = 0.76  # width of all bars of an algorithm


def clrs_scores(data: Data) -> "Figure":
    """Figure 4 of the paper: CLRS scores by algorithm, one panel per size."""
    return _by_algorithm(data, "clrs_score", "CLRS score")


def shape_scores(data: Data) -> "Figure":
    """Figure 5 of the paper: shape scores by algorithm, one panel per size."""
    return _by_algorithm(data, "shape_score", "shape score")


def parse_scores(data: Data) -> "Figure":
    """Figure 6 of the paper: parse scores by algorithm, one panel per size."""
    return _by_algorithm(data, "parse_score", "parse score")


def _by_algorithm(data: Data, metric: str, label: str) -> "Figure":
    import matplotlib.pyplot as plt

    shown = looks([*PAIR, *sorted(name for pair in pretrained(data.arms) for name in pair)])
    rows = pick(data.scores, **AS_TRAINED, metric=metric, arm=list(shown))
    rows = rows[rows["algorithm"] != "all"]
    width = BARS / len(shown)
    names = sorted(rows["algorithm"].unique())
    few = len(names) <= FEW
    size_in = (PAGE_IN, 2.0) if few else (PAGE_IN, 1.5 * len(data.sizes) + 1.0)
    grid = (1, len(data.sizes)) if few else (len(data.sizes), 1)
    figure, panels = plt.subplots(*grid, figsize=size_in, sharey=True, sharex=True, squeeze=False)
    for axes, (role, nodes) in zip(panels.flat, data.sizes.items(), strict=True):
        for place, (arm, look) in enumerate(shown.items()):
            own = rows[(rows["arm"] == arm) & (rows["role"] == role)]
            own = own.set_index("algorithm").reindex(names)
            axes.bar(
                np.arange(len(names)) + (place + 0.5) * width - BARS / 2,
                own["value"],
                width,
                yerr=margins(own),
                color=look.colour,
                label=look.label,
                hatch=look.hatch,
                edgecolor="white" if look.hatch else None,
                ecolor=COLOURS["grey"],
            )
        axes.set_title(f"{nodes} nodes ({role})")
        axes.set_ylim(0, TOP)
        axes.set_xlim(-0.8, len(names) - 0.2)
        axes.set_xticks(
            range(len(names)),
            [str(name).replace("_", " ") for name in names],
            rotation=0 if few else 90,
        )
        if axes in panels[:, 0]:
            axes.set_ylabel(label)
    figure_text.note(figure, SMALL)
    figures.legend_below(figure, panels.flat[0], 2)
    return figure


def clrs_text(data: Data) -> "Figure":
    """Exact answers by size, one panel per algorithm, beside those of the CLRS-Text figure."""
    ours = pick(data.scores, **AS_TRAINED, metric="exact", arm=list(PAIR))
    models = pick(data.scores, experiment="E4", metric="exact")
    names = sorted(set(ours["algorithm"]) - {"all"})
    across = 5
    width_in = PAGE_IN if len(names) > 1 else COLUMN_IN
    figure, panels = figures.panel_grid(
        len(names), width_in, 1.5 if len(names) > 1 else 2.4, across, sharey=True
    )
    for axes, name in zip(panels, names, strict=True):
        for model, (label, line) in PUBLISHED.items():
            known = data.clrs_text[
                (data.clrs_text["algorithm"] == name) & (data.clrs_text["model"] == model)
            ].sort_values("test_length")
            axes.plot(
                known["test_length"],
                known["accuracy_digitised"],
                color=COLOURS["grey"],
                linestyle=line,
                label=f"{label} (published)",
            )
        for arm in PAIR:
            own = ours[(ours["arm"] == arm) & (ours["algorithm"] == name)].sort_values("nodes")
            axes.errorbar(
                own["nodes"].astype(float),
                own["value"],
                margins(own),
                color=LOOK[arm].colour,
                marker=LOOK[arm].marker,
                label=LOOK[arm].label,
            )
        for model in data.models.names:
            own = models[(models["model"] == model) & (models["algorithm"] == name)]
            own = own.sort_values("nodes")
            axes.errorbar(
                own["nodes"].astype(float),
                own["value"],
                margins(own),
                color=data.models.colour(model),
                marker="x",
                label=data.models.label(model),
            )
        axes.set_title(name.replace("_", " "))
        axes.set_xscale("log", base=2)
        axes.set_xticks([4, 8, 16, 32, 64], ["4", "8", "16", "32", "64"])
        axes.set_xlim(3.5, 70)
        axes.set_ylim(-0.03, TOP)
    for axes in panels[::across]:
        axes.set_ylabel("exact answers")
    panels[-1].set_xlabel("nodes")
    figure_text.note(figure, SMALL)
    figures.legend_below(figure, panels[0], 2)
    return figure
