"""Lists of numbers with letters, in text: retrieval of the largest number, and of a given one.

The text version of the paper's max retrieval (appendix A): an item has a priority, its number, and
a class, its letter; the answer is the letter of the largest number, one of ten. In the needle task
the number is given, so that finding it needs no comparison. Chance is 10 %.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

import numpy as np

CLASSES = 10
NUMBERS = range(100, 1000)  # three digits each, so that lists of one length have about equal texts
HEAD = "Each number has a letter."
QUESTIONS = {
    "largest": "The letter of the largest number is",
    "needle": "The letter of the number {} is",
}


@dataclass(frozen=True)
class Prompt:
    """Token ids of a list and its question; the answer's place among the letters.

    `item` are the positions of the tokens of the line that holds the answer.
    """

    ids: tuple[int, ...]
    answer: int
    item: range


def text(task: str, lines: Sequence[tuple[int, str]], at: int) -> tuple[str, str, str]:
    """The text before the answer's line, that line, and the rest with the question.

    `lines` are numbers and letters, `at` the place of the answer's line.
    """
    written = [f"\n{number} {letter}" for number, letter in lines]
    question = QUESTIONS[task].format(lines[at][0])
    rest = "".join(written[at + 1 :]) + f"\n{question}"
    return HEAD + "".join(written[:at]), written[at], rest


def letters(engine: Any) -> dict[str, int]:
    """The first ten letters that are one token each after a question, and these tokens.

    Raises `ValueError` where the tokenizer has fewer.
    """
    asked = "".join(text("largest", [(100, "A")], 0))
    ids = engine.encode(prompt=asked)
    found: dict[str, int] = {}
    for letter in ascii_uppercase:
        answered = engine.encode(prompt=f"{asked} {letter}")
        if answered[:-1] == ids and answered[-1] not in found.values():
            found[letter] = answered[-1]
    if len(found) < CLASSES:
        raise ValueError(
            f"{engine.name}: expected {CLASSES} letters that are one token each, found "
            f"{len(found)}; remove the model from studies.softmax"
        )
    return dict(list(found.items())[:CLASSES])


def drawn(
    task: str, items: int, names: Sequence[str], rng: np.random.Generator
) -> tuple[list[tuple[int, str]], int]:
    """A list of `items` distinct numbers, each with one of the letters, and the answer's place.

    Raises `ValueError` above 900 items.
    """
    numbers = rng.choice(np.array(NUMBERS), items, replace=False).tolist()
    letters_of = [names[place] for place in rng.integers(0, len(names), items)]
    at = int(np.argmax(numbers)) if task == "largest" else int(rng.integers(items))
    return list(zip(numbers, letters_of, strict=True)), at


def prompts(
    engine: Any, task: str, items: int, count: int, names: Sequence[str], rng: np.random.Generator
) -> list[Prompt]:
    """`count` lists of `items` numbers with letters of `names`.

    Bare texts, whether or not the model has a chat template.
    """
    found = []
    for _ in range(count):
        lines, at = drawn(task, items, names, rng)
        before, line, rest = text(task, lines, at)
        ids = engine.encode(prompt=before + line + rest)
        start = common(engine.encode(prompt=before), ids)
        end = common(engine.encode(prompt=before + line), ids)
        answer = names.index(lines[at][1])
        found.append(Prompt(tuple(ids), answer, range(start, max(end, start + 1))))
    return found


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two sequences share from the first on."""
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
