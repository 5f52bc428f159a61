"""A language model's greedy answers to edited prompts, and their perplexities.

At each step the symbols of the task compete, as digits do in `models.py`. Probabilities are over
the whole vocabulary.
"""

from collections.abc import Iterator, Sequence
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


@torch.inference_mode()
def answers(
    engine: Any,
    asked: Sequence[Spelling],
    right: Sequence[Sequence[int]],
    reference: Tensor | None = None,
) -> tuple[list[Answer], Tensor]:
    """Greedy answers to prompts of one length whose answers have one frame.

    `right` are the right symbols (prompts, n), `reference` the probabilities (n, vocabulary) from
    which gaps are taken. Also returns the probabilities (n, vocabulary) of the first prompt's
    answer. Symbols are written in parallel, from the right ones, until nothing changes (see
    `copying.greedy`): each pass settles one more symbol at least.
    """
    frame = asked[0]
    prompt_nats = np.full(len(asked), np.nan)
    written = [list(each) for each in right]
    found: dict[int, Answer] = {}
    first = torch.empty(0)
    active = list(range(len(asked)))
    for turn in range(len(right[0]) + 1):
        left = []
        for places, logs in _passes(engine, asked, written, active, whole=turn == 0):
            if turn == 0:
                prompt_nats[places] = _prompt_nats(asked, places, logs)
                logs = logs[:, len(frame.prompt) - 1 :]
            at = torch.tensor(frame.slots, device=logs.device)
            steps = logs[:, at]  # (rows, n, vocabulary)
            symbols = torch.tensor(frame.tokens, device=logs.device)
            own = steps.gather(-1, symbols.expand(len(places), -1, -1))  # (rows, n, symbols)
            best = own.argmax(-1)
            other = own.amax(-1) < steps.amax(-1)
            for row, place in enumerate(places):
                new = best[row].tolist()
                if new != written[place] and turn < len(new):
                    written[place] = new
                    left.append(place)
                    continue
                gap = np.nan
                if reference is not None:
                    gap = float((steps[row].exp() - reference).abs().max())
                if place == 0:
                    first = steps[row].exp()
                found[place] = Answer(
                    tuple(written[place]),
                    _chosen(own[row], right[place]),
                    _chosen(own[row], written[place]),
                    float(prompt_nats[place]),
                    gap,
                    float(other[row].double().mean()),
                )
        active = left
    return [found[place] for place in range(len(asked))], first


def _passes(
    engine: Any,
    asked: Sequence[Spelling],
    written: Sequence[Sequence[int]],
    active: Sequence[int],
    whole: bool,
) -> Iterator[tuple[list[int], Tensor]]:
    """Log-probabilities (rows, tokens, vocabulary) after the tokens of some prompts and answers.

    After every token of the prompt too if `whole`, else from its last one on.
    """
    if not active:
        return
    length = len(asked[0].prompt) + len(asked[0].answer)
    keep = length if whole else len(asked[0].answer) + 1
    vocabulary = engine.vocabulary
    size = max(1, min(engine.pass_tokens // length, LOGITS // (keep * vocabulary)))
    for start in range(0, len(active), size):
        places = list(active[start : start + size])
        rows = [asked[place].prompt + asked[place].written(written[place]) for place in places]
        ids = torch.tensor(rows, device=engine.device)
        logits = engine.model(input_ids=ids, use_cache=False, logits_to_keep=keep).logits
        yield places, logits.float().log_softmax(-1)


def _prompt_nats(asked: Sequence[Spelling], places: Sequence[int], logs: Tensor) -> NDArray:
    """Log-perplexities (rows,) of the prompts at `places`, from logs (rows, tokens, vocabulary)."""
    tokens = torch.tensor([asked[place].prompt[1:] for place in places], device=logs.device)
    known = logs[:, : tokens.shape[1]].gather(-1, tokens[..., None])[..., 0]
    return np.asarray(-known.double().mean(-1).cpu().numpy())


def _chosen(logs: Tensor, symbols: Sequence[int]) -> NDArray[np.float64]:
    """Log-probabilities (n,) of `symbols` (n,), from those of all symbols, (n, symbols)."""
    at = torch.tensor(list(symbols), device=logs.device)[:, None]
    return np.asarray(logs.gather(-1, at)[:, 0].double().cpu().numpy())
