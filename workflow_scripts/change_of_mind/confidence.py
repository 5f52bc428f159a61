"""From log-probabilities of options to confidence, and the ideal (Bayesian) observer."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEAST = 1.0e-4  # confidences are clipped this far from 0 and 1 before log-odds are taken
TEMPERATURES = (0.02, 50.0)  # the range searched for the calibration temperature

Floats = NDArray[np.float64]


def probabilities(logprobs: Floats, temperature: float) -> Floats:
    """Softmax over the options of log-probability / temperature; both have shape (n, options).

    Renormalised over the options only. An absent option has log-probability -inf.
    """
    scaled = logprobs / temperature
    weights = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def fit_temperature(logprobs: Floats, right: ArrayLike, weights: ArrayLike | None = None) -> float:
    """The temperature under which the right options are most likely (Guo et al. 2017).

    `logprobs` has shape (n, options), `right` shape (n,) (indices), `weights` shape (n,) (for the
    bootstrap).
    """
    from scipy import optimize

    at = np.asarray(right, dtype=int)
    count = np.ones(len(at)) if weights is None else np.asarray(weights, dtype=float)
    rows = np.arange(len(at))
    own = logprobs[rows, at]
    top = logprobs.max(axis=1, keepdims=True)

    def loss(log_temperature: float) -> float:
        t = np.exp(log_temperature)
        norm = top[:, 0] / t + np.log(np.exp((logprobs - top) / t).sum(axis=1))
        return float(count @ (norm - own / t))

    bounds = (np.log(TEMPERATURES[0]), np.log(TEMPERATURES[1]))
    return float(np.exp(optimize.minimize_scalar(loss, bounds=bounds, method="bounded").x))


def posterior(prior: Floats, advised: ArrayLike, accuracy: ArrayLike) -> Floats:
    """Probabilities of the options after advice, by Bayes' rule, shape (n, options).

    `prior` has shape (n, options), `advised` shape (n,) (the advised option, -1 for none) and
    `accuracy` shape (n,) (the adviser's stated share of right answers, a). The adviser names the
    right one of K options with probability a and each other with (1 - a)/(K - 1) (assumed for
    K > 2).
    """
    index = np.asarray(advised, dtype=int)
    a = np.asarray(accuracy, dtype=float)
    there = prior > 0
    others = (1 - a) / np.maximum(there.sum(axis=1) - 1, 1)
    likelihood = np.repeat(others[:, None], prior.shape[1], axis=1)
    given = index >= 0
    likelihood[given, index[given]] = a[given]
    likelihood[~given] = 1.0
    joint = prior * likelihood
    total = joint.sum(axis=1, keepdims=True)
    # Infallible advice for an option of probability 0 has no posterior; the prior stays.
    return np.where(total > 0, joint / np.where(total > 0, total, 1.0), prior)


def log_odds(confidence: ArrayLike) -> Floats:
    """log(c / (1 - c)) of confidences of any shape, clipped to [1e-4, 1 - 1e-4]."""
    inside = clipped(np.asarray(confidence, dtype=float))
    return np.log(inside / (1 - inside))


def clipped(confidence: Floats) -> Floats:
    """Confidences of any shape, at least `LEAST` away from 0 and 1."""
    return np.clip(confidence, LEAST, 1 - LEAST)
