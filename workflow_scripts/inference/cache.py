"""Keys and values of the rows in flight. Slot j of a row holds position j, whatever the batch.

On CPU the attention and matrix kernels give a row the same bits whatever it is batched with, as
long as key lengths are multiples of `BLOCK` (what lies past a row's end is masked and adds exact
zeros to the same partial sums) and no product has fewer than `MIN_ROWS` rows (below four, another
kernel with another order of summation takes over). Every shape in this engine keeps to both;
`tests/inference/test_batch_independence.py` holds it to bit equality.
"""

from collections.abc import Callable

import torch
from transformers import Cache

BLOCK = 16
MIN_ROWS = 8


def up(count: int, multiple: int) -> int:
    """The least multiple that is at least `count`."""
    return -(-count // multiple) * multiple


class Prompts(Cache):
    """Keys and values of packed prompts, laid out side by side, after one common `prefix` or none.

    After the forward pass, `keys[i]` and `values[i]` are (prompts, heads, slots, width).
    """

    def __init__(
        self,
        lay_out: Callable[[torch.Tensor], torch.Tensor],
        prefix: "Prompts | None" = None,
    ):
        super().__init__(layers=[])
        self.lay_out = lay_out
        self.prefix = prefix
        self.keys: list[torch.Tensor] = []
        self.values: list[torch.Tensor] = []

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return 0 if self.prefix is None else self.prefix.keys[0].shape[2]

    def update(  # type: ignore[override]
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, *_args: object, **_kw: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        keys, values = self.lay_out(keys), self.lay_out(values)
        if self.prefix is not None:
            rows = keys.shape[0]
            keys = torch.cat([self.prefix.keys[layer].expand(rows, -1, -1, -1), keys], dim=2)
            values = torch.cat([self.prefix.values[layer].expand(rows, -1, -1, -1), values], dim=2)
        self.keys.append(keys)
        self.values.append(values)
        return keys, values


class Rows(Cache):
    """Keys and values of the rows being continued.

    `keys[i]` and `values[i]` are (capacity, heads, slots, width); the first `rows` are in use, and
    row r's next token takes slot `at[r]`. Slots are exactly as many as the longest row needs: read
    without gaps, memory was measured three times as fast.
    """

    def __init__(self) -> None:
        super().__init__(layers=[])
        self.keys: list[torch.Tensor] = []
        self.values: list[torch.Tensor] = []
        self.rows = 0
        self.slots = 0
        self.capacity = 0
        self.at = torch.empty(0, dtype=torch.int64)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self.slots - 1

    def update(  # type: ignore[override]
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, *_args: object, **_kw: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        row = torch.arange(self.rows, device=keys.device)
        for store, new in ((self.keys[layer], keys), (self.values[layer], values)):
            store[row, :, self.at] = new[:, :, 0]
        return self.keys[layer][: self.rows], self.values[layer][: self.rows]

    def resize(self, used: int, capacity: int, slots: int, like: Prompts | None = None) -> None:
        """Room for `capacity` rows of `slots`, keeping the first `used` rows.

        The first time, `like` gives the layers' shapes.
        """
        for mine, theirs in (
            (self.keys, [] if like is None else like.keys),
            (self.values, [] if like is None else like.values),
        ):
            for layer, example in enumerate(mine or theirs):
                # Zeros, not garbage: a masked slot has weight zero, and zero times NaN is NaN.
                fresh = example.new_zeros((capacity, example.shape[1], slots, example.shape[3]))
                if self.slots:
                    kept = min(slots, self.slots)
                    fresh[:used, :, :kept] = example[:used, :, :kept]
                    mine[layer] = fresh
                else:
                    mine.append(fresh)
        self.slots, self.capacity = slots, capacity

    def admit(self, prompts: Prompts, chosen: torch.Tensor, first: int, slots: int) -> None:
        """Copy the first `slots` of the `chosen` prompts into the rows from `first` on."""
        last = first + len(chosen)
        for mine, theirs in ((self.keys, prompts.keys), (self.values, prompts.values)):
            for store, source in zip(mine, theirs, strict=True):
                store[first:last, :, :slots] = source[:, :, :slots][chosen]

    def move(self, source: torch.Tensor, target: torch.Tensor) -> None:
        """Copy rows `source` over rows `target`, to close the gaps that finished rows leave."""
        for store in (*self.keys, *self.values):
            store[target] = store[source]
