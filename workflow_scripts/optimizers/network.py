"""Multi-layer perceptrons, many at once: every tensor carries a leading axis of R replicas.

A layer is one matrix, shape (R, out, in + 1), whose last column is the bias. Every optimiser thus
sees the same matrices and nothing else.
"""

from collections.abc import Callable, Sequence
from math import sqrt

import torch
from torch import Tensor
from torch.func import grad, vmap
from torch.nn.functional import cross_entropy, linear

Parameters = dict[str, Tensor]
# Standard deviation of a standard normal truncated at ±2; the initial scale is divided by it.
TRUNCATED_SD = 0.87962566103423978
HALVINGS = 14  # of a segment: the place where it crosses a loss is exact to 1e-4 of its length


def layer_names(layers: int) -> list[str]:
    """Names of the layers from the input on: layer1, layer2, …"""
    return [f"layer{index}" for index in range(1, layers + 1)]


def initial(seed: int, sizes: Sequence[int]) -> Parameters:
    """One network: weights from a truncated normal of variance 1/fan_in, biases 0.

    The variance scaling of the official power-propagation notebook. `sizes` are the widths from
    input to output; matrices have shape (out, in + 1), without the replica axis.
    """
    generator = torch.Generator().manual_seed(seed)
    parameters = {}
    for name, inputs, outputs in zip(
        layer_names(len(sizes) - 1), sizes[:-1], sizes[1:], strict=True
    ):
        weight = torch.empty(outputs, inputs)
        sd = 1 / sqrt(inputs) / TRUNCATED_SD
        torch.nn.init.trunc_normal_(weight, 0.0, sd, -2 * sd, 2 * sd, generator=generator)
        parameters[name] = torch.cat([weight, torch.zeros(outputs, 1)], 1)
    return parameters


def stack(networks: Sequence[Parameters]) -> Parameters:
    """R networks, matrices (out, in + 1), as one with matrices (R, out, in + 1)."""
    return {name: torch.stack([network[name] for network in networks]) for name in networks[0]}


