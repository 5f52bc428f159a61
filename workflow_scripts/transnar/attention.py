"""Self-attention at the adaptive temperature, as an attention function of transformers.

The polynomial of "softmax is not enough" (arXiv 2410.01104, figure 4) is applied to every head and
row, as in that paper's CLRS-Text experiment.
"""

from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

from workflow_scripts.shared import adaptive_temperature

PLAIN, NAME = "sdpa", "adaptive_temperature"
COEFFICIENTS: list[float] = []  # of the published polynomial, highest power first; set by `use`


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
    weights = adaptive_temperature.adaptive(query @ key.mT * scaling, COEFFICIENTS, seen)
    return (weights @ value).transpose(1, 2).contiguous(), None


def use(coefficients: list[float]) -> None:
    """Register the attention function with transformers, with these coefficients."""
    COEFFICIENTS[:] = coefficients
    AttentionInterface.register(NAME, adaptive_attention)
    AttentionMaskInterface.register(NAME, eager_mask)
