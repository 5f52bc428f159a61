"""Ablations: other inference conditions of trained decoders, and arms trained differently."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from workflow_scripts.shared.figure_text import note
from workflow_scripts.shared.figures import PAGE_IN, legend_below, margins
from workflow_scripts.transnar.figures_common import LOOK, SMALL, VARIANTS, Data, Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CONDITIONS = {
    "plain": "as trained",
    "nodes_only": "nodes only",
    "edges_only": "edges only",
    "shuffled": "another graph",
    "closed": "no reasoner",
    "adaptive": "adaptive temperature",
}


def ablations(data: Data) -> "Figure":
    """CLRS scores with parts of the embeddings; below, with other merges or plain positions."""
    import matplotlib.pyplot as plt

    trained = set(data.scores["arm"])
    variants = {name: look for name, look in VARIANTS.items() if name in trained}
    height_in = 4.4 if variants else 2.3
    figure, grid = plt.subplots(
        2 if variants else 1, 3, figsize=(PAGE_IN, height_in), sharey="row", squeeze=False
    )
    names = list(CONDITIONS)
    arms = {"hybrid": LOOK["hybrid"], **variants, "text": LOOK["text"]}
    for column, (role, size) in zip(grid.T, data.sizes.items(), strict=True):
        rows = data.whole(metric="clrs_score", form="given", role=role)
        for shift, arm in ((0.15, "text"), (-0.15, "hybrid")):
            own = rows[(rows["arm"] == arm) & rows["inference"].isin(names)]
            heights = [names.index(name) + shift for name in own["inference"]]
            _points(column[0], own, heights, LOOK[arm])
        column[0].set_xlabel("CLRS score, shape given")
        if variants:
            rows = data.whole(metric="clrs_score", form="free", inference="plain", role=role)
            for height, (arm, look) in enumerate(arms.items()):
                _points(column[1], rows[rows["arm"] == arm], [height], look)
            column[1].set_xlabel("CLRS score")
        for axes in column:
            axes.set_title(f"{size} nodes ({role})")
            axes.set_xlim(-0.02, 1.06)
    _label(grid[0, 0], CONDITIONS.values())
    grid[0, 0].set_ylabel("inference")
    if variants:
        _label(grid[1, 0], [look.label for look in arms.values()])
    note(figure, SMALL)
    legend_below(figure, grid[0, 0], 2)
    return figure


def _points(axes: "Axes", rows: pd.DataFrame, heights: Sequence[float], look: Look) -> None:
    axes.errorbar(
        rows["value"],
        heights,
        xerr=margins(rows),
        linestyle="none",
        marker=look.marker,
        color=look.colour,
        label=look.label,
    )


def _label(axes: "Axes", labels: Iterable[str]) -> None:
    """Labels from top to bottom."""
    names = list(labels)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
