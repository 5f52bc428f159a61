"""From the study's scores to the quantity that decides each claim, and rows for its figures."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import pandas as pd

from workflow_scripts.shared.claims import Measured, NotMeasured
from workflow_scripts.shared.measurements import EvidenceOf, Found, by_model, each, measured, select
from workflow_scripts.stochasticity.draw_table import RIGGED, TRUE

pick = partial(select, seeds="pooled", undefined="drop")


def of_models(scores: pd.DataFrame, metric: str, *experiments: str, **wanted: Any) -> pd.DataFrame:
    """Rows of models, not of the controls, that have a value."""
    rows = pick(scores, metric=metric, experiment=experiments, **wanted)
    return rows[~rows["model"].isin([TRUE, RIGGED])]


def extreme_condition(
    metric: str,
    what: str,
    *experiments: str,
    which: Literal["smallest", "largest"] = "smallest",
    **wanted: Any,
) -> Any:
    """A test that measures, for each model, its condition with the smallest or largest value."""

    def test(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
        found = []
        for model, rows in by_model(of_models(scores, metric, *experiments, **wanted)):
            values = rows["value"]
            row = rows.iloc[int(values.argmin() if which == "smallest" else values.argmax())]
            place = ", ".join(row[name] for name in ("experiment", "target", "style") if row[name])
            more = f" (the {which} of {len(rows)} conditions: {place})" if len(rows) > 1 else ""
            found.append(measured(row, evidence(model), what + more, model=model))
        return found or NotMeasured(_why(scores, *experiments))

    return test


def difference(
    a: pd.Series, b: pd.Series, evidence: EvidenceOf, note: str, **more: Any
) -> Measured:
    """The difference `a` - `b` of two independent scores, with an interval from their intervals.

    The square-and-add rule (Zou and Donner 2008): margins add as standard deviations do.
    """
    value = a["value"] - b["value"]
    low = value - math.hypot(a["value"] - a["ci_low"], b["ci_high"] - b["value"])
    high = value + math.hypot(a["ci_high"] - a["value"], b["value"] - b["ci_low"])
    row = pd.Series({"value": value, "ci_low": low, "ci_high": high, "n": min(a["n"], b["n"])})
    return measured(row, evidence(a["model"]), note, model=a["model"], **more)


def marginal_gain(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Claim 3a: how much closer S5 is to its target than S1, on the first target of S5."""
    found = []
    for model, rows in by_model(of_models(scores, "tv", "S5")):
        row = rows.iloc[0]
        direct = of_models(scores, "tv", "S1", model=model, target=row["target"])
        if len(direct):
            note = f"total variation of S1 minus that of S5, {row['target']}"
            found.append(difference(direct.iloc[0], row, evidence, note))
    return found or NotMeasured(_why(scores, "S1", "S5"))


def token_cost(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Claim 5c: tokens per simulated output beyond those of a direct draw of a digit."""
    found = []
    for model, rows in by_model(of_models(scores, "tokens_per_draw", "S8")):
        direct = of_models(scores, "tokens_per_draw", "S1", model=model, target="digit")
        if len(direct):
            note = "reply tokens per output of S8 minus those per digit of S1"
            found.append(difference(rows.iloc[0], direct.iloc[0], evidence, note))
    return found or NotMeasured(_why(scores, "S8"))


def size_gain(
    families: Sequence[Sequence[str]], scores: pd.DataFrame, evidence: EvidenceOf
) -> Found:
    """Claim 10: correct images of the hardest map, largest minus smallest model of a family."""
    found = []
    for family in families:
        first, last = (of_models(scores, "map_right", "S9", model=family[i]) for i in (0, -1))
        if len(first) and len(last):
            small = first.iloc[int(first["value"].argmin())]
            large = last[last["style"] == small["style"]].iloc[0]
            note = f"share of correct images, map {small['style']}, minus that of {family[0]}"
            found.append(difference(large, small, evidence, note))
    return found or NotMeasured("no family of models under stochasticity.sizes was run")


def stage_gain(
    families: Sequence[Sequence[str]], scores: pd.DataFrame, evidence: EvidenceOf
) -> Found:
    """Claim 11: distance from the digit target, last stage of training minus first."""
    found = []
    reason = "weakly sourced; measured, not graded"
    for family in families:
        ends = (family[0], family[-1])
        rows = [of_models(scores, "tv", "S13", target="digit", model=model) for model in ends]
        if all(map(len, rows)):
            first, last = (row.iloc[0] for row in rows)
            note = f"total variation, last stage minus first ({family[0]})"
            found.append(difference(last, first, evidence, note, reason=reason))
    return found or NotMeasured(
        "no checkpoints of one training under stochasticity.stages; weakly sourced, not graded"
    )


def box_muller(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Claim 6b: runs rejected after the Box-Muller map of two given numbers."""
    rows = of_models(scores, "rejection_rate", "S9", style="box_muller")
    absent = "box_muller is not under stochasticity.external_maps in this run"
    return each(rows, evidence, "Box-Muller of two given numbers", absent)


def letter_c(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Claim 9: share of C among the keys, minus 1/4."""
    rows = of_models(scores, "share", "S12", cell="C").copy()
    rows[["value", "ci_low", "ci_high"]] -= 0.25
    return each(rows, evidence, "keys of the model's questions", _why(scores, "S12"))


def _why(scores: pd.DataFrame, *experiments: str) -> str:
    """Why no model was measured, from the notes in the scores."""
    rows = scores[scores["experiment"].isin(experiments) & (scores["metric"] == "draws")]
    reasons = sorted({note for note in rows["note"] if note})
    return "; ".join(reasons) or f"no model was measured in {', '.join(experiments)}"
