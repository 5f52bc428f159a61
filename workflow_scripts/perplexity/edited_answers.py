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

from workflow_scripts.perplexity import bounds, choosing, digits
from workflow_scripts.perplexity.digits import Spelling
from workflow_scripts.perplexity.edits import ALPHABETS, Prompt

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
    if choosing.preferred(asked, steps)[0] != list(right):
        return None
    return _answer(asked, steps[0], right, right, prompt_nats[0], None), steps[0].exp()


def answers(
    engine: Any, asked: Sequence[Spelling], right: Sequence[Sequence[int]], reference: Tensor
) -> list[Answer]:
    """Greedy answers to prompts of one length whose answers have one frame.

    `right` are the right symbols (prompts, n), `reference` the probabilities (n, vocabulary) from
    which gaps are taken.
    """
    size = choosing.together(engine, asked[0], len(asked[0].prompt) + len(asked[0].answer))
    found: list[Answer] = []
    for start in range(0, len(asked), size):
        part = slice(start, start + size)
        rewriting, prompt_nats, steps = _first(engine, asked[part], right[part])
        given = choosing.greedy(rewriting, asked[part], right[part], steps)
        found += [
            _answer(asked[0], *each, reference)
            for each in zip(steps, right[part], given, prompt_nats, strict=True)
        ]
    return found


def _first(
    engine: Any, asked: Sequence[Spelling], right: Sequence[Sequence[int]]
) -> tuple[Any, NDArray[np.float64], Tensor]:
    """The first pass, with the right answers.

    What writes them anew, the log-perplexities of the prompts (prompts,), and log-probabilities at
    the steps of the answers (prompts, n, vocabulary).
    """
    size = len(asked[0].prompt)
    rewriting = engine.rewriting(list(map(choosing.row_of, asked, right)))
    logs = rewriting.written([*range(size - 1), *choosing.steps_of(asked[0])])
    tokens = torch.tensor([each.prompt[1:] for each in asked], device=logs.device)
    known = logs[:, : size - 1].gather(-1, tokens[..., None])[..., 0]
    return rewriting, -known.double().mean(-1).cpu().numpy(), logs[:, size - 1 :]


def _answer(
    frame: Spelling,
    steps: Tensor,
    right: Sequence[int],
    given: Sequence[int],
    prompt_nats: float,
    reference: Tensor | None,
) -> Answer:
    """An answer from the log-probabilities at its steps, (n, vocabulary)."""
    own = choosing.of_symbols(frame, steps)
    gap = np.nan if reference is None else float((steps.exp() - reference).abs().max())
    other = (own.amax(-1) < steps.amax(-1)).double().mean()
    return Answer(
        tuple(given),
        _chosen(own, right),
        _chosen(own, given),
        float(prompt_nats),
        gap,
        float(other),
    )


def _chosen(logs: Tensor, symbols: Sequence[int]) -> NDArray[np.float64]:
    """Log-probabilities (n,) of `symbols` (n,), from those of all symbols, (n, symbols)."""
    at = torch.tensor(list(symbols), device=logs.device)[:, None]
    return np.asarray(logs.gather(-1, at)[:, 0].double().cpu().numpy())
