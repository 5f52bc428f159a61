"""What the claims on the precision budget read from the scores."""

import math

import pandas as pd

from workflow_scripts.glasses.measurements import pick
from workflow_scripts.shared.claims import Measured, NotMeasured
from workflow_scripts.shared.measurements import EvidenceOf, Found, by_model
from workflow_scripts.shared.statistics import proportion

PLACE = ["task", "precision", "cache"]
ABSENT = "no model under studies.glasses counts or copies right in float32"


def safe_lost(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Replies that a format loses although their margin is above the bound, per model."""
    found = []
    for model, own in by_model(pick(scores, experiment="budget", metric="safe_lost")):
        lost, n = float(own["value"].sum()), int(own["n"].sum())
        every = pick(scores, experiment="budget", metric="safe_replies", model=model)
        note = f"{n} of {int(every['n'].sum())} replies in {len(every)} tasks and formats are safe"
        found.append(
            Measured(lost, lost, lost, n, evidence(model), note, model, exact=True, units="replies")
        )
    return found or NotMeasured(f"no margin is safe, or {ABSENT}")


def inside(lost: float, low: float, high: float) -> bool:
    """Whether a length lies in an interval; NaN is beyond the longest length that was asked."""
    at, least, most = (math.inf if math.isnan(end) else end for end in (lost, low, high))
    return least <= at <= most


def outcomes(scores: pd.DataFrame, model: str) -> pd.DataFrame:
    """One row per task and format: `lost`, `median`, `low`, `high`, NaN beyond the longest length.

    Without those in which a loss is neither expected nor found.
    """
    rows = pick(
        scores, experiment="budget", model=model, undefined="keep",
        metric=["lost_length", "predicted_length"],
    )  # fmt: skip
    lost, told = (
        rows[rows["metric"] == metric].set_index(PLACE)
        for metric in ("lost_length", "predicted_length")
    )
    frame = told[["value", "ci_low", "ci_high"]].set_axis(["median", "low", "high"], axis=1)
    frame = frame.join(lost["value"].rename("lost")).astype(float)
    return frame[frame["lost"].notna() | frame["low"].notna()]


def as_predicted(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Share of tasks and formats whose length at the first loss lies in the predicted interval.

    Those in which a loss is neither expected nor found do not count.
    """
    found = []
    for model, _ in by_model(pick(scores, experiment="budget", metric="losses")):
        cases = outcomes(scores, model)
        if cases.empty:
            continue
        hits = sum(inside(*ends) for ends in cases[["lost", "low", "high"]].itertuples(index=False))
        sums = {
            name: pick(scores, experiment="budget", metric=name, model=model)["value"].sum()
            for name in ("losses", "expected_losses")
        }
        note = (
            f"{hits} of {len(cases)}; {sums['losses']:.0f} replies lost, "
            f"{sums['expected_losses']:.1f} expected; formats share their prompts"
        )
        share = proportion(hits, len(cases))
        found.append(Measured(*share, evidence(model), note, model, units="tasks and formats"))
    return found or NotMeasured(f"no loss is expected or found, or {ABSENT}")
