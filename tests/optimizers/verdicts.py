"""Scores under which each claim of `optimizers` ends in each verdict."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import yaml

from workflow_scripts.optimizers import claims
from workflow_scripts.optimizers.pooling import bounds_of, difference_bounds
from workflow_scripts.optimizers.scores import CONDITIONS, WHOLE
from workflow_scripts.shared import scores
from workflow_scripts.shared.claims import Claim, Verdict
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.shared.scores import Row, mean

MODELS: Mapping[str, Any] = {}  # the study has no language models
EXACT = {"O2a", "O2b", "O7a"}
UNTESTED = {"O8": "nothing: it is a position of the paper, not a statement that can be measured"}

SEEDS = 20
NORMAL = np.random.default_rng(5).standard_normal(SEEDS)
NORMAL -= NORMAL.mean()
STREAM = {"protocol": "steps", "state": "kept"}


def all_claims() -> list[Claim]:
    """The claims as the rule builds them with the settings of the paper preset."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())["optimizers"]
    paper = yaml.safe_load((ROOT / "presets/paper.yaml").read_text())["optimizers"]
    return claims.all_claims(
        paper["hidden"],
        config["fixed_rates"],
        config["sparsity"] | paper["sparsity"],
        config["pruning"],
        paper["data"]["valid"],
    )


def seeds(centre: float, verdict: Verdict, wide: float = 0.4) -> np.ndarray:
    """Values of 20 seeds around a centre, shape (20,): `wide` where nothing follows from them."""
    return centre + (wide if verdict is Verdict.INCONCLUSIVE else 0.01) * NORMAL


def difference(
    metric: str, verdict: Verdict, sign: int, size: float, rivals: list[str], **place: Any
) -> list[Row]:
    """A paired difference after the last task, and equal learning; `sign` is the claim's."""
    centres = {Verdict.SUPPORTED: sign, Verdict.CONTRADICTED: -sign, Verdict.INCONCLUSIVE: 0}
    values = seeds(size * centres[verdict], verdict)
    at: Row = {"optimizer": "shampoo", **STREAM, **place}
    rows = []
    for other in rivals:
        here = at | {"other": other}
        bounds = difference_bounds(metric)
        rows.append(
            mean("continual", f"{metric}_difference", values, bounds=bounds, task=5, **here)
        )
        here.pop("layer", None)
        learned = seeds(0.0, Verdict.SUPPORTED)
        for name in ("learned_accuracy", "learned_first"):
            rows.append(mean("continual", f"{name}_difference", learned, bounds=(-1, 1), **here))
    return rows


def final(metric: str, centre: float, verdict: Verdict, **place: Any) -> list[Row]:
    """A value at the end of the stream of classes."""
    values = seeds(centre, verdict, 0.1)
    if bounds_of(metric):
        values = values.clip(*bounds_of(metric))
    place = {"stream": "classes", "task": 5, **STREAM, **place}
    return [mean("continual", metric, values, bounds=bounds_of(metric), **place)]


