"""Rows of the study's score table."""

import math
from typing import Any

import pandas as pd

from workflow_scripts.shared.statistics import Interval
from workflow_scripts.stochasticity.draws import CONDITIONS

Row = dict[str, Any]
COLUMNS = [
    *CONDITIONS,
    "model",
    "seed",
    "metric",
    "cell",
    "value",
    "ci_low",
    "ci_high",
    "n",
    "note",
]


def base(
    experiment: str,
    target: str,
    style: str,
    model: str,
    temperature: float = 1.0,
    top_p: float = 1.0,
    top_k: int = 0,
    batch: int = 1,
) -> Row:
    """The condition columns of a row."""
    return {
        "experiment": experiment,
        "target": target,
        "style": style,
        "temperature": temperature,
        "top_p": top_p,
        "top_k": top_k,
        "batch": batch,
        "model": model,
    }


def row(condition: Row, metric: str, interval: Interval, cell: str = "", note: str = "") -> Row:
    """A measured number; without an observation it has no value. `cell` is a bin, lag or place."""
    value, low, high, n = interval
    absent = n == 0 or math.isnan(value)
    return condition | {
        "metric": metric,
        "cell": cell,
        "value": None if absent else value,
        "ci_low": None if absent else low,
        "ci_high": None if absent else high,
        "n": n,
        "note": note,
    }


def exact(condition: Row, metric: str, value: float, n: int, cell: str = "", note: str = "") -> Row:
    """A number that has no interval: a p-value, or what a definition gives."""
    return row(condition, metric, Interval(value, math.nan, math.nan, n), cell, note)


def absent(condition: Row, why: str) -> Row:
    """Says that a model does not take part in an experiment."""
    return row(condition, "draws", Interval(math.nan, math.nan, math.nan, 0), note=why)


def table(rows: list[Row]) -> pd.DataFrame:
    """The rows as a frame with all columns; seeds are pooled in this study."""
    frame = pd.DataFrame(rows).assign(seed=pd.array([pd.NA] * len(rows), dtype="Int64"))
    floats = {"value": float, "ci_low": float, "ci_high": float}
    return frame[COLUMNS].astype(floats)