def forward(parameters: Parameters, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Logits (R, N, 10) and ReLU layers (R, N, width) of R networks, matrices (R, out, in + 1).

    `x` has shape (R, N, D), or (N, D) where all networks see the same examples. Of one network
    without the replica axis, all shapes lack it. A constant input carries the bias, so that a
    matrix enters one product as a whole.
    """
    hidden: list[Tensor] = []
    *inner, last = parameters.values()
    for matrix in inner:
        x = torch.matmul(_with_one(x), matrix.mT).relu()
        hidden.append(x)
    return torch.matmul(_with_one(x), last.mT), hidden


def loss(parameters: Parameters, x: Tensor, y: Tensor) -> Tensor:
    """Mean cross-entropy in nats of one network; matrices (out, in + 1), x (N, D), y (N,)."""
    return cross_entropy(forward(parameters, x)[0], y)


def _with_one(x: Tensor) -> Tensor:
    """`x`, shape (..., D), with a last input of 1, shape (..., D + 1)."""
    return torch.cat([x, torch.ones_like(x[..., :1])], -1)


def nats(parameters: Parameters, x: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy in nats of each network on each example, shape (R, N).

    `x` as in `forward`; labels `y` have shape (R, N), or (N,) where `x` has shape (N, D).
    """
    logits = forward(parameters, x)[0]
    labels = y.expand(logits.shape[:-1])
    each = cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return each.view(labels.shape)


def losses(parameters: Parameters, x: Tensor, y: Tensor) -> Tensor:
    """Mean cross-entropy in nats of each network, shape (R,); `x` and `y` as in `nats`."""
    return nats(parameters, x, y).mean(1)


def gradients_and_losses(parameters: Parameters, x: Tensor, y: Tensor) -> tuple[Parameters, Tensor]:
    """Gradient of each network's own loss, matrices (R, out, in + 1), and the losses (R,).

    `x` has shape (R, N, D), `y` (R, N). The gradient of the sum is that of each, since networks
    share nothing.
    """
    leaves = {name: matrix.detach().requires_grad_() for name, matrix in parameters.items()}
    own = losses(leaves, x, y)
    gradients = torch.autograd.grad(own.sum(), list(leaves.values()))
    return dict(zip(leaves, gradients, strict=True)), own.detach()


def _probed_loss(probes: list[Tensor], parameters: Parameters, x: Tensor, y: Tensor) -> Tensor:
    """Summed cross-entropy with a zero `probe` (N, out) added to each layer's pre-activation."""
    *inner, last = zip(parameters.values(), probes, strict=True)
    for matrix, probe in inner:
        x = (linear(x, matrix[:, :-1], matrix[:, -1]) + probe).relu()
    matrix, probe = last
    return cross_entropy(linear(x, matrix[:, :-1], matrix[:, -1]) + probe, y, reduction="sum")


def kronecker_factors(
    parameters: Parameters, x: Tensor, noise: Tensor
) -> dict[str, tuple[Tensor, Tensor]]:
    """K-FAC's two factors of each layer (Martens and Grosse 2015, section 3).

    E[a a'] of the layer's inputs, shape (R, in + 1, in + 1), and E[d d'] of the gradients at its
    pre-activations, shape (R, out, out). Labels are drawn from the network itself, which gives the
    true Fisher matrix, not the empirical one. `x` has shape (R, N, D); `noise`, uniform on [0, 1]
    of shape (R, N), selects the labels.
    """
    logits, hidden = forward(parameters, x)
    cumulative = logits.softmax(-1).cumsum(-1)
    labels = (noise[..., None] > cumulative).sum(-1).clamp(max=logits.shape[-1] - 1)
    probes = [
        torch.zeros(*x.shape[:2], matrix.shape[1], dtype=x.dtype, device=x.device)
        for matrix in parameters.values()
    ]
    deltas = vmap(grad(_probed_loss))(probes, parameters, x, labels)
    examples = x.shape[1]
    factors = {}
    for name, inputs, delta in zip(parameters, [x, *hidden], deltas, strict=True):
        with_one = _with_one(inputs)
        factors[name] = (with_one.mT @ with_one / examples, delta.mT @ delta / examples)
    return factors


def squared_distance(first: Parameters, second: Parameters) -> Tensor:
    """Squared Euclidean distance of all parameters, matrices (R, out, in + 1), shape (R,)."""
    parts = [(first[name] - second[name]).square().sum((1, 2)) for name in first]
    return torch.stack(parts).sum(0)


def flatten(parameters: Parameters) -> Tensor:
    """All parameters, matrices (R, out, in + 1), as one vector per replica, shape (R, P)."""
    return torch.cat([tensor.flatten(1) for tensor in parameters.values()], 1)


def unflatten(vectors: Tensor, like: Parameters) -> Parameters:
    """The inverse of `flatten`, for vectors of shape (R, P)."""
    parts = vectors.split([tensor[0].numel() for tensor in like.values()], 1)
    return {
        name: part.reshape(len(vectors), *like[name].shape[1:])
        for name, part in zip(like, parts, strict=True)
    }


def blend(start: Parameters, end: Parameters, share: Tensor) -> Parameters:
    """Points at `share`, shape (R,), of the way from `start` to `end`, shapes (R, n, m)."""
    column = share[:, None, None]
    return {name: torch.lerp(start[name], end[name], column) for name in start}


def crossing(
    start: Parameters, end: Parameters, losses: Callable[[Parameters], Tensor], nats: Tensor
) -> Parameters:
    """Where the segment from `start` (loss above `nats`) to `end` (loss at most `nats`) crosses it.

    Matrices have shape (R, out, in + 1), `nats` (R,); `losses` gives those of R networks, (R,).
    """
    low = torch.zeros_like(nats, dtype=next(iter(start.values())).dtype)
    high = torch.ones_like(low)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        above = losses(blend(start, end, middle)) > nats
        low, high = torch.where(above, middle, low), torch.where(above, high, middle)
    return blend(start, end, high)
