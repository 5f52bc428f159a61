"""From the study's scores to the quantity that decides each claim."""

from functools import partial
from typing import Any

import pandas as pd

from workflow_scripts.parallel_sequential.dialogue import CODE, MATH
from workflow_scripts.shared.claims import NotMeasured
from workflow_scripts.shared.measurements import (
    EvidenceOf,
    Found,
    by_model,
    each,
    extreme,
    measured,
    one,
    select,
)

pick = partial(select, seeds="pooled", undefined="drop")


def every(
    wanted: dict[str, Any],
    note: str,
    scores: pd.DataFrame,
    evidence: EvidenceOf,
    reason: str | None = None,
) -> Found:
    """One measurement per model that has a wanted row; a `reason` says why none is graded."""
    rows = pick(scores, **wanted)
    return each(rows, evidence, note, absence(scores, wanted["domain"]), reason=reason)


def least(
    wanted: dict[str, Any], column: str, note: str, scores: pd.DataFrame, evidence: EvidenceOf
) -> Found:
    """For each model its smallest value over `column`."""
    found = []
    for model, rows in by_model(pick(scores, **wanted)):
        worst = extreme(rows, "least")
        which = f"{note}; smallest of {len(rows)}: {worst[column]}"
        found.append(measured(worst, evidence(model), which, model=model))
    return found or NotMeasured(absence(scores, wanted["domain"]))


def explained(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Whether repeats account for more than half of the arm's loss, where there is a loss."""
    found, without = [], []
    for model, rows in by_model(pick(scores, metric="arm_effect_beyond_half", domain=MATH)):
        loss = one(scores, metric="arm_effect", domain=MATH, model=model)
        effect = f"{loss['value']:.3f} ({loss['ci_low']:.3f} to {loss['ci_high']:.3f})"
        if loss["ci_high"] >= 0:
            without.append(f"{model} {effect}")
        else:
            note = f"effect without repeats {effect}; linear regression with question effects"
            found.append(measured(rows.iloc[0], evidence(model), note, model=model))
    if without and not found:
        return NotMeasured(f"no loss to explain; the arm's effect: {', '.join(without)}")
    return found or NotMeasured(absence(scores, MATH))


def absence(scores: pd.DataFrame, domain: str) -> str:
    """Why no model has a measurement in a domain."""
    answered = pick(scores, metric="answered_share", domain=domain)
    silent = answered.loc[answered["note"] != "", "model"]
    if len(silent):
        what = "program" if domain == CODE else "answer"
        return f"no {what} in any first attempt, so the arms were not run: {', '.join(silent)}"
    return "no model of this run has this measurement"
