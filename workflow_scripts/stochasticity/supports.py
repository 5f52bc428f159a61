"""The answers whose exact probabilities are computed: digits, decimals, letters, coins and dice.

A support lists every spelling of each answer. White space around a spelling and one full stop after
it do not count, as in `parsing`, which reads the same value from each of these texts.
"""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.models.corpora import sampling_words as words
from workflow_scripts.stochasticity import targets

WHITE = " \t\n\r"
DIE, SIDES = "die", 6
WHOLE = {"uniform": 1, "normal": 9}  # the largest whole part of the decimals in the support


@dataclass(frozen=True, eq=False)  # compared by identity: `of` caches one object per name
class Support:
    """K answers, their spellings, and how likely each is under the target.

    `spellings` maps a text to its answer. `probabilities` has shape (K,); for decimals it is the
    target's law rounded to the stated decimals. `cells`, shape (K,), is the cell of each answer
    (`targets.Target`), `cell_probabilities`, shape (cells,), the target's law of the cells.
    """

    name: str
    answers: tuple[str, ...]
    spellings: dict[str, int]
    probabilities: NDArray
    cells: NDArray
    labels: tuple[str, ...]
    cell_probabilities: NDArray

    @property
    def size(self) -> int:
        """K, the number of answers."""
        return len(self.answers)

    @cached_property
    def characters(self) -> frozenset[str]:
        """All characters of the texts that are answers, and white space."""
        return frozenset("".join(self.spellings)) | frozenset(WHITE) | {"."}

    @cached_property
    def beginnings(self) -> frozenset[str]:
        """All beginnings of spellings, the empty one and whole ones included."""
        return frozenset(text[:size] for text in self.spellings for size in range(len(text) + 1))

    def answer(self, text: str) -> int | None:
        """The answer that a whole reply gives; None for any other text."""
        bare = text.strip(WHITE)
        found = self.spellings.get(bare)
        return self.spellings.get(bare.removesuffix(".")) if found is None else found

    def opens(self, text: str) -> bool:
        """Whether some reply that begins with `text` gives an answer."""
        return text.lstrip(WHITE) in self.beginnings or self.answer(text) is not None

    def by_cell(self, masses: NDArray) -> NDArray:
        """Masses of the answers, shape (..., K), summed by cell, shape (..., cells)."""
        return masses @ np.eye(len(self.labels))[self.cells]


@cache
def of(name: str) -> Support:
    """The support of the target `name` (`targets.of`), or of a die.

    Decimals have the number of places that the prompt asks for, or fewer. Raises `ValueError` for a
    target without a support.
    """
    if name == DIE:
        faces = tuple(map(str, range(1, SIDES + 1)))
        even = np.full(SIDES, 1 / SIDES)
        return _discrete(DIE, faces, faces, even)
    target = targets.of(name)
    if target.cdf is None:
        texts = target.labels
        return _discrete(name, texts, texts, target.probabilities)
    if name not in WHOLE:
        raise ValueError(f"support: expected a target with a bounded one, found {name!r}")
    scale = 10**target.decimals
    last = WHOLE[name] * scale + (0 if np.isfinite(target.high) else scale - 1)
    grid = np.arange(0 if np.isfinite(target.low) else -last, last + 1)
    values = grid / scale
    half = 0.5 / scale
    rounded = np.diff(target.cdf(np.append(values - half, values[-1] + half)))
    rounded[0] += target.cdf(values[:1] - half)[0]
    rounded[-1] += 1 - target.cdf(values[-1:] + half)[0]
    return Support(
        name,
        tuple(words.written(value, name) for value in values.tolist()),
        _spelled(grid, target.decimals),
        rounded,
        target.cells(values),
        target.labels,
        target.probabilities,
    )


def _discrete(
    name: str, answers: tuple[str, ...], labels: tuple[str, ...], probabilities: NDArray
) -> Support:
    spellings = {text: number for number, text in enumerate(answers)}
    cells = np.arange(len(answers))
    return Support(name, answers, spellings, probabilities, cells, labels, probabilities)


def _spelled(grid: NDArray, decimals: int) -> dict[str, int]:
    """Every way to write the numbers `grid` / 10^decimals, with up to that many decimals."""
    found = {}
    for number, units in enumerate(grid.tolist()):
        for sign in ("-",) if units < 0 else ("", "-") if units == 0 and grid[0] < 0 else ("",):
            whole, rest = divmod(abs(units), 10**decimals)
            digits = f"{rest:0{decimals}d}"
            for places in range(decimals + 1):
                if not digits[places:].strip("0"):
                    point = "." if places else ""
                    found[f"{sign}{whole}{point}{digits[:places]}"] = number
    return found
