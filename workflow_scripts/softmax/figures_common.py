"""What the study's figures share: their data, the axis of set sizes, and lines over it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from workflow_scripts.shared import figures, tables
from workflow_scripts.shared.figures import COLOURS
from workflow_scripts.shared.schemas import SCORES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WAYS = {
    "trained": ("$\\theta$ = 1", "blue"),
    "published": ("adaptive $\\theta$, published", "vermilion"),
    "refit_log_likelihood": ("adaptive $\\theta$, refit to likelihood", "green"),
    "refit_accuracy": ("adaptive $\\theta$, refit to accuracy", "purple"),
}


@dataclass(frozen=True)
class Data:
    """Our scores, attention maps, atlases by model, published tables and the models' colours."""

    scores: pd.DataFrame
    maps: pd.DataFrame
    atlas: list[pd.DataFrame]
    accuracy: pd.DataFrame
    spread: pd.DataFrame
    models: figures.Models

    @classmethod
    def read(
        cls,
        scores: str,
        maps: str,
        atlas: list[str],
        accuracy: str,
        spread: str,
        models: dict[str, Any],
    ) -> "Data":
        """Read the tables that the figures are drawn from."""
        return cls(
            tables.read(scores, SCORES),
            tables.read(maps),
            [tables.read(path) for path in atlas],
            pd.read_csv(accuracy),
            pd.read_csv(spread),
            figures.Models.of(models),
        )


def over_items(axes: "Axes", rows: pd.DataFrame, label: str, colour: str) -> None:
    """Draw values over items as a line with dots, and their intervals as a band."""
    figures.line(
        axes, rows, "items", label=label, color=COLOURS[colour], marker="o", markersize=2.5
    )


def items_axis(axes: "Axes") -> None:
    """Set up the horizontal axis: items in the set, in powers of 2."""
    axes.set_xscale("log", base=2)
    ticks = [16, 64, 256, 1024, 4096, 16384]
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.set_xlabel("items in the set")
