"""How a model's tokenizer encodes a string of bits or digits, also where it merges digits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workflow_scripts.inference import chat, forms
from workflow_scripts.inference.engines import EngineError

WAYS = {"plain": "", "spaced": " "}  # between two bits


@dataclass(frozen=True)
class Spelling:
    """A question and the frame of its answer of n digits, as tokens.

    `prompt` holds the question's tokens; of bits, their number does not depend on the bits.
    `answer` holds the tokens of n zeros; those at `slots` are the digits, `tokens[k][d]` the token
    of digit d at the k-th of them, shape (n, digits).
    """

    prompt: list[int]
    answer: list[int]
    slots: list[int]
    tokens: list[list[int]]

    @property
    def zeros(self) -> list[int]:
        """The token of a zero at each slot, (n,)."""
        return [each[0] for each in self.tokens]

    @property
    def ones(self) -> list[int]:
        """The token of a one at each slot, (n,)."""
        return [each[1] for each in self.tokens]

    def written(self, digits: Sequence[int]) -> list[int]:
        """Tokens of the answer with these digits, (n,)."""
        tokens = list(self.answer)
        for at, digit, known in zip(self.slots, digits, self.tokens, strict=True):
            tokens[at] = known[digit]
        return tokens


def text(digits: Sequence[int], way: str) -> str:
    """The digits as text, written `plain` or `spaced`."""
    return WAYS[way].join(map(str, digits))


def question(engine: Any, wording: str, bits: Sequence[int], way: str) -> list[dict[str, str]]:
    """The chat turns that ask for a copy of `bits`, which replace {} in `wording`."""
    return asked(engine, wording.format(text(bits, way)))


def asked(engine: Any, content: str) -> list[dict[str, str]]:
    """The chat turns that ask a question whose reply is symbols only.

    Worked examples, which are copies, come first if the model is a base model.
    """
    examples = forms.opening(engine.spec.get("kind", ""), "copied")
    return [*examples, {"role": "user", "content": content}]


def _begun(reply: str) -> dict[str, str]:
    return {"role": "assistant", "content": reply}


def opened(engine: Any, turns: list[dict[str, str]], lead: str = "") -> list[int]:
    """Tokens of a question up to where the answer begins; `lead` is the reply before it.

    A template may close an empty thought before a reply that has begun. Plain text needs no
    beginning: the blank before the reply may be part of its first token.
    """
    begun = bool(lead) or chat.templated(engine.spec)
    return list(engine.encode(messages=[*turns, _begun(lead)] if begun else turns))


def answered(lead: str, digits: Sequence[int], way: str) -> str:
    """A reply: its `lead`, if there is one, a blank, and the digits."""
    return f"{lead} {text(digits, way)}" if lead else text(digits, way)


def replied(engine: Any, turns: list[dict[str, str]], reply: str) -> list[int]:
    """Tokens of a question and of the beginning of its reply."""
    return list(engine.encode(messages=[*turns, _begun(reply)]))


def spelling(engine: Any, wording: str, bits: Sequence[int], way: str) -> Spelling | None:
    """Tokens of a question about `bits` and of its answer, or None if the tokenizer merges digits.

    It does not if the answers of all zeros and of all ones have equally many tokens and differ in
    one token per bit.
    """
    return spelt(engine, question(engine, wording, bits, way), len(bits), 2, way)


def spelt(
    engine: Any, turns: list[dict[str, str]], size: int, digits: int, way: str, lead: str = ""
) -> Spelling | None:
    """Tokens of a question and of an answer of `size` of the first `digits` digits, or None.

    A reply begins with `lead`, which counts to the question's tokens. None if the answers that
    repeat one digit do not all have equally many tokens, which differ from each other in one token
    per digit.
    """
    prompt = opened(engine, turns, lead)
    found = []
    for digit in range(digits):
        whole = replied(engine, turns, answered(lead, [digit] * size, way))
        if whole[: len(prompt)] != prompt:
            return None
        found.append(whole[len(prompt) :])
    if len({len(each) for each in found}) > 1:
        return None
    columns = [list(column) for column in zip(*found, strict=True)]
    slots = [at for at, column in enumerate(columns) if len(set(column)) > 1]
    tokens = [columns[at] for at in slots]
    if len(slots) != size or any(len(set(column)) < digits for column in tokens):
        return None
    return Spelling(prompt, found[0], slots, tokens)


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
