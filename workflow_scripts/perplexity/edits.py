"""Questions with a known answer, and edits of one symbol that change the answer or leave it.

Strings of bits and digits are copied, as in the paper. In two other tasks the answer is one digit:
the last of a string, and the value of a key in a list. Symbols are whole numbers below the task's
`alphabet`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from string import ascii_uppercase

import numpy as np

from workflow_scripts.models.corpora import copying
from workflow_scripts.perplexity import digits

# Symbols of each task. Copies: one bit repeated (the paper's alpha), random bits, random digits.
ALPHABETS = {"constant": 2, "bits": 2, "digits": 10, "last": 10, "recall": 10}
COPIES = ("constant", "bits", "digits")
ASIDE = -1  # place of the digit before a question to copy
ASIDES = 10  # digits that it can be
TRIES = 50  # draws per prompt until one is new
CHANGE, CONTROL = KINDS = ("change", "control")  # of edits: the right answer changes, or does not


@dataclass(frozen=True)
class Prompt:
    """What a question shows: `symbols` (n,), and which of them is asked for.

    `aside` is a digit before a question to copy, which is not part of what is asked, shown if
    `marked`.
    """

    task: str
    symbols: tuple[int, ...]
    asked: int = 0
    aside: int = 0
    marked: bool = False

    @property
    def answer(self) -> tuple[int, ...]:
        """The symbols of the right answer: all of them, or one."""
        return self.symbols if self.task in COPIES else (self.symbols[self.asked],)

    def text(self, wording: str, way: str) -> str:
        """The question; `wording` is that of copies, digits are written in a `way` of digits."""
        if self.task == "recall":
            pairs = zip(ascii_uppercase, self.symbols, strict=False)
            shown = ", ".join(f"{key} is {value}" for key, value in pairs)
            return f"{shown}. What is {ascii_uppercase[self.asked]}?"
        shown = digits.text(self.symbols, way)
        if self.task == "last":
            return copying.prompt("last", shown)
        before = f"{self.aside}. " if self.marked else ""
        return before + wording.format(shown)

    def asked_for(self, kind: str) -> "Prompt":
        """The prompt that edits of a `kind` start from: controls of copies have a digit before."""
        return replace(self, marked=True) if kind == CONTROL and self.task in COPIES else self

    @property
    def lead(self) -> str:
        """How the reply begins before the answer; "" where the answer is the whole reply."""
        return f"{ascii_uppercase[self.asked]} is" if self.task == "recall" else ""

    def at(self, place: int) -> int:
        """The symbol at one place, or the digit before."""
        return self.aside if place == ASIDE else self.symbols[place]

    def edited(self, at: int, new: int) -> "Prompt":
        """The prompt with `new` at one place."""
        if at == ASIDE:
            return replace(self, aside=new)
        return replace(self, symbols=(*self.symbols[:at], new, *self.symbols[at + 1 :]))


@dataclass(frozen=True)
class Edit:
    """A prompt with another symbol at one place, and whether its right answer is another one."""

    kind: str
    at: int
    old: int
    new: int
    prompt: Prompt


def longest(task: str) -> int | None:
    """The most symbols of a task; None where there is no limit but the context."""
    return len(ascii_uppercase) if task == "recall" else None


def drawn(task: str, size: int, count: int, rng: np.random.Generator) -> list[Prompt]:
    """At most `count` different prompts of `size` symbols; fewer where so many are not found."""
    found: dict[Prompt, None] = {}
    for _ in range(TRIES * count):
        if task == "constant":
            symbols = [int(rng.integers(2))] * size
        else:
            symbols = rng.integers(0, ALPHABETS[task], size).tolist()
        asked = {"last": size - 1, "recall": int(rng.integers(size))}.get(task, 0)
        aside = int(rng.integers(ASIDES)) if task in COPIES else 0
        # There are two strings of one bit, and more prompts only with a digit before them.
        found[Prompt(task, tuple(symbols), asked, aside, task == "constant")] = None
        if len(found) == count:
            break
    return list(found)


def every(prompt: Prompt, kind: str) -> Iterator[Edit]:
    """All edits of one symbol that change the right answer, or all that leave it as it is.

    Those that leave it change a symbol that is not asked for: the digit before a copy (see
    `Prompt.asked_for`), another digit or another key's value.
    """
    places = range(len(prompt.symbols))
    if prompt.task in COPIES:
        at_places = [*places] if kind == CHANGE else [ASIDE]
    else:
        at_places = [at for at in places if (at == prompt.asked) == (kind == CHANGE)]
    for at in at_places:
        old, count = prompt.at(at), ASIDES if at == ASIDE else ALPHABETS[prompt.task]
        for new in range(count):
            if new != old:
                yield Edit(kind, at, old, new, prompt.edited(at, new))


def chosen(prompt: Prompt, kind: str, most: int | None, rng: np.random.Generator) -> list[Edit]:
    """`most` of the edits of a kind, drawn without replacement; all if there are fewer, or None."""
    found = list(every(prompt, kind))
    if most is None or len(found) <= most:
        return found
    return [found[at] for at in np.sort(rng.choice(len(found), most, replace=False))]
