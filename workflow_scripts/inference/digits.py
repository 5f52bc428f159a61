"""Whether a tokenizer has one token per digit, and how to proceed if it merges digits.

Counting digits is counting tokens only if each digit is one token (required by Barbero et al. 2024,
section 4). If a tokenizer merges "111" into one token but has a token for each single digit, digits
can still be fed one at a time: `spell` does that.
"""

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from workflow_scripts.inference import chat
from workflow_scripts.inference.engines import EngineError

log = logging.getLogger(__name__)

RUNS = ("111111111111", "73029156480", "100200300")


@dataclass(frozen=True)
class Digits:
    """A tokenizer's digits: the token of each single digit, and a run that it merges, if any."""

    alone: dict[str, int]
    merges: str | None


def inspect(tokenizer: Any, name: str) -> Digits:
    """Inspect the tokenizer of model `name`.

    Raises `EngineError` naming the model if some digit has no token.
    """
    alone = {}
    for digit in "0123456789":
        token = _plain(tokenizer, digit)[-1]
        if tokenizer.decode([token]).strip() != digit:
            raise EngineError(
                f"models.{name}: its tokenizer has no token for the digit {digit} alone, so digits "
                "cannot be counted in tokens; remove the model from the study"
            )
        alone[digit] = token
    merged = [run for run in RUNS if _plain(tokenizer, run)[-len(run) :] != _each(alone, run)]
    return Digits(alone, merged[0] if merged else None)


def report(found: Digits, name: str) -> None:
    """Log a warning if the model's tokenizer merges digits, with the consequence."""
    if found.merges:
        log.warning(
            "models.%s: its tokenizer merges digits (as in %s); for hidden states each digit is "
            "fed as one token, replies are generated from the tokenizer's own tokens",
            name,
            found.merges,
        )


def spell(tokenizer: Any, found: Digits, text: str, special: bool) -> list[int]:
    """Token ids of `text` with one token per digit.

    If the tokenizer merges no digits, these are its own ids. `special` adds the special tokens that
    the tokenizer puts around a text.
    """
    if found.merges is None:
        return list(tokenizer(text, add_special_tokens=special)["input_ids"])
    ids = list(tokenizer("", add_special_tokens=special)["input_ids"])
    for piece in re.findall(r"[0-9]|[^0-9]+", text):
        ids += [found.alone[piece]] if piece in found.alone else _plain(tokenizer, piece)
    return ids


def refuse_overlong(
    name: str, spec: dict[str, Any], tokenizer: Any, limit: int, requests: Iterable[dict[str, Any]]
) -> None:
    """Raise `EngineError` for the first request whose prompt and reply exceed `limit` tokens."""
    for request in requests:
        turns = request["turns"]
        text = chat.render(tokenizer, spec, turns)
        special = not chat.templated(spec)
        tokens = len(tokenizer(text, add_special_tokens=special)["input_ids"])
        if tokens + request["max_tokens"] > limit:
            raise EngineError(overlong(name, request["item"], tokens, request["max_tokens"], limit))


def overlong(name: str, item: str, tokens: int, reply: int, limit: int) -> str:
    """The error message for a prompt that exceeds the model's context."""
    return (
        f"{item}: {tokens} tokens and a reply of {reply} exceed the context of models.{name}, "
        f"{limit} tokens; reduce the lengths, or remove the model from the study"
    )


def _plain(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _each(alone: dict[str, int], run: str) -> list[int]:
    return [alone[digit] for digit in run]
