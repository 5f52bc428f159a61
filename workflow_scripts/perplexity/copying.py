"""E1, the copy task: bits, then a separator, then the bits again (PyTorch).

A copier reads b_1 … b_n | and writes b_1 … b_n; its vocabulary is {0, 1, |} and it gives a
probability to each of the two bits. alpha is n zeros; beta is alpha with one bit flipped.
"""

import torch
from torch import Tensor

from workflow_scripts.perplexity import decoder, training
from workflow_scripts.perplexity.decoder import Parameters, Shape

SEPARATOR = 2
VOCABULARY = 3
BITS = 2
FLIPS = ("last", "middle", "first")  # where beta differs; the paper's figure has the last


class Strings:
    """Random strings of 1 to `longest` bits for each seed, two per row so that none is padded.

    A row holds a string of n bits, n uniform, and one of longest + 1 - n, so all lengths are
    equally likely.
    """

    def __init__(
        self, seed: int, indices: list[int], rows: int, longest: int, shape: Shape
    ) -> None:
        self.streams = training.Streams(seed, indices, "copying", "train")
        self.rows, self.longest, self.shape = rows, longest, shape

    def draw(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Tokens, positions, segments, mask of steps to predict: (S, B, 2 longest + 4) each."""
        longest = self.longest
        first = self.streams.integers(longest, (self.rows, 1)) + 1
        bits = self.streams.integers(BITS, (self.rows, 2, longest))
        place = torch.arange(2 * longest + 4)
        segments = (place > 2 * first).long()
        size = torch.where(segments == 0, first, longest + 1 - first)
        positions = place - segments * (2 * first + 1)
        source = torch.where(positions < size, positions, positions - size - 1)
        source = source.clamp(0, longest - 1) + segments * longest
        tokens = bits.flatten(-2).gather(-1, source)
        tokens = tokens.masked_fill(positions == size, SEPARATOR)
        return tokens, positions, segments, (positions >= size) & (positions < 2 * size)

    def losses(self, parameters: Parameters) -> tuple[Tensor, Tensor]:
        """Nats per bit and share of rows copied without error, shape (S,) each."""
        device = decoder.device_of(parameters)
        tokens, positions, segments, predicts = (part.to(device) for part in self.draw())
        logits = decoder.forward(
            parameters, tokens, self.shape, positions, decoder.causal(segments)
        )
        target = tokens.roll(-1, -1).clamp(max=1)
        loss = training.masked_nats(logits, target, predicts)
        right = ((logits.argmax(-1) == target) | ~predicts).all(-1)
        return loss, right.float().mean(1)


def flipped(size: int, flip: str) -> int:
    """The position of beta's flipped bit, counted from 0."""
    return {"first": 0, "middle": size // 2, "last": size - 1}[flip]


def pair(size: int, flip: str) -> Tensor:
    """alpha and beta of n = `size` bits, shape (2, n)."""
    strings = torch.zeros((2, size), dtype=torch.long)
    strings[1, flipped(size, flip)] = 1
    return strings


def logits_after(parameters: Parameters, shape: Shape, strings: Tensor, written: Tensor) -> Tensor:
    """Logits (S, R, n, 2) of each next bit after the bits `written`.

    `strings` and `written` have shape (S, R, n).
    """
    size = strings.shape[-1]
    separator = torch.full_like(strings[..., :1], SEPARATOR)
    tokens = torch.cat([strings, separator, written[..., :-1]], -1)
    return decoder.forward(parameters, tokens, shape)[..., size:, :]


@torch.inference_mode()
def greedy(parameters: Parameters, shape: Shape, strings: Tensor) -> tuple[Tensor, Tensor]:
    """Greedy output of S models on strings (R, n): bits (S, R, n), log-probabilities (S, R, n, 2).

    The log-probabilities are those after the model's own bits; ties go to 0. Bits are written in
    parallel: start from the right answer and replace every bit by the argmax until nothing
    changes. Each pass settles at least one more bit to its value in sequential decoding, and a
    copier without errors needs one pass.
    """
    strings = strings.to(decoder.device_of(parameters))
    given = strings.expand(decoder.count(parameters), *strings.shape)
    written = given
    for _ in range(strings.shape[-1] + 1):
        logits = logits_after(parameters, shape, given, written)
        new = (logits[..., 1] > logits[..., 0]).long()
        if torch.equal(new, written):
            break
        written = new
    return written, logits.log_softmax(-1)


def taught(parameters: Parameters, shape: Shape, strings: Tensor) -> Tensor:
    """Log-probabilities (S, R, n, 2) of the next bit after the right ones of strings (S, R, n)."""
    return logits_after(parameters, shape, strings, strings).log_softmax(-1)
