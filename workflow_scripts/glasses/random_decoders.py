"""Random decoders read at the last token of long sequences, in any precision (PyTorch).

The model is the paper's (section 4, appendix B): z = attention(norm(v)) + v, then
v' = psi(norm(z)) + z, and y = norm(v) of the last layer; one head, LayerNorm without affine part,
psi a two-layer ReLU network, every matrix N(0, 1/d).

With causal attention the first n tokens do not depend on what follows. So one pass over N tokens
serves every length n <= N; the sequence whose nth token is repeated needs one extra token for each
n, which sees the first n tokens and itself. In the last layer only the last tokens are computed.
Earlier layers are computed in blocks of queries, so memory grows with N, not with its square.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from workflow_scripts.glasses import metrics
from workflow_scripts.glasses.half_products import product

ENCODINGS = ("none", "sinusoidal", "alibi", "rotary")
CURES = ("none", "separators", "window", "sink")
DTYPES = {name: getattr(torch, name) for name in ("float64", "float32", "bfloat16", "float16")}
# With one head: the slope that ALiBi gives to its last head, 2 ** -8 (Press et al. 2022). Figure 10
# follows only if it is subtracted before the logits are divided by the root of d.
ALIBI_SLOPE = 2.0**-8
BASE = 10000.0  # of sinusoidal and rotary frequencies
EPSILON = 1.0e-5  # of LayerNorm
BLOCK = 256  # queries whose weights are held at once


@dataclass(frozen=True)
class Attention:
    """How a token attends: its position encoding, and a cure of collapse.

    `slope` is what ALiBi subtracts per token of distance from logits that are already scaled.
    `window`: how many last tokens a token sees, its own included. `sink` gives the first key half
    of the weight whatever it holds, as heads that attend to a first token do.
    """

    encoding: str = "none"
    window: int | None = None
    sink: bool = False
    slope: float = ALIBI_SLOPE


class Weights(NamedTuple):
    """Matrices of a stack, each (layers, S, d, d) in float64; S seeds side by side."""

    query: Tensor
    key: Tensor
    value: Tensor
    inner: Tensor
    outer: Tensor

    def to(self, dtype: torch.dtype) -> "Weights":
        """The same matrices, (layers, S, d, d), rounded to `dtype`."""
        return Weights(*(tensor.to(dtype) for tensor in self))


def draw(generators: Sequence[torch.Generator], layers: int, width: int) -> Weights:
    """Matrices with entries N(0, 1/width), one generator per seed."""
    each = [
        torch.randn(5, layers, width, width, generator=generator, dtype=torch.float64)
        for generator in generators
    ]
    return Weights(*(torch.stack(each, 2) * width**-0.5))


def norm(states: Tensor) -> Tensor:
    """LayerNorm without affine part over the last axis, any shape."""
    return functional.layer_norm(states, states.shape[-1:], eps=EPSILON)


def sinusoids(positions: Tensor, width: int) -> Tensor:
    """Sinusoidal encoding (n, width) of positions (n,) in float64 (Vaswani et al. 2017)."""
    angles = _angles(positions, width)
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(-2)


def rotate(states: Tensor, positions: Tensor) -> Tensor:
    """Rotary encoding of (S, n, width) at `positions` (n,) (Su et al. 2021), pairs interleaved."""
    angles = _angles(positions, states.shape[-1])
    sin, cos = angles.sin().to(states.dtype), angles.cos().to(states.dtype)
    even, odd = states[..., 0::2], states[..., 1::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1).flatten(-2)


def _angles(positions: Tensor, width: int) -> Tensor:
    """Angles (n, width / 2) of positions (n,)."""
    powers = torch.arange(0, width, 2, dtype=torch.float64) / width
    return positions.double()[:, None] * BASE**-powers


def weights_of(
    query: Tensor, key: Tensor, at: Tensor, keys_at: Tensor, how: Attention, own: Tensor | None
) -> Tensor:
    """Attention weights (S, q, k), or (S, q, k + 1) with a last column for the query's own key.

    query: (S, q, d) at positions `at` (q,); key: (S, k, d) at `keys_at` (k,). With `own` (S, q, d)
    a query sees the keys before its position and its own key; without, those up to its position.
    Logits are rounded to the operands' type; the softmax is computed in float32 or float64.
    """
    distance = at[:, None] - keys_at[None]
    logits = product(query, key.mT) * query.shape[-1] ** -0.5
    seen = distance > 0 if own is not None else distance >= 0
    if how.window is not None:
        seen = seen & (distance < how.window)
    if how.encoding == "alibi":
        logits = logits - (how.slope * distance.double()).to(logits.dtype)
    logits = logits.masked_fill(~seen, -math.inf)
    if own is not None:
        alone = (query * own).sum(-1, keepdim=True) * query.shape[-1] ** -0.5
        logits = torch.cat([logits, alone.to(logits.dtype)], -1)
    exact = logits.double() if logits.dtype == torch.float64 else logits.float()
    if how.sink:
        exact = sunk(exact)
    return exact.softmax(-1).to(query.dtype)


def sunk(logits: Tensor) -> Tensor:
    """`logits` (..., k) changed so that the first key gets half of the weight, or all if alone."""
    others = logits[..., 1:].logsumexp(-1, keepdim=True)
    first = torch.where(others.isfinite(), others, logits[..., :1])
    return torch.cat([first, logits[..., 1:]], -1)


class Heads(NamedTuple):
    """Queries, keys and values of a layer, each (S, n, d), encoded for their positions (n,)."""

    query: Tensor
    key: Tensor
    value: Tensor
    at: Tensor


def heads(query: Tensor, key: Tensor, value: Tensor, at: Tensor, how: Attention) -> Heads:
    """Heads from (S, n, d) each at positions `at` (n,), rotated for rotary encoding."""
    if how.encoding == "rotary":
        query, key = rotate(query, at), rotate(key, at)
    return Heads(query, key, value, at)


def attend_rows(main: Heads, rows: Tensor, how: Attention) -> Tensor:
    """Attention output of the tokens `rows` (r,), (S, r, d)."""
    weights = weights_of(main.query[:, rows], main.key, main.at[rows], main.at, how, None)
    return product(weights, main.value)


def attend_blocks(main: Heads, how: Attention) -> Tensor:
    """Attention output of every token, (S, n, d), one block of queries at a time."""
    parts = []
    for start in range(0, len(main.at), BLOCK):
        rows = main.at[start : start + BLOCK]
        end = start + len(rows)
        first = 0 if how.window is None else max(0, start - how.window)
        query, key = main.query[:, start:end], main.key[:, first:end]
        weights = weights_of(query, key, rows, main.at[first:end], how, None)
        parts.append(product(weights, main.value[:, first:end]))
    return torch.cat(parts, 1)


def attend_extra(main: Heads, extra: Heads, how: Attention) -> Tensor:
    """Attention output of extra tokens, (S, g, d), over the tokens before them and themselves."""
    weights = weights_of(extra.query, main.key, extra.at, main.at, how, extra.key)
    return product(weights[..., :-1], main.value) + weights[..., -1:] * extra.value


class Pair(NamedTuple):
    """Last-token representations, (S, lengths, d) each, without and with that token repeated."""

    plain: Tensor
    repeated: Tensor


@torch.inference_mode()
def read(
    weights: Weights,
    tokens: Tensor,
    lengths: Sequence[int],
    depths: Sequence[int],
    precision: str,
    how: Attention,
) -> dict[int, Pair]:
    """Representations of the last token after each of `depths` layers.

    tokens: (S, N, d) float64, N at least the longest of `lengths`. Weights and tokens are rounded
    to `precision`, and all is computed in it.
    """
    dtype = DTYPES[precision]
    matrices = weights.to(dtype)
    rows = torch.tensor(lengths) - 1
    at, extra_at = torch.arange(tokens.shape[1]), torch.tensor(lengths)
    main, extra = (states.to(dtype) for states in placed(tokens, rows, at, extra_at, how))
    found = {}
    for layer in range(max(depths)):
        last = layer + 1 == max(depths)
        inner = _project(matrices, layer, norm(main), at, how)
        outer = _project(matrices, layer, norm(extra), extra_at, how)
        if last:
            main, mixed = main[:, rows], attend_rows(inner, rows, how)
        else:
            mixed = attend_blocks(inner, how)
        extra = _feed(matrices, layer, attend_extra(inner, outer, how) + extra)
        main = _feed(matrices, layer, mixed + main)
        if layer + 1 in depths:
            found[layer + 1] = Pair(norm(main if last else main[:, rows]), norm(extra))
    return found


def placed(
    tokens: Tensor, rows: Tensor, at: Tensor, extra_at: Tensor, how: Attention
) -> tuple[Tensor, Tensor]:
    """Tokens (S, N, d) and the repeated ones (S, lengths, d), with sinusoids where these are used.

    `rows` (lengths,) are the last tokens; `at` (N,) and `extra_at` (lengths,) the positions.
    """
    main, extra = tokens, tokens[:, rows]
    if how.encoding == "sinusoidal":
        main = main + sinusoids(at, tokens.shape[-1])
        extra = extra + sinusoids(extra_at, tokens.shape[-1])
    return main, extra


def _project(weights: Weights, layer: int, states: Tensor, at: Tensor, how: Attention) -> Heads:
    """Queries, keys and values of states (S, n, d) at positions `at` (n,)."""
    query, key, value = (
        product(states, matrix[layer]) for matrix in (weights.query, weights.key, weights.value)
    )
    return heads(query, key, value, at, how)


def _feed(weights: Weights, layer: int, states: Tensor) -> Tensor:
    """States (S, n, d) after the feed-forward network and its residual path, same shape."""
    hidden = product(norm(states), weights.inner[layer]).relu()
    return product(hidden, weights.outer[layer]) + states


@torch.inference_mode()
def read_independent(
    drawn: Sequence[Tensor],
    lengths: Sequence[int],
    precision: str,
    how: Attention,
    unit: bool = False,
    values_too: bool = False,
) -> Pair:
    """Output of one attention over queries, keys and values drawn independently, (S, N, d) each.

    Figure 8 (E6) and, with `unit`, figure 10 (E8): sinusoids are added to queries and keys, then
    `unit` scales queries, keys and values to length 1. `values_too` adds the sinusoids to the
    values as well, which the paper does not do. There is no residual path and no norm.
    """
    dtype = DTYPES[precision]
    rows = torch.tensor(lengths) - 1
    at, extra_at = torch.arange(drawn[0].shape[1]), torch.tensor(lengths)
    shifted = 3 if values_too else 2

    def encoded(states: Sequence[Tensor], where: Tensor) -> Heads:
        """Heads from (S, n, d) each at positions `where` (n,)."""
        if how.encoding == "sinusoidal":
            shift = sinusoids(where, states[0].shape[-1])
            states = [each + shift if i < shifted else each for i, each in enumerate(states)]
        if unit:
            states = [each / each.norm(dim=-1, keepdim=True) for each in states]
        query, key, value = (each.to(dtype) for each in states)
        return heads(query, key, value, where, how)

    main = encoded(drawn, at)
    extra = encoded([each[:, rows] for each in drawn], extra_at)
    return Pair(attend_rows(main, rows, how), attend_extra(main, extra, how))


def gaps(pair: Pair, precision: str) -> dict[str, NDArray]:
    """L1 and L-infinity distance, equality and units in the last place, each (S, lengths)."""
    return metrics.gaps(pair.plain.double().numpy(), pair.repeated.double().numpy(), precision)
