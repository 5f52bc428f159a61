"""Copying digits, naming the first or last one, and counting, up to a maximal length.

The tasks are those of Barbero et al. 2024 (arXiv 2406.04267), experiments E1 and E2, worded for
small models.
"""

from functools import cache
from typing import Any

import numpy as np

from workflow_scripts.models.chat import assistant, user
from workflow_scripts.models.corpora.split import belongs
from workflow_scripts.shared.fingerprint import ROOT

NOUNS = ROOT / "resources" / "nouns.txt"
COUNTED_WORD = "car"
LEVEL = 8  # lengths per level of the results
PROMPTS = {
    "copy": "Copy {}",
    "first": "First digit of {}",
    "last": "Last digit of {}",
    "ones": "Count the ones in {}",
    "sum": "What is {}",
    "word": "Count " + COUNTED_WORD + " in: {}",
}


def prompt(task: str, sequence: str) -> str:
    """The question of a task: copy, first, last, ones, sum or word."""
    return PROMPTS[task].format(sequence) + "?"


def ones(length: int) -> str:
    """The sequence of task `sum`: 1+1+…+1 with `length` ones."""
    return "+".join("1" * length)


def conversation(rng: np.random.Generator, split: str, longest: int) -> dict[str, Any]:
    """One conversation: its form (the task), level (the length's range) and messages."""
    while True:
        task = list(PROMPTS)[int(rng.integers(len(PROMPTS)))]
        length = int(rng.integers(1, longest + 1))
        sequence, reply = _case(rng, task, length)
        # All sums of ones are in training: there is only one per length.
        if belongs(sequence, split) if task != "sum" else split == "train":
            break
    first = (length - 1) // LEVEL * LEVEL + 1
    level = f"length {first}-{first + LEVEL - 1}"
    messages = [user(prompt(task, sequence)), assistant(reply)]
    return {"form": task, "level": level, "messages": messages}


def _case(rng: np.random.Generator, task: str, length: int) -> tuple[str, str]:
    """The sequence of a task and the right reply."""
    if task == "sum":
        return ones(length), str(length)
    if task == "word":
        nouns = _nouns()
        share = rng.random()
        drawn = [
            COUNTED_WORD if rng.random() < share else nouns[int(i)]
            for i in rng.integers(len(nouns), size=length)
        ]
        return " ".join(drawn), str(drawn.count(COUNTED_WORD))
    sequence = _digits(rng, length)
    replies = {"copy": sequence, "first": sequence[0], "last": sequence[-1]}
    return sequence, replies.get(task, str(sequence.count("1")))


def _digits(rng: np.random.Generator, length: int) -> str:
    """Random digits, or zeros and ones, or one repeated bit with any bit at one end."""
    kind = int(rng.integers(3))
    if kind == 0:
        return "".join(map(str, rng.integers(10, size=length)))
    if kind == 1:
        return "".join(map(str, (rng.random(length) < rng.random()).astype(int)))
    odd, rest = (int(d) for d in rng.integers(2, size=2))
    edges = (str(odd) + str(rest) * (length - 1), str(rest) * (length - 1) + str(odd))
    return edges[int(rng.integers(2))]


@cache
def _nouns() -> list[str]:
    return NOUNS.read_text(encoding="utf-8").split()
