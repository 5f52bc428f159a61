"""Attention at the adaptive temperature, computed in blocks of keys (claim S10a; NumPy).

beta depends on the entropy of the whole row, which is known only after the last key. The keys are
therefore read twice and the values once. The first pass keeps three numbers per query (running
maximum, sum of exponentials, sum of exponentials times logits), which give H = log Z - E[e]; the
second accumulates the output at beta. Each pass holds at most one block of logits, as in
FlashAttention. A single pass would have to keep all n logits of each query.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.shared import adaptive_temperature

Array = NDArray[np.floating]


def direct(
    query: Array,
    key: Array,
    value: Array,
    coefficients: Sequence[float],
    guard: float = 0.0,
) -> Array:
    """Adaptive attention with all logits at once: (q, d), (n, d), (n, v) -> (q, v).

    The paper's listing (figure 4) adds a `guard` of 1e-9 to each weight before the logarithm, which
    lowers the entropy by up to n times the guard; 0 gives the exact entropy.
    """
    logits = query @ key.T
    weights = _softmax(logits)
    logarithms = np.log(np.where(weights + guard > 0, weights + guard, 1.0))
    entropy = -(weights * logarithms).sum(-1)
    beta = adaptive_temperature.inverse_temperature(coefficients, entropy)
    return _softmax(beta[:, None] * logits) @ value


def streamed(
    query: Array, key: Array, value: Array, coefficients: Sequence[float], block: int
) -> Array:
    """Same shapes and result as `direct` without a guard, in O(q x block) additional memory."""
    maximum, entropy = row_statistics(query, key, block)
    beta = adaptive_temperature.inverse_temperature(coefficients, entropy).astype(query.dtype)
    total = np.zeros(len(query), dtype=query.dtype)
    output = np.zeros((len(query), value.shape[1]), dtype=query.dtype)
    # Blocks are overwritten in place: allocating each anew costs more than the arithmetic.
    held = np.empty((len(query), block), dtype=query.dtype)
    for start in range(0, len(key), block):
        part = slice(start, start + block)
        weights = np.matmul(query, key[part].T, out=held[:, : len(key[part])])
        weights -= maximum[:, None]
        weights *= beta[:, None]
        np.exp(weights, out=weights)
        total += weights.sum(-1)
        output += weights @ value[part]
    return output / total[:, None]


def row_statistics(query: Array, key: Array, block: int) -> tuple[Array, Array]:
    """Largest logit and entropy in nats per query, in one pass: (q, d), (n, d) -> (q,) twice."""
    maximum = np.full(len(query), -np.inf, dtype=query.dtype)
    total = np.zeros(len(query), dtype=query.dtype)
    moment = np.zeros(len(query), dtype=query.dtype)  # sum of exp(e - maximum) (e - maximum)
    held = np.empty((2, len(query), block), dtype=query.dtype)
    for start in range(0, len(key), block):
        part = key[start : start + block]
        below, weights = held[:, :, : len(part)]
        np.matmul(query, part.T, out=below)
        risen = np.maximum(maximum, below.max(-1))
        drop = np.where(np.isfinite(maximum), maximum - risen, 0.0)
        below -= risen[:, None]
        np.exp(below, out=weights)
        below *= weights
        moment = np.exp(drop) * (moment + drop * total) + below.sum(-1)
        total = np.exp(drop) * total + weights.sum(-1)
        maximum = risen
    return maximum, np.log(total) - moment / total


def _softmax(logits: Array) -> Array:
    """Softmax over the last axis in the precision of the logits, (q, n) -> (q, n)."""
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)
