"""Rows of scores: the conditions of a number, its value and its interval.

Every row states what its `n` units are (seeds, questions, draws, cases) and whether its value is
exact. Only an exact value has an interval of width 0; a sampled one without an interval has null
ends.
"""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from workflow_scripts.shared.statistics import Bounds, Interval, proportion, seed_interval

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

Row = dict[str, Any]

ENDS = ("value", "ci_low", "ci_high")


def interval(
    experiment: str, metric: str, found: Interval, *, units: str, **conditions: Any
) -> Row:
    """An estimate with its interval over `found.n` units.

    An end that is NaN becomes null; so does the whole estimate where there was no unit.
    """
    absent = found.n == 0 or math.isnan(found.value)
    ends = {
        name: None if absent or math.isnan(end) else float(end)
        for name, end in zip(ENDS, found[:3], strict=True)
    }
    row = {"experiment": experiment, "metric": metric, **ends, "n": int(found.n)}
    return row | {"units": units, "exact": False} | conditions


def exact(
    experiment: str, metric: str, value: float, n: int, *, units: str, **conditions: Any
) -> Row:
    """A number that was counted or computed, not estimated: both ends are the value.

    `n` is the number of `units` that were examined.
    """
    number = float(value)
    row = interval(experiment, metric, Interval(number, number, number, n), units=units)
    return row | {"exact": True} | conditions


def number(
    experiment: str, metric: str, value: float, n: int, *, units: str, **conditions: Any
) -> Row:
    """A sampled number without an interval: a p-value, one seed's result, a fitted constant."""
    found = Interval(float(value), math.nan, math.nan, n)
    return interval(experiment, metric, found, units=units, **conditions)


def mean(
    experiment: str,
    metric: str,
    values: "ArrayLike",
    *,
    units: str = "seeds",
    bounds: Bounds | None = None,
    **conditions: Any,
) -> Row:
    """The mean of `values`, shape (n,), one per independent unit, with Student's t interval.

    `bounds` is the range that one unit's value can take: (0, 1) for a share, (-1, 1) for a
    difference of two.
    """
    found = seed_interval(values, bounds=bounds)
    return interval(experiment, metric, found, units=units, **conditions)


def share(experiment: str, metric: str, hits: int, n: int, *, units: str, **conditions: Any) -> Row:
    """The share of `n` units that are hits, with Wilson's interval.

    Raises `ValueError` unless 0 <= `hits` <= `n`.
    """
    if not 0 <= hits <= n:
        raise ValueError(f"{experiment} {metric}: expected 0 to {n} hits, found {hits}")
    return interval(experiment, metric, proportion(hits, n), units=units, **conditions)


def absent(experiment: str, metric: str, note: str, *, units: str, **conditions: Any) -> Row:
    """No value, and why: the model or condition is not part of the experiment."""
    found = Interval(math.nan, math.nan, math.nan, 0)
    return interval(experiment, metric, found, units=units, note=note, **conditions)


def table(
    parts: "Iterable[pd.DataFrame | Sequence[Row]]",
    conditions: Sequence[str],
    whole: Sequence[str] = (),
    texts: Sequence[str] = (),
) -> "pd.DataFrame":
    """One table of scores from frames and lists of rows, ready for `schemas.SCORES`.

    Columns: experiment, `conditions`, model, seed, metric, value, ci_low, ci_high, n, units, exact,
    note. `whole` names the condition columns of integers (nullable), `texts` those in which a
    missing condition is the empty string. Other columns of the parts are dropped. Raises
    `ValueError` if there is no row.
    """
    import pandas as pd

    frames = [p if isinstance(p, pd.DataFrame) else pd.DataFrame(list(p)) for p in parts]
    if not any(len(part) for part in frames):
        raise ValueError("scores: expected rows, found none")
    columns = ["experiment", *conditions, "model", "seed", "metric", *ENDS]
    columns += ["n", "units", "exact", "note"]
    frame = pd.concat([part for part in frames if len(part)], ignore_index=True)
    frame = frame.reindex(columns=columns)
    integers = dict.fromkeys([*whole, "seed"], "Int64")
    frame = frame.astype(integers | dict.fromkeys(ENDS, float))
    for column in (*texts, "note"):
        filled = frame[column].astype(object)
        frame[column] = filled.where(filled.notna(), "").astype(str)
    return frame
