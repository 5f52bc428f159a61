"""Attention logits of a transformers model, as the model computes them.

A registered attention function receives queries and keys after rotary positions and norms, so the
logits are the model's own. They are computed directly, not as logarithms of weights, which
underflow.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor

from workflow_scripts.inference import attention

NAME = "faultlines_probe"

# Most entries (heads x queries x keys) of the attention weights that are held at once: 64 MB.
BLOCK = 1 << 24

# (layer, logits (batch, heads, queries, keys) in float32 with masked keys at -inf, learned sinks
# (heads,) or None) to attention weights of the logits' shape.
Weigh = Callable[[int, Tensor, Tensor | None], Tensor]

# (layer, logits, visible): logits (heads, rows, keys) in float32; visible has the same shape and is
# False for keys that are masked for the query.
Watcher = Callable[[int, Tensor, Tensor], None]


def plain(_layer: int, logits: Tensor, sinks: Tensor | None) -> Tensor:
    """The softmax of the model itself; shapes as in `Weigh`."""
    return attention.weights(logits, sinks)


@contextmanager
def watching(
    model: Any, rows: Sequence[int], watcher: Watcher, weigh: Weigh = plain
) -> Iterator[None]:
    """Within the block, call `watcher` from every attention layer of `model`, for one prompt.

    It gets the logits of the queries at the positions `rows`. `weigh` turns logits into weights, a
    block of queries at a time; by default the model's outputs stay those of its eager attention.
    Raises `TypeError` for a model whose attention cannot be replaced.
    """
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask

    calls = 0
    wanted = torch.tensor(rows)

    def attend(
        module: torch.nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        scaling: float | None = None,
        softcap: float | None = None,
        s_aux: Tensor | None = None,
        **options: Any,
    ) -> tuple[Tensor, None]:
        nonlocal calls
        calls += 1
        attention.refuse(module, options)

        def of(at: Tensor) -> tuple[Tensor, Tensor]:
            return row_logits(query, key, attention_mask, at, scaling, softcap)

        logits, visible = of(wanted.to(query.device))
        layer = cast(int, module.layer_idx)
        watcher(layer, logits[0], visible[0])
        groups = query.shape[1] // value.shape[1]
        value = value.repeat_interleave(groups, 1)
        size = max(1, BLOCK // (query.shape[1] * key.shape[2]))
        places = torch.arange(query.shape[2], device=query.device).split(size)
        mixed = [mix(layer, *of(at), value, s_aux, weigh) for at in places]
        return torch.cat(mixed, 2).transpose(1, 2).contiguous(), None

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
    at: Tensor,
    scaling: float | None,
    softcap: float | None,
) -> tuple[Tensor, Tensor]:
    """Logits in float32 and which of them are visible, (batch, heads, rows, keys) each.

    `query` is (batch, heads, queries, width), `key` (batch, key heads, keys, width); groups of
    query heads share a key head. `at`, shape (rows,), are the positions of the queries that are
    wanted. A mask is additive (0 where visible) or boolean; without one, attention is causal.
    """
    groups = query.shape[1] // key.shape[1]
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    logits = (query[:, :, at].float() @ key.repeat_interleave(groups, 1).float().mT).mul_(scale)
    logits = attention.capped(logits, softcap)
    if attention_mask is None:
        ahead = key.shape[2] - query.shape[2]
        visible = torch.arange(key.shape[2], device=at.device) <= (at + ahead)[:, None]
    else:
        rows = attention_mask[:, :, at]
        visible = rows if rows.dtype == torch.bool else rows == 0
    return logits, visible.expand(logits.shape)


def mix(
    layer: int,
    logits: Tensor,
    visible: Tensor,
    value: Tensor,
    sinks: Tensor | None,
    weigh: Weigh,
) -> Tensor:
    """Values (batch, heads, keys, width) mixed by the weights of logits (batch, heads, rows, keys).

    `sinks`, shape (heads,), are learned logits without a value, as in GPT-OSS.
    """
    hidden = logits.masked_fill_(~visible, -torch.inf)
    return weigh(layer, hidden, sinks).to(value.dtype) @ value


def row_spread(logits: Tensor, visible: Tensor) -> Tensor:
    """max - min over the visible keys, (..., keys) -> (...); NaN with fewer than two of them."""
    top = logits.masked_fill(~visible, -torch.inf).amax(-1)
    bottom = logits.masked_fill(~visible, torch.inf).amin(-1)
    return (top - bottom).masked_fill(visible.sum(-1) < 2, torch.nan)
