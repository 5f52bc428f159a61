"""Scores under which each claim of the study gets each of its verdicts."""

import math
from functools import cache

import pandas as pd

from workflow_scripts.change_of_mind import claims
from workflow_scripts.change_of_mind.claims import OUCS_CELLS
from workflow_scripts.change_of_mind.published import (
    DEEPSEEK,
    GEMMA_12B,
    GEMMA_27B,
    GPT_4O,
    LLAMA,
    O1,
)
from workflow_scripts.change_of_mind.scores import CONDITIONS
from workflow_scripts.shared import scores
from workflow_scripts.shared.claims import Claim, Verdict
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.shared.statistics import Interval

PUBLISHED = [str(p) for p in sorted((ROOT / "resources/published").glob("change_of_mind_*.csv"))]


def _paper(name: str) -> dict:
    return {"source": "/models/one", "paper_model_of": {"change_of_mind": name}}


MODELS = {
    "embedded": {"source": "train"},
    "other": {"source": "/models/other"},
    "gemma-12b": _paper(GEMMA_12B),
    "gemma-27b": _paper(GEMMA_27B),
    "gpt-4o": _paper(GPT_4O),
    "o1": _paper(O1),
    "llama": _paper(LLAMA),
    "deepseek": _paper(DEEPSEEK),
}
SETTINGS = {  # as in the paper
    "temperature": 1.0,
    "accuracies": [50, 60, 70, 80, 90, 100],
    "foils": {"offset": 0.5, "difficult": 0.0625},
    "files": {"four_options": "simpleqa.jsonl", "transfer": "gsm8k.jsonl"},
}
DIFFICULT = {name: name in ("gpt-4o", "o1") for name in MODELS}
CHOICES = dict.fromkeys(MODELS, "logprobs") | {"gpt-4o": "first_token", "o1": "sampled"}
EXACT: set[str] = set()
UNTESTED = {
    "E4": "the paper's own result: the known accounts of it contradict each other",
}
NOT_NEGATIVE = {"1c", "2"}  # contradicted by a value above the region

# Columns of the score that decides a claim; the letter after claim 9 gives the cell.
WANTED: dict[str, dict[str, str]] = {
    "1a": {"metric": "change_rate_gap", "advice": "all"},
    "1b": {"metric": "logit_shown"},
    "1c": {"metric": "change_odds_ratio", "advice": "all"},
    "2": {"metric": "change_rate", "display": "shown", "accuracy": "all"},
    "3a": {"metric": "change_rate", "display": "hidden", "advice": "opposite", "accuracy": "all"},
    "3b": {"metric": "change_rate", "display": "shown", "advice": "opposite", "accuracy": "all"},
    "4": {"metric": "confidence_gain", "advice": "neutral"},
    "5": {"metric": "change_rate_gap", "advice": "all", "experiment": "E3"},
    "6a": {"metric": "advice_weight", "display": "hidden", "advice": "opposite"},
    "6b": {"metric": "advice_weight", "display": "hidden", "advice": "same"},
    "6c": {"metric": "advice_weight_opposite_less_same", "display": "hidden"},
    "7a": {"metric": "line_slope", "display": "all"},
    "7b": {"metric": "line_r2", "display": "all"},
    "8a": {"metric": "sigmoid_less_line_r2", "display": "hidden", "accuracy": "all"},
    "8b": {"metric": "midpoint_rise", "display": "hidden", "accuracy": "70"},
    "10a": {"metric": "elpd_lead_of_D", "experiment": "E5"},
    "10b": {"metric": "r2_cells", "experiment": "E6", "variant": "D"},
    "11a": {"metric": "change_rate_gap", "advice": "all"},
    "11b": {"metric": "advice_use", "experiment": "E7", "display": "hidden"},
    "12": {"metric": "accuracy_effect", "display": "hidden", "advice": "opposite"},
    "E2": {"metric": "wrong_display_gap", "experiment": "E2", "display": "wrong", "advice": "all"},
    "E4": {"metric": "change_rate_gap", "advice": "all", "experiment": "E4"},
} | {
    f"9{letter}": {"metric": "oucs", "display": display, "advice": advice, "accuracy": "all"}
    for letter, (advice, display) in OUCS_CELLS.items()
}
SEVERAL = {  # claims that must hold in each of several conditions
    "2": [{"advice": "same"}, {"advice": "neutral"}],
    "10a": [{"variant": "A"}, {"variant": "B"}, {"variant": "C"}],
}


@cache
def all_claims() -> list[Claim]:
    """The claims for the models and settings under which the paper's models decide them."""
    return claims.all_claims(PUBLISHED, MODELS, SETTINGS, DIFFICULT, CHOICES)


def world(claim_id: str, verdict: Verdict) -> pd.DataFrame:
    """Scores of all models of `MODELS`, with one interval that gives the verdict."""
    claim = next(claim for claim in all_claims() if claim.id == claim_id)
    name = claim_id.split("-")[0]
    where = {"experiment": "E1"} | WANTED[name]
    found = _interval(claim, verdict)
    rows = [
        scores.interval(
            where["experiment"],
            where["metric"],
            found,
            units="places",
            **{key: value for key, value in (where | more).items() if key in CONDITIONS},
            model=model,
        )
        for model in MODELS
        for more in SEVERAL.get(name, [{}])
    ]
    return scores.table([rows], CONDITIONS, texts=CONDITIONS)


def _interval(claim: Claim, verdict: Verdict) -> Interval:
    """An interval inside the claim's region, outside it, or over one of its ends."""
    low, high = claim.region.low, claim.region.high
    both = math.isfinite(low) and math.isfinite(high)
    unit = (high - low) / 4 if both else 0.02
    above = not math.isfinite(low) or claim.id in NOT_NEGATIVE  # the side that contradicts
    end = high if above else low
    outwards = unit if above else -unit
    centre = {
        Verdict.SUPPORTED: (low + high) / 2 if both else end - 3 * outwards,
        Verdict.CONTRADICTED: end + 3 * outwards,
    }.get(verdict, end)
    return Interval(centre, centre - unit, centre + unit, 200)
