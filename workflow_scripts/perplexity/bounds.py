"""What section 3 bounds: perplexities of a string and its neighbour, and errors under sampling.

alpha is a string that the model copies with more than 1/2 at every step, beta the same string with
one bit flipped, which the model copies as alpha. n is their length; the tolerance of continuity
(`gap`) is the largest difference between the model's output distributions on the two.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def log_perplexity(probabilities: ArrayLike, floor: float) -> Array:
    """Mean nats over the last axis, each probability held at `floor` (epsilon_num) or above."""
    p = np.asarray(probabilities, dtype=float)
    return np.asarray(-np.log(np.maximum(p, floor)).mean(-1))


def corrected(size: ArrayLike, gap: ArrayLike, floor: float) -> Array:
    """|log-perplexity of alpha - of beta| is at most (-log floor)/n + 2 gap (n - 1)/n.

    At the flipped bit the terms differ by at most -log floor. At each other step both
    probabilities are above 1/2, where the logarithm changes by at most 2 gap.
    """
    n = np.asarray(size, dtype=float)
    return np.asarray((-np.log(floor) + 2.0 * np.asarray(gap, dtype=float) * (n - 1.0)) / n)


def printed(size: ArrayLike, gap: ArrayLike, floor: float) -> Array:
    """The same with the sign of log floor as in appendix A and equation 17: negative for small n.

    Rebuilt from the description of the slip, not copied: a bound on an absolute value below 0
    cannot hold.
    """
    n = np.asarray(size, dtype=float)
    return np.asarray((np.log(floor) + 2.0 * np.asarray(gap, dtype=float) * (n - 1.0)) / n)


def enough(xi: float, floor: float) -> tuple[int, float]:
    """A length and a tolerance from which on `corrected` is below xi (lemma 3.1)."""
    return int(np.floor(-2.0 * np.log(floor) / xi)) + 1, 0.249 * xi


def tempered(gamma: ArrayLike, theta: ArrayLike) -> Array:
    """The doubt gamma' at temperature 1 that equals doubt gamma at theta (remark 3.4).

    1 - gamma' = (1 - gamma)^(1/theta) / ((1 - gamma)^(1/theta) + gamma^(1/theta)).
    """
    g = np.asarray(gamma, dtype=float)
    odds = (np.log(g) - np.log1p(-g)) / np.asarray(theta, dtype=float)
    return np.asarray(1.0 / (1.0 + np.exp(-odds)))


def union(size: ArrayLike, doubt: ArrayLike) -> Array:
    """At most this probability of an error in n steps with `doubt` each: min(1, n doubt).

    With doubt = gamma it bounds copying alpha wrongly, with gamma + gap writing anything but
    alpha when shown beta (proposition 3.6).
    """
    return np.minimum(1.0, np.asarray(size, dtype=float) * np.asarray(doubt, dtype=float))


def some_error(doubts: ArrayLike) -> Array:
    """Probability of an error in independent steps with these doubts, over the last axis."""
    return np.asarray(-np.expm1(np.log1p(-np.asarray(doubts, dtype=float)).sum(-1)))
