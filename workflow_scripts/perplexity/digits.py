"""How a model's tokenizer encodes a string of bits, also where it merges digits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workflow_scripts.inference import chat, forms
from workflow_scripts.inference.engines import EngineError

WAYS = {"plain": "", "spaced": " "}  # between two bits


@dataclass(frozen=True)
class Spelling:
    """A question and the frame of its answer of n bits, as tokens.

    `prompt` holds the question's tokens; their number does not depend on the bits. `answer` holds
    the tokens of n zeros; those at `slots` are the bits, with tokens `zeros` and `ones`.
    """

    prompt: list[int]
    answer: list[int]
    slots: list[int]
    zeros: list[int]
    ones: list[int]

    def written(self, bits: Sequence[int]) -> list[int]:
        """Tokens of the answer with these bits."""
        tokens = list(self.answer)
        for at, bit, zero, one in zip(self.slots, bits, self.zeros, self.ones, strict=True):
            tokens[at] = one if bit else zero
        return tokens


def text(bits: Sequence[int], way: str) -> str:
    """The bits as text, written `plain` or `spaced`."""
    return WAYS[way].join(map(str, bits))


def question(engine: Any, wording: str, bits: Sequence[int], way: str) -> list[dict[str, str]]:
    """The chat turns that ask for a copy of `bits`, which replace {} in `wording`.

    Worked examples come first if the model is a base model.
    """
    examples = forms.opening(engine.spec.get("kind", ""), "copied")
    return [*examples, {"role": "user", "content": wording.format(text(bits, way))}]


def _begun(reply: str) -> dict[str, str]:
    return {"role": "assistant", "content": reply}


def spelling(engine: Any, wording: str, bits: Sequence[int], way: str) -> Spelling | None:
    """Tokens of a question about `bits` and of its answer, or None if the tokenizer merges digits.

    It does not if the answers of all zeros and of all ones have equally many tokens and differ in
    one token per bit.
    """
    turns = question(engine, wording, bits, way)
    # A template may close an empty thought before a reply that has begun. Plain text needs no
    # beginning: the blank before the reply may be part of its first token.
    opened = [*turns, _begun("")] if chat.templated(engine.spec) else turns
    prompt = engine.encode(messages=opened)
    found = []
    for bit in (0, 1):
        whole = engine.encode(messages=[*turns, _begun(text([bit] * len(bits), way))])
        if whole[: len(prompt)] != prompt:
            return None
        found.append(whole[len(prompt) :])
    zeros, ones = found
    if len(zeros) != len(ones):
        return None
    slots = [at for at, pair in enumerate(zip(zeros, ones, strict=True)) if pair[0] != pair[1]]
    if len(slots) != len(bits):
        return None
    return Spelling(prompt, zeros, slots, [zeros[at] for at in slots], [ones[at] for at in slots])


def way_of(engine: Any, wording: str, size: int) -> str:
    """The first of `WAYS` in which each of `size` bits is a separate token.

    Raises `EngineError` naming the model if the tokenizer merges digits in all of them.
    """
    for way in WAYS:
        if spelling(engine, wording, [0] * size, way) is not None:
            return way
    raise EngineError(
        f"models.{engine.name}: expected one token per bit, but the tokenizer merges digits even "
        "with spaces between them; remove the model from studies.perplexity"
    )
