"""Run a trained head on large sets, in memory that hardly depends on their size (PyTorch).

A set is processed twice in blocks of items. The first pass computes the logits, one number per
item, which are kept; the second, with the weights known, the weighted sum of the items. Memory is
O(block x width + n) for a set of n items, whatever the number of sets. A set that fits in one
block is processed once. The result equals that of `retrieval.forward` up to rounding.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from workflow_scripts.softmax import retrieval
from workflow_scripts.softmax.retrieval import Parameters, Sampler, Sets

Weighting = Callable[[Tensor], Tensor]


class Output(NamedTuple):
    """Output of one head (S = 1) on B sets of n items, under W weightings."""

    logits: Tensor  # (B, n)
    weights: Tensor  # (W, B, n)
    class_logits: Tensor  # (W, B, classes)


def batches(
    sampler: Sampler, count: int, items: int, categories: int, block: int
) -> Iterator[Sets]:
    """`count` sets of `items` items, per batch as many as `block` items hold, at least one."""
    at_once = max(1, block // items)
    for start in range(0, count, at_once):
        yield sampler.draw(min(at_once, count - start), items, categories)


@torch.inference_mode()
def run(head: Parameters, sets: Sets, weightings: Sequence[Weighting], block: int) -> Output:
    """Run a head (S = 1) on B full sets (no mask), with at most about `block` items at a time."""
    count, items = sets.priority.shape[1:]
    direction, offset = retrieval.query_direction(head, sets.query)
    width = max(1, block // count)
    slices = [slice(start, start + width) for start in range(0, items, width)]

    def hidden(part: slice) -> Tensor:
        return retrieval.item_hidden(head, sets.priority[..., part], sets.category[..., part])

    only = hidden(slices[0]) if len(slices) == 1 else None
    logits = torch.empty((1, count, items), device=direction.device)
    for part in slices:
        seen = hidden(part) if only is None else only
        logits[..., part] = retrieval.logits(seen, direction, offset)
    weights = torch.stack([weigh(logits)[0] for weigh in weightings])
    pooled = direction.new_zeros((len(weightings), count, direction.shape[-1]))
    for part in slices:
        seen = hidden(part) if only is None else only
        pooled += torch.einsum("wbn,bnd->wbd", weights[..., part], seen[0])
    total = weights.sum(-1, keepdim=True)
    every = {name: tensor.expand(len(weightings), -1, -1) for name, tensor in head.items()}
    return Output(logits[0], weights, retrieval.read_out(every, pooled, total))
