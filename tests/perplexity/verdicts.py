"""Synthetic scores under which each claim of the study ends in each verdict."""

from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.perplexity import claims, correlation, scores, selection
from workflow_scripts.perplexity.copies import rows_of
from workflow_scripts.shared import scores as shared_scores
from workflow_scripts.shared.claims import Claim, Verdict
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.shared.scores import Row
from workflow_scripts.shared.statistics import Interval

PUBLISHED = str(ROOT / "resources/published/perplexity_parity_correlation.csv")
PARITY: dict[str, Any] = {"longest": 16, "steps": 5000, "keep_every": 100, "sizes": [16, 128]}
SIZES = (16, 32, 64, 128, 256, 1024)
FLOOR = 1.0e-12
MODELS = {
    "tiny": {"source": "train"},
    "gemma": {"source": "/data/gemma-3-4b", "paper_model_of": {"perplexity": "Gemma 3 4B"}},
}
COUNTS = {  # claims on a count or an error: experiment, metric, a value that contradicts, n
    "C2a": ("C2", "over_certainty_beyond_xi", 3.0),
    "C4": ("C4", "temperature_map_error", 0.1),
    "C5a": ("C5", "union_bound_broken", 3.0),
    "C5b": ("C5", "union_bound_broken_sampled", 3.0),
    "C8a": ("C8", "log_perplexity_error_nats", 0.1),
    "C8b": ("C8", "equal_perplexity_error_nats", 0.1),
    "C10b": ("C10", "free_lunch_mistaken", 3.0),
}
EXACT_VALUES = {  # experiment, metric, a value that supports, one that contradicts
    "C3a": ("C3", "log_log_slope", -1.0, -0.5),
    "C9a": ("C9", "least_extra_accuracy", 0.01, -0.01),
    "C9b": ("C9", "share_over_5_points", 0.8, 0.2),
    "C9c": ("C9", "share_over_10_points", 0.8, 0.2),
    "C9d": ("C9", "critical_accuracy_at_end", 0.996, 0.9),
    "C10a": ("C10", "least_dip", 0.01, -0.01),
}
EXACT = {"C1a", "C1b", "C1d", "C5c", "C13e", *COUNTS, *EXACT_VALUES}
# Claims on blind spots: metric, and ends of an interval that supports it and that contradicts it.
BLIND = {
    "C13a": ("prompt_blind", (0.7, 0.9), (0.0, 0.2)),
    "C13b": ("slope", (-1.2, -0.8), (0.1, 0.4)),
    "C13c": ("auc_gain", (0.1, 0.3), (-0.3, -0.1)),
    "C13d": ("excess_within", (0.1, 0.3), (-0.3, -0.1)),
}
UNTESTED = {"C12c": "a reader: it is a statement about the paper, not about models"}


def all_claims() -> list[Claim]:
    """The claims of a run with the paper's settings."""
    return claims.all_claims(PUBLISHED, 16, PARITY)


def copies(
    power: float = -1.0,
    accuracy: float = 0.95,
    gradient: float = -1.0,
    limit: float = 0.0,
    noise: float = 0.05,
    least: float = 0.99,
    flip: float = 0.01,
    copied: tuple[bool, ...] = (False,) * 8,
    certainty: float = 0.5,
) -> pd.DataFrame:
    """A table as `copies` writes it, of 8 copiers.

    Metrics that change with the size are `limit` and a `power` of it (the gradient: `gradient`).
    Copiers differ by `noise`, as a share and in the power; `least` and `flip` are probabilities,
    `copied` says which copiers copy beta, `certainty` is nats over -log(1 - gamma) at 1,024 bits.
    """
    rng = np.random.default_rng(1)
    rows = []
    for seed in range(8):
        factor, bent = 1 + noise * rng.normal(size=2)
        steeper = noise * rng.normal()
        for size in SIZES:
            curve = factor * (limit + size ** (power + steeper))
            norm = factor * size ** (gradient + steeper)
            measured = {
                "gap": curve,
                "nats_apart": curve,
                "nats_beta": curve,
                "beta_flip": float(np.clip(flip * bent, 0, 1)),
                "beta_copied": float(copied[seed]),
                "alpha_least": float(np.clip(least * (1 + 0.02 * noise * seed), 0, 1)),
                "gradient_beta": norm,
                "size_times_gradient_beta": size * norm,
                "corrected_bound": 3.0 * (limit + size**power),
                "printed_bound": -2.0 * size**power,
                "over_certainty": factor * certainty * 1024 / size,
                "alpha_error": 0.1,
                "alpha_union": 0.2,
                "beta_not_alpha": 0.1,
                "beta_union": 0.2,
            }
            rows += rows_of(measured, seed, size, "last")
        rows += rows_of({"accuracy": accuracy + 0.001 * seed}, seed, 16, "random")
    return pd.DataFrame(rows).assign(encoding="rope")


