"""What a checkpoint can be chosen by: perplexity, accuracy, calibration error, Brier, and more.

All take binary predictions of R strings of n positions: the log-probabilities of both values,
(R, n, 2) in nats, and the right ones, (R, n). With one label a position, micro-F1 over the two
classes equals accuracy.
"""

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.shared.statistics import brier, expected_calibration_error

Array = NDArray[np.float64]

# Positions that count as long range: those whose context is the longest in the string. A stand-in
# for LongPPL (Fang et al. 2025), which picks tokens that a long context makes likelier.
LONG_RANGE = 0.25


def measure(log_probabilities: Array, right: NDArray, floor: float) -> dict[str, float]:
    """Mean nats a prediction (log-perplexity), accuracy, calibration error, Brier score, nats over
    the last quarter of each string (long_range_nats) and entropy in nats."""
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
        "entropy_nats": float(-(np.exp(logs) * logs).sum(-1).mean()),
    }
