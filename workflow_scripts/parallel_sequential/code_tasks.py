"""Generated tasks of writing a function, with public and hidden tests.

A task combines list operations; their number is its level. A reference computes the tests.
"""

import json
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any

import numpy as np

PUBLIC, HIDDEN = 3, 9  # tests per task
LONGEST, LARGEST = 7, 30  # longest list and largest number in the tests

Step = Callable[[list[int]], list[int]]
End = Callable[[list[int]], int]


def _steps(number: int) -> list[tuple[str, Step]]:
    remainder = f"replace every number by its remainder modulo {number}"
    running = "replace every number by the sum of all numbers up to it"
    return [
        (f"keep the numbers divisible by {number}", lambda xs: [x for x in xs if x % number == 0]),
        (f"keep the numbers above {number}", lambda xs: [x for x in xs if x > number]),
        (f"add {number} to every number", lambda xs: [x + number for x in xs]),
        (f"multiply every number by {number}", lambda xs: [x * number for x in xs]),
        (remainder, lambda xs: [x % number for x in xs]),
        ("reverse the list", lambda xs: xs[::-1]),
        ("drop repeated numbers, keeping the first of each", lambda xs: list(dict.fromkeys(xs))),
        (running, lambda xs: list(accumulate(xs))),
    ]


ENDS: list[tuple[str, End]] = [
    ("the sum of what is left", lambda xs: sum(xs)),
    ("the largest of what is left, or 0 if nothing is", lambda xs: max(xs, default=0)),
    ("how many numbers are left", lambda xs: len(xs)),
    (
        "the sum of what is left with alternating signs, the first positive",
        lambda xs: sum(x if i % 2 == 0 else -x for i, x in enumerate(xs)),
    ),
]


def tasks(rng: np.random.Generator, count: int, most_steps: int) -> Iterator[dict[str, Any]]:
    """`count` distinct tasks, as evenly as possible over 1 to `most_steps` operations."""
    seen: set[str] = set()
    while len(seen) < count:
        steps = len(seen) % most_steps + 1
        made = _task(rng, steps)
        if made["text"] not in seen:
            seen.add(made["text"])
            yield made


def _task(rng: np.random.Generator, steps: int) -> dict[str, Any]:
    chosen: list[tuple[str, Step]] = []
    for _ in range(steps):
        options = _steps(int(rng.integers(2, 8)))
        chosen.append(options[int(rng.integers(len(options)))])
    words, end = ENDS[int(rng.integers(len(ENDS)))]
    text = (
        "Write a Python function f(numbers) that takes a list of integers. It must, in this order: "
        + "; ".join(text for text, _ in chosen)
        + f"; then return {words}."
    )

    def reference(numbers: list[int]) -> int:
        for _, step in chosen:
            numbers = step(numbers)
        return int(end(numbers))

    tests = []
    for number in range(PUBLIC + HIDDEN):
        size = 0 if number == PUBLIC else int(rng.integers(1, LONGEST + 1))
        given = rng.integers(0, LARGEST + 1, size).tolist()
        tests.append({"input": [given], "expected": reference(list(given))})
    return {
        "level": f"{steps} steps",
        "text": text,
        "kind": "call",
        "function": "f",
        "public": json.dumps(tests[:PUBLIC]),
        "hidden": json.dumps(tests[PUBLIC:]),
    }
