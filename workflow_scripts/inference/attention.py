"""Attention for packed prompts and for rows of one token each.

All of a decoder except attention works on each token separately. Prompts of different lengths
therefore pass through the model as one row without padding; only attention lays them out in a grid.
The model itself asks for the masks of its layers, so windows and chunks are those that it uses.
"""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import causal_mask_function

from workflow_scripts.inference.cache import BLOCK, MIN_ROWS, up
from workflow_scripts.inference.tasks import EngineError

NAME = "faultlines"

# Means "causal, nothing else".
CAUSAL = torch.zeros(1, 1, 1, 1)

# Entries of a matrix of attention logits that is held at once: 256 MiB of float32.
LOGITS = 1 << 26

# Tensors that models pass to attention without an effect on it.
WITHOUT_EFFECT = frozenset({"position_ids", "position_embeddings", "cache_position"})


@dataclass(frozen=True)
class Layout:
    """The mapping between packed tokens and a padded grid of shape (rows, width).

    `grid`, shape (rows * width,), holds the packed token of each cell (padding repeats token 0);
    `packed`, shape (tokens,), the cell of each token. The number of tokens is a multiple of
    `MIN_ROWS`; the last ones may be fill.
    """

    rows: int
    width: int
    grid: torch.Tensor
    packed: torch.Tensor

    def pack(self, padded: np.ndarray) -> torch.Tensor:
        """The packed tokens, shape (1, tokens), of an array of shape (rows, width)."""
        return torch.from_numpy(padded.reshape(-1)).to(self.packed.device)[self.packed][None]


def layout(lengths: Sequence[int], device: torch.device) -> Layout:
    """The layout of rows of the given lengths; the width is a multiple of `BLOCK`."""
    rows, width = len(lengths), up(max(lengths), BLOCK)
    real = np.arange(width)[None] < np.array(lengths)[:, None]
    packed = np.flatnonzero(real)
    grid = np.zeros(rows * width, np.int64)
    grid[packed] = np.arange(len(packed))
    fill = np.zeros(up(len(packed), MIN_ROWS) - len(packed), np.int64)
    return Layout(
        rows,
        width,
        torch.from_numpy(grid).to(device),
        torch.from_numpy(np.concatenate([packed, fill])).to(device),
    )


def side_by_side(states: torch.Tensor, where: Layout) -> torch.Tensor:
    """Packed states, shape (1, heads, tokens, width), as (rows, heads, places, width), strided."""
    tokens = states[0].transpose(0, 1)  # in memory already: (tokens, heads, width)
    return (
        tokens[where.grid.to(tokens.device)].unflatten(0, (where.rows, where.width)).transpose(1, 2)
    )


@dataclass(frozen=True)
class Pass:
    """What attention needs to know of a forward pass; not every module hands keywords on.

    `queries`, shape (rows or 1, queries), and `keys`, (rows or 1, keys), are positions. `together`,
    shape (rows, queries, keys), is False where a key belongs to another segment (None: one
    segment). With `causal`, a plain causal mask is `CAUSAL`. Rows of one token are not `packed`.
    """

    queries: torch.Tensor
    keys: torch.Tensor
    together: torch.Tensor | None = None
    causal: bool = False
    packed: Layout | None = None

    def mask(self, sees: Callable[..., torch.Tensor], dtype: torch.dtype) -> torch.Tensor:
        """The additive mask, shape (rows or 1, 1, queries, keys), of what `sees` says.

        `sees(row, head, query position, key position)` is a mask function of transformers.
        """
        zero = self.queries.new_zeros(())
        seen = sees(zero, zero, self.queries[:, :, None], self.keys[:, None])
        if self.together is not None:
            seen = seen & self.together
        mask = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
        return mask.masked_fill_(~seen, torch.finfo(dtype).min)[:, None]


CURRENT: ContextVar[Pass] = ContextVar("the forward pass in progress")


