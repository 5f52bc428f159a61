"""Keys and values of the rows in flight. Slot j of a row holds position j, whatever the batch.

On CPU the attention and matrix kernels give a row the same bits whatever it is batched with, as
long as key lengths are multiples of `BLOCK` (what lies past a row's end is masked and adds exact
zeros to the same partial sums) and no product has fewer than `MIN_ROWS` rows (below four, another
kernel with another order of summation takes over). Every shape in this engine keeps to both;
`tests/inference/test_batch_independence.py` holds it to bit equality.
"""

import torch
from transformers import Cache

BLOCK = 16
MIN_ROWS = 8


def up(count: int, multiple: int) -> int:
    """The least multiple that is at least `count`."""
    return -(-count // multiple) * multiple


class Prompts(Cache):
    """Keys and values of a batch of prompts, right-padded, after one common `prefix` or none.

    After the forward pass, `keys[i]` and `values[i]` are (prompts, heads, slots, width).
    """

    def __init__(self, prefix: "Prompts | None" = None):
        super().__init__(layers=[])
        self.prefix = prefix
        self.keys: list[torch.Tensor] = []
        self.values: list[torch.Tensor] = []

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self.prefix.keys[0].shape[2] if self.prefix else 0

    def update(  # type: ignore[override]
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, *_args: object, **_kw: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if self.prefix is not None:
            rows = keys.shape[0]
            keys = torch.cat([self.prefix.keys[layer].expand(rows, -1, -1, -1), keys], dim=2)
            values = torch.cat([self.prefix.values[layer].expand(rows, -1, -1, -1), values], dim=2)
        self.keys.append(keys)
        self.values.append(values)
        return keys, values


class Rows(Cache):
    """Keys and values of the rows being continued, in preallocated slots.

    `keys[i]` and `values[i]` are (capacity, heads, slots, width); the first rows are in use.
    Before each step set `rows` (rows of this step), `visible` (slots that attention sees) and
    `at` (rows,) the slot that each row's new token takes.
    """

    def __init__(self) -> None:
        super().__init__(layers=[])
        self.keys: list[torch.Tensor] = []
        self.values: list[torch.Tensor] = []
        self.rows = 0
        self.visible = 0
        self.at = torch.empty(0, dtype=torch.int64)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self.visible - 1

    def update(  # type: ignore[override]
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, *_args: object, **_kw: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        row = torch.arange(self.rows, device=keys.device)
        seen = []
        for store, new in ((self.keys[layer], keys), (self.values[layer], values)):
            store[row, :, self.at] = new[:, :, 0]
            seen.append(store[: self.rows, :, : self.visible])
        return seen[0], seen[1]

    def reserve(self, like: Prompts, used: int, capacity: int, slots: int) -> None:
        """Room for `capacity` rows of `slots`, keeping the first `used` rows."""
        if self.keys and self.keys[0].shape[0] >= capacity and self.keys[0].shape[2] >= slots:
            return
        for mine, theirs in ((self.keys, like.keys), (self.values, like.values)):
            old, mine[:] = list(mine), []
            for layer, example in enumerate(theirs):
                # Zeros, not garbage: a masked slot has weight zero, and zero times NaN is NaN.
                shape = (capacity, example.shape[1], slots, example.shape[3])
                mine.append(example.new_zeros(shape))
                if used:
                    kept = min(slots, old[layer].shape[2])
                    mine[layer][:used, :, :kept] = old[layer][:used, :, :kept]
                    old[layer] = old[layer][:0]

    def admit(self, prompts: Prompts, chosen: torch.Tensor, first: int, slots: int) -> None:
        """Copy the first `slots` of the `chosen` prompts into the rows from `first` on."""
        last = first + len(chosen)
        for mine, theirs in ((self.keys, prompts.keys), (self.values, prompts.values)):
            for store, source in zip(mine, theirs, strict=True):
                store[first:last, :, :slots] = source[chosen, :, :slots]

    def move(self, source: torch.Tensor, target: torch.Tensor, slots: int) -> None:
        """Copy rows `source` over rows `target`, to close the gaps that finished rows leave."""
        for store in (*self.keys, *self.values):
            store[target, :, :slots] = store[source, :, :slots]
