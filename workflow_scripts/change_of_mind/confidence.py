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

    `prior` has shape (n, options); `advised` and `accuracy` are those of `likelihood`.
    """
    joint = prior * likelihood(prior > 0, advised, accuracy)
    total = joint.sum(axis=1, keepdims=True)
    # Infallible advice for an option of probability 0 has no posterior; the prior stays.
    return np.where(total > 0, joint / np.where(total > 0, total, 1.0), prior)


def likelihood(there: NDArray[np.bool_], advised: ArrayLike, accuracy: ArrayLike) -> Floats:
    """Probability of the advice given that each option is right, shape (n, options).

    `there` has shape (n, options) and says which options a question has. `advised`, shape (n,), is
    the advised option, -1 for none. `accuracy`, shape (n,), is the adviser's stated share of right
    answers, a. The adviser names the right one of K options with probability a and each other with
    (1 - a)/(K - 1) (assumed for K > 2). Without advice all entries are 1.
    """
    index = np.asarray(advised, dtype=int)
    a = np.asarray(accuracy, dtype=float)
    others = (1 - a) / np.maximum(there.sum(axis=1) - 1, 1)
    found = np.repeat(others[:, None], there.shape[1], axis=1)
    given = index >= 0
    found[given, index[given]] = a[given]
    found[~given] = 1.0
    return found


def exact_log_odds(log_weights: Floats, own: ArrayLike) -> Floats:
    """Log-odds of option `own` against all others, shape (n,), without clipping.

    `log_weights` has shape (n, options) and need not be normalised; `own` has shape (n,). Infinite
    where `own`, or every other option, has weight 0.
    """
    rows, index = np.arange(len(log_weights)), np.asarray(own, dtype=int)
    others = log_weights.copy()
    others[rows, index] = -np.inf
    top = others.max(axis=1)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        rest = top + np.log(np.exp(others - top[:, None]).sum(axis=1))
    return log_weights[rows, index] - rest


def log_odds(confidence: ArrayLike) -> Floats:
    """log(c / (1 - c)) of confidences of any shape, clipped to [1e-4, 1 - 1e-4]."""
    inside = clipped(np.asarray(confidence, dtype=float))
    return np.log(inside / (1 - inside))


def clipped(confidence: Floats) -> Floats:
    """Confidences of any shape, at least `LEAST` away from 0 and 1."""
    return np.clip(confidence, LEAST, 1 - LEAST)
