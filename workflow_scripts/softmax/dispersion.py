"""Closed forms for softmax over bounded logits, in float64 (claims S1 to S4; NumPy)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def softmax(logits: ArrayLike, temperature: float = 1.0) -> Array:
    """Softmax over the last axis at temperature theta, (..., n) -> (..., n)."""
    scaled = np.asarray(logits, dtype=float) / temperature
    weights = np.exp(scaled - scaled.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def entropy_nats(weights: ArrayLike) -> Array:
    """Shannon entropy over the last axis, (..., n) -> (...); 0 log 0 = 0."""
    p = np.asarray(weights, dtype=float)
    return -np.where(p > 0, p * np.log(np.where(p > 0, p, 1.0)), 0.0).sum(-1)


def bounds(items: int, spread: float, temperature: float = 1.0) -> tuple[float, float]:
    """Smallest and largest weight that lemma 2.1 allows: exp(-+ spread / theta) / n."""
    factor = spread / temperature
    return float(np.exp(-factor) / items), float(np.exp(factor) / items)


def largest_weight(items: ArrayLike, spread: float, temperature: float = 1.0) -> Array:
    """The largest possible weight, in the shape of `items`: one logit at M, n - 1 at m."""
    n = np.asarray(items, dtype=float)
    return 1.0 / (1.0 + (n - 1.0) * np.exp(-spread / temperature))


def items_below(weight: float, spread: float, temperature: float = 1.0) -> float:
    """The number of items above which no weight can reach `weight`."""
    return float(1.0 + (1.0 / weight - 1.0) * np.exp(spread / temperature))


def two_level_entropy(items: float, high: ArrayLike, spread: float) -> Array:
    """Entropy in nats of `high` logits at M and the others at m = M - `spread`, shape of `high`."""
    k = np.asarray(high, dtype=float)
    share = k / (k + (items - k) * np.exp(-spread))  # of all weight on the high logits
    low = 1.0 - share
    inner = share * np.log(share / k)
    rest = np.where(
        low > 0, low * np.log(np.where(low > 0, low, 1.0) / np.maximum(items - k, 1)), 0
    )
    return -(inner + rest)


def entropy_floor(items: int, spread: float) -> float:
    """The smallest entropy in nats of n logits within `spread` of each other.

    As a function of one logit, entropy rises to a single maximum and then falls, so its minimum
    over a box lies at a corner: k logits at M, n - k at m. For large spreads k = 1; for small ones
    k is near n/2, so the floor is the minimum over k and not the value at k = 1.
    """
    return float(two_level_entropy(items, np.arange(1, items), spread).min())


def entropy_slope(logits: ArrayLike, beta: float) -> Array:
    """dH/dbeta = -beta Var_p(e), with p the softmax of beta times e, (..., n) -> (...)."""
    e = np.asarray(logits, dtype=float)
    p = softmax(beta * e)
    mean = (p * e).sum(-1, keepdims=True)
    return -beta * (p * (e - mean) ** 2).sum(-1)


def spread_bound(
    query_map: ArrayLike, key_map: ArrayLike, query: ArrayLike, keys: ArrayLike, divisor: float
) -> float:
    """Bound of proposition 3.1 on the logit spread: 2 s_max(Q) s_max(K) |y| max|x_i| / divisor.

    The logits are y Q (x_i K)' / divisor. Shapes: maps (inputs, d), y (inputs,), x (n, inputs).
    """
    sizes = np.linalg.norm(np.asarray(query_map), 2) * np.linalg.norm(np.asarray(key_map), 2)
    reach = np.linalg.norm(np.asarray(query)) * np.linalg.norm(np.asarray(keys), axis=-1).max()
    return float(2.0 * sizes * reach / divisor)
