"""Symbolic equality of mathematical answers, by Math-Verify."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=1 << 16)
def parsed(answer: str) -> tuple[Any, ...]:
    """The expressions that Math-Verify finds in an answer; empty if it finds none."""
    from math_verify import parse

    return tuple(parse(f"${answer}$", raise_on_error=False))


@lru_cache(maxsize=1 << 18)
def same(gold: str, answer: str) -> bool:
    """Whether `answer` equals `gold`; False if either cannot be parsed."""
    from math_verify import verify

    left, right = parsed(gold), parsed(answer)
    if not left or not right:
        return False
    return bool(verify(list(left), list(right), raise_on_error=False))


def classes(found: Sequence[str | None]) -> list[str]:
    """For each answer the first equal one, so that equal answers share a name.

    The name is "" for no answer and for one that cannot be parsed.
    """
    names: list[str] = []
    named: list[str] = []
    for answer in found:
        if answer is None or not parsed(answer):
            named.append("")
            continue
        name = next((each for each in names if each == answer or same(each, answer)), None)
        if name is None:
            names.append(answer)
        named.append(answer if name is None else name)
    return named
