"""From the study's scores to the quantity that decides each claim."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pandas as pd

from workflow_scripts.shared.claims import Evidence, Measured, NotMeasured

OTHERS = ("true generator", "rigged generator", "theory")  # in the column `model`

Found = Sequence[Measured] | NotMeasured
EvidenceOf = Callable[[str], Evidence]


def pick(scores: pd.DataFrame, metric: str, *experiments: str, **wanted: Any) -> pd.DataFrame:
    """Rows of models (not of controls) with a value."""
    rows = scores[(scores["metric"] == metric) & scores["value"].notna()]
    rows = rows[rows["experiment"].isin(experiments) & ~rows["model"].isin(OTHERS)]
    for column, value in wanted.items():
        rows = rows[rows[column] == value]
    return rows


def by_model(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    for model, group in rows.groupby("model", sort=False):
        yield str(model), group


def measured(row: pd.Series, evidence: EvidenceOf, note: str, **more: Any) -> Measured:
    low, high = row["ci_low"], row["ci_high"]
    return Measured(
        float(row["value"]),
        float(row["value"] if pd.isna(low) else low),
        float(row["value"] if pd.isna(high) else high),
        int(row["n"]),
        evidence(row["model"]),
        note,
        row["model"],
        **more,
    )


def extreme(
    metric: str,
    experiments: tuple[str, ...],
    best: str,
    what: str,
    wanted: dict[str, Any],
    scores: pd.DataFrame,
    evidence: EvidenceOf,
) -> Found:
    """For each model its condition with the smallest or largest value (`best` min or max)."""
    found = []
    for _, rows in by_model(pick(scores, metric, *experiments, **wanted)):
        row = rows.iloc[int(getattr(rows["value"], f"arg{best}")())]
        which = "smallest" if best == "min" else "largest"
        place = ", ".join(
            str(row[column]) for column in ("experiment", "target", "style") if row[column]
        )
        more = f" (of {len(rows)} conditions the {which}: {place})" if len(rows) > 1 else ""
        found.append(measured(row, evidence, what + more))
    return found or NotMeasured(_nobody(scores, experiments))


def difference(
    a: pd.Series, b: pd.Series, evidence: EvidenceOf, note: str, **more: Any
) -> Measured:
    """a - b of two independent scores, with the interval that their own intervals give.

    The square-and-add rule (Zou and Donner 2008): margins add as variances do.
    """
    value = a["value"] - b["value"]
    low = value - math.hypot(a["value"] - a["ci_low"], b["ci_high"] - b["value"])
    high = value + math.hypot(a["ci_high"] - a["value"], b["value"] - b["ci_low"])
    return Measured(
        float(value),
        float(low),
        float(high),
        int(min(a["n"], b["n"])),
        evidence(a["model"]),
        note,
        a["model"],
        **more,
    )


def marginal_gain(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Claim 3: how much nearer to its target S5 is than S1, on the first target of S5."""
    found = []
    for model, rows in by_model(pick(scores, "tv", "S5")):
        row = rows.iloc[0]
        direct = pick(scores, "tv", "S1", model=model, target=row["target"])
        if len(direct):
            note = f"total variation of S1 less that of S5, {row['target']}"
            found.append(difference(direct.iloc[0], row, evidence, note))
    return found or NotMeasured(_nobody(scores, ("S1", "S5")))


def token_cost(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Claim 5: tokens that a simulated output takes beyond those of a direct draw of a digit."""
    found = []
    for model, rows in by_model(pick(scores, "tokens_per_draw", "S8")):
        direct = pick(scores, "tokens_per_draw", "S1", model=model, target="digit")
        if len(direct):
            note = "reply tokens for an output of S8 less those for a digit of S1"
            found.append(difference(rows.iloc[0], direct.iloc[0], evidence, note))
    return found or NotMeasured(_nobody(scores, ("S8",)))


def size_gain(
    families: Sequence[Sequence[str]], scores: pd.DataFrame, evidence: EvidenceOf
) -> Found:
    """Claim 10: right images of the hardest map run, largest less smallest model of a family."""
    found = []
    rows = pick(scores, "map_right", "S9")
    for family in families:
        first, last = (rows[rows["model"] == family[i]] for i in (0, -1))
        if len(first) and len(last):
            hardest = first["style"].iloc[int(first["value"].argmin())]
            a, b = (side[side["style"] == hardest].iloc[0] for side in (last, first))
            note = f"share of right images, map {hardest}, less that of {family[0]}"
            found.append(difference(a, b, evidence, note))
    return found or NotMeasured("no family of models in stochasticity.sizes took part")


def stage_gain(
    families: Sequence[Sequence[str]], scores: pd.DataFrame, evidence: EvidenceOf
) -> Found:
    """Claim 11: distance from the digit target, last stage of training less first."""
    found = []
    for family in families:
        rows = pick(scores, "tv", "S13", target="digit")
        first, last = (rows[rows["model"] == family[i]] for i in (0, -1))
        if len(first) and len(last):
            note = f"total variation, last stage less first ({family[0]})"
            reason = "weakly sourced; measured, not graded"
            found.append(difference(last.iloc[0], first.iloc[0], evidence, note, reason=reason))
    return found or NotMeasured(
        "no checkpoints of one training under stochasticity.stages; weakly sourced, not graded"
    )


def scheme(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    return NotMeasured("a proposal of the authors, not an experiment")


def _nobody(scores: pd.DataFrame, experiments: tuple[str, ...]) -> str:
    notes = scores[scores["experiment"].isin(experiments) & (scores["metric"] == "draws")]["note"]
    reasons = sorted({note for note in notes if note})
    return "; ".join(reasons) or f"no model took part in {', '.join(experiments)}"


def box_muller(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    rows = pick(scores, "rejection_rate", "S9", style="box_muller")
    if rows.empty:
        return NotMeasured("box_muller is not under stochasticity.external_maps in this run")
    return [
        measured(row, evidence, "Box-Muller of two given numbers") for _, row in rows.iterrows()
    ]


def letter_c(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    rows = pick(scores, "share", "S12", cell="C").copy()
    rows[["value", "ci_low", "ci_high"]] -= 0.25
    found = [measured(row, evidence, "keys of the model's questions") for _, row in rows.iterrows()]
    return found or NotMeasured(_nobody(scores, ("S12",)))
