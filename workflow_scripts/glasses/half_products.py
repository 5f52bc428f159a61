"""Products of bfloat16 and float16 numbers on a CPU: sums in float32, each rounded once.

That is what accelerators do. PyTorch does so too, but where a processor has no instructions for a
type it takes 6 to 40 times as long as for the same products in float32 (docs/benchmarks.md).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from workflow_scripts.inference.layers import computed_by
from workflow_scripts.shared import devices

HALVES = (torch.bfloat16, torch.float16)


def slow(states: Tensor) -> bool:
    """Whether float32 is the faster way to a product of such numbers."""
    if states.device.type != "cpu" or states.dtype not in HALVES:
        return False
    return states.dtype == torch.float16 or not _fast_bfloat16()


@cache
def _fast_bfloat16() -> bool:
    return devices.prefers_bfloat16()


def product(left: Tensor, right: Tensor) -> Tensor:
    """Matrix product of (..., m, k) and (..., k, n), rounded to their type."""
    if slow(left):
        return (left.float() @ right.float()).to(left.dtype)
    return left @ right


@contextmanager
def linear_layers(model: Any) -> Iterator[None]:
    """Compute the linear layers of `model` that would be slow through float32 within the block.

    Those of torch, and GPT-2's transposed `Conv1D`. Weights are converted in each product, which
    takes little of its time and no memory that lasts.
    """
    from transformers.pytorch_utils import Conv1D

    slow_ones = [
        module
        for module in model.modules()
        if type(module) in (torch.nn.Linear, Conv1D) and slow(module.weight)
    ]
    with computed_by((module, _forward(module, type(module) is Conv1D)) for module in slow_ones):
        yield


def _forward(module: Any, transposed: bool) -> Callable[[Tensor], Tensor]:
    def forward(states: Tensor) -> Tensor:
        weight = module.weight.mT if transposed else module.weight
        bias = None if module.bias is None else module.bias.float()
        return functional.linear(states.float(), weight.float(), bias).to(states.dtype)

    return forward
