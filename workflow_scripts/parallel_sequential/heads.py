"""Induction heads of a transformers model, and ablation of heads.

On a random sequence given twice, an induction head attends from a token's second occurrence to the
token after its first (Olsson et al. 2022, arXiv 2209.11895).
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
    """Random sequences of `length` of the `tokens`, each given twice; shape (count, 2 length)."""
    once = rng.choice(np.asarray(tokens), (count, length))
    return torch.from_numpy(np.concatenate([once, once], axis=1).astype(np.int64))


@torch.inference_mode()
def attentions(model: Any, ids: Tensor) -> np.ndarray:
    """Attention weights (layers, rows, heads, queries, keys) for `ids` (rows, tokens).

    The model must use eager attention.
    """
    found = model(input_ids=ids.to(model.device), output_attentions=True, use_cache=False)
    return torch.stack([each.float().cpu() for each in found.attentions]).numpy()


def induction_scores(weights: np.ndarray, length: int) -> np.ndarray:
    """Mean weight from second occurrences to the tokens after the first: (rows, layers, heads).

    `weights`, shape (layers, rows, heads, 2 length, 2 length), are those on `repeated` sequences.
    """
    queries = np.arange(length, 2 * length - 1)
    seen = weights[..., queries, queries - length + 1]
    return seen.mean(-1).transpose(1, 0, 2)


@contextmanager
def without(model: Any, heads: Sequence[Head]) -> Iterator[None]:
    """Set the heads' outputs to zero within the block.

    Raises `TypeError` for a model whose attention has no output projection `o_proj`.
    """
    hooks = []
    try:
        for layer in {layer for layer, _ in heads}:
            projection = _layers(model)[layer].self_attn.o_proj
            gone = [head for at, head in heads if at == layer]
            # The width of a head's values, which may differ from that of its keys.
            width = projection.in_features // model.config.get_text_config().num_attention_heads
            hook = partial(_silence, gone, width)
            hooks.append(projection.register_forward_pre_hook(hook))
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
        _ = layers[0].self_attn.o_proj.in_features
    except AttributeError as error:
        raise TypeError(
            f"cannot ablate heads of {type(model).__name__}: expected decoder layers with "
            f"self_attn.o_proj ({error})"
        ) from error
    return layers


@torch.inference_mode()
def continuation_logprob(model: Any, ids: list[int], count: int) -> float:
    """Log-probability (nats) of the last `count` tokens of `ids`, given the tokens before."""
    row = torch.tensor([ids], device=model.device)
    logits = model(input_ids=row, use_cache=False).logits[0, -count - 1 : -1].double()
    return float(logits.log_softmax(-1).gather(1, row[0, -count:, None]).sum())
