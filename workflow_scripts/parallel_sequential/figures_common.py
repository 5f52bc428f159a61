"""Data, panels and elements of panels that the study's figures share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from workflow_scripts.parallel_sequential.dialogue import CODE, MATH
from workflow_scripts.parallel_sequential.measurements import pick
from workflow_scripts.shared import schemas, tables
from workflow_scripts.shared.figures import (
    COLOURS,
    PAGE_IN,
    Models,
    line,
    margins,
    missing,
    panel_grid,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ARMS = {"parallel": ("blue", "o"), "sequential": ("vermilion", "s")}  # colour and marker


@dataclass(frozen=True)
class Data:
    """The scores that the figures are drawn from, the models, and N, the attempts of a set."""

    scores: pd.DataFrame
    models: Models
    set_size: int

    def pick(self, metric: str, **wanted: Any) -> pd.DataFrame:
        """Rows of a metric that have a value."""
        return pick(self.scores, metric=metric, **wanted)

    def domains(self) -> list[dict[str, str]]:
        """Model and domain of each pair with curves, mathematics first."""
        rows = self.pick("gap")
        found = set(zip(rows["model"], rows["domain"], strict=True))
        return [
            {"model": model, "domain": domain}
            for domain in (MATH, CODE)
            for model in self.models.names
            if (model, domain) in found
        ]


def read(scores: str | Path, models: Mapping[str, Mapping[str, Any]], set_size: int) -> Data:
    """The scores and models of the figures; `set_size` is N."""
    return Data(tables.read(scores, schemas.SCORES), Models.of(models), set_size)


def panels(
    data: Data, height_in: float, shown: Sequence[dict[str, str]] | None = None, **more: Any
) -> "tuple[Figure, list[tuple[Axes, dict[str, str]]]]":
    """One titled panel per entry of `shown`, by default per model and domain with curves."""
    shown = data.domains() if shown is None else shown
    figure, axes = panel_grid(len(shown), PAGE_IN, height_in, sharey=True, **more)
    for panel, own in zip(axes, shown, strict=False):
        data.models.title(panel, own["model"], f", {own['domain']}")
    if not shown:
        missing(axes[0])
    return figure, list(zip(axes, shown, strict=False))


def curve(axes: "Axes", rows: pd.DataFrame, label: str, colour: str, **style: Any) -> None:
    """Values over k with their intervals as a band."""
    line(axes, rows, "k", color=COLOURS[colour], markersize=3, label=label, **style)


def bars(
    axes: "Axes", x: Any, rows: pd.DataFrame, label: str, colour: str, marker: str = "o"
) -> None:
    """Values over `x` with their intervals as error bars."""
    style: dict[str, Any] = {"color": COLOURS[colour], "marker": marker, "label": label}
    axes.errorbar(x, rows["value"], margins(rows), markersize=3, **style)


def points(
    axes: "Axes",
    rows: pd.DataFrame,
    column: str,
    names: Sequence[str],
    colour: str,
    label: str | None = None,
    marker: str = "o",
    shift: float = 0.0,
) -> None:
    """Values with intervals, one line of the y axis per name in `column`, moved down by `shift`."""
    rows = rows[rows[column].isin(names)]
    axes.errorbar(
        rows["value"],
        [names.index(name) + shift for name in rows[column]],
        xerr=margins(rows),
        linestyle="none",
        marker=marker,
        markersize=3.5,
        color=COLOURS[colour],
        label=label,
    )


def name_lines(axes: "Axes", labels: Sequence[str]) -> None:
    """Label the lines of the y axis, top down."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.6)


def zero(axes: "Axes") -> None:
    """The line of no difference."""
    axes.locator_params(axis="x", nbins=5)
    axes.axvline(0, color=COLOURS["black"], linewidth=0.6)


def k_axis(axes: "Axes", attempts: int, label: str = "attempts k") -> None:
    """An axis over 1..`attempts`, with at most about eight ticks."""
    axes.set_xlabel(label)
    axes.set_xticks(range(1, attempts + 1, max(1, attempts // 8)))
