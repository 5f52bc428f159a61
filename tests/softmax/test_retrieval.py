"""Max retrieval: the data protocol, the head's algebra, and evaluation in blocks."""

import dataclasses
import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from workflow_scripts.softmax import blockwise, normalisers, retrieval
from workflow_scripts.softmax.evaluate import domain_spread
from workflow_scripts.softmax.retrieval import Sampler, Sets


def head(normaliser: str = "softmax", seed: int = 3) -> retrieval.Parameters:
    return retrieval.initial(seed, normaliser, 10, 32, 16)


def plain_forward(parameters: retrieval.Parameters, sets: Sets) -> torch.Tensor:
    """The head as drawn in the paper: every item through both layers, K and V (seed 0)."""
    p = {name: tensor[0].double() for name, tensor in parameters.items()}

    def linear(name: str, x: torch.Tensor) -> torch.Tensor:
        return x @ p[f"{name}.weight"] + p[f"{name}.bias"]

    def mlp(name: str, x: torch.Tensor) -> torch.Tensor:
        return linear(f"{name}2", torch.nn.functional.gelu(linear(f"{name}1", x)))

    one_hot = torch.nn.functional.one_hot(sets.category[0], 10).double()
    items = mlp("item", torch.cat([sets.priority[0][..., None].double(), one_hot], -1))
    q = linear("q", mlp("query", sets.query[0].double()))
    k, v = linear("k", items), linear("v", items)
    logits = torch.einsum("bd,bnd->bn", q, k) / math.sqrt(q.shape[-1])
    if sets.mask is not None:
        logits = logits.masked_fill(~sets.mask[0], -math.inf)
    return mlp("out", torch.einsum("bn,bnd->bd", logits.softmax(-1), v))


def test_label_is_the_class_of_the_largest_unmasked_item():
    sets = Sampler(1, "test").draw(200, 16, 10, 5)
    assert sets.mask is not None
    sizes = sets.mask.sum(-1)
    assert (sizes.min(), sizes.max()) == (5, 16)
    for b in range(200):
        size = int(sizes[0, b])
        assert sets.mask[0, b, :size].all()
        best = max(range(size), key=lambda i, b=b: float(sets.priority[0, b, i]))
        assert sets.label[0, b] == sets.category[0, b, best]


def test_data_are_uniform():
    sets = Sampler(1, "test").draw(2000, 16, 10)
    assert sets.mask is None
    assert sets.category.flatten().bincount().float() == pytest.approx(3200, rel=0.1)
    assert float(sets.priority.mean()) == pytest.approx(0.5, abs=0.01)
    assert 0 <= float(sets.query.min()) < float(sets.query.max()) <= 1


def test_batch_size_does_not_change_what_is_drawn():
    together = Sampler(5, "x").draw(12, 40, 10)
    sampler = Sampler(5, "x")
    apart = [sampler.draw(n, 40, 10) for n in (5, 1, 6)]
    for field in ("priority", "category", "query", "label"):
        parts = torch.cat([getattr(part, field) for part in apart], 1)
        assert torch.equal(parts, getattr(together, field))


def test_head_is_the_papers_head():
    """Multiplying queries by the transposes is exact algebra."""
    sets = Sampler(2, "x").draw(20, 16, 10, 5)
    found = retrieval.forward(head(), sets, "softmax", 0)[0]
    torch.testing.assert_close(found.double(), plain_forward(head(), sets), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("normaliser", normalisers.NORMALISERS)
@pytest.mark.parametrize("block", [1, 100, 10_000])
def test_blocks_give_the_result_of_the_whole_set(normaliser, block):
    parameters = head(normaliser)
    sets = Sampler(2, "x").draw(3, 150, 10)
    weigh = normalisers.NORMALISERS[normaliser]
    ways = [lambda e: weigh(e, None, parameters["scale"], 4)]
    seen = blockwise.run(parameters, sets, ways, block)
    whole = retrieval.forward(parameters, sets, normaliser, 4)
    torch.testing.assert_close(seen.class_logits, whole, atol=1e-4, rtol=1e-4)


def test_order_of_items_does_not_matter():
    sets = Sampler(2, "x").draw(4, 50, 10)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(0))
    shuffled = sets._replace(priority=sets.priority[..., order], category=sets.category[..., order])
    ways = [lambda e: e.softmax(-1)]
    one = blockwise.run(head(), sets, ways, 16).class_logits
    other = blockwise.run(head(), shuffled, ways, 16).class_logits
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


@dataclasses.dataclass
class Largest(TorchDispatchMode):
    """Elements of the largest tensor that any operation creates."""

    elements: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, torch.Tensor):
                self.elements = max(self.elements, tensor.numel())
        return result


@pytest.mark.parametrize("items", [256, 4096, 16384])
def test_memory_is_bounded_by_the_block(items):
    """No tensor holds more than a block of hidden items, or a set's own n logits."""
    block, width = 512, 32
    with Largest() as largest:
        for sets in blockwise.batches(Sampler(1, "x"), 4, items, 10, block):
            blockwise.run(head(), sets, [lambda e: e.softmax(-1)] * 2, block)
    assert largest.elements <= max(block * width, 2 * items)


def test_domain_spread_bounds_every_set():
    """Scaled up, so that the spread is large; the bound of proposition 3.1 holds as well."""
    parameters = head()
    parameters["q.weight"] = parameters["q.weight"] * 30
    spread, share = domain_spread(parameters)
    assert 0 < share <= 1
    sets = Sampler(2, "x").draw(500, 64, 10)
    seen = blockwise.run(parameters, sets, [lambda e: e.softmax(-1)], 4096)
    widest = (seen.logits.max(-1).values - seen.logits.min(-1).values).max()
    assert float(widest) <= spread * (1 + 1e-3)
    assert float(widest) > 0.8 * spread
