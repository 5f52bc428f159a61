"""Whether two mathematical answers are the same, by Math-Verify (symbolic, not by string)."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=1 << 16)
def parsed(answer: str) -> tuple[Any, ...]:
    """What Math-Verify reads in an answer; empty where it reads nothing."""
    from math_verify import parse

    return tuple(parse(f"${answer}$", raise_on_error=False))


@lru_cache(maxsize=1 << 18)
def same(gold: str, answer: str) -> bool:
    """Whether `answer` equals `gold`; False where either cannot be read."""
    from math_verify import verify

    left, right = parsed(gold), parsed(answer)
    if not left or not right:
        return False
    return bool(verify(list(left), list(right), raise_on_error=False))


def classes(found: Sequence[str | None]) -> list[str]:
    """For each answer the first one that is the same, so that equal answers share a name.

    No answer, and one that cannot be read, is "".
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
