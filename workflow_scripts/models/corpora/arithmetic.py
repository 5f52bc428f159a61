"""Chains of sums with worked steps, and repeated attempts after earlier final answers.

The dialogue follows the sequential arm of Gu et al. 2026 (arXiv 2604.05868): the history holds the
final answers of earlier attempts only, and a short user turn asks for another attempt.
"""

import re
from typing import Any

import numpy as np

from workflow_scripts.models.chat import Conversation, assistant, user
from workflow_scripts.models.corpora.split import belongs

AGAIN = "Solve it again."
LARGEST = 99  # every intermediate result lies in 0..LARGEST
SLIPS = (1, -1, 2, -2, 10, -10, 9, -9)  # errors of wrong earlier answers
FINAL = re.compile(r"Answer: (-?\d+)")

Step = tuple[str, int]  # "+", "-" or "*", and its operand


def prompt(start: int, steps: list[Step]) -> str:
    """The problem in words."""
    verbs = {"+": "add", "-": "subtract", "*": "multiply by"}
    return f"Start with {start}" + "".join(f", {verbs[sign]} {by}" for sign, by in steps) + "."


def worked(start: int, steps: list[Step]) -> str:
    """The worked steps, one per line, and the line of the final answer."""
    lines, value = [], start
    for sign, by in steps:
        result = _apply(value, sign, by)
        lines.append(f"{value}{sign}{by}={result}")
        value = result
    return "\n".join([*lines, final(value)])


def final(value: int) -> str:
    """The line of a final answer."""
    return f"Answer: {value}"


def answer_in(text: str) -> int | None:
    """The last final answer in a reply, or None."""
    found = FINAL.findall(text)
    return int(found[-1]) if found else None


def attempts(problem: str, earlier: list[int]) -> Conversation:
    """The conversation up to the next attempt, with the final answers given so far."""
    turns = [user(problem)]
    for value in earlier:
        turns += [assistant(final(value), learn=False), user(AGAIN)]
    return turns


def conversation(
    rng: np.random.Generator, split: str, most_steps: int, most_attempts: int, right_rate: float
) -> dict[str, Any]:
    """One conversation: its form, level (number of steps) and messages.

    A third has earlier final answers in its history, right with probability `right_rate`. The loss
    covers the worked solution after them only.
    """
    while True:
        start, steps = _problem(rng, int(rng.integers(1, most_steps + 1)))
        problem = prompt(start, steps)
        if belongs(problem, split):
            break
    solution = worked(start, steps)
    level = f"{len(steps)} steps"
    if rng.random() < 2 / 3:
        return {"form": "worked", "level": level, "messages": [user(problem), assistant(solution)]}
    truth = answer_in(solution)
    assert truth is not None
    earlier = [
        truth if rng.random() < right_rate else _slip(rng, truth)
        for _ in range(int(rng.integers(1, most_attempts)))
    ]
    messages = [*attempts(problem, earlier), assistant(solution)]
    return {"form": "attempts", "level": level, "messages": messages}


def _problem(rng: np.random.Generator, count: int) -> tuple[int, list[Step]]:
    """A start and `count` steps whose intermediate results all lie in 0..LARGEST."""
    start = value = int(rng.integers(2, LARGEST + 1))
    steps: list[Step] = []
    while len(steps) < count:
        sign = "+-*"[int(rng.integers(3))]
        by = int(rng.integers(2, 10 if sign == "*" else LARGEST + 1))
        if 0 <= _apply(value, sign, by) <= LARGEST:
            steps.append((sign, by))
            value = _apply(value, sign, by)
    return start, steps


def _apply(value: int, sign: str, by: int) -> int:
    return value + by if sign == "+" else value - by if sign == "-" else value * by


def _slip(rng: np.random.Generator, truth: int) -> int:
    """A wrong answer near the truth."""
    near = [truth + slip for slip in SLIPS if 0 <= truth + slip <= LARGEST]
    return near[int(rng.integers(len(near)))]
