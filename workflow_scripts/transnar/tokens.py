"""CLRS-Text as tokens: one for each digit, bracket and known word; decoding inverts encoding.

The paper's tokenizer is not known. A digit with the space before it is one token, as in common
byte-pair vocabularies, and so are the names of algorithms and features.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from workflow_scripts.clrs.specs import ALGORITHMS

if TYPE_CHECKING:
    from torch import Tensor

# Names of inputs and outputs in the texts of the 30 algorithms.
FIELDS = (
    "A", "Pi", "a", "b", "d", "end", "f", "h", "i", "in_hull", "in_mst", "intersect",
    "is_bridge", "is_cut", "k", "key", "match", "median", "min", "p", "pi", "pred", "q",
    "return", "root", "s", "s_max", "scc_id", "selected", "start", "string", "string1",
    "string2", "target", "topo", "topo_head", "w", "weights", "x", "y",
)  # fmt: skip
PAD, END = "<pad>", "\n"  # an answer ends with its line
DIGITS = tuple("0123456789")
LETTERS = tuple("_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
MINUS = " -"  # of a number after the first in a list
SIGNS = (" ", "[", "]", ",", ":", ".", "-", "|", "(", ")", " [", MINUS)
WORDS = tuple(dict.fromkeys([PAD, END, *DIGITS, *(f" {digit}" for digit in DIGITS), *SIGNS]))
VOCABULARY = tuple(dict.fromkeys([*WORDS, *ALGORITHMS, *FIELDS, *LETTERS]))
IDS = {token: index for index, token in enumerate(VOCABULARY)}
PAD_ID, END_ID = IDS[PAD], IDS[END]

_PIECES = sorted(VOCABULARY[1:], key=len, reverse=True)
_PATTERN = re.compile("|".join(map(re.escape, _PIECES)))


def encode(text: str) -> list[int]:
    """Token ids of a text. Raises `ValueError` at a character that CLRS-Text does not use."""
    ids, place = [], 0
    while place < len(text):
        found = _PATTERN.match(text, place)
        if found is None:
            raise ValueError(f"expected CLRS-Text, found {text[place]!r} at character {place}")
        ids.append(IDS[found[0]])
        place = found.end()
    return ids


def decode(ids: Sequence[int]) -> str:
    """The text of token ids, without padding."""
    return "".join(VOCABULARY[index] for index in ids if index != PAD_ID)


def structure(ids: Sequence[int]) -> tuple[list[int], list[int]]:
    """Row and column of every token within its brackets, 0 outside of them.

    The column is the number of elements before the token in the innermost list, the row the number
    of lists before that one. Both depend on earlier tokens only, so they are known during decoding.
    """
    rows, columns = [], []
    depth, row, column = 0, 0, 0
    for index in ids:
        token = VOCABULARY[index]
        # A further element starts with a space: before its first digit, or before its sign.
        if depth and (token == MINUS or (token.startswith(" ") and token.strip().isdigit())):
            column += 1
        elif token.endswith("["):
            depth, column = depth + 1, 0
        rows.append(row if depth > 1 else 0)
        columns.append(column if depth else 0)
        if token == "]":
            depth, column = depth - 1, 0
            row = row + 1 if depth > 0 else 0
    return rows, columns


class Words(Protocol):
    """How a decoder reads and writes CLRS-Text: these tokens, or a pretrained model's.

    `pad` is the id of padding, `ends` are the ids of tokens that end an answer.
    """

    pad: int
    ends: frozenset[int]

    def prompt(self, text: str) -> list[int]:
        """Token ids of a prompt."""
        ...

    def answer(self, text: str) -> list[int]:
        """Token ids of a true answer and its end."""
        ...

    def read(self, ids: Sequence[int]) -> str:
        """The answer that token ids spell, without its end."""
        ...

    def places(self, ids: Sequence[int]) -> tuple[list[int], list[int]]:
        """Row and column of each token in its brackets; zeros where a model has no labels."""
        ...

    def alike(self) -> "Tensor":
        """Classes of tokens that differ in their digits only, shape (vocabulary,); -1: no digit."""
        ...


def digits_apart(texts: Sequence[str]) -> list[int]:
    """For each token's text a class, equal where texts differ in their digits only; -1: no digit.

    Names with digits in them, such as `string1`, are in no class.
    """
    classes: dict[str, int] = {}
    found = []
    for text in texts:
        form = re.sub(r"[0-9]", "0", text)
        numeric = "0" in form and not any(map(str.isalpha, form))
        found.append(classes.setdefault(form, len(classes)) if numeric else -1)
    return found


class OwnWords:
    """The tokens of this module."""

    pad = PAD_ID
    ends = frozenset({END_ID})

    def prompt(self, text: str) -> list[int]:
        """Token ids of a prompt."""
        return encode(text)

    def answer(self, text: str) -> list[int]:
        """Token ids of a true answer and its end."""
        return encode(text.rstrip("\n") + END)

    def read(self, ids: Sequence[int]) -> str:
        """The answer that token ids spell, without its end."""
        return decode(ids).removesuffix(END)

    def places(self, ids: Sequence[int]) -> tuple[list[int], list[int]]:
        """Row and column of each token in its brackets."""
        return structure(ids)

    def alike(self) -> "Tensor":
        """Classes of tokens that differ in their digits only, shape (vocabulary,); -1: no digit."""
        import torch

        return torch.tensor(digits_apart(VOCABULARY))


OWN = OwnWords()
