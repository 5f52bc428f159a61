"""Adaptive temperature: attention sharpened by a polynomial of its entropy.

Paper: "softmax is not enough (for sharp out-of-distribution)", figure 4 (listing). The inverse
temperature beta is a degree-4 polynomial of the Shannon entropy H in nats, never below 1, and 1
for H <= 0.5. Coefficients are listed highest power first throughout.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

LEAST_ENTROPY_NATS = 0.5  # listing: below it the head is sharp enough to be left alone
LOG_GUARD = 1.0e-9  # listing: keeps log away from 0
# Logit of a masked item: its weight is 0. With -inf or the least float, the product with beta and
# its gradient would be NaN in a row that is entirely masked (padding), and the NaN would spread.
MASKED = -1.0e4


def published(path: str | Path) -> list[float]:
    """The five published coefficients, highest power first, from their CSV file.

    Raises `ValueError` if the file does not hold each power from 4 to 0 exactly once.
    """
    import pandas as pd

    table = pd.read_csv(path).sort_values("power_of_entropy", ascending=False)
    if table["power_of_entropy"].tolist() != [4, 3, 2, 1, 0]:
        raise ValueError(f"{path}: expected each of the powers 4, 3, 2, 1, 0 exactly once")
    return table["coefficient"].astype(float).tolist()


def raw(coefficients: Sequence[float], entropy_nats: Any) -> Any:
    """The polynomial itself, by Horner's rule; `entropy_nats` is a number, array or tensor."""
    value = entropy_nats * 0.0 + coefficients[0]
    for coefficient in coefficients[1:]:
        value = value * entropy_nats + coefficient
    return value


def inverse_temperature(
    coefficients: Sequence[float],
    entropy_nats: Any,
    domain: tuple[float, float] | None = None,
) -> Any:
    """beta(H), same shape as `entropy_nats` (an array or tensor), everywhere at least 1.

    `domain` clips the entropies at which the polynomial is evaluated: outside the entropies that it
    was fitted on a quartic soon diverges. The published polynomial has no bounds.
    """
    asked = entropy_nats.clip(*domain) if domain else entropy_nats
    sharpening = raw(coefficients, asked).clip(min=1.0)
    return 1.0 + (sharpening - 1.0) * (entropy_nats > LEAST_ENTROPY_NATS)


def window(coefficients: Sequence[float]) -> list[float]:
    """Entropies in nats at which the polynomial crosses 1, ascending: it sharpens between them."""
    import numpy as np

    shifted = [*coefficients[:-1], coefficients[-1] - 1.0]
    roots = np.roots(shifted)
    return sorted(float(root.real) for root in roots if abs(root.imag) < 1e-9)


def entropy_nats(weights: "Tensor") -> "Tensor":
    """Shannon entropy over the last axis, shape (...), guarded as in the paper's listing.

    A masked item has weight exactly 0 and adds exactly 0.
    """
    return -(weights * (weights + LOG_GUARD).log()).sum(-1)


def adaptive(
    logits: "Tensor",
    coefficients: Sequence[float],
    mask: "Tensor | None" = None,
    domain: tuple[float, float] | None = None,
) -> "Tensor":
    """Softmax at the paper's adaptive temperature, weights of the logits' shape (figure 4).

    Logits are (..., n). A mask is True for the items that count; the others get weight 0. If no
    item counts, all weights are equal.
    """
    seen = logits if mask is None else logits.masked_fill(~mask, MASKED)
    beta = inverse_temperature(coefficients, entropy_nats(seen.softmax(-1)), domain)
    return (seen * beta[..., None]).softmax(-1)
