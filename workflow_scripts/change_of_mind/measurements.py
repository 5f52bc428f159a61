"""From the study's scores to the quantity that decides each claim."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Literal

import pandas as pd

from workflow_scripts.shared import measurements
from workflow_scripts.shared.claims import Measured, NotMeasured
from workflow_scripts.shared.measurements import EvidenceOf, Found

pick = partial(measurements.select, seeds="pooled", undefined="drop")
LARGEST_R_HAT = 1.05  # above it the sampler has not converged


def direct(
    models: Sequence[str],
    note: str,
    reason: str | None,
    wanted: dict[str, Any],
    scores: pd.DataFrame,
    evidence: EvidenceOf,
) -> Found:
    """The score that fits `wanted`, of each model that has it with an interval."""
    rows = pick(scores, model=models, **wanted)
    rows = rows[rows["ci_low"].notna()]
    return _found([(row, note) for _, row in rows.iterrows()], note, reason, scores, evidence)


def extreme(
    models: Sequence[str],
    note: str,
    which: Literal["least", "largest"],
    wanted: dict[str, Any],
    scores: pd.DataFrame,
    evidence: EvidenceOf,
) -> Found:
    """The least (or largest) score over the conditions listed in one entry of `wanted`, per model.

    For a claim that must hold in each of these conditions. Models that lack one are left out.
    """
    ((column, choices),) = ((c, v) for c, v in wanted.items() if isinstance(v, list))
    found = []
    for _, rows in measurements.by_model(pick(scores, model=models, **wanted)):
        if set(rows[column]) == set(choices):
            row = measurements.extreme(rows, which)
            found.append((row, f"{note} ({column} {row[column]})"))
    return _found(found, note, None, scores, evidence)


def _found(
    rows: Iterable[tuple[pd.Series, str]],
    what: str,
    reason: str | None,
    scores: pd.DataFrame,
    evidence: EvidenceOf,
) -> Found:
    """One measurement per row and its note; `what` names them where there is none."""
    found: list[Measured] = []
    for row, note in rows:
        model = str(row["model"])
        text = f"{note}; n counts {row['units']}"
        why = reason or _not_converged(scores, row)
        found.append(measurements.measured(row, evidence(model), text, model=model, reason=why))
    return found or NotMeasured(f"no model of this run has {what}")


def _not_converged(scores: pd.DataFrame, row: pd.Series) -> str | None:
    """Why a score of a regression cannot decide a claim, where the sampler did not converge."""
    worst = pick(scores, metric="r_hat_max", model=row["model"])["value"].max()
    if row["variant"] and worst > LARGEST_R_HAT:
        return f"the sampler did not converge (largest R-hat {worst:.2f})"
    return None
