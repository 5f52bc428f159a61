"""Linear maps over the tropical and the logarithmic semiring (section 5).

In both, the product is +. The sum is max in the tropical one and logsumexp in the logarithmic one,
and -∞ is the zero of both. A map over a semiring keeps that semiring's sums: the tropical one is a
homomorphism for max, the logarithmic one for logsumexp, and not for max.
"""

import numpy as np
from numpy.typing import NDArray

ZERO = -np.inf
Array = NDArray[np.floating]


def tropical_linear(weights: Array, x: Array) -> Array:
    """max_j(W_ij + x_j): weights (…, O, I), x (…, I), result (…, O)."""
    return (weights + x[..., None, :]).max(-1)


def log_linear(weights: Array, x: Array) -> Array:
    """log Σ_j exp(W_ij + x_j): weights (…, O, I), x (…, I), result (…, O)."""
    terms = weights + x[..., None, :]
    top = terms.max(-1)
    # A row of zeros of the semiring has no largest term to take out.
    shift = np.where(np.isneginf(top), 0.0, top).astype(top.dtype)
    with np.errstate(divide="ignore"):
        return shift + np.log(np.exp(terms - shift[..., None]).sum(-1))


def log_add(a: Array, b: Array) -> Array:
    """log(exp a + exp b)."""
    return np.logaddexp(a, b)


def news(old: Array, new: Array) -> Array:
    """Proposition 4.2 coordinate by coordinate: what has risen, and the zero elsewhere."""
    return np.where(new > old, new, new.dtype.type(ZERO))
