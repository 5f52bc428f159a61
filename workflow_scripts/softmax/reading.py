"""Reading large sets with a trained head, in memory that a set's size hardly touches (PyTorch).

A set is read twice in blocks of items: once for its logits, one number an item, which are kept;
then, with the weights known, once for the weighted sum of the items. Memory is
O(block x width + n) for a set of n items, whatever the number of sets; a set that fits in one
block is read once. The result is that of `retrieval.forward` up to rounding.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from workflow_scripts.softmax import retrieval
from workflow_scripts.softmax.retrieval import Parameters, Sampler, Sets

Weighting = Callable[[Tensor], Tensor]


class Reading(NamedTuple):
    """What one head (S = 1) makes of B sets of n items, under W weightings."""

    logits: Tensor  # (B, n)
    weights: Tensor  # (W, B, n)
    scores: Tensor  # (W, B, classes)


def chunks(sampler: Sampler, count: int, items: int, categories: int, block: int) -> Iterator[Sets]:
    """`count` sets of `items` items, as many at a time as `block` items hold, at least one."""
    at_once = max(1, block // items)
    for start in range(0, count, at_once):
        yield sampler.draw(min(at_once, count - start), items, categories)


@torch.inference_mode()
def read(head: Parameters, sets: Sets, weightings: Sequence[Weighting], block: int) -> Reading:
    """Read full sets (S = 1, no mask) with a head, at most about `block` items at a time."""
    count, items = sets.priority.shape[1:]
    direction, offset = retrieval.probe(head, sets.query)
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
    return Reading(logits[0], weights, retrieval.read_out(every, pooled, total))
