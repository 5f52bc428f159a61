"""A language model's greedy answers where only given symbols compete, written in parallel.

Each symbol of an answer is first taken to be right. One pass then tells which symbol the model
prefers at every step; up to the first that differs from what was written, and with it, the answer
is that of sequential decoding. The rest is written anew, a few symbols at a time and more while
they turn out right: what follows a wrong symbol often changes again.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from workflow_scripts.perplexity.digits import Spelling

AHEAD = 4  # symbols that are written at once after a wrong one; twice as many after right ones
LOGITS = 1 << 25  # most entries of a tensor of logits: 128 MiB of float32


def together(engine: Any, frame: Spelling, logits: int) -> int:
    """How many answers pass through the model at once, if each needs so many rows of `logits`."""
    length = len(frame.prompt) + len(frame.answer)
    return max(1, min(engine.pass_tokens // length, LOGITS // (logits * engine.vocabulary)))


def steps_of(frame: Spelling) -> list[int]:
    """The places of the tokens before those of the symbols of an answer, (n,)."""
    return [len(frame.prompt) - 1 + slot for slot in frame.slots]


def row_of(spelt: Spelling, symbols: Sequence[int]) -> list[int]:
    """The tokens of a prompt and of its answer with these symbols, (n,)."""
    return spelt.prompt + spelt.written(symbols)


def of_symbols(frame: Spelling, steps: Tensor) -> Tensor:
    """Log-probabilities of all symbols (..., n, symbols), from those of tokens."""
    symbols = torch.tensor(frame.tokens, device=steps.device)
    return steps.gather(-1, symbols.expand(*steps.shape[:-2], -1, -1))


def preferred(frame: Spelling, steps: Tensor) -> list[list[int]]:
    """The likeliest symbol at each step, (answers, n), from logs (answers, n, vocabulary)."""
    return of_symbols(frame, steps).argmax(-1).tolist()


@torch.inference_mode()
def greedy(
    rewriting: Any, spelt: Sequence[Spelling], right: Sequence[Sequence[int]], steps: Tensor
) -> list[list[int]]:
    """The symbols that the model gives, (answers, n), all answers in one frame.

    `steps`, (answers, n, vocabulary), are the log-probabilities at the `right` symbols (answers,
    n), which `rewriting` has written; they become, in place, those at the symbols given.
    """
    frame, at = spelt[0], steps_of(spelt[0])
    size = len(at)
    written = [list(each) for each in right]
    settled = [0] * len(spelt)  # symbols that are those of sequential decoding
    seen = [size] * len(spelt)  # symbols that the last pass of an answer has read
    ahead = AHEAD
    while True:
        first: dict[int, int] = {}  # answers that go on, and their first step that is not known
        ahead *= 2
        for row, new in enumerate(preferred(frame, steps)):
            own = range(settled[row], seen[row])
            wrong = next((step for step in own if new[step] != written[row][step]), None)
            if wrong is not None:
                written[row][wrong : seen[row]] = new[wrong : seen[row]]
                ahead = AHEAD
            settled[row] = seen[row] if wrong is None else wrong + 1
            if settled[row] < size:
                first[row] = settled[row]
        if not first:
            return written
        start = min(first.values())
        end = min(size, max(first.values()) + ahead)
        rows = [row_of(spelt[row], written[row])[: at[end - 1] + 1] for row in first]
        # The symbol before the first step has changed, or is the last one that was read.
        same = at[start - 1] + 1
        found = rewriting.rewritten(list(first), rows, same, at[start:end])
        for row, logs in zip(first, found, strict=True):
            steps[row, start:end] = logs
            seen[row] = end
