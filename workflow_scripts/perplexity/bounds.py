"""Bounds of section 3: perplexities of a string and its neighbour, errors under sampling.

alpha is a string that the model copies with probability above 1/2 at every step; beta is alpha with
one bit flipped, which the model copies as alpha. n is their length; the tolerance of continuity
(`gap`) is the largest difference between the model's output distributions on the two. Arguments of
a function broadcast.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def log_perplexity(probabilities: ArrayLike, floor: float) -> Array:
    """Mean nats over the last axis, (..., n) -> (...); `floor` (epsilon_num) limits each below."""
    p = np.asarray(probabilities, dtype=float)
    return np.asarray(-np.log(np.maximum(p, floor)).mean(-1))


def corrected(size: ArrayLike, gap: ArrayLike, floor: float) -> Array:
    """Lemma 3.1: log-perplexities differ by at most (-log floor)/n + 2 gap (n - 1)/n.

    At the flipped bit the terms differ by at most -log floor. At every other step both
    probabilities are above 1/2, where the logarithm changes by at most 2 gap. Shape of `size`.
    """
    n = np.asarray(size, dtype=float)
    return np.asarray((-np.log(floor) + 2.0 * np.asarray(gap, dtype=float) * (n - 1.0)) / n)


def printed(size: ArrayLike, gap: ArrayLike, floor: float) -> Array:
    """The same bound with the sign of log floor as in appendix A and equation 17.

    Reconstructed from a description of the slip, not copied. It is negative for small n, and an
    absolute value has no negative bound. Shape of `size`.
    """
    n = np.asarray(size, dtype=float)
    return np.asarray((np.log(floor) + 2.0 * np.asarray(gap, dtype=float) * (n - 1.0)) / n)


def enough(xi: float, floor: float) -> tuple[int, float]:
    """The length and tolerance from which `corrected` is below `xi` nats (lemma 3.1)."""
    return int(np.floor(-2.0 * np.log(floor) / xi)) + 1, 0.249 * xi


def tempered(gamma: ArrayLike, theta: ArrayLike) -> Array:
    """The doubt gamma' at temperature 1 that equals doubt gamma at theta (remark 3.4).

    1 - gamma' = (1 - gamma)^(1/theta) / ((1 - gamma)^(1/theta) + gamma^(1/theta)); same shape.
    """
    g = np.asarray(gamma, dtype=float)
    odds = (np.log(g) - np.log1p(-g)) / np.asarray(theta, dtype=float)
    return np.asarray(1.0 / (1.0 + np.exp(-odds)))


def union(size: ArrayLike, doubt: ArrayLike) -> Array:
    """Upper bound on the probability of an error in n steps with `doubt` each: min(1, n doubt).

    With doubt = gamma it bounds errors on alpha, with gamma + gap any output other than alpha on
    the input beta (proposition 3.6). Shape of `doubt`.
    """
    return np.minimum(1.0, np.asarray(size, dtype=float) * np.asarray(doubt, dtype=float))


def some_error(doubts: ArrayLike) -> Array:
    """Probability of an error in n independent steps with these doubts, (..., n) -> (...)."""
    return np.asarray(-np.expm1(np.log1p(-np.asarray(doubts, dtype=float)).sum(-1)))
