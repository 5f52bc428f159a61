"""Max retrieval: the sets and the attention head, many seeds at once (PyTorch).

An item is a priority, uniform on (0, 1), and a one-hot class; the label is the class of the item
with the largest priority; the query is one uniform number (the paper's appendix A, as cited by
public re-implementations). The head is an item MLP, a query MLP, Q, K and V projections, one
attention layer and an output MLP, without positions.

The first axis of every tensor is the seed, and no operation mixes seeds: S heads trained together
equal S heads trained alone.
"""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from workflow_scripts.shared import seeds
from workflow_scripts.softmax import normalisers

Parameters = dict[str, Tensor]


class Sets(NamedTuple):
    """B sets of up to n items for each of S seeds."""

    priority: Tensor  # (S, B, n) in (0, 1)
    category: Tensor  # (S, B, n) integers
    query: Tensor  # (S, B, 1) in (0, 1)
    label: Tensor  # (S, B) category of the unmasked item with the largest priority
    mask: Tensor | None  # (S, B, n), False for padding; None where every set is full


class Sampler:
    """An endless stream of sets for one seed; the batch size does not change what is drawn."""

    def __init__(self, seed: int, *names: str | int) -> None:
        self.streams = {
            stream: torch.Generator().manual_seed(seeds.derive(seed, *names, stream))
            for stream in ("priority", "category", "query", "size")
        }

    def draw(self, sets: int, items: int, categories: int, fewest_items: int | None = None) -> Sets:
        """B = `sets` sets (S = 1) of `items` items, or of `fewest_items` to `items`, padded."""
        shape = (1, sets, items)
        priority = torch.rand(shape, generator=self.streams["priority"])
        category = torch.randint(categories, shape, generator=self.streams["category"])
        query = torch.rand((1, sets, 1), generator=self.streams["query"])
        mask, visible = None, priority
        if fewest_items is not None:
            drawn = torch.randint(
                fewest_items, items + 1, (1, sets, 1), generator=self.streams["size"]
            )
            mask = torch.arange(items) < drawn
            visible = priority.masked_fill(~mask, -1.0)
        label = category.gather(-1, visible.argmax(-1, keepdim=True))[..., 0]
        return Sets(priority, category, query, label, mask)

    def state(self) -> dict[str, Tensor]:
        """State of each generator, for a checkpoint."""
        return {name: stream.get_state() for name, stream in self.streams.items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Continue from what `state` returned, a tensor of shape (bytes,) per generator."""
        for name, stream in self.streams.items():
            stream.set_state(state[name])


def together(parts: list[Sets], device: str = "cpu") -> Sets:
    """Concatenate the sets of several seeds along the first axis, on `device`."""
    fields: Iterable[Any] = zip(*parts, strict=True)
    return Sets._make(None if f[0] is None else torch.cat(f).to(device) for f in fields)


def initial(seed: int, normaliser: str, categories: int, width: int, most_items: int) -> Parameters:
    """Draw one head (S = 1); linear layers are uniform within 1/sqrt(inputs), as in PyTorch."""
    stream = torch.Generator().manual_seed(seed)
    layers = {
        "item1": (categories + 1, width),
        "item2": (width, width),
        "query1": (1, width),
        "query2": (width, width),
        "q": (width, width),
        "k": (width, width),
        "v": (width, width),
        "out1": (width, width),
        "out2": (width, categories),
    }
    parameters = {}
    for name, (inputs, outputs) in layers.items():
        bound = 1.0 / math.sqrt(inputs)
        for part, shape in (("weight", (1, inputs, outputs)), ("bias", (1, 1, outputs))):
            uniform = torch.rand(shape, generator=stream)
            parameters[f"{name}.{part}"] = (2.0 * uniform - 1.0) * bound
    parameters["scale"] = torch.full((1, 1, 1), normalisers.first_scale(normaliser, most_items))
    return parameters


def stack(heads: list[Parameters]) -> Parameters:
    """Concatenate heads along the first axis."""
    return {name: torch.cat([head[name] for head in heads]) for name in heads[0]}


def count(parameters: Parameters) -> int:
    """Number of heads in a stack, the first axis of each tensor."""
    return next(iter(parameters.values())).shape[0]


def head_of(parameters: Parameters, index: int) -> Parameters:
    """One head of a stack, with its first axis kept (S = 1)."""
    return {name: tensor[index : index + 1] for name, tensor in parameters.items()}


def linear(parameters: Parameters, name: str, x: Tensor) -> Tensor:
    """Apply the layer of each seed, (S, rows, inputs) -> (S, rows, outputs)."""
    return torch.baddbmm(parameters[f"{name}.bias"], x, parameters[f"{name}.weight"])


def mlp(parameters: Parameters, name: str, x: Tensor) -> Tensor:
    """Two layers with a GELU between them, (S, rows, inputs) -> (S, rows, outputs)."""
    hidden = torch.nn.functional.gelu(linear(parameters, f"{name}1", x))
    return linear(parameters, f"{name}2", hidden)


def item_hidden(parameters: Parameters, priority: Tensor, category: Tensor) -> Tensor:
    """Output of the item MLP's first layer and GELU: (S, B, n) twice -> (S, B, n, width)."""
    seeds_, sets, items = priority.shape
    inputs = parameters["item1.weight"].shape[1]
    features = priority.new_zeros((seeds_, sets, items, inputs))
    features[..., 0] = priority
    features.scatter_(3, category[..., None] + 1, 1.0)
    first = linear(parameters, "item1", features.view(seeds_, sets * items, inputs))
    return torch.nn.functional.gelu(first).view(seeds_, sets, items, -1)


def query_direction(parameters: Parameters, query: Tensor) -> tuple[Tensor, Tensor]:
    """Direction (S, B, width) and offset (S, B, 1) that map hidden items to logits.

    `query` has shape (S, B, 1). The item MLP ends in a linear layer and K is linear, so
    logit = q . (K (W2 g + b2) + b_k) / sqrt(width) for a hidden item g. Multiplying the query by
    the transposes costs one product per set instead of two per item, which makes 16,384 items
    affordable; it is exact algebra.
    """
    q = linear(parameters, "q", mlp(parameters, "query", query))
    q = q / math.sqrt(q.shape[-1])
    back = q @ parameters["k.weight"].mT
    direction = back @ parameters["item2.weight"].mT
    offset = (back * parameters["item2.bias"]).sum(-1, keepdim=True)
    return direction, offset + (q * parameters["k.bias"]).sum(-1, keepdim=True)


def logits(hidden: Tensor, direction: Tensor, offset: Tensor) -> Tensor:
    """Attention logits of hidden items, (S, B, n, width) -> (S, B, n)."""
    # Product and sum, not a batched matrix product: MKL is several times slower at 16 x 128.
    return (hidden * direction[:, :, None]).sum(-1) + offset


def read_out(parameters: Parameters, pooled: Tensor, total: Tensor) -> Tensor:
    """Class logits (S, B, classes) from the weighted sum of hidden items, (S, B, width).

    `total`, (S, B, 1), is the sum of the weights: 1 except for unnormalised attention. The second
    layer of the item MLP and V are linear, so they can be applied to the sum.
    """
    mixed = pooled @ parameters["item2.weight"] + total * parameters["item2.bias"]
    value = mixed @ parameters["v.weight"] + total * parameters["v.bias"]
    return mlp(parameters, "out", value)


def forward(parameters: Parameters, sets: Sets, normaliser: str, top_k: int) -> Tensor:
    """Class logits (S, B, classes) of whole sets held in memory, as training computes them."""
    hidden = item_hidden(parameters, sets.priority, sets.category)
    attention = logits(hidden, *query_direction(parameters, sets.query))
    weigh = normalisers.NORMALISERS[normaliser]
    weights = weigh(attention, sets.mask, parameters["scale"], top_k)
    pooled = (weights[..., None] * hidden).sum(-2)
    return read_out(parameters, pooled, weights.sum(-1, keepdim=True))
