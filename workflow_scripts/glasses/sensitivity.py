"""How much the last token still hears of each earlier one: Jacobians, and the bound on them.

Theorem 5.1 (B.5) holds attention weights fixed and bounds ||dy_n/dv_i|| by C times entry (n, i) of
a product of matrices Lambda/beta_1 + I. Here a random decoder of the paper's form is differentiated
by autograd, with its weights held fixed as in the proof and let vary as in a real model.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

# ALiBi's, but steep enough that recency shows within some tens of tokens.
RECENCY_SLOPE = 2.0**-3
EPSILON = 1.0e-5  # of LayerNorm


class Layer(NamedTuple):
    """Matrices (d, d) of queries, keys and of psi."""

    query: Tensor
    key: Tensor
    inner: Tensor
    outer: Tensor


def draw(generator: torch.Generator, layers: int, width: int) -> list[Layer]:
    """Random layers, entries N(0, 1/width), float64."""
    each = torch.randn(layers, 4, width, width, generator=generator, dtype=torch.float64)
    return [Layer(*matrices) for matrices in each * width**-0.5]


def norm(states: Tensor) -> Tensor:
    return functional.layer_norm(states, states.shape[-1:], eps=EPSILON)


def spread(states: Tensor) -> Tensor:
    """What LayerNorm divides by, (...): its Jacobian's norm is at most the inverse."""
    return (states.var(-1, correction=0) + EPSILON).sqrt()


def lambda_of(layer: Layer, states: Tensor, alibi: bool) -> Tensor:
    """Causal attention weights (n, n) of states (n, d)."""
    hidden = norm(states)
    logits = (hidden @ layer.query) @ (hidden @ layer.key).T * states.shape[-1] ** -0.5
    places = torch.arange(len(states))
    distance = places[:, None] - places[None]
    if alibi:
        logits = logits - RECENCY_SLOPE * distance
    return logits.masked_fill(distance < 0, -math.inf).softmax(-1)


class Trace(NamedTuple):
    """One pass: y of the last token (d,), and what the bound needs of each layer."""

    last: Tensor
    lambdas: list[Tensor]
    beta_1: list[Tensor]
    beta_2: list[Tensor]
    beta_3: Tensor


def run(
    layers: Sequence[Layer], tokens: Tensor, alibi: bool, lambdas: Sequence[Tensor] | None = None
) -> Trace:
    """z = Lambda norm(v) + v, v' = psi(norm(z)) + z for each layer; tokens (n, d).

    With `lambdas` the weights are those, whatever the tokens.
    """
    states = tokens
    used, first, second = [], [], []
    for number, layer in enumerate(layers):
        here = lambdas[number] if lambdas is not None else lambda_of(layer, states, alibi)
        mixed = here @ norm(states) + states
        used.append(here)
        first.append(spread(states))
        second.append(spread(mixed))
        states = (norm(mixed) @ layer.inner).relu() @ layer.outer + mixed
    return Trace(norm(states[-1]), used, first, second, spread(states[-1]))


def jacobian_norms(layers: Sequence[Layer], tokens: Tensor, alibi: bool, fixed: bool) -> Tensor:
    """Spectral norms (n,) of dy_n/dv_i, attention weights `fixed` or not."""
    lambdas = run(layers, tokens, alibi).lambdas if fixed else None
    jacobian = torch.func.jacrev(lambda v: run(layers, v, alibi, lambdas).last)(tokens)
    return torch.linalg.matrix_norm(jacobian.transpose(0, 1), ord=2)


def bound(layers: Sequence[Layer], trace: Trace) -> Tensor:
    """The theorem's right-hand side at the last token, (n,).

    beta_1 and beta_2 of a layer are the least that its norms divide by, so that each is a constant
    as printed; psi's Lipschitz constant is at most the product of its matrices' norms.
    """
    factor = 1 / trace.beta_3
    paths = torch.eye(len(trace.lambdas[0]), dtype=torch.float64)
    for layer, weights, first, second in zip(
        layers, trace.lambdas, trace.beta_1, trace.beta_2, strict=True
    ):
        lipschitz = torch.linalg.matrix_norm(layer.inner, 2) * torch.linalg.matrix_norm(
            layer.outer, 2
        )
        factor = factor * (lipschitz / second.min() + 1)
        paths = (weights / first.min() + torch.eye(len(weights))) @ paths
    return factor * paths[-1]


def path_count(steps: int, layers: int) -> int:
    """Ways from token n - `steps` to token n through `layers` layers, each staying or moving on."""
    return math.comb(steps + layers - 1, layers - 1)


def averaged(weights: Tensor, layers: int) -> Tensor:
    """Last row of ((Lambda + I)/2)^layers (proposition B.8), (n,)."""
    mixed = (weights + torch.eye(len(weights), dtype=weights.dtype)) / 2
    return torch.linalg.matrix_power(mixed, layers)[-1]


def uniform_causal(n: int) -> Tensor:
    """Lambda (n, n) whose row i spreads evenly over tokens 1 to i."""
    rows = torch.ones(n, n, dtype=torch.float64).tril()
    return rows / rows.sum(-1, keepdim=True)
