"""Questions with two to four lettered options, and the same questions in free form.

The question states its criterion, so the answer needs no knowledge. The skill is to read options,
compare numbers, and answer in the requested format.
"""

from typing import Any

import numpy as np

from workflow_scripts.models.chat import assistant, user
from workflow_scripts.models.corpora.split import belongs

LETTERS = "ABCD"
LEVEL = 8  # list lengths per level of the results
LETTERED = 0.7  # share of questions with lettered options


def listed(criterion: str, numbers: list[int]) -> str:
    """The free-form question: `criterion` is "largest" or "smallest"."""
    return f"Which is {criterion}: " + ", ".join(map(str, numbers)) + "?"


def lettered(criterion: str, numbers: list[int]) -> str:
    """The same question with lettered options."""
    options = (f"{letter}: {number}" for letter, number in zip(LETTERS, numbers, strict=False))
    return f"Which is {criterion}? {' '.join(options)}"


def conversation(rng: np.random.Generator, split: str, longest: int) -> dict[str, Any]:
    """One conversation: its form (letters or list), level (number of options) and messages."""
    while True:
        letters = rng.random() < LETTERED
        count = int(rng.integers(2, (len(LETTERS) if letters else longest) + 1))
        numbers = [int(number) for number in rng.choice(100, size=count, replace=False)]
        if belongs(str(sorted(numbers)), split):
            break
    criterion = ("largest", "smallest")[int(rng.integers(2))]
    best = max(numbers) if criterion == "largest" else min(numbers)
    if letters:
        reply = LETTERS[numbers.index(best)]
        messages = [user(lettered(criterion, numbers)), assistant(reply)]
    else:
        messages = [user(listed(criterion, numbers)), assistant(str(best))]
    form = "letters" if letters else "list"
    first = (count - 1) // LEVEL * LEVEL + 1
    level = f"{count} options" if letters else f"{first}-{first + LEVEL - 1} numbers"
    return {"form": form, "level": level, "messages": messages}
