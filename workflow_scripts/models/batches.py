"""Training batches: the conversations of each step, concatenated without padding."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workflow_scripts.shared import seeds

# Batches are filled up to a multiple of this many tokens, to keep the number of distinct sizes low:
# oneDNN compiles and caches kernels per size, which costs time and, over 1,000 steps, gigabytes.
ROUND = 128
FILLER = 0  # id of the padding token


@dataclass(frozen=True)
class Encoded:
    """Conversations as one flat array of token ids; `learnt` marks the tokens of the loss."""

    ids: np.ndarray  # (tokens,) of int64
    learnt: np.ndarray  # (tokens,) of bool
    starts: np.ndarray  # (conversations + 1,) of int64

    @property
    def lengths(self) -> np.ndarray:
        """Tokens per conversation, shape (conversations,)."""
        return np.diff(self.starts)


@dataclass(frozen=True)
class Batch:
    """Conversations in order of length, concatenated, then filler up to a multiple of `ROUND`.

    `blocks` lists (count, length): conversations of equal length are adjacent, so each block is a
    rectangle and no conversation is padded. The last block is the filler.
    """

    ids: np.ndarray  # (tokens,)
    positions: np.ndarray  # (tokens,), from 0 in each conversation
    predicts: np.ndarray  # (tokens,) of bool: whether the next token is learnt
    targets: np.ndarray  # (learnt tokens,)
    blocks: list[tuple[int, int]]


def flatten(encoded: Sequence[tuple[list[int], list[bool]]], longest: int) -> Encoded:
    """Join encoded conversations. Raises `ValueError` if one has more than `longest` tokens."""
    lengths = [len(ids) for ids, _ in encoded]
    if max(lengths) > longest:
        raise ValueError(
            f"a conversation of the corpus has {max(lengths)} tokens, the model's max_context is "
            f"{longest}: raise models.<name>.max_context or shorten the conversations of the corpus"
        )
    return Encoded(
        ids=np.concatenate([np.asarray(ids, dtype=np.int64) for ids, _ in encoded]),
        learnt=np.concatenate([np.asarray(learnt, dtype=bool) for _, learnt in encoded]),
        starts=np.concatenate([[0], np.cumsum(lengths)]),
    )


def gather(data: Encoded, chosen: np.ndarray) -> Batch:
    """The conversations with the indices `chosen`, shape (conversations,), as one batch."""
    chosen = chosen[np.argsort(data.lengths[chosen], kind="stable")]
    lengths = data.lengths[chosen]
    positions = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    where = np.repeat(data.starts[chosen], lengths) + positions
    learnt = data.learnt[where]
    ids = data.ids[where]
    missing = -len(ids) % ROUND
    # Conversations begin with a role token, which is never learnt: no target crosses a boundary.
    predicts = np.append(learnt[1:], False)
    sizes, counts = np.unique(lengths, return_counts=True)
    blocks = list(zip(counts.tolist(), sizes.tolist(), strict=True))
    return Batch(
        ids=np.append(ids, np.full(missing, FILLER)),
        positions=np.append(positions, np.arange(missing)),
        predicts=np.append(predicts, np.zeros(missing, dtype=bool)),
        targets=ids[learnt],
        blocks=[*blocks, (1, missing)] if missing else blocks,
    )


class Schedule:
    """Splits a shuffled corpus into steps of about `batch_tokens` tokens, epoch after epoch.

    `lengths` are tokens per conversation, shape (conversations,). A step depends on the seed and
    its number only, so a resumed run needs no saved position. Each step is a fair sample of the
    mixture.
    """

    def __init__(self, lengths: np.ndarray, batch_tokens: int, seed: int) -> None:
        self._lengths, self._seed = lengths, seed
        self._per_epoch = max(1, int(lengths.sum()) // batch_tokens)
        self._epoch, self._pieces = -1, [np.arange(0)]

    def step(self, number: int) -> np.ndarray:
        """Indices of the conversations of step `number` (from 0), shape (conversations,)."""
        epoch, within = divmod(number, self._per_epoch)
        if self._epoch != epoch:
            rng = seeds.generator(self._seed, "epoch", epoch)
            order = rng.permutation(len(self._lengths))
            tokens = np.cumsum(self._lengths[order])
            shares = np.arange(1, self._per_epoch) / self._per_epoch
            self._pieces = np.split(order, np.searchsorted(tokens, tokens[-1] * shares))
            self._epoch = epoch
        return self._pieces[within]
