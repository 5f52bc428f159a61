"""CLRS-Text in the tokens of a pretrained model, whatever they are: digits, numbers or bytes.

Prompt and answer are tokenised apart, in training as at inference, so that no token spans both. An
answer ends with its line, or with a token that ends the model's replies.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from workflow_scripts.transnar.tokens import END, digits_apart


class ModelWords:
    """How a loaded model (engine transformers) reads and writes CLRS-Text; see `tokens.Words`."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        lines = {index for index, text in enumerate(engine.token_texts) if END in text}
        self.ends = frozenset(lines | {int(index) for index in engine.ends.nonzero()[0]})
        tokenizer = engine.tokenizer
        known = (tokenizer.pad_token_id, tokenizer.eos_token_id, 0)
        self.pad: int = next(index for index in known if index is not None)

    def prompt(self, text: str) -> list[int]:
        """Token ids of a prompt, with the special tokens that the tokenizer puts before one."""
        found: list[int] = self.engine.encode(prompt=text)
        return found

    def answer(self, text: str) -> list[int]:
        """Token ids of a true answer and the end of its line.

        Raises `ValueError` if they do not spell it again: the tokenizer lacks some of its signs.
        """
        wanted = text.rstrip("\n")
        asked = self.engine.tokenizer(wanted + END, add_special_tokens=False)
        found: list[int] = asked["input_ids"]
        if self.read(found).strip() != wanted.strip() or found[-1] not in self.ends:
            raise ValueError(
                f"models.{self.engine.name}: expected a tokenizer that spells the answer "
                f"{wanted!r}, found {self.engine.text(found)!r}; take the model out of "
                "transnar.pretrained.models"
            )
        return found

    def read(self, ids: Sequence[int]) -> str:
        """The answer that token ids spell, without its end."""
        text: str = self.engine.text(ids)
        return text.split(END)[0]

    def places(self, ids: Sequence[int]) -> tuple[list[int], list[int]]:
        """Zeros: a pretrained model has no structural labels."""
        return [0] * len(ids), [0] * len(ids)

    def alike(self) -> Tensor:
        """Classes of tokens that differ in their digits only, shape (vocabulary,); -1: no digit."""
        return torch.tensor(digits_apart(self.engine.token_texts))
