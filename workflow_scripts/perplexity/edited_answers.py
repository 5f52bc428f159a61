"""A language model's greedy answers to edited prompts, and their perplexities.

At each step the symbols of the task compete, as digits do in `models.py`. Probabilities are over
the whole vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workflow_scripts.perplexity import bounds, digits
from workflow_scripts.perplexity.digits import Spelling
from workflow_scripts.perplexity.edits import ALPHABETS, Prompt

LOGITS = 1 << 25  # most entries of a tensor of logits: 128 MiB of float32
# What could tell right answers from wrong ones, lower where the model is surer. Log-perplexity of
# the right answer along the one given (the paper's), of the answer given, and of the prompt; then
# the least likely symbol instead of the mean, of the right answer and of the one given.
SCORES = ("right", "given", "prompt", "least_right", "least_given")


@dataclass(frozen=True)
class Answer:
    """A greedy answer of n symbols.

    `log_right` and `log_given` are log-probabilities (n,) of the right symbols and of those given,
    each after the symbols given before it; `prompt_nats` is the log-perplexity of the prompt from
    its second token on. `gap` is the largest difference of any token's probability at any step from
    that on another prompt (NaN without one); `other` the share of steps at which the model prefers
    a token that is no symbol.
    """

    given: tuple[int, ...]
    log_right: NDArray[np.float64]
    log_given: NDArray[np.float64]
    prompt_nats: float
    gap: float
    other: float

    def nats(self, floor: float) -> dict[str, float]:
        """The `SCORES` of the answer in nats; probabilities are limited below by `floor`."""
        right, given = np.exp(self.log_right), np.exp(self.log_given)
        return {
            "right": float(bounds.log_perplexity(right, floor)),
            "given": float(bounds.log_perplexity(given, floor)),
            "prompt": self.prompt_nats,
            "least_right": float(bounds.log_perplexity(right.min(keepdims=True), floor)),
            "least_given": float(bounds.log_perplexity(given.min(keepdims=True), floor)),
        }


def turns(engine: Any, prompt: Prompt, wording: str, way: str) -> list[dict[str, str]]:
    """The chat turns that ask a prompt, with worked examples if the model is a base model."""
    return digits.asked(engine, prompt.text(wording, way))


def way_of(engine: Any, wording: str, prompt: Prompt) -> str | None:
    """The first way of writing digits in which each symbol of the answer is a token of its own."""
    return next((way for way in digits.WAYS if _framed(engine, prompt, wording, way)), None)


def spelt(engine: Any, prompt: Prompt, wording: str, way: str) -> Spelling | None:
    """Tokens of a prompt and of the frame of its answer; None where symbols are merged."""
    found = _framed(engine, prompt, wording, way)
    if found is None:
        return None
    reply = digits.answered(prompt.lead, prompt.answer, way)
    whole = digits.replied(engine, turns(engine, prompt, wording, way), reply)
    return found if found.prompt + found.written(prompt.answer) == whole else None


def _framed(engine: Any, prompt: Prompt, wording: str, way: str) -> Spelling | None:
    """Tokens of a prompt and of the frame of its answer, whatever its symbols."""
    asked, count = turns(engine, prompt, wording, way), ALPHABETS[prompt.task]
    return digits.spelt(engine, asked, len(prompt.answer), count, way, prompt.lead)


def edited(engine: Any, base: Spelling, prompt: Prompt, wording: str, way: str) -> Spelling | None:
    """The spelling of an edited prompt; None unless exactly one token differs from `base`."""
    tokens = digits.opened(engine, turns(engine, prompt, wording, way), prompt.lead)
    if len(tokens) != len(base.prompt):
        return None
    apart = sum(one != other for one, other in zip(tokens, base.prompt, strict=True))
    return replace(base, prompt=tokens) if apart == 1 else None


def right_answer(
    engine: Any, asked: Spelling, right: Sequence[int]
) -> tuple[Answer, Tensor] | None:
    """The greedy answer to a prompt and the probabilities (n, vocabulary) at its steps, if right.

    None for a wrong answer, which one pass tells: after the right symbols before its first wrong
    one, the model prefers that one.
    """
    _, prompt_nats, steps = _first(engine, [asked], [right])
    if _preferred(asked, steps)[0] != list(right):
        return None
    return _answer(asked, steps[0], right, right, prompt_nats[0], None), steps[0].exp()


def answers(
    engine: Any, asked: Sequence[Spelling], right: Sequence[Sequence[int]], reference: Tensor
) -> list[Answer]:
    """Greedy answers to prompts of one length whose answers have one frame.

    `right` are the right symbols (prompts, n), `reference` the probabilities (n, vocabulary) from
    which gaps are taken. Symbols are written in parallel, from the right ones, until nothing
    changes (see `copying.greedy`): each pass settles one more symbol at least.
    """
    length = len(asked[0].prompt) + len(asked[0].answer)
    most = max(1, min(engine.pass_tokens // length, LOGITS // (length * engine.vocabulary)))
    found: list[Answer] = []
    for start in range(0, len(asked), most):
        part = slice(start, start + most)
        found += _together(engine, asked[part], right[part], reference)
    return found


def _together(
    engine: Any, asked: Sequence[Spelling], right: Sequence[Sequence[int]], reference: Tensor
) -> list[Answer]:
    """`answers` to prompts that pass through the model together."""
    rewriting, prompt_nats, steps = _first(engine, asked, right)
    written = [list(each) for each in right]
    found: dict[int, Answer] = {}
    active = list(range(len(asked)))
    for turn in range(len(right[0]) + 1):
        left = []
        for row, new in enumerate(_preferred(asked[0], steps)):
            place = active[row]
            if new != written[place] and turn < len(new):
                written[place] = new
                left.append(place)
            else:
                found[place] = _answer(
                    asked[0], steps[row], right[place], written[place], prompt_nats[place], reference
                )
        active = left
        if not active:
            break
        rows = [asked[place].prompt + asked[place].written(written[place]) for place in active]
        steps = rewriting.rewritten(active, rows, _steps(asked[0]))
    return [found[place] for place in range(len(asked))]


def _steps(frame: Spelling) -> list[int]:
    """The places of the tokens before those of the symbols of an answer, (n,)."""
    return [len(frame.prompt) - 1 + slot for slot in frame.slots]


def _first(
    engine: Any, asked: Sequence[Spelling], right: Sequence[Sequence[int]]
) -> tuple[Any, NDArray[np.float64], Tensor]:
    """The first pass, with the right answers.

    What writes them anew, the log-perplexities of the prompts (prompts,), and log-probabilities at
    the steps of the answers (prompts, n, vocabulary).
    """
    rows = [one.prompt + one.written(each) for one, each in zip(asked, right, strict=True)]
    size = len(asked[0].prompt)
    rewriting = engine.rewriting(rows, size)
    logs = rewriting.written([*range(size - 1), *_steps(asked[0])])
    tokens = torch.tensor([each.prompt[1:] for each in asked], device=logs.device)
    known = logs[:, : size - 1].gather(-1, tokens[..., None])[..., 0]
    return rewriting, -known.double().mean(-1).cpu().numpy(), logs[:, size - 1 :]


def _preferred(frame: Spelling, steps: Tensor) -> list[list[int]]:
    """The likeliest symbol at each step, (prompts, n), from logs (prompts, n, vocabulary)."""
    return _of_symbols(frame, steps).argmax(-1).tolist()


def _of_symbols(frame: Spelling, steps: Tensor) -> Tensor:
    """Log-probabilities of all symbols (..., n, symbols), from those of tokens."""
    symbols = torch.tensor(frame.tokens, device=steps.device)
    return steps.gather(-1, symbols.expand(*steps.shape[:-2], -1, -1))


def _answer(
    frame: Spelling,
    steps: Tensor,
    right: Sequence[int],
    given: Sequence[int],
    prompt_nats: float,
    reference: Tensor | None,
) -> Answer:
    """An answer from the log-probabilities at its steps, (n, vocabulary)."""
    own = _of_symbols(frame, steps)
    gap = np.nan if reference is None else float((steps.exp() - reference).abs().max())
    other = (own.amax(-1) < steps.amax(-1)).double().mean()
    logs = (_chosen(own, symbols) for symbols in (right, given))
    return Answer(tuple(given), *logs, float(prompt_nats), gap, float(other))


def _chosen(logs: Tensor, symbols: Sequence[int]) -> NDArray[np.float64]:
    """Log-probabilities (n,) of `symbols` (n,), from those of all symbols, (n, symbols)."""
    at = torch.tensor(list(symbols), device=logs.device)[:, None]
    return np.asarray(logs.gather(-1, at)[:, 0].double().cpu().numpy())