def asked(
    curve: np.ndarray, metric: str = "gap", wordings: int = 1, sizes: tuple[int, ...] = SIZES
) -> pd.DataFrame:
    """E2 as `models` writes it: one model, a metric whose values `curve` are (wordings, sizes)."""
    pair: Row = {"units": "pairs", "flip": "last", "model": "tiny"}
    rows = [
        shared_scores.number(
            "E2", metric, value, 1, size=size, wording=f"Copy {number} {{}}", **pair
        )
        for number, values in enumerate(np.reshape(curve, (wordings, len(sizes))))
        for size, value in zip(sizes, values, strict=True)
    ]
    merged: Row = {"units": "models", "model": "tiny", "wording": ""}
    rows.append(shared_scores.exact("E2", "digits_merged", 1, 1, **merged))
    return pd.DataFrame(rows)


def table(frame: pd.DataFrame, e2: pd.DataFrame | None = None, *more: Row) -> pd.DataFrame:
    """Scores of copiers and one stand-in model as `scores.main` builds them, and `more` rows."""
    ours = [
        *scores.pooled(frame),
        *scores.copier_curves(frame, 16),
        *scores.neighbours(frame, FLOOR),
        *scores.broken_bounds(frame),
        shared_scores.exact("E1", "training_steps", 500, 1, units="trainings"),
    ]
    e2 = asked(1.0 / np.array(SIZES)) if e2 is None else e2
    parts = [
        pd.DataFrame(ours).assign(model=scores.COPIER),
        frame.assign(model=scores.COPIER),
        e2,
        pd.DataFrame(scores.model_means(e2)),
        pd.DataFrame(scores.model_curves(e2, 16)),
        list(more),
    ]
    whole = ["size", "step"]
    return shared_scores.table(parts, scores.CONDITIONS, whole=whole, texts=scores.TEXTS)


def checkpoints(
    slopes: list[float], target: str = "prefix", best: float = 0.9, noise: float = 0.02
) -> pd.DataFrame:
    """E4 as `checkpoints` writes it: 40 checkpoints per training, of sizes 16 and 128.

    The accuracy at 128 rises from 0.5 to `best`; log-perplexity there moves with it by the
    training's slope, entropy against it. At 16 log-perplexity falls as the accuracy rises.
    """
    rng = np.random.default_rng(2)
    rows = []
    for seed, slope in enumerate(slopes):
        for step in range(40):
            share = step / 39 + noise * rng.normal()
            for size, accuracy, nats in (
                (16, 0.5 + 0.45 * share, 1.0 - 0.9 * share),
                (128, 0.5 + (best - 0.5) * share, 1.0 + slope * share + noise * rng.normal()),
            ):
                key: Row = {"target": target, "size": size, "seed": seed, "step": step}
                for metric, value in (
                    ("nats", nats),
                    ("long_range_nats", nats),
                    ("entropy_nats", 2.0 - nats),
                    ("calibration_error", 0.1),
                    ("brier", 0.2),
                ):
                    rows.append(
                        shared_scores.number("E4", metric, value, 64, units="labels", **key)
                    )
                hits = accuracy + 0.1 * rng.normal(size=64)
                rows.append(shared_scores.mean("E4", "accuracy", hits, units="strings", **key))
    return pd.DataFrame(rows)


def of_parity(frame: pd.DataFrame, pools: int = 40) -> pd.DataFrame:
    """Scores of checkpoints as `scores.main` builds them."""
    rng = np.random.default_rng(0)
    chosen = selection.parity_rows(frame, 16, 8, pools, rng)
    parts = [
        frame.assign(model=scores.PARITY),
        pd.DataFrame(correlation.correlations(frame)).assign(model=scores.PARITY),
        pd.DataFrame(correlation.best_ranks(frame)).assign(model=scores.PARITY),
        pd.DataFrame(chosen).assign(model="pool"),
    ]
    whole = ["size", "step"]
    return shared_scores.table(parts, scores.CONDITIONS, whole=whole, texts=scores.TEXTS)


def checked(experiment: str, metric: str, value: float, **place: Any) -> Row:
    """A row of `theory`, over 200 cases."""
    return shared_scores.exact(
        experiment, metric, value, 200, units="cases", model="theory", **place
    )


