"""A small decoder-only Transformer, many seeds at once (PyTorch).

Pre-norm blocks of causal attention and a GELU MLP, with rotary, sinusoidal or no positions. Rotary
and no positions are compact position embeddings, as lemma 3.1 requires. The first axis of every
tensor is the seed, and no operation mixes seeds: S models trained together equal S models trained
alone.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from workflow_scripts.shared import weights

Parameters = dict[str, Tensor]

ENCODINGS = ("rope", "nope", "sinusoidal")
MLP_RATIO = 4
BASE = 10_000.0  # of the position angles, rotary and sinusoidal


class Shape(NamedTuple):
    """What determines a model's parameters; it has `outputs` logits after each token."""

    vocabulary: int
    outputs: int
    width: int
    layers: int
    heads: int
    encoding: str


def initial(seed: int, shape: Shape) -> Parameters:
    """Draw one model (S = 1) of normal matrices with sd 1/sqrt(inputs), the widest that is stable.

    Those that write to the residual stream are divided by sqrt(2 x layers), as in GPT-2.
    """
    stream = torch.Generator().manual_seed(seed)
    width = shape.width
    parameters = {"embedding": torch.randn((1, shape.vocabulary, width), generator=stream)}
    for layer in range(shape.layers):
        for name, inputs, outputs, gain in (
            ("qkv", width, 3 * width, 1.0),
            ("mix", width, width, (2 * shape.layers) ** -0.5),
            ("up", width, MLP_RATIO * width, 1.0),
            ("down", MLP_RATIO * width, width, (2 * shape.layers) ** -0.5),
        ):
            weight = torch.randn((1, inputs, outputs), generator=stream)
            parameters[f"{layer}.{name}"] = weight * gain * inputs**-0.5
    head = torch.randn((1, width, shape.outputs), generator=stream)
    parameters["head"] = head * width**-0.5
    return parameters


def stack(models: Sequence[Parameters]) -> Parameters:
    """Concatenate models along the first axis."""
    return {name: torch.cat([model[name] for model in models]) for name in models[0]}


def count(parameters: Parameters) -> int:
    """Number of models in a stack, the first axis of each tensor."""
    return parameters["embedding"].shape[0]


def write(path: str | Path, stack: Parameters, shape: Shape, provenance: dict[str, Any]) -> None:
    """Save a stack with its shape, whole or not at all; equal weights give equal bytes."""
    weights.write(path, stack, provenance, shape=shape._asdict())


def read(path: str | Path) -> tuple[Parameters, Shape]:
    """Load a stack and its shape. Raises `ValueError` naming a file that holds no stack."""
    parameters, about = weights.read(path, "small decoders", "shape")
    return parameters, Shape(**about["shape"])


def to(stack: Parameters, device: str) -> Parameters:
    """The stack on a device; shapes stay the same."""
    return {name: tensor.to(device) for name, tensor in stack.items()}


def device_of(stack: Parameters) -> torch.device:
    """The device that holds a stack."""
    return stack["embedding"].device


def causal(segments: Tensor) -> Tensor:
    """Attention mask within segments, (..., T) -> (..., T, T): True for keys up to the query."""
    size = segments.shape[-1]
    before = torch.ones((size, size), dtype=torch.bool, device=segments.device).tril()
    return (segments[..., :, None] == segments[..., None, :]) & before


def forward(
    parameters: Parameters,
    tokens: Tensor,
    shape: Shape,
    positions: Tensor | None = None,
    visible: Tensor | None = None,
) -> Tensor:
    """Logits (S, B, T, outputs) after each of the tokens (S, B, T).

    `positions` (S, B, T) count from 0 by default. `visible` (S, B, T, T) is True for the keys that
    a query attends to, by default all up to itself.
    """
    seeds, rows, size = tokens.shape
    if positions is None:
        positions = torch.arange(size, device=tokens.device).expand(seeds, rows, size)
    lines = torch.arange(seeds, device=tokens.device)[:, None, None]
    x = parameters["embedding"][lines, tokens].flatten(1, 2)
    if shape.encoding == "sinusoidal":
        x = x + torch.cat(_turns(positions, shape.width), -1).flatten(1, 2)
    turns = _turns(positions, shape.width // shape.heads) if shape.encoding == "rope" else None
    mask = None if visible is None else visible.flatten(0, 1)[:, None]
    for layer in range(shape.layers):
        inner = _norm(x) @ parameters[f"{layer}.qkv"]
        parts = inner.view(seeds, rows, size, 3, shape.heads, -1).unbind(3)
        q, k, v = parts
        if turns is not None:
            q, k = _rotated(q, turns), _rotated(k, turns)
        q, k, v = (part.flatten(0, 1).transpose(1, 2) for part in (q, k, v))
        seen = functional.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=mask is None
        )
        seen = seen.transpose(1, 2).reshape(seeds, rows * size, shape.width)
        x = x + seen @ parameters[f"{layer}.mix"]
        hidden = functional.gelu(_norm(x) @ parameters[f"{layer}.up"])
        x = x + hidden @ parameters[f"{layer}.down"]
    return (_norm(x) @ parameters["head"]).view(seeds, rows, size, shape.outputs)


def _norm(x: Tensor) -> Tensor:
    """RMS norm over the last axis, without a gain: the matrix that follows can learn it."""
    return functional.rms_norm(x, x.shape[-1:])


def _turns(positions: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the angles of positions (S, B, T), (S, B, T, width / 2) each."""
    half = width // 2
    rate = torch.exp(torch.arange(half, device=positions.device) * (-math.log(BASE) / half))
    angle = positions[..., None] * rate
    return angle.cos(), angle.sin()


def _rotated(x: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate pairs of queries or keys (S, B, T, heads, width / heads) by their position's angle."""
    cos, sin = (part[..., None, :] for part in turns)
    first, second = x.chunk(2, -1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], -1)
