"""What the study's figures share: their data, lines over string sizes and the axis of sizes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workflow_scripts.perplexity.measurements import published_correlations
from workflow_scripts.shared import figures, tables
from workflow_scripts.shared.schemas import SCORES
from workflow_scripts.shared.scores import ENDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Data:
    """Our scores, every step of the rotary copiers, the published correlations, the models."""

    scores: pd.DataFrame
    steps: pd.DataFrame
    published: dict[str, tuple[float, str]]
    longest: dict[str, int]  # bits of the longest training string: copying, parity
    models: figures.Models

    @classmethod
    def read(
        cls,
        scores: str,
        steps: str,
        published: str,
        longest: dict[str, int],
        models: dict[str, Any],
    ) -> "Data":
        """Read the tables that the figures are drawn from."""
        return cls(
            tables.read(scores, SCORES),
            tables.read(steps),
            published_correlations(published),
            longest,
            figures.Models.of(models),
        )


def over_sizes(
    axes: "Axes", rows: pd.DataFrame, clip: tuple[float, float] | None = None, **style: Any
) -> None:
    """Draw values over sizes as a line with dots, and their intervals as a band.

    Values and intervals are limited to `clip`, the range of a logarithmic axis.
    """
    if clip is not None:
        rows = rows.assign(**{end: rows[end].clip(*clip) for end in ENDS})
    figures.line(axes, rows, "size", marker="o", markersize=2.5, **style)


def sizes_axis(axes: "Axes", rows: pd.DataFrame) -> None:
    """Set up the horizontal axis: bits in the string, in powers of 2."""
    axes.set_xscale("log", base=2)
    ticks = [tick for tick in (2, 8, 32, 128, 512, 2048) if tick <= float(rows["size"].max())]
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.set_xlabel("bits in the string, n")


def shades(count: int) -> np.ndarray:
    """Colours for `count` ordered values, dark to light, shape (count, 4)."""
    import matplotlib.pyplot as plt

    return plt.get_cmap("viridis")(np.linspace(0.0, 0.85, count))
