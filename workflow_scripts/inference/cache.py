"""Keys and values of the rows in flight. Slot j of a row holds position j in every batch.

On CPU the attention and matrix kernels compute the same bits for a row in any batch if key lengths
are multiples of `BLOCK` (masked slots beyond a row's end add exact zeros to the same partial sums)
and no product has fewer than `MIN_ROWS` rows (below four, a kernel with another order of summation
is used). All shapes in this engine satisfy both conditions; bit equality is checked by
`tests/inference/test_batch_independence.py`.

The layers of a model may be on several devices. Keys and values are on their layer's device;
indices come from the first one.
"""

from collections.abc import Callable
from typing import Any

import torch
from transformers import Cache

from workflow_scripts.inference.tasks import EngineError

BLOCK = 16
MIN_ROWS = 8
OTHER_STATE = "its layers keep no keys and values, or a state beside them"


def up(count: int, multiple: int) -> int:
    """`count` rounded up to a multiple."""
    return -(-count // multiple) * multiple


class _NoLayers(list[Any]):
    """The library's layers of a cache: asked for only where a model keeps another state."""

    def __getitem__(self, _index: Any) -> Any:
        raise EngineError(OTHER_STATE)


class Prompts(Cache):
    """Keys and values of packed prompts, laid out in a grid, after an optional common `prefix`.

    After the forward pass, `keys[i]` and `values[i]` have shape (prompts, heads, slots, width).
    """

    def __init__(
        self,
        lay_out: Callable[[torch.Tensor], torch.Tensor],
        prefix: "Prompts | None" = None,
    ):
        super().__init__(layers=_NoLayers())
        self.lay_out = lay_out
        self.prefix = prefix
        self.keys: list[torch.Tensor] = []
        self.values: list[torch.Tensor] = []

    @property
    def slots(self) -> int:
        """Number of slots of each prompt. Raises `EngineError` if no layer has stored keys."""
        if not self.keys:
            raise EngineError(OTHER_STATE)
        return self.keys[0].shape[2]

    def first(self, chosen: torch.Tensor, slots: int) -> "Prompts":
        """The first `slots` of the `chosen` prompts, shape (n,)."""
        kept = Prompts(self.lay_out)
        kept.keys, kept.values = (
            [layer[:, :, :slots][chosen.to(layer.device)] for layer in layers]
            for layers in (self.keys, self.values)
        )
        return kept

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Number of tokens before those of the forward pass."""
        return 0 if self.prefix is None else self.prefix.slots

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, *_args: object, **_kw: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store packed keys and values of a layer, shape (1, heads, tokens, width); return all."""
        keys, values = self.lay_out(keys), self.lay_out(values)
        if self.prefix is not None:
            rows = keys.shape[0]
            keys = torch.cat([self.prefix.keys[layer].expand(rows, -1, -1, -1), keys], dim=2)
            values = torch.cat([self.prefix.values[layer].expand(rows, -1, -1, -1), values], dim=2)
        self.keys.append(keys)
        self.values.append(values)
        return keys, values


class Rows(Cache):
    """Keys and values of the rows that are being continued.

    `keys[i]` and `values[i]` have shape (capacity, heads, slots, width). The first `rows` are in
    use, and the next token of row r is written to slot `at[r]`. There are exactly as many slots as
    the longest row needs: reading memory without gaps was measured to be three times as fast.
    """

    def __init__(self) -> None:
        super().__init__(layers=_NoLayers())
        self.keys: list[torch.Tensor] = []
        self.values: list[torch.Tensor] = []
        self.rows = 0
        self.slots = 0
        self.capacity = 0
        self.at = torch.empty(0, dtype=torch.int64)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Number of tokens before the one of the forward pass."""
        return self.slots - 1

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, *_args: object, **_kw: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store keys and values of one token per row, shape (rows, heads, 1, width); return all."""
        row, at = torch.arange(self.rows, device=keys.device), self.at.to(keys.device)
        for store, new in ((self.keys[layer], keys), (self.values[layer], values)):
            store[row, :, at] = new[:, :, 0]
        return self.keys[layer][: self.rows], self.values[layer][: self.rows]

    def resize(self, used: int, capacity: int, slots: int, like: Prompts | None = None) -> None:
        """Allocate `capacity` rows of `slots`, keeping the first `used` rows.

        In the first call, `like` gives the shapes of the layers.
        """
        for mine, theirs in (
            (self.keys, [] if like is None else like.keys),
            (self.values, [] if like is None else like.values),
        ):
            for layer, example in enumerate(mine or theirs):
                # Zeros: the weight of a masked slot is zero, but zero times NaN is NaN.
                fresh = example.new_zeros((capacity, example.shape[1], slots, example.shape[3]))
                if self.slots:
                    kept = min(slots, self.slots)
                    fresh[:used, :, :kept] = example[:used, :, :kept]
                    mine[layer] = fresh
                else:
                    mine.append(fresh)
        self.slots, self.capacity = slots, capacity

    def admit(self, prompts: Prompts, chosen: torch.Tensor, first: int, slots: int) -> None:
        """Copy the first `slots` of the `chosen` prompts, shape (n,), into rows `first` and up."""
        last = first + len(chosen)
        for mine, theirs in ((self.keys, prompts.keys), (self.values, prompts.values)):
            for store, source in zip(mine, theirs, strict=True):
                store[first:last, :, :slots] = source[:, :, :slots][chosen.to(source.device)]

    def move(self, source: torch.Tensor, target: torch.Tensor) -> None:
        """Copy rows `source` over rows `target`, shape (n,) each, to fill gaps of finished rows."""
        for store in (*self.keys, *self.values):
            store[target.to(store.device)] = store[source.to(store.device)]
