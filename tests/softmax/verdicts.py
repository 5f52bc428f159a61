"""Synthetic scores under which each claim of the study ends in each verdict."""

from typing import Any

import numpy as np
import pandas as pd
import yaml

from workflow_scripts.shared import scores as shared_scores
from workflow_scripts.shared.claims import Claim, Verdict
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.shared.scores import Row
from workflow_scripts.softmax import claims, scores

PUBLISHED = ROOT / "resources/published"
TABLE = str(PUBLISHED / "softmax_table1_max_retrieval.csv")
SPREAD = str(PUBLISHED / "softmax_logit_spread.csv")
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())["softmax"]
SETTINGS: dict[str, Any] = {
    "heads": CONFIG["heads"],
    "sizes": [2**k for k in range(4, 15)],
    "retrieval_steps": 100_000,
    "comparison_steps": 100_000,
}
SIZES = (16, 1024, 16384)
MODELS = {
    "tiny": {"source": "train"},
    "gemma-2b": {"source": "/data/gemma-2b", "paper_model_of": {"softmax": "Gemma 2B"}},
    "gemma-7b": {"source": "/data/gemma-7b", "paper_model_of": {"softmax": "Gemma 7B"}},
}
EXACT = {"S1a", "S3a", "S3b", "S4a", "S4b", "S5a", "S5c", "S10a"}
UNTESTED = {"S8": "Gemma 2B fine-tuned on CLRS-Text, with and without adaptive temperature"}


def all_claims() -> list[Claim]:
    """The claims of a run with the paper's settings."""
    return claims.all_claims(TABLE, SPREAD, SETTINGS)


def heads(
    accuracy_at_16: float = 0.99,
    gains: tuple[float, float, float] = (0.0, 0.04, 0.01),
    spread: float = 0.01,
    falls: float = 1.0,
    weight_at_16: float = 0.9,
    over_bound: float = 0.4,
) -> pd.DataFrame:
    """A table of 10 heads as `evaluate` writes it.

    `spread` is the standard deviation over heads of the gain and of the weights, as a share of
    them; the largest weight falls as n^-`falls`.
    """
    rng = np.random.default_rng(3)
    rows = []
    for seed in range(10):
        wobble = 0.001 * (seed - 4.5)
        slope, drawn = rng.normal(1.0, spread, 2)
        for items, base, gain in zip(SIZES, (accuracy_at_16, 0.5, 0.12), gains, strict=True):
            key = {"normaliser": "softmax", "items": items, "seed": seed, "n": 1000}
            more = gain + rng.normal(0.0, spread * max(abs(gain), 0.01))
            for way, right in (("trained", base), ("published", base + more)):
                for metric, value in (
                    ("accuracy", round(right + wobble, 3)),  # of 1,000 sets
                    ("max_weight", min(1.0, 0.9 * (items / 16) ** -(falls * slope))),
                    ("largest_item_weight", weight_at_16 * drawn * (items / 16) ** -falls),
                    ("entropy_nats", np.log(items) - 0.5),
                    ("bound_violations", 0.0),
                ):
                    rows.append(key | {"inference": way, "metric": metric, "value": value})
            ratio = {"inference": "trained", "metric": "domain_spread_to_bound"}
            rows.append(key | ratio | {"value": over_bound})
    return pd.DataFrame(rows)


def table(frame: pd.DataFrame, *more: Row) -> pd.DataFrame:
    """The scores of E1 that `scores.main` makes of `frame`, and `more` rows."""
    rows: list[Row] = [
        *scores.pooled(frame, "E1"),
        *scores.differences(frame, "E1", "inference", "trained"),
        *scores.slopes(frame, "E1"),
        *scores.over_bound(frame, "E1"),
        *scores.sharpness_lost(frame, "E1"),
        shared_scores.exact("E1", "training_steps", 1000, 1, units="trainings"),
        shared_scores.exact("S5", "window_high_nats", 5.9445, 1, units="cases"),
        shared_scores.exact("S5", "peak_beta", 2.42, 1, units="cases"),
        *more,
    ]
    return shared_scores.table([rows], scores.CONDITIONS, whole=["items"])


def checked(experiment: str, metric: str, value: float, **place: Any) -> Row:
    """A row of `theory`, over 200 cases."""
    return shared_scores.exact(
        experiment, metric, value, 200, units="cases", model="theory", **place
    )


def around(value: float, spread: float, n: int = 10) -> np.ndarray:
    """Values, shape (n,), with this mean and standard deviation."""
    drawn = np.random.default_rng(0).normal(size=n)
    return value + spread * (drawn - drawn.mean()) / drawn.std()


def chosen(verdict: Verdict, yes: Any, no: Any, unclear: Any = None) -> Any:
    """The value for a verdict."""
    return {Verdict.SUPPORTED: yes, Verdict.CONTRADICTED: no}.get(verdict, unclear)


COUNTS = {  # claims on a count or error: experiment, metric, a value that contradicts
    "S1a": ("S1", "bound_violations", 3.0),
    "S3a": ("S3", "spread_bound_violations", 3.0),
    "S4a": ("S4", "entropy_rises", 3.0),
    "S4b": ("S4", "entropy_slope_error", 0.1),
    "S5a": ("S5", "flattened_rows", 3.0),
    "S5c": ("S5", "changed_past_window", 3.0),
}