def mask_of_layer(
    mask_function: Callable[..., torch.Tensor], dtype: torch.dtype, **_options: Any
) -> torch.Tensor:
    """A layer's mask for the pass in progress, with the signature that transformers calls."""
    current = CURRENT.get()
    if current.causal and mask_function is causal_mask_function:
        return CAUSAL
    return current.mask(mask_function, dtype)


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor,
    scaling: float | None = None,
    softcap: float | None = None,
    s_aux: torch.Tensor | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Attention with the signature that transformers calls; the cache has laid out keys and values.

    `query` has shape (1, heads, tokens, width) if packed, else (rows, heads, 1, width); `key` and
    `value` have shape (rows, key heads, slots, width), with a width each. `attention_mask` is
    additive, or `CAUSAL`. `softcap` bounds the logits; `s_aux`, shape (heads,), are the logits of
    learned sinks. Returns the mixed values with places before heads. Raises `EngineError` for
    variants of attention that it does not compute.
    """
    refuse(module, options)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    packed = CURRENT.get().packed
    if packed is None:
        return _one_token(query, key, value, attention_mask, scale, softcap, s_aux), None
    query = side_by_side(query, packed)
    share = query.shape[1] // key.shape[1]
    if share > 1:
        key, value = (states.repeat_interleave(share, dim=1) for states in (key, value))
    causal = attention_mask.shape[-1] == 1
    if softcap is None and s_aux is None:
        mixed = functional.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=None if causal else attention_mask,
            is_causal=causal,
            scale=scaling,
        )
    else:
        mask = _causal(query) if causal else attention_mask
        mixed = _many_tokens(query, key, value, mask, scale, softcap, s_aux)
    cells = packed.packed.to(mixed.device)
    return mixed.transpose(1, 2).flatten(0, 1)[cells][None], None


def refuse(module: torch.nn.Module, options: dict[str, Any]) -> None:
    """Raise `EngineError` for a tensor passed to attention if its effect is unknown."""
    for name, option in options.items():
        if isinstance(option, torch.Tensor) and name not in WITHOUT_EFFECT:
            raise EngineError(f"{type(module).__name__}: attention with {name} is not supported")


def weights(
    logits: torch.Tensor, sinks: torch.Tensor | None = None, dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    """Attention weights, computed in `dtype`, of masked logits (rows, heads, queries, keys).

    `sinks`, shape (heads,), are logits of one more key per head, without a value (gpt-oss). It
    takes its share of the weight and is not returned.
    """
    if sinks is None:
        return logits.softmax(dim=-1, dtype=dtype)
    more = sinks.to(logits.dtype).view(1, -1, 1, 1).expand(*logits.shape[:-1], 1)
    return torch.cat([logits, more], dim=-1).softmax(dim=-1, dtype=dtype)[..., :-1]


def capped(logits: torch.Tensor, softcap: float | None) -> torch.Tensor:
    """`logits`, bounded smoothly by `softcap` (Gemma 2) unless that is None."""
    return logits if softcap is None else (logits / softcap).tanh() * softcap


def _causal(query: torch.Tensor) -> torch.Tensor:
    width = query.shape[2]
    ahead = torch.ones(width, width, dtype=torch.bool, device=query.device).triu(1)
    mask = torch.zeros(width, width, dtype=query.dtype, device=query.device)
    return mask.masked_fill_(ahead, torch.finfo(query.dtype).min)[None, None]


def _many_tokens(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor,
    scale: float,
    softcap: float | None,
    sinks: torch.Tensor | None,
) -> torch.Tensor:
    """Attention that no fused kernel computes, by blocks of queries to limit the memory."""
    rows, heads, places, _ = query.shape
    step = max(BLOCK, LOGITS // (rows * heads * key.shape[2]) // BLOCK * BLOCK)
    mixed = []
    for first in range(0, places, step):
        block = slice(first, first + step)
        logits = capped(query[:, :, block] @ key.mT * scale, softcap) + mask[:, :, block]
        mixed.append(weights(logits, sinks).to(value.dtype) @ value)
    return torch.cat(mixed, dim=2)


def _one_token(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor,
    scale: float,
    softcap: float | None,
    sinks: torch.Tensor | None,
) -> torch.Tensor:
    # Batched products: two to three times as fast as the fused CPU kernel, which is designed for
    # many queries per row.
    rows, heads, _, width = query.shape
    kept, slots = key.shape[1], key.shape[2]
    grouped = query.reshape(rows * kept, heads // kept, width)
    logits = torch.bmm(grouped, key.flatten(0, 1).transpose(1, 2)).view(rows, heads, slots)
    logits = capped(logits.mul_(scale), softcap).add_(mask[:, :, 0])
    shares = weights(logits[:, :, None], sinks)[:, :, 0].to(query.dtype)
    mixed = torch.bmm(shares.reshape(rows * kept, -1, slots), value.flatten(0, 1))
    return mixed.view(rows, 1, heads, value.shape[3])


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, mask_of_layer)
