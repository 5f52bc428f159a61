"""Attention for packed prompts and for rows of one token each.

All of a decoder except attention works on each token separately. Prompts of different lengths
therefore pass through the model as one row without padding; only attention lays them out in a grid.
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

# Means "causal, nothing else": transformers passes a four-dimensional mask on unchanged; without
# one it builds a mask of the wrong shape.
CAUSAL = torch.zeros(1, 1, 1, 1)


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
    """Attention with the signature that transformers calls; the cache has laid out keys and values.

    `query` has shape (1, heads, tokens, width) if `packed`, else (rows, heads, 1, width); `key` and
    `value` have shape (rows, key heads, slots, width). `attention_mask` is additive, or `CAUSAL`.
    Returns the mixed values with places before heads. Raises `EngineError` for variants of
    attention that it does not compute.
    """
    for name in ("softcap", "s_aux", "position_bias"):
        if options.get(name) is not None:
            raise EngineError(f"{type(module).__name__}: attention with {name} is not supported")
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
    cells = packed.packed.to(mixed.device)
    return mixed.transpose(1, 2).flatten(0, 1)[cells][None], None


def _one_token(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor,
    scaling: float | None,
) -> torch.Tensor:
    # Batched products: two to three times as fast as the fused CPU kernel, which is designed for
    # many queries per row.
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