def world(claim_id: str, verdict: Verdict) -> pd.DataFrame:
    """Scores under which the claim ends in `verdict`."""
    if claim_id in COUNTS:
        experiment, metric, wrong = COUNTS[claim_id]
        return table(heads(), checked(experiment, metric, chosen(verdict, 0.0, wrong)))
    if claim_id == "S10a":
        errors = [
            checked("S10", name, value, items=16384)
            for name, value in (
                ("streaming_error", chosen(verdict, 1.0e-14, 1.0e-6)),
                ("log_guard_error", 6.8e-5),
            )
        ]
        return table(heads(), *errors)
    if claim_id in ("S1b", "S10b"):
        slope = around(chosen(verdict, -1.0, -0.5, -1.0), chosen(verdict, 0.001, 0.001, 0.5))
        experiment = claim_id[:-1]
        of_theory = {"units": "cases", "model": "theory"}
        return table(
            heads(),
            shared_scores.mean(experiment, "max_weight_slope", slope, **of_theory),
            checked("S10", "adaptive_bound_violations", 0.0),
        )
    if claim_id in ("S9a", "S9b"):
        model = {"S9a": "gemma-2b", "S9b": "gemma-7b"}[claim_id]
        spread = around(chosen(verdict, 5.7, 20.0, 5.7), chosen(verdict, 1.0, 1.0, 50.0))
        row = shared_scores.mean("E5", "logit_spread_mean", spread, units="heads", model=model)
        return table(heads(), row)
    if claim_id == "S5b":
        explained = around(chosen(verdict, 0.9, 0.1, 0.5), chosen(verdict, 0.05, 0.05, 0.3))
        place = {"units": "heads", "normaliser": "softmax", "inference": "refit_accuracy"}
        name = "held_out_explained_variance"
        return table(heads(), shared_scores.mean("E3", name, explained, **place))
    if claim_id in ("S12", "S13", "S14"):
        return adaptive(claim_id, verdict)
    if claim_id in UNTESTED:
        return table(heads())
    if claim_id == "S11":
        return comparison(verdict)
    frames = {
        "S2": (heads(), heads(falls=-0.01), heads(falls=0.01, spread=20.0)),
        "S3b": (heads(), heads(over_bound=1.2), None),
        "S6a": (heads(), heads(gains=(0.0, 0.04, -0.02)), heads(gains=(0.0, 0.04, 0.0), spread=1)),
        "S6b": (heads(), heads(gains=(0, -0.04, 0.01)), heads(gains=(0.0, 0.02, 0.01), spread=3)),
        "S6c": (heads(), heads(gains=(0.05, 0.04, 0.01)), heads(spread=0.5)),
        "S6d": (heads(gains=(0.0, 0.04, 0.0)), heads(), heads(gains=(0.0, 0.04, 0.0), spread=0.5)),
        "S7": (heads(), heads(weight_at_16=0.1), heads(weight_at_16=0.5, spread=0.5)),
    }[claim_id]
    return table(chosen(verdict, *frames))


def adaptive(claim_id: str, verdict: Verdict) -> pd.DataFrame:
    """Scores of one language model that finds 40 of 50 letters in lists of 2, on one task."""
    place: dict[str, Any] = {"task": "needle", "model": "tiny"}
    if claim_id == "S12":
        slope = around(chosen(verdict, -0.5, 0.5, 0.0), 0.1)
        name = "largest_content_weight_slope"
        return table(heads(), shared_scores.mean("atlas", name, slope, units="heads", **place))
    way, metric = {"S13": ("published", "accuracy"), "S14": ("per_head", "log_likelihood")}[
        claim_id
    ]
    place |= {"units": "prompts"}
    gain = around(chosen(verdict, 0.2, -0.2, 0.0), 0.1)
    more = [
        shared_scores.share("adaptive", "accuracy", 40, 50, items=2, inference="plain", **place),
        shared_scores.mean(
            "adaptive", f"{metric}_gain_over_plain", gain, items=64, inference=way, **place
        ),
        *(
            shared_scores.mean(
                "adaptive", metric, around(0.4, 0.1), items=64, inference=each, **place
            )
            for each in ("plain", way)
        ),
    ]
    return table(heads(), *more)


def comparison(verdict: Verdict) -> pd.DataFrame:
    """Scores of E7 with one other normaliser."""
    gain = around(chosen(verdict, 0.2, -0.2, 0.0), 0.1)
    rows = []
    for normaliser, values in (("softmax", 0.5 + 0 * gain), ("sparsemax", 0.5 + gain)):
        for seed, value in enumerate(values):
            key = {"normaliser": normaliser, "inference": "trained", "seed": seed, "n": 1000}
            for items, right in ((16, 0.99 + 0.001 * seed), (1024, value + 0.001 * seed)):
                metric = {"metric": "accuracy", "value": right, "items": items}
                rows.append(key | metric)
    frame = pd.DataFrame(rows)
    return table(
        heads(),
        *scores.pooled(frame, "E7"),
        *scores.differences(frame, "E7", "normaliser", "softmax"),
        shared_scores.exact("E7", "training_steps", 1000, 1, units="trainings"),
    )
