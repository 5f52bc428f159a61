"""Claims of our own, about exact laws and tests that stop: no paper makes them, any model decides.

A claim about a law needs replies of the support: below `READ` of them, a law says little about the
model's draws, and nothing is decided.
"""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.shared.claims import (
    ANY_MODEL,
    Claim,
    Kind,
    Measured,
    NotMeasured,
    Region,
)
from workflow_scripts.shared.measurements import EvidenceOf, Found, by_model, extreme, measured
from workflow_scripts.stochasticity import stopping_scores
from workflow_scripts.stochasticity.draw_table import UNFILTERED
from workflow_scripts.stochasticity.exact_scores import PROMPT, SETTING, UNITS
from workflow_scripts.stochasticity.law_table import EXPERIMENT
from workflow_scripts.stochasticity.measurements import READ, of_models, pick, unread
from workflow_scripts.stochasticity.metrics import TOLERATED

CHEAPER = 20  # times
DISTANCE = "total variation between the exact law and the target"
MISSED = f"(missed: more than {TOLERATED})"

ours = partial(Claim, kind=Kind.OURS, decided_by=ANY_MODEL)
law = partial(ours, source="ours (exact laws)")


def all_claims() -> list[Claim]:
    """The claims about exact laws."""
    return [
        law(
            id="X1",
            statement="The law computed from a model's logits is the law of its draws",
            quantity="total variation between draws and their law, less that of as many draws from "
            f"the law, mean over conditions (at most {TOLERATED})",
            region=Region(high=TOLERATED),
            test=partial(_of_model, "draws_excess", "draws of S1 to S3 and S14"),
        ),
        law(
            id="X2",
            statement=f"A law costs less than a {CHEAPER}th of 1,024 draws under each setting",
            quantity="tokens of the draws over tokens of the laws of the same prompts",
            region=Region(low=CHEAPER),
            test=partial(_of_model, "law_saving", "tokens that pass through the model"),
        ),
        law(
            id="X3",
            statement="However often it is asked, a model as it is misses some stated target",
            quantity=f"{DISTANCE} at temperature 1 without filters, largest over targets {MISSED}",
            region=Region(low=TOLERATED),
            test=partial(_of_laws, "largest", "law_tv", style="plain", **UNFILTERED),
        ),
        law(
            id="X4",
            statement="No wording and no setting of the decoder brings all targets within reach",
            quantity=f"{DISTANCE}, least over wordings and settings with bare answers, largest "
            f"over targets {MISSED}",
            region=Region(low=TOLERATED),
            test=best_ways,
        ),
        law(
            id="X5",
            statement="At a vendor's recommended setting, the decoder adds more to the distance "
            "than the model has",
            quantity="decoder's part of the total variation less the model's, mean over targets",
            region=Region(low=0.0),
            test=decoder_part,
        ),
        ours(
            id="X6",
            source="ours (tests that stop)",
            statement="Asked until it is decided, a model misses some stated target",
            quantity="total variation of direct draws from the target, interval at all times, "
            f"largest over targets {MISSED}",
            region=Region(low=TOLERATED),
            test=stopped,
        ),
    ]


def stopped(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Claim X6: the largest distance, by the rounds of `stopping.py`."""
    found = []
    for model, rows in by_model(of_models(scores, "tv_at_all_times", stopping_scores.EXPERIMENT)):
        failed = of_models(scores, "failure_rate", stopping_scores.EXPERIMENT, model=model)
        row = extreme(rows, "largest")
        note = "; ".join(f"{each['target']}: {each['note']}" for _, each in rows.iterrows())
        reason = unread(1 - float(failed["value"].max()))
        found.append(measured(row, evidence(model), note, model=model, reason=reason))
    return found or NotMeasured("stochasticity.stopping is off in this run")


def _of_model(metric: str, note: str, scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    found = [
        measured(row, evidence(model), note, model=model)
        for model, rows in by_model(of_models(scores, metric, EXPERIMENT))
        for _, row in rows.iterrows()
    ]
    return found or NotMeasured(_why(scores))


def _of_laws(
    which: Any, metric: str, scores: pd.DataFrame, evidence: EvidenceOf, **wanted: Any
) -> Found:
    found = []
    for model, rows in by_model(of_models(scores, metric, EXPERIMENT, **wanted)):
        kept, reason = _inside(scores, rows)
        row = extreme(kept, which)
        note = f"{row['target']} ({which} of {len(kept)} laws)"
        found.append(measured(row, evidence(model), note, model=model, reason=reason))
    return found or NotMeasured(_why(scores))


def best_ways(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Claim X4: for each target its closest law, and of these the farthest."""
    found = []
    for model, rows in by_model(of_models(scores, "law_tv", EXPERIMENT)):
        kept, reason = _inside(scores, rows)
        best = pd.DataFrame([extreme(own, "least") for _, own in kept.groupby("target")])
        best["exact"] = best["exact"].astype(bool)
        row = extreme(best, "largest")
        setting = ", ".join(f"{name} {row[name]:g}" for name in SETTING)
        note = f"{row['target']}, {row['style']}, {setting}; {len(kept)} laws"
        found.append(measured(row, evidence(model), note, model=model, reason=reason))
    return found or NotMeasured(_why(scores))


def decoder_part(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Claim X5: at the setting with top_k, the plain prompts; bounds of the parts add up."""
    found = []
    for model, rows in by_model(of_models(scores, "law_tv_decoder", EXPERIMENT, style="plain")):
        rows = rows[rows["top_k"] > 0]
        if rows.empty:
            continue
        kept, reason = _inside(scores, rows)
        own = of_models(scores, "law_tv_model", EXPERIMENT, model=model)
        both = kept.merge(own, on=[*PROMPT, *SETTING], suffixes=("", "_model"))
        value = float((both["value"] - both["value_model"]).mean())
        low = float((both["ci_low"] - both["ci_high_model"]).mean())
        high = float((both["ci_high"] - both["ci_low_model"]).mean())
        note = f"mean of {', '.join(kept['target'])}"
        more: dict[str, Any] = {"exact": low == high, "units": UNITS}
        n = int(both["n"].sum())
        found.append(Measured(value, low, high, n, evidence(model), note, model, reason, **more))
    reason = "no model, or no setting with top_k under stochasticity.decoding"
    return found or NotMeasured(_why(scores) or reason)


def _inside(scores: pd.DataFrame, rows: pd.DataFrame) -> tuple[pd.DataFrame, str | None]:
    """The laws with enough mass in the support; if there are none, all, and why they say little."""
    masses = pick(scores, metric="support_mass", experiment=EXPERIMENT)
    keys = [*PROMPT, *SETTING]
    known = dict(zip(map(tuple, masses[keys].to_numpy()), masses["value"], strict=True))
    inside = np.array([known[tuple(key)] for key in rows[keys].to_numpy()])
    if (inside >= READ).any():
        return rows[inside >= READ], None
    return rows, f"at most {inside.max():.0%} of the replies are bare answers, needed: {READ:.0%}"


def _why(scores: pd.DataFrame) -> str:
    rows = scores[(scores["experiment"] == EXPERIMENT) & scores["value"].isna()]
    return "; ".join(sorted({note for note in rows["note"] if note}))