PERMUTED: dict[str, dict[str, Any]] = {
    "O3a": {"metric": "forgetting", "sign": -1, "protocol": "matched"},
    "O3b": {"metric": "forgetting", "sign": -1},
    "O3c": {"metric": "backward_transfer", "sign": 1},
    "O3d": {"metric": "forgetting_at_distance", "sign": -1},
    "O3e": {"metric": "forgetting", "sign": -1, "protocol": "matched", "rivals": ["adagrad"]},
    "O3f": {"metric": "forgetting", "sign": -1, "rivals": ["adagrad"]},
    "O3g": {"metric": "forgetting", "sign": -1, "state": "reset"},
    "O3h": {"metric": "forgetting", "sign": -1, "optimizer": "shampoo_averaged"},
    "O4a": {"metric": "activation_effective_rank", "sign": -1, "layer": "hidden1"},
    "O4b": {"metric": "weight_effective_rank", "sign": -1, "layer": "layer1"},
}
CLASSES: dict[str, dict[str, Any]] = {
    "O5c": {"metric": "earlier_accuracy", "sign": 1},
    "O6a": {"metric": "class_cosine_mean", "sign": -1, "layer": "hidden1"},
    "O6b": {"metric": "class_cosine_sd", "sign": 1, "layer": "hidden1"},
}
# Supported, contradicted and undecided values.
FINAL: dict[str, tuple[dict[str, Any], tuple[float, float, float]]] = {
    "O5a": ({"metric": "earlier_accuracy", "optimizer": "adam", "rate": "0.001"}, (0.02, 0.4, 0.1)),
    "O5b": (
        {"metric": "task_accuracy", "optimizer": "adam", "rate": "0.0001", "of_task": 5},
        (0.97, 0.6, 0.9),
    ),
    "O5d": (
        {"metric": "earlier_accuracy_slope", "optimizer": "shampoo", "rate": "tuned"},
        (0.05, -0.05, 0.0),
    ),
}
# The same for computations and for rows that hold one quantity.
SINGLE: dict[str, tuple[dict[str, Any], tuple[float, float, float]]] = {
    "O1a": ({"experiment": "matched", "metric": "sharpness_beyond_batches"}, (0.3, -0.3, 0.0)),
    "O1b": (
        {"experiment": "matched", "metric": "activation_effective_rank_beyond_batches"},
        (0.1, -0.1, 0.0),
    ),
    "O1c": (
        {"experiment": "pairs", "metric": "function_distance_beyond_batches"},
        (0.05, -0.05, 0.0),
    ),
    "O2a": (
        {"experiment": "theory", "metric": "outside_span_largest", "optimizer": "sgd"},
        (1e-15, 0.2, 0),
    ),
    "O2b": (
        {"experiment": "theory", "metric": "outside_span_least", "optimizer": "adam"},
        (0.4, 1e-15, 0),
    ),
    "O7a": (
        {"experiment": "theory", "metric": "finite_step_error", "alpha": 2.0},
        (1e-6, 0.5, 0.0),
    ),
    "O7b": ({"experiment": "theory", "metric": "path_gap_order", "alpha": 2.0}, (1.0, 2.0, 1.0)),
    "O7c": (
        {
            "experiment": "sparsity",
            "metric": "pruned_accuracy_gain",
            "form": "preconditioned",
            "alpha": 2.0,
            "kept": 0.089,
        },
        (0.2, -0.2, 0.0),
    ),
}


def rows_of(claim: str, verdict: Verdict) -> list[Row]:
    """The rows that a claim reads."""
    which = [Verdict.SUPPORTED, Verdict.CONTRADICTED, Verdict.INCONCLUSIVE].index(verdict)
    if claim in PERMUTED:
        given = {"rivals": ["sgd", "adamw"], "stream": "permuted", "size": 0.2} | PERMUTED[claim]
        return difference(verdict=verdict, **given)
    if claim in CLASSES:
        rivals = ["adam 0.001", "adam 0.0001"]
        return difference(
            verdict=verdict, stream="classes", size=0.2, rivals=rivals, **CLASSES[claim]
        )
    if claim in FINAL:
        place, centres = FINAL[claim]
        return final(centre=centres[which], verdict=verdict, **place)
    place, centres = SINGLE[claim]
    experiment, metric, *_ = place.values()
    rest = {k: v for k, v in place.items() if k not in ("experiment", "metric")}
    if claim in EXACT:
        return [scores.exact(experiment, metric, centres[which], 10, units="cases", **rest)]
    rows = [mean(experiment, metric, seeds(centres[which], verdict), **rest)]
    if claim == "O7b":
        rows.append(scores.exact(experiment, "sign_flip_runs", 1, 10, units="runs", **rest))
    return rows


def world(claim: str, verdict: Verdict) -> pd.DataFrame:
    """Scores of a run on MNIST, or of a computation, that give this claim this verdict."""
    wanted = Verdict.SUPPORTED if verdict is Verdict.NOT_TESTED else verdict
    rows = rows_of("O1a" if claim in UNTESTED else claim, wanted)
    model = "theory" if rows[0]["experiment"] == "theory" else "MLP on MNIST"
    return scores.table([rows], CONDITIONS, WHOLE).assign(model=model)
