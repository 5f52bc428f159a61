"""A transformers model with changed attention: window, sink, low-precision cache, fixed weights.

The registered attention function gets queries, keys and values after positions and norms. It
computes what the library's eager attention computes, with the changes of `Change`.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from workflow_scripts.glasses.half_products import product
from workflow_scripts.glasses.random_decoders import sunk
from workflow_scripts.inference import attention

NAME = "faultlines_glasses"


@dataclass
class Change:
    """What is changed.

    `window`: the most keys that a token sees, its own included. `sink`: the first key gets half of
    the weight. `cache_bits`: keys and values are rounded to this many bits. `fixed`: attention
    weights (heads, n, n) per layer, used unchanged. With `keep`, the weights of each layer are
    collected in `kept`. `rounded` is set where weights were rounded: how many, and of how many.
    """

    window: int | None = None
    sink: bool = False
    cache_bits: int | None = None
    stored: Callable[[Tensor], Tensor] | None = None
    fixed: list[Tensor] | None = None
    keep: bool = False
    kept: list[Tensor] = field(default_factory=list)
    rounded: tuple[int, int] | None = None


def quantised(states: Tensor, bits: int) -> Tensor:
    """`states` (..., d) rounded to `bits` bits: symmetric, one scale per vector."""
    steps = 2 ** (bits - 1) - 1
    scale = states.abs().amax(-1, keepdim=True).float() / steps
    scale = scale.clamp(min=torch.finfo(torch.float32).tiny)
    return ((states / scale).round() * scale).to(states.dtype)


def changed_weights(
    query: Tensor,
    key: Tensor,
    mask: Tensor | None,
    scaling: float,
    cap: float | None,
    how: Change,
    sinks: Tensor | None = None,
) -> Tensor:
    """Weights (1, heads, n, n) of queries and keys (1, heads, n, d), in the queries' type.

    `mask` broadcasts to (1, 1, n, n): booleans, or 0 where a key is seen. `cap` bounds the logits
    smoothly. `sinks`, shape (heads,), are the logits of the model's own sinks, whose weight is not
    returned. The softmax is computed in float32 or float64.
    """
    logits = attention.capped(product(query, key.mT) * scaling, cap)
    n = query.shape[2]
    places = torch.arange(n, device=query.device)
    distance = places[:, None] - places[None]
    seen = distance >= 0
    if how.window is not None:
        seen = seen & (distance < how.window)
    if mask is not None:
        seen = seen & ((mask if mask.dtype == torch.bool else mask == 0).expand(1, 1, n, n)[0, 0])
    logits = logits.masked_fill(~seen, -math.inf)
    exact = logits if logits.dtype == torch.float64 else logits.float()
    if how.sink:
        exact = sunk(exact)
    return attention.weights(exact, sinks, exact.dtype).to(query.dtype)


@contextmanager
def changed(model: Any, how: Change) -> Iterator[None]:
    """Change the model's attention within the block; each call takes a single prompt.

    Raises `TypeError` for a model whose attention cannot be replaced.
    """
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask

    calls = 0

    def attend(
        module: torch.nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        scaling: float | None = None,
        softcap: float | None = None,
        s_aux: Tensor | None = None,
        **options: Any,
    ) -> tuple[Tensor, Tensor]:
        """Output (1, n, heads, d) and weights (1, heads, n, n) from queries (1, heads, n, d)."""
        nonlocal calls
        attention.refuse(module, options)
        if how.cache_bits is not None:
            key, value = quantised(key, how.cache_bits), quantised(value, how.cache_bits)
        if how.stored is not None:
            key, value = how.stored(key), how.stored(value)
        groups = query.shape[1] // key.shape[1]
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
        if how.fixed is not None:
            weights = how.fixed[calls][None]
        else:
            scale = query.shape[-1] ** -0.5 if scaling is None else scaling
            weights = changed_weights(query, key, attention_mask, scale, softcap, how, s_aux)
        calls += 1
        if how.keep:
            how.kept.append(weights[0].detach())
        return product(weights, value).transpose(1, 2).contiguous(), weights

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, eager_mask)
    before = model.config._attn_implementation
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)
    if not calls:
        raise TypeError(
            f"{type(model).__name__}: expected attention that can be replaced, but the model does "
            "not use it; take the model out of studies.glasses"
        )


def int8_weights(model: Any) -> tuple[int, int]:
    """Round the matrices of linear layers to 8 bits in place, one scale per output.

    Linear layers and GPT-2's transposed `Conv1D`. Embeddings, vectors, and an output layer that
    shares its matrix with the embeddings stay as they are, as in common libraries, and so does what
    is not text, such as a vision tower. Returns how many weights were rounded, and of how many.
    Raises `NotImplementedError`, before anything is changed, for a model with other matrices, such
    as the joint tensors of experts.
    """
    from transformers.pytorch_utils import Conv1D

    text = torch.nn.ModuleDict({"model": model.get_decoder()})
    if (head := model.get_output_embeddings()) is not None:
        text["lm_head"] = head
    embedded = {
        id(module.weight) for module in text.modules() if isinstance(module, torch.nn.Embedding)
    }
    # A matrix that two layers share is rounded once.
    matrices = {
        id(module.weight): (module.weight, isinstance(module, Conv1D))
        for module in text.modules()
        if isinstance(module, torch.nn.Linear | Conv1D) and id(module.weight) not in embedded
    }
    for name, parameter in text.named_parameters():
        if parameter.ndim > 1 and id(parameter) not in matrices and id(parameter) not in embedded:
            raise NotImplementedError(
                f"int8_weights: expected matrices of linear layers, found {name} of shape "
                f"{tuple(parameter.shape)}"
            )
    with torch.no_grad():
        for weight, transposed in matrices.values():
            weight.copy_(quantised(weight.mT, 8).mT if transposed else quantised(weight, 8))
    rounded = sum(weight.numel() for weight, _ in matrices.values())
    return rounded, sum(parameter.numel() for parameter in text.parameters())
