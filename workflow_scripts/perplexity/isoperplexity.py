"""Accuracies and confidences that give equal perplexity (section 4.2).

A predictor is right with probability a (its accuracy) and gives every prediction the confidence
1 - gamma, so its log-perplexity is L = -a log(1 - gamma) - (1 - a) log gamma nats (equation 10).
A more confident one has gamma - delta in place of gamma, with 0 <= delta < gamma. Arguments of a
function broadcast to one shape.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def log_perplexity(accuracy: ArrayLike, gamma: ArrayLike) -> Array:
    """Nats per prediction (equation 10), in the common shape; gamma strictly between 0 and 1."""
    a, g = np.asarray(accuracy, dtype=float), np.asarray(gamma, dtype=float)
    return np.asarray(-a * np.log1p(-g) - (1.0 - a) * np.log(g))


def critical_accuracy(accuracy: ArrayLike, gamma: ArrayLike, delta: ArrayLike) -> Array:
    """The accuracy a' at which confidence 1 - (gamma - delta) has the base's perplexity (eq. 11).

    Above a' perplexity prefers the more confident predictor, below it the base. Undefined where
    gamma - delta = 1/2: perplexity does not depend on accuracy there. Has the common shape.
    """
    left = np.asarray(gamma, dtype=float) - np.asarray(delta, dtype=float)
    odds = np.log(left) - np.log1p(-left)
    return np.asarray((log_perplexity(accuracy, gamma) + np.log(left)) / odds)


def free_lunch(accuracy: ArrayLike, gamma: ArrayLike) -> NDArray[np.bool_]:
    """Whether a more confident, less accurate predictor has equal perplexity, in the common shape.

    One exists exactly if the base is right more often than it is confident: a > 1 - gamma.
    """
    return np.asarray(accuracy, dtype=float) > 1.0 - np.asarray(gamma, dtype=float)


def minimum(accuracy: float, gamma: float) -> tuple[float, float]:
    """The smallest critical accuracy over all shifts, and the share delta / gamma of its shift.

    There the new predictor is calibrated, a' = 1 - (gamma - delta), and its log-perplexity is the
    binary entropy of its gamma, so the minimum solves H(g) = L of the base. Without a free lunch it
    lies at shift 0: (accuracy, 0).
    """
    from scipy.optimize import brentq

    if not free_lunch(accuracy, gamma):
        return accuracy, 0.0
    target = float(log_perplexity(accuracy, gamma))
    tiny = float(np.finfo(float).tiny)
    g = brentq(lambda g: float(log_perplexity(1.0 - g, g)) - target, tiny, gamma, xtol=1e-15)
    return 1.0 - g, 1.0 - g / gamma
