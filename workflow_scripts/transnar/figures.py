"""The study's figures: one function draws one figure."""

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workflow_scripts.shared import figure_text, figures, tables
from workflow_scripts.shared.figures import COLOURS, PAGE_IN, margins
from workflow_scripts.shared.schemas import SCORES
from workflow_scripts.transnar import (
    figures_ablations,
    figures_algorithms,
    figures_architecture,
)
from workflow_scripts.transnar.arm_names import models_of
from workflow_scripts.transnar.figures_common import LOOK, SMALL, TOP, VARIANTS, Data, looks
from workflow_scripts.transnar.measurements import AS_TRAINED, PUBLISHED_STEPS, pick

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANELS = (
    ("clrs_score", "free", "CLRS score"),
    ("clrs_score", "given", "CLRS score, shape given"),
    ("shape_score", "free", "shape score"),
    ("parse_score", "free", "parse score"),
)
TOPICS = (figures_ablations, figures_algorithms, figures_architecture)


def read(
    scores: str,
    curves: list[str],
    clrs_text: str,
    arms: list[str],
    sizes: dict[str, int],
    models: dict[str, dict[str, Any]],
) -> Data:
    """The data of all figures; `curves` has one table per arm, `sizes` maps roles to nodes.

    `clrs_text` has the published accuracies of CLRS-Text, `models` are the run's language models.
    """
    points = {arm: tables.read(path) for arm, path in zip(arms, curves, strict=True)}
    known = pd.read_csv(clrs_text)
    return Data(tables.read(scores, SCORES), points, sizes, known, figures.Models.of(models))


def scores(data: Data) -> "Figure":
    """Means of figures 4 to 6 of the paper over all algorithms, against size."""
    figure, panels = figures.panel_grid(4, PAGE_IN, 2.5, sharey=True)
    for axes, (metric, form, title) in zip(panels, PANELS, strict=True):
        rows = data.whole(metric=metric, form=form, inference=["plain", "alone"])
        shown = looks(name for name in rows["arm"].unique() if name not in VARIANTS)
        for shift, (arm, look) in enumerate(shown.items()):
            own = rows[rows["arm"] == arm].sort_values("nodes")
            axes.errorbar(
                own["nodes"].astype(float) + 0.06 * shift,
                own["value"],
                margins(own),
                color=look.colour,
                marker=look.marker,
                label=look.label,
                linestyle=look.line,
            )
        axes.set_title(title)
        axes.set_xlabel(f"nodes ({data.sizes['trained']} in training)")
        axes.set_xticks(sorted(data.sizes.values()))
        axes.set_ylim(-0.03, TOP)
    panels[0].set_ylabel("score, mean over prompts")
    figure_text.note(figure, SMALL)
    figures.legend_below(figure, panels[1], 3 if models_of(data.arms) else 4)
    return figure


def families(data: Data) -> "Figure":
    """Figure 1 of the paper: families of algorithms, out of distribution."""
    figure, panels = figures.panel_grid(2, PAGE_IN, 2.4, sharey=True)
    for axes, role in zip(panels, ("interpolation", "extrapolation"), strict=True):
        rows = pick(data.scores, **AS_TRAINED, metric="clrs_score", role=role, algorithm="all")
        rows = rows[(rows["family"] != "all") & rows["arm"].isin(["text", "hybrid"])]
        names = sorted(set(rows["family"]))
        for shift, arm in ((-0.2, "text"), (0.2, "hybrid")):
            own = rows[rows["arm"] == arm].set_index("family").reindex(names)
            axes.bar(
                np.arange(len(names)) + shift,
                own["value"],
                0.36,
                yerr=margins(own),
                color=LOOK[arm].colour,
                label=LOOK[arm].label,
                ecolor=COLOURS["grey"],
            )
        axes.set_xticks(range(len(names)), names, rotation=20, ha="right")
        axes.set_xlim(-1.0, len(names))
        axes.set_ylim(0, TOP)
        axes.set_title(f"{data.sizes[role]} nodes ({role})")
    panels[0].set_ylabel("CLRS score")
    panels[0].legend(loc="upper left")
    figure_text.note(figure, SMALL)
    return figure


def reasoners(data: Data) -> "Figure":
    """Reasoners on the package's test sets, with the scores of Ibarz et al. (2022) at 64 nodes."""
    import matplotlib.pyplot as plt

    keys = ["arm", "algorithm"]
    rows = pick(data.scores, experiment="reasoner", metric="score")
    far = rows[rows["role"] == "extrapolation"].sort_values("value", ascending=False)
    far = far.set_index(keys)
    near = rows[rows["role"] == "trained"].set_index(keys)
    apart = pick(data.scores, experiment="reasoner", metric="score_less_published")
    known = far["value"] - apart.set_index(keys)["value"].reindex(far.index)
    figure, axes = plt.subplots(figsize=(PAGE_IN, 2.6))
    published = f"published, {PUBLISHED_STEPS:,} steps, 64 nodes"
    axes.plot(range(len(far)), known, label=published, **figures.PUBLISHED)  # type: ignore[arg-type]
    for shift, own, colour, marker, label in (
        (0.0, far, "blue", "s", "here, longest test size"),
        (0.18, near, "sky", "o", "here, sizes as in training"),
    ):
        axes.errorbar(
            far.index.get_indexer(own.index) + shift,
            own["value"],
            margins(own),
            linestyle="none",
            marker=marker,
            color=COLOURS[colour],
            label=label,
        )
    labels = [
        f"{str(algorithm).replace('_', ' ')}\n{steps:,} steps"
        for algorithm, steps in zip(far.index.get_level_values(1), far["steps"], strict=True)
    ]
    axes.set_xticks(range(len(far)), labels, rotation=0 if len(far) <= 8 else 90)
    axes.set_ylim(-0.03, TOP)
    axes.set_ylabel("score")
    if (far["steps"] < PUBLISHED_STEPS).any():
        figure_text.note(figure, "trained for fewer steps than published")
    figures.legend_below(figure, axes, 3)
    return figure


def curves(data: Data) -> "Figure":
    """Training losses of every arm, one line per seed."""
    import matplotlib.pyplot as plt

    few = len(data.curves) <= 4
    figure, axes = plt.subplots(figsize=(figures.COLUMN_IN, 2.4) if few else (PAGE_IN, 3.2))
    shown = looks(data.curves)
    for arm, curve in data.curves.items():
        look = shown[arm]
        for number, (_, own) in enumerate(curve.groupby("seed")):
            axes.plot(
                own["step"],
                own["loss_nats"].rolling(5, min_periods=1).mean(),
                color=look.colour,
                linewidth=0.9,
                linestyle=look.line,
                label=look.label if number == 0 else None,
            )
    axes.set_xlabel("step")
    axes.set_ylabel("loss, nats per token")
    axes.set_ylim(bottom=0)
    if few:
        axes.legend()
    else:
        figures.legend_below(figure, axes, 3)
    figure_text.note(figure, SMALL)
    return figure


if __name__ == "__main__":
    figures.run(snakemake, read, sys.modules[__name__], *TOPICS)
