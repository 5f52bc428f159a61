"""What the claims on adaptive temperature in language models read from the scores."""

import pandas as pd

from workflow_scripts.shared.claims import Measured, NotMeasured
from workflow_scripts.shared.measurements import EvidenceOf, Found, by_model, measured, one
from workflow_scripts.softmax.measurements import pick

CHANCE = 0.1  # one of ten letters
ABSENT = "no model under studies.softmax"


def dispersion(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Log-log slope of the largest content weight against keys, mean over heads, per task."""
    rows = pick(scores, experiment="atlas", metric="largest_content_weight_slope", layer=None)
    note = "-1: as uniform attention; sinks apart; interval over heads"
    return [
        measured(row, evidence(str(row["model"])), note, model=str(row["model"]), condition=task)
        for task, own in rows.groupby("task", sort=False)
        for _, row in own.iterrows()
    ] or NotMeasured(ABSENT)


def gain(metric: str, inference: str, scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Gain over plain softmax in the longest lists, per model and task."""
    rows = pick(scores, experiment="adaptive", metric=f"{metric}_gain_over_plain")
    rows = rows[rows["inference"] == inference]
    found: list[Measured] = []
    for model, own in by_model(rows):
        for task, each in own.groupby("task", sort=False):
            row = each.sort_values("items").iloc[-1]
            place = {"experiment": "adaptive", "metric": metric, "model": model, "task": task}
            place |= {"items": row["items"]}
            plain = one(scores, inference="plain", **place)["value"]
            changed = one(scores, inference=inference, **place)["value"]
            note = f"{plain:.3f} plain, {changed:.3f} {inference}; lists of {int(row['items'])}"
            found.append(
                measured(
                    row, evidence(model), note, model=model, condition=str(task),
                    reason=not_retrieved(scores, model, str(task)),
                )
            )  # fmt: skip
    return found or NotMeasured(ABSENT)


def not_retrieved(scores: pd.DataFrame, model: str, task: str) -> str | None:
    """Why a model shows nothing: it finds no letter in the shortest lists either."""
    rows = pick(scores, experiment="adaptive", metric="accuracy", inference="plain", model=model)
    row = rows[rows["task"] == task].sort_values("items").iloc[0]
    if row["ci_low"] > CHANCE:
        return None
    return (
        f"with plain softmax the model is right in {100 * row['value']:.0f} % of lists of "
        f"{int(row['items'])}, which may be chance (10 %): there is no retrieval to improve"
    )
