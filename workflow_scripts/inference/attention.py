"""Attention for packed prompts and for rows that take one token each.

Everything in a decoder but attention works on each token alone. So prompts of different lengths go
through the model as one row without padding; only here are they laid out side by side.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from workflow_scripts.inference.cache import BLOCK, MIN_ROWS, up
from workflow_scripts.inference.tasks import EngineError

NAME = "faultlines"

# Stands for "causal, nothing else": transformers hands a four-dimensional mask on as it is, but
# makes one of its own, for the wrong shape, where it gets none.
CAUSAL = torch.zeros(1, 1, 1, 1)


@dataclass(frozen=True)
class Layout:
    """Where the tokens of packed rows lie in a padded (rows, width) grid, and back.

    `grid` (rows * width,) holds each cell's packed token (padding repeats token 0); `packed`
    (tokens,) each token's cell. `tokens` is a multiple of `MIN_ROWS`: the last ones may be fill.
    """

    rows: int
    width: int
    grid: torch.Tensor
    packed: torch.Tensor

    def pack(self, padded: np.ndarray) -> torch.Tensor:
        """(1, tokens) of a (rows, width) array."""
        return torch.from_numpy(padded.reshape(-1)).to(self.packed.device)[self.packed][None]


def layout(lengths: Sequence[int], device: torch.device) -> Layout:
    """Layout of rows of the given lengths, side by side at a width that is a multiple of BLOCK."""
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
    """(1, heads, tokens, width) packed -> (rows, heads, places, width), strided."""
    tokens = states[0].transpose(0, 1)  # in memory already: (tokens, heads, width)
    return tokens[where.grid].unflatten(0, (where.rows, where.width)).transpose(1, 2)


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor,
    scaling: float | None = None,
    packed: Layout | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Attention as transformers calls it; keys and values come laid out from the cache.

    query: (1, heads, tokens, width) if `packed`, else (rows, heads, 1, width); key, value: (rows,
    key heads, slots, width). `attention_mask` is additive, or `CAUSAL`. Returns the mixed
    values with places before heads. Raises `EngineError` for what it does not compute.
    """
    for name in ("softcap", "s_aux", "position_bias"):
        if options.get(name) is not None:
            raise EngineError(f"{type(module).__name__} wants attention with {name}: not supported")
    if packed is None:
        return _one_token(query, key, value, attention_mask, scaling), None
    query = side_by_side(query, packed)
    share = query.shape[1] // key.shape[1]
    if share > 1:
        key, value = (states.repeat_interleave(share, dim=1) for states in (key, value))
    causal = attention_mask.shape[-1] == 1
    mixed = functional.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=None if causal else attention_mask,
        is_causal=causal,
        scale=scaling,
    )
    return mixed.transpose(1, 2).flatten(0, 1)[packed.packed][None], None


def _one_token(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor,
    scaling: float | None,
) -> torch.Tensor:
    # Batched products: two to three times as fast as the fused kernel, which on CPU is made for
    # many queries a row.
    rows, heads, _, width = query.shape
    kept, slots = key.shape[1], key.shape[2]
    grouped = query.reshape(rows * kept, heads // kept, width)
    weights = torch.bmm(grouped, key.flatten(0, 1).transpose(1, 2)).view(rows, heads, slots)
    weights = weights.mul_(width**-0.5 if scaling is None else scaling)
    weights = weights.add_(mask[:, :, 0])
    weights = weights.softmax(dim=-1, dtype=torch.float32).to(query.dtype)
    mixed = torch.bmm(weights.view(rows * kept, -1, slots), value.flatten(0, 1))
    return mixed.view(rows, 1, heads, width)


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
