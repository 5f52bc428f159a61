"""What the study's figures share: who is drawn, in which colour, and small pieces of panels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workflow_scripts.shared.figures import COLOURS
from workflow_scripts.shared.readings import select

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STACK = "random stack"
ENCODINGS = {
    "none": ("no encoding", "black", "o"),
    "sinusoidal": ("sinusoidal", "orange", "s"),
    "alibi": ("ALiBi", "green", "^"),
    "rotary": ("rotary", "blue", "D"),
}
PRECISIONS = {
    "float64": ("float64", "black"),
    "float32": ("float32", "blue"),
    "float16": ("float16", "green"),
    "bfloat16": ("bfloat16", "vermilion"),
    "int8_weights": ("int8 weights", "purple"),
    "int8_cache": ("int8 cache", "orange"),
    "int4_cache": ("int4 cache", "sky"),
}
CURES = {
    "none": "nothing changed",
    "separators": "separators",
    "window": "window",
    "sink": "first-token sink",
}
MODEL_COLOURS = ("blue", "vermilion", "green", "purple", "orange", "sky")


@dataclass(frozen=True)
class Data:
    """Scores, published thresholds by finding, the models, which of them are stand-ins.

    `trained`: the longest sequence that a stand-in was taught.
    """

    scores: pd.DataFrame
    thresholds: pd.DataFrame
    models: tuple[str, ...]
    stand_ins: frozenset[str]
    trained: int

    def pick(self, **wanted: Any) -> pd.DataFrame:
        return select(self.scores, **wanted)

    def published(self, finding: str) -> float:
        return float(self.thresholds["value"].astype(str)[finding])

    def label(self, model: str) -> str:
        return f"{model} (stand-in)" if model in self.stand_ins else model

    def colour(self, model: str) -> str:
        return COLOURS[MODEL_COLOURS[self.models.index(model) % len(MODEL_COLOURS)]]


def numbers(rows: pd.DataFrame, column: str) -> np.ndarray:
    return rows[column].to_numpy(float, na_value=np.nan)


def line(
    axes: "Axes",
    rows: pd.DataFrame,
    x: str,
    label: str,
    colour: str,
    floor: float | None = None,
    band: bool = True,
    **style: Any,
) -> None:
    """Values over `x` with their interval as a band; below `floor` nothing is drawn."""
    rows = rows.sort_values(x)
    value, low, high = (numbers(rows, name) for name in ("value", "ci_low", "ci_high"))
    if floor is not None:
        value = np.where(value < floor, np.nan, value)
        low, high = (
            np.where(value >= floor, np.clip(end, floor, None), np.nan) for end in (low, high)
        )
    at = numbers(rows, x)
    axes.plot(at, value, color=colour, label=label, **style)
    if band:
        axes.fill_between(at, low, high, color=colour, alpha=0.15, linewidth=0)


def log_lengths(axes: "Axes", longest: float, label: str) -> None:
    axes.set_xscale("log")
    axes.set_xlim(right=longest * 1.15)
    axes.set_xlabel(label)


def letters(panels: Sequence["Axes"], titles: Sequence[str]) -> None:
    for letter, axes, title in zip("abcdefgh", panels, titles, strict=False):
        axes.set_title(f"{letter}  {title}")
