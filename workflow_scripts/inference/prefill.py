"""Prompts into batches, and each batch through the model once, its common beginning only once."""

from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch

from workflow_scripts.inference.cache import BLOCK, Prompts, up
from workflow_scripts.inference.forward import HIDDEN, Forward

HEAD_TOKENS = 32  # prompts that begin with the same this many tokens are batched together
HEAD_SHARERS = 8  # if they are at least this many; else likeness in length matters more

T = TypeVar("T")


def batching_order(prompts: Sequence[Sequence[int]]) -> list[int]:
    """Indices of the prompts: those that share a beginning together, longest first within."""
    heads = [tuple(prompt[:HEAD_TOKENS]) for prompt in prompts]
    counts = Counter(heads)
    shared = [head if counts[head] >= HEAD_SHARERS else () for head in heads]
    return sorted(range(len(prompts)), key=lambda i: (shared[i], -len(prompts[i]), prompts[i]))


def common_prefix(prompts: Sequence[Sequence[int]]) -> int:
    """Tokens, a multiple of `BLOCK`, that all prompts begin with, leaving each at least one."""
    if len(prompts) < 2:
        return 0
    shortest = min(map(len, prompts)) - 1
    least, most = min(map(tuple, prompts)), max(map(tuple, prompts))
    same = 0
    while same < shortest and least[same] == most[same]:
        same += 1
    return same - same % BLOCK


def prefill(
    forward: Forward, prompts: Sequence[Sequence[int]], reuse: bool = True
) -> tuple[Prompts, torch.Tensor]:
    """Caches of the prompts and the logits (prompts, vocabulary) after the last token of each."""
    ends = [(row, len(prompt) - 1) for row, prompt in enumerate(prompts)]
    positions = [range(len(prompt)) for prompt in prompts]
    return run(forward, prompts, positions, None, ends, reuse)


def run(
    forward: Forward,
    rows: Sequence[Sequence[int]],
    positions: Sequence[Sequence[int]],
    segments: Sequence[Sequence[int]] | None,
    wanted: Sequence[tuple[int, int]],
    reuse: bool = True,
) -> tuple[Prompts, torch.Tensor]:
    """Pass ragged rows of tokens through the model.

    A token sees its own row's tokens at positions up to its own, in segment 0 and in its own
    segment (all 0 if None). Returns the caches and logits (wanted, vocabulary) at the (row, place)
    pairs. With `reuse`, what all rows begin with goes through the model once.
    """
    start = common_prefix(rows) if reuse else 0
    # Options of a request lie after its prompt; only places that none of `wanted` needs are cut.
    start = min([start, *(place - place % BLOCK for _, place in wanted)])
    if segments is not None and start:
        firsts = (next((i for i, s in enumerate(row) if s), len(row)) for row in segments)
        start = min(start, *(first - first % BLOCK for first in firsts))
    prefix = None
    if start:
        nothing = [(0, start - 1)]
        prefix, _ = run(forward, [rows[0][:start]], [range(start)], None, nothing, reuse=False)
    tokens = _pad(rows, 0)
    at = _pad(positions, HIDDEN)
    part = np.zeros_like(at) if segments is None else _pad(segments, 0)
    if segments is None:
        # Padding comes after every token, so one causal mask serves all rows.
        at_mask = np.arange(at.shape[1])[None]
        part_mask = at_mask * 0
    else:
        at_mask, part_mask = at, part
    device = forward.device
    key_at, key_part = (torch.from_numpy(array).to(device) for array in (at_mask, part_mask))
    distance = key_at[:, start:, None] - key_at[:, None, :]
    visible = (distance >= 0) & (
        (key_part[:, None, :] == 0) | (key_part[:, start:, None] == key_part[:, None, :])
    )
    # A padded place has some position, any that the model has.
    real = np.where(at == HIDDEN, 0, at)
    row, place = (torch.tensor(index, device=device) for index in zip(*wanted, strict=True))
    cache = Prompts(prefix)
    logits = forward(
        torch.from_numpy(tokens[:, start:].copy()).to(device),
        torch.from_numpy(real[:, start:].copy()).to(device),
        forward.masks(visible, distance),
        cache,
        (row, place - start),
    )
    return cache, logits


def budgeted(order: Sequence[T], lengths: Sequence[int], tokens: int) -> list[list[T]]:
    """Cut a sequence into batches of at most `tokens` padded tokens, never less than one item."""
    batches: list[list[T]] = []
    longest = 0
    for item, length in zip(order, lengths, strict=True):
        longest = max(longest, up(length, BLOCK))
        if not batches or longest * (len(batches[-1]) + 1) > tokens:
            batches.append([])
            longest = up(length, BLOCK)
        batches[-1].append(item)
    return batches


def _pad(rows: Sequence[Sequence[int]], value: int) -> np.ndarray:
    width = up(max(map(len, rows)), BLOCK)
    padded = np.full((len(rows), width), value, dtype=np.int64)
    for number, row in enumerate(rows):
        padded[number, : len(row)] = row
    return padded
