"""Maxima over nodes, with a gradient that reads the large tensors three times instead of ten.

The maxima and their gradients are those of `torch.amax`: entries that share a maximum share its
gradient. torch compares into a tensor of flags and counts those as integers; on a CPU this takes
ten times as long as the maximum itself. Here flags are floats, which are compared, counted and
scaled in the same memory (benchmarks/reasoner_steps.py).
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function


class _Maximum(Function):
    """`values.amax(1)`, shape (B, N, ...) -> (B, ...)."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        best = values.amax(1)
        ctx.save_for_backward(values, best)
        return best

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        values, best = ctx.saved_tensors
        flags = torch.eq(values, best[:, None], out=torch.empty_like(values))
        return flags.mul_((gradients[0] / flags.sum(1))[:, None])


class _MaxPlus(Function):
    """max over i of first[:, i, j] + second[:, i, k], one i at a time."""

    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor) -> Tensor:
        best = first[:, 0, :, None] + second[:, 0, None]
        for node in range(1, first.shape[1]):
            torch.maximum(best, first[:, node, :, None] + second[:, node, None], out=best)
        ctx.save_for_backward(first, second, best)
        return best

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        first, second, best = ctx.saved_tensors
        flags, sums = torch.empty_like(best), torch.empty_like(best)

        def reached(node: int) -> Tensor:
            torch.add(first[:, node, :, None], second[:, node, None], out=sums)
            return torch.eq(sums, best, out=flags)

        count = torch.zeros_like(best)
        for node in range(first.shape[1]):
            count += reached(node)
        each = gradients[0] / count
        to_first, to_second = torch.empty_like(first), torch.empty_like(second)
        for node in range(first.shape[1]):
            share = reached(node).mul_(each)
            torch.sum(share, 2, out=to_first[:, node])
            torch.sum(share, 1, out=to_second[:, node])
        return to_first, to_second


class _Rise(Function):
    """See `rise`."""

    @staticmethod
    def forward(
        ctx: Any,
        values: Tensor,
        weight: Tensor,
        above: Tensor,
        below: Tensor,
        head: Tensor,
        more: Tensor | None,
    ) -> Tensor:
        gap = values @ weight
        gap += above[:, None]
        gap -= below[:, :, None]
        if more is not None:
            gap += more
        gap.relu_()
        ctx.save_for_backward(values, weight, head, gap)
        return gap @ head

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        values, weight, head, gap = ctx.saved_tensors
        flags = gap.sign()
        to_head = gap.flatten(0, 2).mT @ gradients[0].flatten()
        flags *= gradients[0][..., None]
        flags *= head
        flat = flags.flatten(0, 2)
        return (
            (flat @ weight.mT).view(values.shape) if ctx.needs_input_grad[0] else None,
            values.flatten(0, 2).mT @ flat,
            flags.sum(1),
            -flags.sum(2),
            to_head,
            flags if ctx.needs_input_grad[5] else None,
        )


def rise(
    values: Tensor,
    weight: Tensor,
    above: Tensor,
    below: Tensor,
    head: Tensor,
    more: Tensor | None = None,
) -> Tensor:
    """`head` @ (max(below[i], upper[i, k]) - below[i]), shape (B, N, N).

    `upper[i, k]` is values[i, k] @ weight + above[k] + more[i, k]. Shapes: values (B, N, N, F),
    weight (F, W), above and below (B, N, W), head (W,), more (B, N, N, W) or None.
    """
    found: Tensor = _Rise.apply(values, weight, above, below, head, more)
    return found


def maximum(values: Tensor) -> Tensor:
    """`values.amax(1)`, from shape (B, N, ...) to (B, ...), with the same gradient."""
    found: Tensor = _Maximum.apply(values)
    return found


def max_plus(first: Tensor, second: Tensor) -> Tensor:
    """Maximum over i of first[:, i, j] + second[:, i, k], with the gradient of `amax`.

    Both have shape (B, N, N, F), and so has the result, in j and k.
    """
    if first.device.type != "cpu" and torch.is_grad_enabled():
        return (first[:, :, :, None] + second[:, :, None]).amax(1)  # few large operations
    found: Tensor = _MaxPlus.apply(first, second)
    return found
