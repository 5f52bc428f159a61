"""Metrics by which a checkpoint can be chosen: perplexity, accuracy, calibration error, …"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workflow_scripts.shared.statistics import brier, expected_calibration_error

Array = NDArray[np.float64]

# Share of positions that count as long range: those with the longest context in the string. A
# stand-in for LongPPL (Fang et al. 2025), which selects tokens that a long context makes likelier.
LONG_RANGE = 0.25


def of_predictions(log_probabilities: Array, right: NDArray, floor: float) -> dict[str, float]:
    """Metrics of binary predictions on R strings of n positions.

    `log_probabilities` of both values in nats have shape (R, n, 2), the `right` values (R, n).
    `nats` is the mean per prediction (log-perplexity), `long_range_nats` that over the last quarter
    of each string. With one label per position, micro-F1 over the two classes equals accuracy.
    """
    logs = np.maximum(np.asarray(log_probabilities, dtype=float), np.log(floor))
    truth = np.asarray(right, dtype=int)
    nats = -np.take_along_axis(logs, truth[..., None], -1)[..., 0]
    chosen = logs.argmax(-1)
    confidence = np.minimum(np.exp(logs.max(-1)), 1.0)
    hit = chosen == truth
    late = max(1, round(LONG_RANGE * truth.shape[-1]))
    return {
        "nats": float(nats.mean()),
        "accuracy": float(hit.mean()),
        "calibration_error": expected_calibration_error(confidence.ravel(), hit.ravel()),
        "brier": brier(confidence.ravel(), hit.ravel()),
        "long_range_nats": float(nats[..., -late:].mean()),
        "entropy_nats": float(entropy_nats(logs).mean()),
    }


def entropy_nats(log_probabilities: Array) -> Array:
    """Entropy of each prediction, (..., values) -> (...)."""
    return np.asarray(-(np.exp(log_probabilities) * log_probabilities).sum(-1))


def strings_of(steps: pd.DataFrame) -> dict[int, tuple[Array, NDArray]]:
    """Log-probabilities (R, n, 2) and right bits (R, n) of the strings of each size n.

    `steps` has one row per string (`item`) and step.
    """
    found = {}
    for size, own in steps.sort_values(["size", "item", "step"]).groupby("size"):
        shape = (-1, int(str(size)))
        logs = own[["log_zero", "log_one"]].to_numpy().reshape(*shape, 2)
        found[shape[1]] = (logs, own["bit"].to_numpy().reshape(shape))
    return found
