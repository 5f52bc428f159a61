"""The paper's three scores of an answer: shape, parse, and CLRS score (section 4)."""

import re
from typing import Any, NamedTuple

LEGAL = re.compile(r"[-0-9.,\s\[\]]*")
_TOKENS = re.compile(r"\s*(\[|\]|,|-?\d+(?:\.\d*)?)")


class Score(NamedTuple):
    """The scores of one answer, each between 0 and 1."""

    shape: float
    parse: float
    clrs: float


def nested(text: str) -> list[Any] | None:
    """An answer as a list of its outputs, nested lists of numbers; None if it is malformed.

    Elements are separated by spaces or commas: `[0 1], 3` is [[0.0, 1.0], 3.0].
    """
    stack: list[list[Any]] = [[]]
    text = text.strip()
    place = 0
    while place < len(text):
        found = _TOKENS.match(text, place)
        if found is None:
            return None
        token = found[1]
        place = found.end()
        if token == "[":
            stack.append([])
        elif token == "]":
            if len(stack) == 1:
                return None
            done = stack.pop()
            stack[-1].append(done)
        elif token != ",":
            stack[-1].append(float(token))
    return stack[0] if len(stack) == 1 else None


def shape(content: Any) -> Any:
    """The structure of nested lists as nested tuples, equal where answers can be compared."""
    return tuple(shape(part) for part in content) if isinstance(content, list) else ()


def elements(content: Any) -> list[float]:
    """All numbers, in order."""
    if isinstance(content, list):
        return [number for part in content for number in elements(part)]
    return [content]


def score(answer: str, truth: str) -> Score:
    """Scores of an answer. Raises `ValueError` if the truth itself is malformed."""
    right = nested(truth)
    if right is None or not elements(right):
        raise ValueError(f"expected a true answer of CLRS-Text, found {truth!r}")
    parse = float(LEGAL.fullmatch(answer) is not None)
    found = nested(answer)
    if found is None or shape(found) != shape(right):
        return Score(0.0, parse, 0.0)
    pairs = zip(elements(found), elements(right), strict=True)
    equal = [a == b for a, b in pairs]
    return Score(1.0, parse, sum(equal) / len(equal))
