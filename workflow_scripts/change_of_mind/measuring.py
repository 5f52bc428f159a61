"""From the study's scores to the quantity that decides each claim."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pandas as pd

from workflow_scripts.shared.claims import Evidence, Measured, NotMeasured

Found = Sequence[Measured] | NotMeasured
EvidenceOf = Callable[[str], Evidence]


def pick(scores: pd.DataFrame, metric: str, **wanted: Any) -> pd.DataFrame:
    """Rows with a value whose columns have the wanted values."""
    rows = scores[(scores["metric"] == metric) & scores["value"].notna()]
    for column, value in wanted.items():
        rows = rows[rows[column] == value]
    return rows


def direct(
    models: Sequence[str],
    metric: str,
    note: str,
    wanted: dict[str, Any],
    reason: str | None,
    scores: pd.DataFrame,
    evidence: EvidenceOf,
) -> Found:
    """A score as it stands, for each model that has it with an interval."""
    found = []
    for model, row in _by_model(pick(scores, metric, **wanted), models):
        if pd.notna(row["ci_low"]):
            found.append(_measured(model, row, evidence, note, _weak(scores, model, row, reason)))
    return found or NotMeasured(f"no model of this run has {note}")


def extreme(
    models: Sequence[str],
    metric: str,
    note: str,
    largest: bool,
    wanted: dict[str, Any],
    column: str,
    choices: Sequence[str],
    scores: pd.DataFrame,
    evidence: EvidenceOf,
) -> Found:
    """For a claim about several conditions: the largest (or least) of a score over `choices`.

    The claim holds only if it holds in each condition, so both ends of the interval are the
    largest (or least) ends of any. A model that lacks a condition is left out.
    """
    found = []
    for model in models:
        rows = pick(scores, metric, model=model, **wanted)
        rows = rows[rows[column].isin(choices)].sort_values("value", ascending=not largest)
        if set(rows[column]) == set(choices):
            row = rows.iloc[0].copy()
            ends = rows[["ci_low", "ci_high"]]
            row["ci_low"], row["ci_high"] = ends.max() if largest else ends.min()
            where = f"{note} ({column} {row[column]})"
            found.append(_measured(model, row, evidence, where, _weak(scores, model, row, None)))
    return found or NotMeasured(f"no model of this run has {note}")


def _by_model(rows: pd.DataFrame, models: Sequence[str]) -> Iterator[tuple[str, pd.Series]]:
    for model in models:
        own = rows[rows["model"] == model]
        if len(own):
            yield model, own.iloc[0]


def _measured(
    model: str, row: pd.Series, evidence: EvidenceOf, note: str, reason: str | None
) -> Measured:
    return Measured(
        float(row["value"]),
        float(row["ci_low"]),
        float(row["ci_high"]),
        int(row["n"]),
        evidence(model),
        f"{note}; n counts {'places' if not row.get('variant') else 'trials'}",
        model,
        reason=reason,
    )


def _weak(scores: pd.DataFrame, model: str, row: pd.Series, reason: str | None) -> str | None:
    """Why this row cannot decide a claim: the caller says so, or a sampler did not converge."""
    if reason or not row.get("variant"):
        return reason
    worst = pick(scores, "r_hat_max", model=model)["value"]
    if len(worst) and worst.max() > 1.05:
        return f"the sampler did not converge (largest R-hat {worst.max():.2f})"
    return None