def world(claim_id: str, verdict: Verdict) -> pd.DataFrame:
    """Scores under which the claim ends in `verdict`."""
    wrong = verdict == Verdict.CONTRADICTED
    if claim_id in COUNTS:
        experiment, metric, value = COUNTS[claim_id]
        return table(copies(), None, checked(experiment, metric, value if wrong else 0.0))
    if claim_id in EXACT_VALUES:
        experiment, metric, *values = EXACT_VALUES[claim_id]
        return table(copies(), None, checked(experiment, metric, values[wrong]))
    if claim_id in ("C1a", "C1b"):
        form = {"C1a": "corrected", "C1b": "printed"}[claim_id]
        count = checked("C1", "bound_broken", 3.0 if wrong else 0.0, form=form)
        return table(copies(), None, count, checked("C1", "bound_negative", 100, form="printed"))
    if claim_id.startswith("C13"):
        return table(copies(), None, *of_edits(claim_id, verdict))
    if claim_id.startswith("C11") or claim_id.startswith("C12"):
        return parity_world(claim_id, verdict)
    half = tuple(seed % 2 == 0 for seed in range(8))
    yes, no, unclear = {
        "C1c": (copies(), copies(copied=(True,) * 8), copies(copied=half)),
        "C1d": (copies(), broken("corrected_bound"), None),
        "C2b": (copies(certainty=0.01), copies(certainty=0.5), copies(certainty=0.1)),
        "C3b": (copies(), copies(power=0.5), copies(power=-0.01, noise=1.0)),
        "C5c": (copies(), broken("alpha_union"), None),
        "C6a": (copies(), copies(gradient=0.5), copies(gradient=-0.01, noise=1.0)),
        "C6b": (copies(gradient=-2.0), copies(gradient=-0.5), copies(noise=1.0)),
        "C7a": (copies(), copies(limit=0.2), copies(limit=0.01, noise=0.3)),
        "C7b": (copies(), copies(least=0.2), copies(least=0.47, noise=1.0)),
        "C7c": (copies(), copies(flip=0.9), copies(flip=0.5, noise=0.5)),
        "C7d": (copies(), copies(limit=0.2), copies(limit=0.01, noise=0.3)),
    }[claim_id]
    return table({Verdict.SUPPORTED: yes, Verdict.CONTRADICTED: no}.get(verdict, unclear))


def of_edits(claim_id: str, verdict: Verdict) -> list[Row]:
    """Rows of `blind_scores`, of one task of one model, under which a claim ends in `verdict`."""
    place: Row = {"model": "tiny", "task": "bits"}
    if claim_id == "C13e":
        count = 3 if verdict == Verdict.CONTRADICTED else 0
        return [
            shared_scores.exact(
                "blind", "bound_broken", count, 40, units="edits", size=size, **place
            )
            for size in (8, 16)
        ]
    metric, yes, no = BLIND[claim_id]
    unclear = (min(*yes, *no), max(*yes, *no))
    low, high = {Verdict.SUPPORTED: yes, Verdict.CONTRADICTED: no}.get(verdict, unclear)
    found = Interval((low + high) / 2, low, high, 12)
    at: Row = place | {"distance": 0.1}
    areas: Row = place | {"units": "prompts"}
    score = "given" if metric == "auc_gain" else "right"
    return [
        shared_scores.interval("blind", metric, found, units="prompts", score=score, **at),
        shared_scores.exact("blind", "blind_spots", 3, 40, units="edits", score="right", **at),
        shared_scores.number("blind", "auc", 0.9, 12, score="least_given", **areas),
        shared_scores.number("blind", "auc", 0.7, 12, score="given", **areas),
    ]


def broken(metric: str) -> pd.DataFrame:
    """Copies with one bound at 0, which the measured values exceed."""
    frame = copies()
    return frame.assign(value=frame["value"].where(frame["metric"] != metric, 0.0))


def parity_world(claim_id: str, verdict: Verdict) -> pd.DataFrame:
    """Scores of checkpoints under which a claim of C11 or C12 ends in `verdict`."""
    target = "final" if claim_id == "C11c" else "prefix"
    rises = [0.5, 0.6, 0.7, 0.5]
    slopes = {
        Verdict.SUPPORTED: rises,
        Verdict.CONTRADICTED: [-slope for slope in rises],
    }.get(verdict, [0.5, -0.6, 0.7, -0.5])
    frame = checkpoints(slopes, target)
    if claim_id == "C11a":
        at_16 = (frame["size"] == 16) & (frame["metric"] == "nats")
        sign = {Verdict.SUPPORTED: np.ones(4), Verdict.CONTRADICTED: -np.ones(4)}
        turned = sign.get(verdict, np.array([1, -1, 1, -1]))[frame.loc[at_16, "seed"]]
        frame.loc[at_16, "value"] = 1.0 + turned * (frame.loc[at_16, "value"] - 1.0)
    return of_parity(frame)
