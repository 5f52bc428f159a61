"""Sensitivity of the last token to each earlier one: Jacobians, the bound on them, their scores.

Theorem 5.1 (B.5) holds attention weights fixed and bounds ||dy_n/dv_i|| by C times entry (n, i) of
a product of matrices Lambda/beta_1 + I. Here a random decoder of the paper's form is differentiated
by autograd, with attention weights held fixed as in the proof, and varying as in a real model.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import Tensor

from workflow_scripts.glasses.metrics import positive_mean
from workflow_scripts.glasses.random_decoders import EPSILON, norm
from workflow_scripts.shared.scores import Row, interval, mean

# As in ALiBi, but steep enough that recency shows within some tens of tokens.
RECENCY_SLOPE = 2.0**-3


class Layer(NamedTuple):
    """Matrices (d, d) of queries and keys, and of the network psi."""

    query: Tensor
    key: Tensor
    inner: Tensor
    outer: Tensor


def draw(generator: torch.Generator, layers: int, width: int) -> list[Layer]:
    """Random layers with entries N(0, 1/width), float64."""
    each = torch.randn(layers, 4, width, width, generator=generator, dtype=torch.float64)
    return [Layer(*matrices) for matrices in each * width**-0.5]


def spread(states: Tensor) -> Tensor:
    """What LayerNorm divides states (..., d) by, (...); its inverse bounds the Jacobian's norm."""
    return (states.var(-1, correction=0) + EPSILON).sqrt()


def lambda_of(layer: Layer, states: Tensor, alibi: bool, causal: bool = True) -> Tensor:
    """Attention weights (n, n) of states (n, d)."""
    hidden = norm(states)
    logits = (hidden @ layer.query) @ (hidden @ layer.key).T * states.shape[-1] ** -0.5
    places = torch.arange(len(states))
    distance = places[:, None] - places[None]
    if alibi:
        logits = logits - RECENCY_SLOPE * distance
    if causal:
        logits = logits.masked_fill(distance < 0, -math.inf)
    return logits.softmax(-1)


class Trace(NamedTuple):
    """One pass: y of the last token (d,), and what the bound needs.

    For each layer: attention weights (n, n), and what its two norms divide by, (n,) each. `beta_3`
    is what the final norm divides the last token by.
    """

    last: Tensor
    lambdas: list[Tensor]
    beta_1: list[Tensor]
    beta_2: list[Tensor]
    beta_3: Tensor


def run(
    layers: Sequence[Layer],
    tokens: Tensor,
    alibi: bool = False,
    lambdas: Sequence[Tensor] | None = None,
    causal: bool = True,
) -> Trace:
    """z = Lambda norm(v) + v, v' = psi(norm(z)) + z for each layer, from tokens (n, d).

    `lambdas`, (n, n) per layer, replace the attention weights.
    """
    states = tokens
    used, first, second = [], [], []
    for number, layer in enumerate(layers):
        here = lambdas[number] if lambdas else lambda_of(layer, states, alibi, causal)
        mixed = here @ norm(states) + states
        used.append(here)
        first.append(spread(states))
        second.append(spread(mixed))
        states = (norm(mixed) @ layer.inner).relu() @ layer.outer + mixed
    return Trace(norm(states[-1]), used, first, second, spread(states[-1]))


def jacobian_norms(layers: Sequence[Layer], tokens: Tensor, alibi: bool, fixed: bool) -> Tensor:
    """Spectral norms (n,) of dy_n/dv_i at tokens (n, d), attention weights `fixed` or varying."""
    lambdas = run(layers, tokens, alibi).lambdas if fixed else None
    jacobian = torch.func.jacrev(lambda v: run(layers, v, alibi, lambdas).last)(tokens)
    return torch.linalg.matrix_norm(jacobian.transpose(0, 1), ord=2)


def bound(layers: Sequence[Layer], trace: Trace) -> Tensor:
    """The right-hand side of theorem 5.1 at the last token, (n,).

    beta_1 and beta_2 of a layer are the least values that its norms divide by, so that each is a
    constant as printed; psi's Lipschitz constant is at most the product of its matrices' norms.
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


def norms(layers: Sequence[Layer], tokens: Tensor, alibi: bool) -> dict[str, NDArray]:
    """`bound`, and ||dy_n/dv_i|| with attention weights `fixed` and `varying`, (n,) each."""
    return {
        "bound": bound(layers, run(layers, tokens, alibi)).numpy(),
        "fixed": jacobian_norms(layers, tokens, alibi, True).numpy(),
        "varying": jacobian_norms(layers, tokens, alibi, False).numpy(),
    }


def stacked(samples: Sequence[dict[str, NDArray]]) -> dict[str, NDArray]:
    """Norms by kind, (samples, n), from those of each sample, (n,)."""
    return {kind: np.stack([sample[kind] for sample in samples]) for kind in samples[0]}


def violations(norms: dict[str, NDArray], kind: str) -> int:
    """How many norms (samples, n) of a kind exceed their bound by more than rounding."""
    return int((norms[kind] > norms["bound"] * (1 + 1e-9)).sum())


def path_count(steps: int, layers: int) -> int:
    """Paths from token n - `steps` to token n through `layers` causal layers."""
    return math.comb(steps + layers - 1, layers - 1)


def averaged(weights: Tensor, layers: int) -> Tensor:
    """Last row (n,) of ((Lambda + I)/2)^layers for `weights` (n, n) (proposition B.8)."""
    mixed = (weights + torch.eye(len(weights), dtype=weights.dtype)) / 2
    return torch.linalg.matrix_power(mixed, layers)[-1]


def uniform_causal(n: int) -> Tensor:
    """Lambda (n, n) whose row i is uniform over tokens 1 to i."""
    rows = torch.ones(n, n, dtype=torch.float64).tril()
    return rows / rows.sum(-1, keepdim=True)


def profile(experiment: str, norms: dict[str, NDArray], units: str, **conditions: Any) -> list[Row]:
    """Scores of norms (samples, n) by position, each sample divided by its mean.

    `norms` holds `bound` and the Jacobians' norms under other names. `front` and `back` are the
    first and the last position over the mean of the middle third: with both above 1 the profile is
    a U. `slack_decades` and `rank` compare each sample with its bound.
    """
    conditions["units"] = units
    rows = []
    for kind, values in norms.items():
        relative = values / values.mean(1, keepdims=True)
        for place, column in enumerate(relative.T, 1):
            found = positive_mean(column)
            rows.append(
                interval(experiment, f"sensitivity_{kind}", found, position=place, **conditions)
            )
        third = values.shape[1] // 3
        middle = values[:, third:-third].mean(1)
        for name, end in (("front", values[:, 0]), ("back", values[:, -1])):
            rows.append(mean(experiment, f"{name}_{kind}", end / middle, **conditions))
        if kind != "bound":
            slack = np.log10(norms["bound"] / values).mean(1)
            rows.append(mean(experiment, f"slack_decades_{kind}", slack, **conditions))
            ranks = [
                float(spearmanr(limit, value).statistic)
                for limit, value in zip(norms["bound"], values, strict=True)
            ]
            rows.append(mean(experiment, f"rank_{kind}", ranks, **conditions))
    return rows
