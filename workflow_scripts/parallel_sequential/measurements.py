"""From the study's scores to the quantity that decides each claim."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from workflow_scripts.parallel_sequential.dialogue import CODE, MATH
from workflow_scripts.parallel_sequential.scoring import pick
from workflow_scripts.shared.claims import Evidence, Measured, NotMeasured

Found = Sequence[Measured] | NotMeasured
EvidenceOf = Callable[[str], Evidence]


def measured(row: pd.Series, evidence: EvidenceOf, note: str, **more: Any) -> Measured:
    return Measured(
        float(row["value"]),
        float(row["ci_low"]),
        float(row["ci_high"]),
        int(row["n"]),
        evidence(row["model"]),
        note,
        row["model"],
        **more,
    )


def every(
    metric: str,
    note: str,
    wanted: dict[str, Any],
    scores: pd.DataFrame,
    evidence: EvidenceOf,
    reason: str | None = None,
) -> Found:
    """One measurement for each model that has such a row; with a `reason`, none is graded."""
    rows = pick(scores, metric, **wanted)
    found = [measured(row, evidence, note, reason=reason) for _, row in rows.iterrows()]
    return found or NotMeasured(absence(scores, wanted.get("domain", MATH)))


def least(
    metric: str,
    column: str,
    note: str,
    wanted: dict[str, Any],
    scores: pd.DataFrame,
    evidence: EvidenceOf,
    leave_out: tuple[str, ...] = (),
) -> Found:
    """For each model its smallest value over `column`.

    All are above a border only if each interval is; one is below as soon as one interval is. So the
    interval runs from the least lower to the least upper end.
    """
    rows = pick(scores, metric, **wanted)
    rows = rows[~rows[column].isin(leave_out)]
    found = []
    for _, own in rows.groupby("model", sort=False):
        worst = own.sort_values("value").iloc[0].copy()
        worst["ci_low"], worst["ci_high"] = own["ci_low"].min(), own["ci_high"].min()
        which = f"{note}; least of {len(own)}: {worst[column]}"
        found.append(measured(worst, evidence, which))
    return found or NotMeasured(absence(scores, wanted.get("domain", MATH)))


def explained(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Whether repeats take more than half of the arm's loss with them, where there is a loss."""
    found, without = [], []
    for _, row in pick(scores, "arm_effect_beyond_half", domain=MATH).iterrows():
        loss = pick(scores, "arm_effect", domain=MATH, model=row["model"]).iloc[0]
        effect = f"{loss['value']:.3f} ({loss['ci_low']:.3f} to {loss['ci_high']:.3f})"
        if loss["ci_high"] >= 0:
            without.append(f"{row['model']} {effect}")
        else:
            note = f"effect without repeats {effect}; linear regression with question effects"
            found.append(measured(row, evidence, note))
    if without and not found:
        return NotMeasured(f"no loss to explain; the arm's effect: {', '.join(without)}")
    return found or NotMeasured(absence(scores, MATH))


def absence(scores: pd.DataFrame, domain: str) -> str:
    """Why no model has a measurement in a domain."""
    rows = scores[(scores["domain"] == domain) & (scores["metric"] == "answered_share")]
    silent = rows[rows["note"] != ""]
    if len(silent):
        what = "program" if domain == CODE else "answer"
        return f"{', '.join(silent['model'])}: no {what} in any first attempt, so no part taken"
    return "no model of this run has this measurement"
