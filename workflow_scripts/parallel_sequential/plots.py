"""What the study's figures share: who is drawn, in which colour, and small pieces of panels."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from workflow_scripts.parallel_sequential.scoring import pick
from workflow_scripts.shared.figures import COLOURS, margins, mark_stand_in

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ARMS = {
    "parallel": ("parallel", "blue", "o"),
    "sequential": ("sequential", "vermilion", "s"),
}


@dataclass(frozen=True)
class Cast:
    """The models of a figure, in the config's order, which are stand-ins, and N."""

    models: tuple[str, ...]
    stand_ins: frozenset[str]
    attempts: int

    def title(self, axes: "Axes", model: str, domain: str = "") -> None:
        """Name the panel's model (and domain), and mark a stand-in."""
        axes.set_title(f"{model}, {domain}" if domain else model)
        if model in self.stand_ins:
            mark_stand_in(axes)


def panels(scores: pd.DataFrame, cast: Cast) -> list[tuple[str, str]]:
    """(model, domain) pairs that have curves, in the config's order."""
    rows = pick(scores, "gap")
    found = set(zip(rows["model"], rows["domain"], strict=True))
    return [(m, d) for d in ("math", "code") for m in cast.models if (m, d) in found]


def grid(count: int, width: float, height: float, **more: Any) -> tuple[Any, list["Axes"]]:
    """A row of `count` panels, at most four across."""
    import matplotlib.pyplot as plt

    across = min(max(count, 1), 4)
    down = -(-max(count, 1) // across)
    size = (width, height * down)
    figure, axes = plt.subplots(down, across, figsize=size, squeeze=False, **more)
    for spare in axes.flat[max(count, 1) :]:
        spare.set_visible(False)
    return figure, list(axes.flat[: max(count, 1)])


def curve(
    axes: "Axes", rows: pd.DataFrame, label: str, colour: str, marker: str = "o", **style: Any
) -> None:
    """A line over k with its interval as a band."""
    rows = rows.sort_values("k")
    x = rows["k"].to_numpy(float)
    shade = COLOURS[colour]
    axes.plot(x, rows["value"], color=shade, marker=marker, markersize=3, label=label, **style)
    low, high = rows["ci_low"].to_numpy(float), rows["ci_high"].to_numpy(float)
    axes.fill_between(x, low, high, color=shade, alpha=0.15, linewidth=0)


def points(
    axes: "Axes", rows: pd.DataFrame, places: Any, colour: str, label: str = "", marker: str = "o"
) -> None:
    """Values with intervals at places on the y axis."""
    axes.errorbar(
        rows["value"],
        places,
        xerr=margins(rows),
        linestyle="none",
        marker=marker,
        markersize=3.5,
        color=COLOURS[colour],
        label=label or None,
    )


def zero(axes: "Axes") -> None:
    """The line of no difference; it stops below the mark of a stand-in."""
    axes.axvline(0, ymax=0.88, color=COLOURS["black"], linewidth=0.6)


def k_axis(axes: "Axes", attempts: int, label: str = "attempts k") -> None:
    axes.set_xlabel(label)
    step = max(1, attempts // 8)
    axes.set_xticks(range(1, attempts + 1, step))
