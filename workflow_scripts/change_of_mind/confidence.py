"""From log-probabilities of options to confidence, and the observer who updates by Bayes' rule."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEAST = 1.0e-4  # confidences are held this far from 0 and 1 before a log-odds is taken
TEMPERATURES = (0.02, 50.0)  # where the calibration temperature is looked for

Floats = NDArray[np.float64]


def probabilities(logprobs: Floats, temperature: float) -> Floats:
    """Shares of the options, shape (n, options): softmax of their log-probabilities over T.

    Renormalised over the options only. An option that is not there has log-probability -inf.
    """
    scaled = logprobs / temperature
    weights = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def fit_temperature(logprobs: Floats, right: ArrayLike, weights: ArrayLike | None = None) -> float:
    """The temperature under which the right options are likeliest (Guo et al. 2017).

    `logprobs` (n, options); `right` (n,) indices; `weights` (n,), for the bootstrap.
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
    """Bayes' rule after advice, shape (n, options).

    `prior` (n, options); `advised` (n,) the option advised, -1 for none; `accuracy` (n,) its
    stated share of right answers. The adviser names the true option with that probability, and
    errs uniformly: another one with (1 - a)/(K - 1) each (assumed for K > 2).
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
    # Advice that is never wrong and names what was held impossible: nothing to go by.
    return np.where(total > 0, joint / np.where(total > 0, total, 1.0), prior)


def log_odds(confidence: ArrayLike) -> Floats:
    """log(c / (1 - c)) of confidences held within [1e-4, 1 - 1e-4]."""
    held = np.clip(np.asarray(confidence, dtype=float), LEAST, 1 - LEAST)
    return np.log(held / (1 - held))


def oucs(confidence: ArrayLike, observed: ArrayLike, bins: int = 10) -> float:
    """Over- and underconfidence score: sum over bins of |B|/N (mean confidence - mean observed).

    Signed. Bins of equal width by confidence. With the ideal observer's confidence in the place
    of the observed rate the bins cancel: it equals mean(confidence) - mean(ideal).
    """
    c = np.asarray(confidence, dtype=float)
    place = np.minimum((c * bins).astype(int), bins - 1)
    count = np.bincount(place, minlength=bins)
    filled = count > 0
    gap = np.bincount(place, weights=c, minlength=bins) / np.where(filled, count, 1)
    gap -= np.bincount(place, weights=np.asarray(observed, float), minlength=bins) / np.where(
        filled, count, 1
    )
    return float((count * gap).sum() / c.size)
