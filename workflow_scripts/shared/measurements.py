"""From rows of scores to measurements of claims, for every study.

A measurement function takes the study's scores and `evidence`, a function from model name to the
kind of evidence it gives, and returns `Found`: one `Measured` per model or condition, or the
reason why there is none.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from workflow_scripts.shared import rows_read
from workflow_scripts.shared.claims import Evidence, Measured, NotMeasured

if TYPE_CHECKING:
    import pandas as pd

Found = Sequence[Measured] | NotMeasured
EvidenceOf = Callable[[str], Evidence]
Seeds = Literal["pooled", "single", "any"]
Undefined = Literal["keep", "drop"]


def select(
    scores: "pd.DataFrame", *, seeds: Seeds, undefined: Undefined, **wanted: Any
) -> "pd.DataFrame":
    """Rows whose columns have the wanted values: a value, one of several, or None for a blank.

    `seeds` picks rows over all seeds (`pooled`), rows of one seed each (`single`), or both (`any`).
    `undefined` says whether rows without a value are kept. A study sets both once, with
    `functools.partial`. Raises `LookupError` for a column that the scores do not have.
    """
    from pandas.api.types import is_list_like

    rows = scores
    if unknown := [column for column in wanted if column not in scores]:
        raise LookupError(f"scores: no column {unknown[0]!r} among {', '.join(map(str, scores))}")
    if seeds != "any":
        rows = rows[rows["seed"].isna() == (seeds == "pooled")]
    if undefined == "drop":
        rows = rows[rows["value"].notna()]
    for column, value in wanted.items():
        if value is None:
            rows = rows[rows[column].isna()]
        elif is_list_like(value):
            rows = rows[rows[column].isin(list(value))]
        else:
            rows = rows[(rows[column] == value).fillna(False).astype(bool)]
    rows_read.note(rows)
    return rows


def one(scores: "pd.DataFrame", **wanted: Any) -> "pd.Series":
    """The single pooled row that fits. Raises `LookupError` if none or several do."""
    rows = select(scores, seeds="pooled", undefined="keep", **wanted)
    if len(rows) != 1:
        raise LookupError(f"scores: expected one row for {wanted}, found {len(rows)}")
    return rows.iloc[0]


def measured(row: "pd.Series", evidence: Evidence, note: str, **more: Any) -> Measured:
    """The row's number with its interval, units and exactness; a null end becomes NaN.

    `more` are further fields of `Measured`: model, reason, condition.
    """
    import pandas as pd

    ends = [math.nan if pd.isna(row[end]) else float(row[end]) for end in ("ci_low", "ci_high")]
    fields: dict[str, Any] = {"exact": bool(row["exact"]), "units": str(row["units"])}
    fields |= {"rows": rows_read.behind(row)} | more
    value, n = float(row["value"]), int(row["n"])
    return Measured(value, ends[0], ends[1], n, evidence, note, **fields)


def each(rows: "pd.DataFrame", evidence: EvidenceOf, note: str, absent: str, **more: Any) -> Found:
    """One measurement per row, of the row's model; `absent` is the reason if there is none."""
    found = [
        measured(row, evidence(str(row["model"])), note, model=str(row["model"]), **more)
        for _, row in rows.iterrows()
    ]
    return found or NotMeasured(absent)


def by_model(rows: "pd.DataFrame") -> "Iterator[tuple[str, pd.DataFrame]]":
    """The rows of each model, in the order of the table."""
    for model, own in rows.groupby("model", sort=False):
        yield str(model), own


def extreme(rows: "pd.DataFrame", which: Literal["least", "largest"]) -> "pd.Series":
    """The row with the least (largest) value, its interval taken over all rows.

    For a claim that must hold in every row: all values lie above a border only if every interval
    does, and some value lies below it as soon as one interval does. So the interval runs from the
    least lower end to the least upper end (or from the largest to the largest).
    """
    row = rows.sort_values("value", ascending=which == "least").iloc[0].copy()
    ends = rows[["ci_low", "ci_high"]]
    row["ci_low"], row["ci_high"] = ends.min() if which == "least" else ends.max()
    if ends.isna().any(axis=None):  # a row without an interval could hold the extreme
        row["ci_low" if which == "least" else "ci_high"] = math.nan
    row["exact"] = bool(rows["exact"].any() and row["ci_low"] == row["ci_high"])
    rows_read.mark(row, rows)
    return row


def exact(
    experiment: str,
    metric: str,
    note: str,
    scores: "pd.DataFrame",
    _: EvidenceOf,
    **wanted: Any,
) -> Found:
    """A check in closed form or by simulation: the one row of model `theory`."""
    row = one(scores, experiment=experiment, metric=metric, model="theory", **wanted)
    return [measured(row, Evidence.THEORY, f"{note}; {int(row['n'])} cases")]


def counted(value: float, n: float, note: str) -> Found:
    """An exact count over `n` cases, as evidence of theory."""
    number = float(value)
    return [Measured(number, number, number, int(n), Evidence.THEORY, note, exact=True)]


def untested(reason: str, *_: Any) -> Found:
    """No measurement, whatever the scores contain, with the reason."""
    return NotMeasured(reason)
