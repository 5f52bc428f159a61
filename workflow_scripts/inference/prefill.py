"""Batches prompts and passes each batch through the model, with a common prefix only once."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import TypeVar

import numpy as np
import torch

from workflow_scripts.inference.attention import Layout, Pass, layout, side_by_side
from workflow_scripts.inference.cache import BLOCK, Prompts, up
from workflow_scripts.inference.forward import HIDDEN, Forward

HEAD_TOKENS = 32  # prompts with this many common first tokens are batched together
HEAD_SHARERS = 8  # if there are at least this many; otherwise similar length matters more
WORTHWHILE_TOKENS = 128  # a prefix is run separately if it saves as many; about the cost of a pass

T = TypeVar("T")


def batching_order(prompts: Sequence[Sequence[int]]) -> list[int]:
    """Indices of the prompts, grouped by common beginning, longest first within a group."""
    heads = [tuple(prompt[:HEAD_TOKENS]) for prompt in prompts]
    counts = Counter(heads)
    shared = [head if counts[head] >= HEAD_SHARERS else () for head in heads]
    return sorted(range(len(prompts)), key=lambda i: (shared[i], -len(prompts[i]), prompts[i]))


def common_prefix(prompts: Sequence[Sequence[int]]) -> int:
    """Length in tokens of the common prefix, a multiple of `BLOCK` below every prompt's length."""
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
    """Caches of the prompts, and logits after their last tokens, shape (prompts, vocabulary)."""
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

    A token attends to tokens of its own row at positions up to its own, in segment 0 and in its own
    segment (all 0 if None). Returns the caches and the logits, shape (wanted, vocabulary), at the
    (row, place) pairs. With `reuse`, the common prefix passes through the model once.
    """
    start = _shared(rows, segments) if reuse else 0
    if not start:
        return _passed(forward, rows, positions, segments, wanted, None)
    early = sorted({place for _, place in wanted if place < start})
    asked = [(0, place) for place in early or [start - 1]]
    prefix, common = resumed(forward, [rows[0][:start]], asked, None)
    late = [(row, place) for row, place in wanted if place >= start]
    cache, logits = _passed(forward, rows, positions, segments, late or [(0, start)], prefix)
    if not early:
        return cache, logits
    # Both in one tensor, each in its place.
    at = {place: number for number, place in enumerate(early)}
    number = iter(range(len(early), len(early) + len(late)))
    order = [at[place] if place < start else next(number) for _, place in wanted]
    return cache, torch.cat([common, logits])[torch.tensor(order, device=logits.device)]


def resumed(
    forward: Forward,
    rows: Sequence[Sequence[int]],
    wanted: Sequence[tuple[int, int]],
    prefix: Prompts | None,
) -> tuple[Prompts, torch.Tensor]:
    """As `run`, for rows of which `prefix` has the first tokens' keys and values.

    It has one row for each, or one for all, and as many slots as it has tokens.
    """
    positions = [range(len(row)) for row in rows]
    return _passed(forward, rows, positions, None, wanted, prefix)


def _passed(
    forward: Forward,
    rows: Sequence[Sequence[int]],
    positions: Sequence[Sequence[int]],
    segments: Sequence[Sequence[int]] | None,
    wanted: Sequence[tuple[int, int]],
    prefix: Prompts | None,
) -> tuple[Prompts, torch.Tensor]:
    """Pass the tokens after those of `prefix` through the model; as for `run`."""
    start = 0 if prefix is None else prefix.slots
    lengths = [len(row) - start for row in rows]
    where = layout(lengths, forward.device)
    at = _pad([row[start:] for row in positions], where.width, HIDDEN)
    # A padded place needs a valid position; its value does not matter.
    real = np.where(at == HIDDEN, 0, at)
    cache = Prompts(partial(side_by_side, where=where), prefix)
    firsts = np.cumsum([0, *lengths[:-1]])
    places = torch.tensor([firsts[row] + place - start for row, place in wanted])
    logits = forward(
        where.pack(_pad([row[start:] for row in rows], where.width, 0)),
        where.pack(real),
        _sight(forward, at, segments, start, where),
        cache,
        places.to(forward.device),
    )
    return cache, logits


def _shared(rows: Sequence[Sequence[int]], segments: Sequence[Sequence[int]] | None) -> int:
    """Number of first tokens that may pass through the model once for all rows."""
    start = common_prefix(rows)
    if segments is not None and start:
        prompts = [next((i for i, s in enumerate(row) if s), len(row)) for row in segments]
        start = min(start, *prompts)
        start -= start % BLOCK
    return start if start * (len(rows) - 1) >= WORTHWHILE_TOKENS else 0


def _sight(
    forward: Forward,
    at: np.ndarray,
    segments: Sequence[Sequence[int]] | None,
    start: int,
    where: Layout,
) -> Pass:
    """What rows at positions `at`, shape (rows, width), attend to, after `start` common tokens."""
    if segments is None:
        # Padding follows all tokens, so one mask is valid for all rows.
        at = start + np.arange(where.width)[None]
    common = np.broadcast_to(np.arange(start), (len(at), start))
    key_at = torch.from_numpy(np.concatenate([common, at], axis=1)).to(forward.device)
    if segments is None:
        causal = not start and not forward.windowed
        return Pass(key_at[:, start:], key_at, None, causal, where)
    part = np.zeros((len(at), start + where.width), np.int64)
    part[:, start:] = _pad([row[start:] for row in segments], where.width, 0)
    of_key = torch.from_numpy(part).to(forward.device)
    query_part, key_part = of_key[:, start:, None], of_key[:, None, :]
    together = (key_part == 0) | (key_part == query_part)
    return Pass(key_at[:, start:], key_at, together, packed=where)


def budgeted(order: Sequence[T], lengths: Sequence[int], tokens: int) -> list[list[T]]:
    """Split a sequence into batches of at most `tokens` padded tokens and at least one item."""
    batches: list[list[T]] = []
    longest = 0
    for item, length in zip(order, lengths, strict=True):
        longest = max(longest, up(length, BLOCK))
        if not batches or longest * (len(batches[-1]) + 1) > tokens:
            batches.append([])
            longest = up(length, BLOCK)
        batches[-1].append(item)
    return batches


def _pad(rows: Sequence[Sequence[int]], width: int, value: int) -> np.ndarray:
    padded = np.full((len(rows), width), value, dtype=np.int64)
    for number, row in enumerate(rows):
        padded[number, : len(row)] = row
    return padded
