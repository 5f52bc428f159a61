"""CLRS-Text as tokens: one for each digit, bracket and known word; decoding inverts encoding.

The paper's tokenizer is not known. A digit with the space before it is one token, as in common
byte-pair vocabularies, and so are the names of algorithms and features.
"""

import re
from collections.abc import Sequence

from workflow_scripts.clrs.specs import ALGORITHMS

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
