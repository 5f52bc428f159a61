"""Attention logits of a transformers model, as the model computes them.

A registered attention function receives queries and keys after rotary positions and norms, so the
logits are the model's own. They are computed directly, not as logarithms of weights, which
underflow.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor

NAME = "faultlines_probe"

# (layer, logits, visible): logits (heads, queries, keys) in float32; visible has the same shape and
# is False for keys that are masked for the query.
Watcher = Callable[[int, Tensor, Tensor], None]


@contextmanager
def watching(model: Any, watcher: Watcher) -> Iterator[None]:
    """Within the block, call `watcher` from every attention layer of `model`, for one prompt.

    The model's outputs stay those of its eager attention. Raises `TypeError` for a model whose
    attention cannot be replaced.
    """
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask

    calls = 0

    def attend(
        module: torch.nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        scaling: float | None = None,
        softcap: float | None = None,
        **_: Any,
    ) -> tuple[Tensor, Tensor]:
        nonlocal calls
        calls += 1
        logits, visible = row_logits(query, key, attention_mask, scaling, softcap)
        watcher(cast(int, module.layer_idx), logits[0], visible[0])
        weights = logits.masked_fill(~visible, -torch.inf).softmax(-1).to(value.dtype)
        groups = query.shape[1] // value.shape[1]
        mixed = weights @ value.repeat_interleave(groups, 1)
        return mixed.transpose(1, 2).contiguous(), weights

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, eager_mask)
    before = model.config._attn_implementation
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)
    if not calls:
        raise TypeError(
            f"{type(model).__name__}: expected attention that transformers can replace, but it was "
            "not called; remove the model from studies.softmax"
        )


def row_logits(
    query: Tensor,
    key: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None,
    softcap: float | None,
) -> tuple[Tensor, Tensor]:
    """Logits in float32 and which of them are visible, (1, heads, queries, keys) each.

    `query` is (1, heads, queries, width), `key` (1, key heads, keys, width); groups of query heads
    share a key head. A mask is additive (0 where visible) or boolean; without one, attention is
    causal.
    """
    groups = query.shape[1] // key.shape[1]
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    logits = (query.float() @ key.repeat_interleave(groups, 1).float().mT) * scale
    if softcap is not None:
        logits = softcap * (logits / softcap).tanh()
    if attention_mask is None:
        ahead = key.shape[2] - query.shape[2]
        visible = torch.ones(logits.shape[-2:], dtype=torch.bool, device=logits.device).tril(ahead)
    elif attention_mask.dtype == torch.bool:
        visible = attention_mask
    else:
        visible = attention_mask == 0
    return logits, visible.expand(logits.shape)


def row_spread(logits: Tensor, visible: Tensor) -> Tensor:
    """max - min over the visible keys, (..., keys) -> (...); NaN with fewer than two of them."""
    top = logits.masked_fill(~visible, -torch.inf).amax(-1)
    bottom = logits.masked_fill(~visible, torch.inf).amin(-1)
    return (top - bottom).masked_fill(visible.sum(-1) < 2, torch.nan)
