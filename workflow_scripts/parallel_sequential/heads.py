"""Induction heads of a transformers model, and what happens without some of its heads.

A head is an induction head if, on a random sequence given twice, it looks from a token's second
occurrence to the token after its first (Olsson et al. 2022, arXiv 2209.11895).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

Head = tuple[int, int]  # layer, head


def repeated(tokens: Sequence[int], length: int, count: int, rng: np.random.Generator) -> Tensor:
    """`count` random sequences of `length` of the `tokens`, each given twice: (count, 2 length)."""
    once = rng.choice(np.asarray(tokens), (count, length))
    return torch.from_numpy(np.concatenate([once, once], axis=1).astype(np.int64))


@torch.inference_mode()
def attentions(model: Any, ids: Tensor) -> np.ndarray:
    """Attention weights (layers, rows, heads, queries, keys); the model must run eager."""
    found = model(input_ids=ids.to(model.device), output_attentions=True, use_cache=False)
    return torch.stack([each.float() for each in found.attentions]).cpu().numpy()


def induction_scores(weights: np.ndarray, length: int) -> np.ndarray:
    """Mean weight from each second occurrence to what followed the first: (rows, layers, heads).

    `weights` is (layers, rows, heads, 2 length, 2 length), of `repeated` sequences.
    """
    queries = np.arange(length, 2 * length - 1)
    seen = weights[..., queries, queries - length + 1]
    return seen.mean(-1).transpose(1, 0, 2)


@contextmanager
def without(model: Any, heads: Sequence[Head]) -> Iterator[None]:
    """Within the block the heads' outputs are zero. Raises `TypeError` for a model whose attention
    has no output projection of the usual name."""
    hooks = []
    try:
        for layer in {layer for layer, _ in heads}:
            attention = _layers(model)[layer].self_attn
            gone = [head for at, head in heads if at == layer]
            hook = partial(_silence, gone, int(attention.head_dim))
            hooks.append(attention.o_proj.register_forward_pre_hook(hook))
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _silence(heads: list[int], width: int, _module: Any, inputs: tuple[Tensor, ...]) -> Any:
    mixed = inputs[0].clone()
    for head in heads:
        mixed[..., head * width : (head + 1) * width] = 0
    return (mixed, *inputs[1:])


def _layers(model: Any) -> Any:
    try:
        layers = model.get_decoder().layers
        _ = layers[0].self_attn.o_proj, layers[0].self_attn.head_dim
    except AttributeError as error:
        raise TypeError(
            f"{type(model).__name__}: its attention heads cannot be switched off ({error})"
        ) from error
    return layers


@torch.inference_mode()
def continuation_logprob(model: Any, ids: list[int], count: int) -> float:
    """Natural log-probability of the last `count` tokens of `ids`, given those before."""
    row = torch.tensor([ids], device=model.device)
    logits = model(input_ids=row, use_cache=False).logits[0, -count - 1 : -1].double()
    return float(logits.log_softmax(-1).gather(1, row[0, -count:, None]).sum())
