"""Claims of our own about collisions: agents that choose at random and choose alike.

Each is read at one condition that was fixed beforehand: a digit, the plain prompt, temperature 1
without filters. Where the model has an exact law it decides, else the draws do.
"""

import math
from functools import partial
from typing import Any

import pandas as pd

from workflow_scripts.shared.claims import ANY_MODEL, Claim, Kind, NotMeasured, Region
from workflow_scripts.shared.measurements import EvidenceOf, Found, measured
from workflow_scripts.stochasticity import collisions, supports
from workflow_scripts.stochasticity.collision_scores import EXPERIMENT
from workflow_scripts.stochasticity.draw_table import UNFILTERED
from workflow_scripts.stochasticity.measurements import READ, of_models, pick, unread
from workflow_scripts.stochasticity.metrics import TOLERATED

MORE = 1.1  # times as often as true random choices
# Below this many bits, the joint law is within `TOLERATED` of that of independent answers
# (Pinsker's inequality).
BITS = 2 * TOLERATED**2 / math.log(2)
VOTERS = 5

ours = partial(Claim, kind=Kind.OURS, decided_by=ANY_MODEL, source="ours (collisions)")


def all_claims() -> list[Claim]:
    """The claims about collisions."""
    fair = f"over that of true random digits (alike: at least {MORE})"
    return [
        ours(
            id="X7",
            statement="Two agents of one model choose the same random digit too often",
            quantity=f"probability that two independent answers agree, {fair}",
            region=Region(low=MORE),
            test=partial(ratio, "collision"),
        ),
        ours(
            id="X8",
            statement="The wording of a request makes agents' random digits depend on each other",
            quantity="mutual information of two agents' digits over the same wordings, bits "
            f"(dependent: at least {BITS:.4f})",
            region=Region(low=BITS),
            test=information,
        ),
        ours(
            id="X9",
            statement=f"Of {VOTERS} agents that vote at random, too often a majority agrees",
            quantity=f"probability that a majority chooses the same digit, {fair}",
            region=Region(low=MORE),
            test=partial(ratio, "majority", cell=str(VOTERS)),
        ),
        ours(
            id="X10",
            statement="An opponent who knows a model's law guesses its random digit too often",
            quantity=f"probability of a right guess, {fair}",
            region=Region(low=MORE),
            test=partial(ratio, "guessed"),
        ),
        ours(
            id="X11",
            statement="Agents of two models choose the same random digit too often",
            quantity=f"probability that an answer of each agrees, {fair}",
            region=Region(low=MORE),
            test=between,
        ),
    ]


def _rows(scores: pd.DataFrame, metric: str, **wanted: Any) -> pd.DataFrame:
    """One row per model (or pair): its law's, or else its draws'."""
    wanted = UNFILTERED | {"target": "digit"} | wanted
    laws = of_models(scores, f"law_{metric}", EXPERIMENT, **wanted)
    drawn = of_models(scores, metric, EXPERIMENT, **wanted)
    known = set(zip(laws["model"], laws["cell"], strict=True))
    both = zip(drawn["model"], drawn["cell"], strict=True)
    rest = drawn[[each not in known for each in both]]
    return rest if laws.empty else laws if rest.empty else pd.concat([laws, rest])


def _ideal(metric: str, cell: str) -> float:
    """The value of true random digits, in closed form."""
    digit = supports.of("digit").probabilities
    match metric:
        case "majority":
            return collisions.majority(digit, int(cell))
        case "guessed":
            return float(digit.max())
    return float(digit @ digit)


def _reason(scores: pd.DataFrame, row: pd.Series, *models: str) -> str | None:
    """Why a number says little: too few replies are answers."""
    reasons = []
    for model in models:
        keys = UNFILTERED | {"target": "digit", "model": model}
        if row["style"]:
            keys |= {"style": row["style"]}
        if row["metric"].startswith("law_"):
            inside = pick(scores, metric="support_mass", experiment="exact", **keys)["value"]
            if inside.size and inside.min() < READ:
                share = f"{inside.min():.0%}"
                reasons.append(
                    f"{model}: {share} of the replies are bare answers, needed: {READ:.0%}"
                )
        else:
            failed = pick(scores, metric="failure_rate", experiment=["S1", "S2"], **keys)["value"]
            if failed.size and (why := unread(1 - float(failed.max()))):
                reasons.append(f"{model}: {why}")
    return "; ".join(reasons) or None


def ratio(metric: str, scores: pd.DataFrame, evidence: EvidenceOf, cell: str = "") -> Found:
    """Claims X7, X9 and X10: a probability over that of true random digits."""
    found = []
    for _, row in _rows(scores, metric, style="plain", cell=cell).iterrows():
        model = str(row["model"])
        found.append(_over(scores, row, metric, cell, evidence, model=model))
    return found or NotMeasured("no model with a law or readable draws of a digit")


def between(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Claim X11: one measurement per pair of models, under the first of both."""
    found = []
    for _, row in _rows(scores, "collision_between", style="plain").iterrows():
        first, second = str(row["model"]), str(row["cell"])
        more = {"model": first, "condition": f"with {second}"}
        found.append(_over(scores, row, "collision", "", evidence, other=second, **more))
    return found or NotMeasured("fewer than two models with laws or readable draws of a digit")


def _over(
    scores: pd.DataFrame,
    row: pd.Series,
    metric: str,
    cell: str,
    evidence: EvidenceOf,
    *,
    model: str,
    other: str = "",
    **more: Any,
) -> Any:
    ideal = _ideal(metric, cell)
    scaled = row.copy()
    for end in ("value", "ci_low", "ci_high"):
        scaled[end] = row[end] / ideal
    reason = _reason(scores, row, model, *([other] if other else []))
    if other and evidence(other) != evidence(model):
        reason = f"{model} and {other} give different kinds of evidence"
    note = f"{_source(row)}: {row['value']:.4f}; true random digits: {ideal:.4f}"
    return measured(scaled, evidence(model), note, model=model, reason=reason, rows=(), **more)


def information(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Claim X8: of two agents of one model."""
    rows = _rows(scores, "information_bits", cell="")
    found = []
    for _, row in rows.iterrows():
        model = str(row["model"])
        reason = _reason(scores, row, model)
        found.append(measured(row, evidence(model), _source(row), model=model, reason=reason))
    return found or NotMeasured("no model with laws or readable draws of two wordings")


def _source(row: pd.Series) -> str:
    return "exact law" if str(row["metric"]).startswith("law_") else "draws"
