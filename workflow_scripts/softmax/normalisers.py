"""Normalisers: from attention logits to weights, with masked positions left out (PyTorch).

Logits have shape (..., n), and so do the weights. A mask broadcasts to that shape and is True for
the items that count. A masked item gets weight 0 and does not count in the entropy, the maximum or
the number of items. `scale` (one number per head, broadcast to (..., 1)) is used by the normalisers
that learn one, `top_k` by top-k softmax.

Sources: sparsemax, Martins and Astudillo 2016 (1602.02068); entmax-1.5, Peters et al. 2019
(1905.05702), both from the `entmax` library; scalable softmax, Nakanishi 2025 (2501.19399);
sigmoid attention, Ramapuram et al. 2024 (2409.04431).
"""

import math
from collections.abc import Callable

import torch
from entmax import entmax15, sparsemax
from torch import Tensor

# Far below the support of sparsemax and entmax (at most 2 under the maximum), yet finite: their
# sums over sorted logits turn an infinity into NaN.
OUT_OF_SUPPORT = -1.0e4

Normaliser = Callable[[Tensor, Tensor | None, Tensor, int], Tensor]


def masked(logits: Tensor, mask: Tensor | None, fill: float = -math.inf) -> Tensor:
    """The logits, shape (..., n), with `fill` where the mask is False."""
    return logits if mask is None else logits.masked_fill(~mask, fill)


def counts(logits: Tensor, mask: Tensor | None) -> Tensor:
    """Number of items that count, shape (..., 1), for logits of shape (..., n)."""
    if mask is None:
        return torch.full_like(logits[..., :1], logits.shape[-1])
    return mask.expand(logits.shape).sum(-1, keepdim=True).to(logits.dtype)


def softmax(logits: Tensor, mask: Tensor | None, scale: Tensor, top_k: int) -> Tensor:
    """Softmax, (..., n) -> (..., n)."""
    return masked(logits, mask).softmax(-1)


def scalable_softmax(logits: Tensor, mask: Tensor | None, scale: Tensor, top_k: int) -> Tensor:
    """Softmax of the logits times scale x ln n, (..., n) -> (..., n)."""
    return masked(scale * counts(logits, mask).log() * logits, mask).softmax(-1)


def sparse(logits: Tensor, mask: Tensor | None, scale: Tensor, top_k: int) -> Tensor:
    """Sparsemax, (..., n) -> (..., n)."""
    return sparsemax(masked(logits, mask, OUT_OF_SUPPORT), -1)


def entmax_15(logits: Tensor, mask: Tensor | None, scale: Tensor, top_k: int) -> Tensor:
    """Entmax with alpha = 1.5, (..., n) -> (..., n)."""
    return entmax15(masked(logits, mask, OUT_OF_SUPPORT), -1)


def top_k_softmax(logits: Tensor, mask: Tensor | None, scale: Tensor, top_k: int) -> Tensor:
    """Softmax over the `top_k` largest logits, 0 elsewhere, (..., n) -> (..., n)."""
    open_logits = masked(logits, mask)
    k = min(top_k, logits.shape[-1])
    largest, place = open_logits.topk(k, -1)
    return torch.zeros_like(logits).scatter(-1, place, largest.softmax(-1))


def sigmoid(logits: Tensor, mask: Tensor | None, scale: Tensor, top_k: int) -> Tensor:
    """Sigmoid of each logit plus the scale as a bias, unnormalised, (..., n) -> (..., n)."""
    return masked(logits + scale, mask).sigmoid()


NORMALISERS: dict[str, Normaliser] = {
    "softmax": softmax,
    "sparsemax": sparse,
    "entmax15": entmax_15,
    "ssmax": scalable_softmax,
    "topk": top_k_softmax,
    "sigmoid": sigmoid,
}


def first_scale(normaliser: str, items: int) -> float:
    """Initial value of the learned scale: `items` items are then weighted as softmax would.

    Scalable softmax then multiplies the logits by 1; a sigmoid with bias -ln n gives logits of 0
    the weight 1/(n+1).
    """
    return {"ssmax": 1.0 / math.log(items), "sigmoid": -math.log(items)}.get(normaliser, 1.0)
