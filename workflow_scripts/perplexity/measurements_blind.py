"""What the claims on blind spots read from the scores."""

from typing import Any

import pandas as pd

from workflow_scripts.perplexity.measurements import pick
from workflow_scripts.shared.claims import Measured, NotMeasured
from workflow_scripts.shared.measurements import EvidenceOf, Found, by_model, measured, one

ABSENT = (
    "no model under studies.perplexity answers prompts of perplexity.blind_spots rightly, or none "
    "answers an edited one wrongly"
)


def of_tasks(scores: pd.DataFrame, metric: str, **wanted: Any) -> list[pd.Series]:
    """The rows of a metric over all sizes, one per model and task."""
    rows = pick(scores, experiment="blind", metric=metric, size=None, **wanted)
    return [row for _, own in by_model(rows) for _, row in own.iterrows()]


def blind(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Share of rightly answered prompts with a blind spot, per model and task."""
    found = []
    for row in of_tasks(scores, "prompt_blind"):
        place = {"experiment": "blind", "model": row["model"], "task": row["task"], "size": None}
        spots = one(scores, metric="blind_spots", **place)
        note = (
            f"{int(spots['value'])} of {int(spots['n'])} edits within {row['distance']:g} nats are "
            "answered wrongly; edits drawn at random"
        )
        found.append(_of(row, evidence, note))
    return found or NotMeasured(ABSENT)


def slope(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Log-log slope of the distance of wrong copies, per model and task."""
    note = "median of a prompt's wrong answers; -1: one wrong symbol, averaged away"
    found = [_of(row, evidence, note) for row in of_tasks(scores, "slope")]
    return found or NotMeasured("a slope needs wrong copies at three lengths, which no model gives")


def gain(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Area under the curve of the least likely symbol less that of log-perplexity, for copies.

    An answer of one symbol has the same of both.
    """
    found = []
    for row in of_tasks(scores, "auc_gain", score="given"):
        place = {"experiment": "blind", "model": row["model"], "task": row["task"], "metric": "auc"}
        least, mean = (
            one(scores, score=name, **place)["value"] for name in ("least_given", "given")
        )
        note = f"area {least:.3f} of the least likely symbol, {mean:.3f} of log-perplexity"
        found.append(_of(row, evidence, note))
    return found or NotMeasured("no model copies some edited strings rightly and others wrongly")


def excess(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Wrong answers to changed prompts less those to controls, within the stated distance."""
    found = []
    for row in of_tasks(scores, "excess_within"):
        where = f"within {row['distance']:g} nats of log-perplexity of the right answer"
        found.append(_of(row, evidence, where))
    return found or NotMeasured(ABSENT)


def broken(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Edited copies of all sizes and tasks that violate the inequality of lemma 3.1, per model."""
    rows = pick(scores, experiment="blind", metric="bound_broken")
    found = []
    for model, own in by_model(rows):
        count, total = float(own["value"].sum()), int(own["n"].sum())
        found.append(
            Measured(
                count, count, count, total, evidence(model), "all tasks of copying",
                model=model, exact=True, units="edits",
            )
        )  # fmt: skip
    return found or NotMeasured("no edited copy satisfies the premises of lemma 3.1")


def _of(row: pd.Series, evidence: EvidenceOf, note: str) -> Measured:
    model = str(row["model"])
    return measured(row, evidence(model), note, model=model, condition=str(row["task"]))
