"""From scores to measurements of claims: one function per quantity.

`kind` is the kind of evidence of the run's decoders. Statements about sizes are measured per role
of a size: interpolation, trained, extrapolation.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pandas as pd

from workflow_scripts.shared.claims import Evidence, Measured, NotMeasured
from workflow_scripts.shared.measurements import EvidenceOf, Found, measured, select
from workflow_scripts.transnar.contrasts import Pairs

ROLES = ("interpolation", "trained", "extrapolation")
BEYOND = ("interpolation", "extrapolation")
WHOLE: dict[str, Any] = {"algorithm": "all", "family": "all"}
AS_TRAINED: dict[str, Any] = {"experiment": "E1", "inference": "plain", "form": "free"}
GAIN: dict[str, Any] = {
    "metric": "clrs_score_difference",
    "arm": "hybrid",
    "other": "text",
    **AS_TRAINED,
}
PUBLISHED_STEPS = 10_000  # of a single-task reasoner (Ibarz et al. 2022)

pick = partial(select, seeds="pooled", undefined="drop")


def _per_size(
    rows: pd.DataFrame, roles: Sequence[str], kind: Evidence, note: str
) -> list[Measured]:
    """One measurement per row at the sizes of these roles, in this order."""
    return [
        measured(row, kind, f"{note}, {row['nodes']} nodes ({role})")
        for role in roles
        for _, row in rows[rows["role"] == role].iterrows()
    ]


def gain(
    kind: Evidence,
    metric: str,
    pairs: Pairs,
    scores: pd.DataFrame,
    _: EvidenceOf,
    roles: Sequence[str] = BEYOND,
) -> Found:
    """The first arm minus the second of each pair, free answers, all algorithms, per size."""
    found: list[Measured] = []
    rows = pick(scores, **AS_TRAINED | WHOLE, metric=f"{metric}_difference")
    for arm, other in pairs:
        own = pick(rows, arm=arm, other=other)
        found += _per_size(own, roles, kind, f"{arm} minus {other}")
    known = set(scores["arm"])
    lacking = dict.fromkeys(arm for pair in pairs for arm in pair if arm not in known)
    return found or NotMeasured(f"not in this run: {', '.join(lacking)}; add to transnar.arms")


def inference_change(
    kind: Evidence,
    inference: str,
    scores: pd.DataFrame,
    _: EvidenceOf,
    arm: str = "hybrid",
    form: str = "given",
    roles: Sequence[str] = ROLES,
) -> Found:
    """The change of the CLRS score if the same trained decoders run differently at inference."""
    wanted = WHOLE | {"experiment": "E1", "metric": "clrs_score_difference", "form": form}
    rows = pick(scores, **wanted, arm=arm, other="plain", inference=inference)
    found = _per_size(rows, roles, kind, f"{arm}, {inference} minus plain")
    return found or NotMeasured(f"arm {arm} was not run with inference {inference}")


def families(kind: Evidence, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Families whose gain at the shorter unseen size is above 20 points.

    The interval counts those whose whole interval, or upper end, is above.
    """
    rows = pick(scores, **GAIN, role="interpolation", algorithm="all")
    rows = rows[rows["family"] != "all"]
    if rows.empty:
        return NotMeasured("no gain by family in this run")
    above, sure, may = (float((rows[end] > 0.2).sum()) for end in ("value", "ci_low", "ci_high"))
    return [Measured(above, sure, may, len(rows), kind, f"of {len(rows)} families")]


def better(kind: Evidence, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Share of algorithms on which the hybrid is above the text model, per size."""
    rows = pick(scores, **GAIN)
    rows = rows[rows["algorithm"] != "all"]
    found = []
    for role in ROLES:
        own = rows[rows["role"] == role]
        if own.empty:
            continue
        value, sure, may = ((own[end] > 0).mean() for end in ("value", "ci_low", "ci_high"))
        note = f"of {len(own)} algorithms, {role}"
        ends = min(sure, value), max(may, value)
        found.append(Measured(float(value), *ends, len(own), kind, note))
    return found or NotMeasured("arms text and hybrid are not both in this run")


def loss(kind: Evidence, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """How much less the hybrid loses from the trained size to the longer one."""
    rows = pick(scores, experiment="E1", metric="loss_difference", form="free")
    if rows.empty:
        return NotMeasured("the trained and the longer size are not both in this run")
    return [measured(rows.iloc[0], kind, "loss of the text model minus that of the hybrid")]


def parse(kind: Evidence, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Parse score of the hybrid, per size."""
    rows = pick(scores, **AS_TRAINED | WHOLE, metric="parse_score", arm="hybrid")
    found = _per_size(rows, ROLES, kind, "hybrid")
    return found or NotMeasured("arm hybrid is not in this run")


def gains_of(
    kind: Evidence,
    algorithms: Sequence[str],
    known: Sequence[str],
    scores: pd.DataFrame,
    _: EvidenceOf,
) -> Found:
    """Hybrid minus text on some algorithms, at untrained sizes; `known` are those of the run."""
    lacking = [name for name in algorithms if name not in known]
    if lacking:
        return NotMeasured(f"not in this run: {', '.join(lacking)}")
    found: list[Measured] = []
    for algorithm in algorithms:
        rows = pick(scores, **GAIN, algorithm=algorithm)
        found += _per_size(rows, BEYOND, kind, algorithm)
    return found or NotMeasured("none of these algorithms is in this run")


def reasoners(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Our reasoners minus the published ones at the longest test size."""
    found = []
    for _place, row in pick(
        scores, experiment="reasoner", metric="score_less_published"
    ).iterrows():
        kind = Evidence.PROTOCOL if row["steps"] >= PUBLISHED_STEPS else Evidence.STAND_IN
        steps = f"{row['steps']:,} of {PUBLISHED_STEPS:,} steps"
        found.append(measured(row, kind, f"{row['algorithm']}, {row['nodes']} nodes, {steps}"))
    return found or NotMeasured("no reasoner was trained in this run")
