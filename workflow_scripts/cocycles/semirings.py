"""Linear maps over the tropical and the logarithmic semiring (section 5).

In both, the product is + and the zero is -∞. The sum is max in the tropical semiring and logsumexp
in the logarithmic one. A linear map preserves its own semiring's sum: the tropical map is a
homomorphism for max, the logarithmic map for logsumexp and not for max.
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
    # A row of semiring zeros has no finite largest term to factor out.
    shift = np.where(np.isneginf(top), 0.0, top).astype(top.dtype)
    with np.errstate(divide="ignore"):
        return shift + np.log(np.exp(terms - shift[..., None]).sum(-1))


def log_add(a: Array, b: Array) -> Array:
    """log(exp a + exp b), elementwise, in the common shape of both."""
    return np.logaddexp(a, b)


def news(old: Array, new: Array) -> Array:
    """Proposition 4.2 elementwise: `new` where it exceeds `old`, else zero; all in one shape."""
    return np.where(new > old, new, new.dtype.type(ZERO))
