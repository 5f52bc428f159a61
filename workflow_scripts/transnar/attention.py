"""Self-attention at the adaptive temperature, as an attention function of transformers.

The polynomial of "softmax is not enough" (arXiv 2410.01104, figure 4) is applied to every head and
row, as in that paper's CLRS-Text experiment.

The temperature only multiplies a query by a number, so the attention itself is torch's fused one.
The number follows from the entropy of the row's weights, which are computed for some queries at a
time and are not kept. Short texts take the direct way, which is as fast there.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

from workflow_scripts.shared import adaptive_temperature
from workflow_scripts.shared.adaptive_temperature import MASKED

PLAIN, NAME = "sdpa", "adaptive_temperature"
COEFFICIENTS: list[float] = []  # of the published polynomial, highest power first; set by `use`
# Weights (rows x heads x queries x keys) up to which all are held at once: a quarter of a gigabyte,
# and an eighth of that in training, where the backward pass keeps several such tensors per block.
DIRECT = 2**26
IN_TRAINING = 8
BLOCK = 2**24  # weights that the fused way holds at once


def adaptive_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    **others: Any,
) -> tuple[Tensor, None]:
    """Attention at the temperature that its own entropy determines.

    `query` has shape (B, H, T, D), `key` and `value` (B, H, K, D), the mask (B, 1, T, at least K)
    with negative values at masked keys. The result has shape (B, T, H, D).
    """
    seen = None if attention_mask is None else attention_mask[..., : key.shape[-2]] >= 0
    most = DIRECT // IN_TRAINING if torch.is_grad_enabled() else DIRECT
    way = direct if query[..., 0].numel() * key.shape[-2] <= most else fused
    return way(query, key, value, seen, scaling).transpose(1, 2).contiguous(), None


def direct(
    query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None, scaling: float
) -> Tensor:
    """The attention (B, H, T, D) with all weights at once; `seen` (B, 1, T, K), True at keys."""
    weights = adaptive_temperature.adaptive(query @ key.mT * scaling, COEFFICIENTS, seen)
    return weights @ value


def fused(query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None, scaling: float) -> Tensor:
    """The same without all weights in memory, in either direction of the pass."""
    size = max(1, BLOCK // (query[..., 0, 0].numel() * key.shape[-2]))
    parts = [
        checkpoint(_entropy, part, key, _of(seen, at, size), scaling, use_reentrant=False)
        for at, part in enumerate(query.split(size, -2))
    ]
    beta = adaptive_temperature.inverse_temperature(COEFFICIENTS, torch.cat(parts, -1))
    sharpened = (query * beta[..., None]).to(query.dtype)
    bias = None
    if seen is not None:
        bias = torch.zeros_like(seen, dtype=query.dtype).masked_fill(~seen, MASKED)
    found: Tensor = scaled_dot_product_attention(sharpened, key, value, bias, scale=scaling)
    return found


def _entropy(query: Tensor, key: Tensor, seen: Tensor | None, scaling: float) -> Tensor:
    """Entropies in nats of the weights of some queries (B, H, t, D), shape (B, H, t)."""
    logits = query @ key.mT * scaling
    if seen is not None:
        logits = logits.masked_fill(~seen, MASKED)
    return adaptive_temperature.entropy_nats(logits.softmax(-1))


def _of(seen: Tensor | None, block: int, size: int) -> Tensor | None:
    """The part of a mask (B, 1, T, K) that belongs to a block of queries, (B, 1, t, K)."""
    return None if seen is None else seen[..., block * size : (block + 1) * size, :]


def use(coefficients: list[float]) -> None:
    """Register the attention function with transformers, with these coefficients."""
    COEFFICIENTS[:] = coefficients
    AttentionInterface.register(NAME, adaptive_attention)
    AttentionMaskInterface.register(NAME, eager_mask)
