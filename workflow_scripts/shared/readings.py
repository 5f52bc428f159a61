"""Rows of the scores as measurements of claims: what every study's claims do with its table."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from workflow_scripts.shared.claims import Evidence, Measured, NotMeasured

if TYPE_CHECKING:
    import pandas as pd

Found = Sequence[Measured] | NotMeasured
EvidenceOf = Callable[[str], Evidence]


def select(scores: "pd.DataFrame", **wanted: Any) -> "pd.DataFrame":
    """Pooled rows (no single seed) whose columns have the wanted values."""
    rows = scores[scores["seed"].isna()]
    for column, value in wanted.items():
        rows = rows[(rows[column] == value).fillna(False).astype(bool)]
    return rows


def one(scores: "pd.DataFrame", **wanted: Any) -> "pd.Series":
    """The single row that fits. Raises `LookupError` when none or several do."""
    rows = select(scores, **wanted)
    if len(rows) != 1:
        raise LookupError(f"scores: {len(rows)} rows for {wanted}, expected one")
    return rows.iloc[0]


def measured(row: "pd.Series", evidence: Evidence, note: str, **more: Any) -> Measured:
    """The row's number; where it has no interval, both ends are its value."""
    import pandas as pd

    ends = [row["value"] if pd.isna(row[end]) else row[end] for end in ("ci_low", "ci_high")]
    return Measured(
        float(row["value"]), float(ends[0]), float(ends[1]), int(row["n"]), evidence, note, **more
    )


def exact(experiment: str, metric: str, note: str, scores: "pd.DataFrame", _: EvidenceOf) -> Found:
    """A check in closed form or by simulation: the row of model `theory`."""
    row = one(scores, experiment=experiment, metric=metric, model="theory")
    return [measured(row, Evidence.THEORY, f"{note}; {int(row['n'])} cases")]


def untested(reason: str, *_: Any) -> Found:
    return NotMeasured(reason)
