"""From the study's scores to the quantity that decides each claim."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd

from workflow_scripts.parallel_sequential.dialogue import CODE, MATH
from workflow_scripts.parallel_sequential.stopping_scores import EXPERIMENT
from workflow_scripts.shared.claims import Evidence, Measured, NotMeasured
from workflow_scripts.shared.measurements import (
    EvidenceOf,
    Found,
    by_model,
    extreme,
    measured,
    select,
)

pick = partial(select, seeds="pooled", undefined="drop")

NAMES = {MATH: "mathematics", CODE: "code"}
NEAR = 0.95  # text of this share of the history counts as equally long


def every(
    wanted: Mapping[str, dict[str, Any]],
    note: str,
    scores: pd.DataFrame,
    evidence: EvidenceOf,
    reason: Mapping[str, str] | str = "",
    absent: str = "",
    levels: bool = False,
) -> Found:
    """One measurement per model and row; `wanted` maps a domain to the columns of its rows.

    With `levels` the rows also differ by the level of difficulty, in the column `cell`.
    `reason` says why none is graded, or maps a domain to why the paper's model cannot decide there
    (questions that are not the paper's). `absent` is said where there is no row.
    """
    found = []
    for domain, columns in wanted.items():
        for _, row in pick(scores, domain=domain, **columns).iterrows():
            condition = _condition(wanted, domain, row["cell"] if levels else "")
            found.append(_one(row, note, evidence, reason, condition))
    return found or NotMeasured(asked_in_rounds(scores) or absent or absence(scores, list(wanted)))


def least(
    wanted: Mapping[str, dict[str, Any]],
    column: str,
    note: str,
    scores: pd.DataFrame,
    evidence: EvidenceOf,
    reason: Mapping[str, str] | str = "",
) -> Found:
    """For each model and domain the smallest value over `column`.

    Rows whose difference could not show (both arms at 0 % or 100 %) are left out and named, unless
    there is no other.
    """
    found = []
    for domain, columns in wanted.items():
        for _, rows in by_model(pick(scores, domain=domain, **columns)):
            shown = rows[rows["note"] == ""]
            worst = extreme(shown if len(shown) else rows, "least")
            which = f"{note}; smallest of {max(len(shown), 1)}: {worst[column]}"
            if len(shown) and len(shown) < len(rows):
                hidden = ", ".join(rows.loc[rows["note"] != "", column])
                which += f"; both arms at 0 % or 100 %: {hidden}"
            found.append(_one(worst, which, evidence, reason, _condition(wanted, domain)))
    return found or NotMeasured(absence(scores, list(wanted)))


def unharmed(
    domain: str,
    k: int,
    margin: float,
    wide: str,
    scores: pd.DataFrame,
    evidence: EvidenceOf,
    reason: Mapping[str, str] | str = "",
) -> Found:
    """The largest loss of accuracy over the lengths of the unrelated text.

    `wide`, where given, says that the design is too small to show the absence of harm; it can still
    show harm. A text that turned out shorter than the history decides nothing.
    """
    wanted = {domain: {"metric": "accuracy_change", "k": k}}
    note = f"worst length, as a multiple of the history; margin {margin:.3f}"
    found = least(wanted, "cell", note, scores, evidence, reason)
    if isinstance(found, NotMeasured):
        return found
    lengths = pick(scores, metric="padding_to_history", domain=domain)
    short = {
        str(row["model"]): f"the unrelated text is {row['value']:.2f} times as long as the history"
        for _, row in lengths[lengths["value"] < NEAR].iterrows()
    }

    def why(each: Measured) -> str | None:
        harmed = each.ci_high < -margin  # shown however small the design
        return each.reason or short.get(str(each.model)) or (None if harmed else wide) or None

    return [replace(each, reason=why(each)) for each in found]


def explained(
    wanted: Mapping[str, dict[str, Any]],
    note: str,
    scores: pd.DataFrame,
    evidence: EvidenceOf,
    reason: Mapping[str, str] | str = "",
) -> Found:
    """The share of the gap that repeats explain, of each model and domain with a gap."""
    found = every(wanted, note, scores, evidence, reason)
    metric = next(iter(wanted.values()))["metric"]
    rows = scores[(scores["metric"] == metric) & scores["model"].isin(_models(scores))]
    without = rows[rows["value"].isna() & (rows["note"] != "")]
    if isinstance(found, NotMeasured) and len(without):
        lines = zip(without["model"], without["domain"], without["note"], strict=True)
        return NotMeasured(
            "; ".join(f"{model}, {NAMES[domain]}: {n}" for model, domain, n in lines)
        )
    return found


def _models(scores: pd.DataFrame) -> set[str]:
    """The models that were asked, without the simulated answerers."""
    return set(scores.loc[scores["metric"] == "answered_share", "model"])


def stopped(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Claim 8: the first arm's share of the questions that only one solves, after all rounds."""
    found = []
    for _, row in pick(scores, metric="share_at_all_times", experiment=EXPERIMENT).iterrows():
        where = {"model": str(row["model"]), "condition": NAMES[row["domain"]]}
        found.append(measured(row, evidence(where["model"]), row["note"], **where))
    ends = scores[scores["metric"].isin(["questions_saved", "share_at_all_times"])]
    reason = "; ".join(
        f"{key[0]}, {NAMES[str(key[1])]}: {own['note'].iloc[-1]}"
        for key, own in ends.groupby(["model", "domain"], sort=False)
    )
    return found or NotMeasured(reason or "parallel_sequential.stopping is off in this run")


def asked_in_rounds(scores: pd.DataFrame) -> str:
    """Why most arms were not asked in a run with stopping; "" in others."""
    if not (scores["experiment"] == EXPERIMENT).any():
        return ""
    return "two arms were asked until it was decided (parallel_sequential.stopping): see claim 8"


def absence(scores: pd.DataFrame, domains: Sequence[str]) -> str:
    """Why no model has a measurement in these domains."""
    if reason := asked_in_rounds(scores):
        return reason
    answered = pick(scores, metric="answered_share", domain=domains)
    silent = answered[answered["note"] != ""]
    if len(silent):
        what = "program" if set(silent["domain"]) == {CODE} else "answer"
        models = ", ".join(dict.fromkeys(silent["model"]))
        return f"no {what} in any first attempt, so the arms were not run: {models}"
    return "no model of this run has this measurement"


def _one(
    row: pd.Series,
    note: str,
    evidence: EvidenceOf,
    reason: Mapping[str, str] | str,
    condition: str,
) -> Measured:
    """The measurement of one row; its note, if any, says why it decides nothing."""
    kind = evidence(str(row["model"]))
    why = row["note"] if pd.isna(row["ci_low"]) else ""
    if isinstance(reason, str):
        why = why or reason
    elif kind is Evidence.PAPER_MODEL:
        why = why or reason.get(str(row["domain"]), "")
    return measured(
        row, kind, note, model=str(row["model"]), reason=why or None, condition=condition
    )


def _condition(wanted: Mapping[str, Any], domain: str, cell: str = "") -> str:
    """What distinguishes a measurement of a claim from its others on one model."""
    return ", ".join(filter(None, [NAMES[domain] if len(wanted) > 1 else "", str(cell)]))
