"""The distributions that a model is asked to draw from, and their cells for chi-square tests.

Shape: K cells.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from workflow_scripts.models.corpora import sampling_words as words

CELLS = 16  # equal-probability cells of a real target, as the experiment sheet proposes


@dataclass(frozen=True, eq=False)  # compared by identity: `of` caches one object per name
class Target:
    """A distribution with K cells; `probabilities` has shape (K,), `mean` is that of a draw.

    A discrete target's cells are its values. A real target's cells are `CELLS` intervals of about
    equal probability. Their edges lie halfway between two numbers with the stated decimals, so the
    cell probabilities are exact for rounded and for unrounded draws. `labels` names the cells.
    """

    name: str
    probabilities: NDArray
    labels: tuple[str, ...]
    mean: float
    decimals: int
    edges: NDArray | None = None  # inner edges, shape (K - 1,); None for discrete targets
    low: float = -np.inf
    high: float = np.inf
    cdf: Callable[[NDArray], NDArray] | None = None
    ppf: Callable[[NDArray], NDArray] | None = None

    @property
    def size(self) -> int:
        """K, the number of cells."""
        return self.probabilities.size

    def cells(self, values: ArrayLike) -> NDArray:
        """The cell of each value; same shape as `values`."""
        numbers = np.asarray(values, dtype=float)
        if self.edges is None:
            return numbers.astype(int)
        return np.searchsorted(self.edges, numbers)

    def counts(self, values: ArrayLike) -> NDArray:
        """Number of `values`, shape (n,), in each cell, shape (K,)."""
        return np.bincount(self.cells(values), minlength=self.size)

    def holds(self, value: float) -> bool:
        """Whether the value is in the support."""
        if self.edges is None:
            return value == int(value) and 0 <= value < self.size
        return self.low <= value <= self.high

    def spread(self, values: ArrayLike, rng: np.random.Generator) -> NDArray:
        """Undo rounding: move each value at random within its rounding interval; same shape.

        Restores the distribution of true draws that were rounded, to second order in the interval
        and without ties, for a Kolmogorov-Smirnov test. Values beyond the support are reflected.
        """
        numbers = np.asarray(values, dtype=float)
        half = 0.5 * 10.0**-self.decimals
        moved = numbers + rng.uniform(-half, half, numbers.shape)
        moved = np.where(moved < self.low, 2 * self.low - moved, moved)
        return np.where(moved > self.high, 2 * self.high - moved, moved)

    def draw(self, rng: np.random.Generator, shape: int | tuple[int, ...]) -> NDArray:
        """True draws of the given shape; real ones are rounded to the stated decimals."""
        if self.ppf is None:
            return rng.choice(self.size, size=shape, p=self.probabilities).astype(float)
        return np.round(self.ppf(rng.random(shape)), self.decimals)


@cache
def of(name: str) -> Target:
    """The target named digit, uniform, uniform10, normal, seed, letter, bernoulli-30, ….

    `bernoulli-P` gives 1 with probability P %; `categorical-40-30-20-10` gives the letters A, B, …
    with these percentages. Raises `ValueError` for any other name.
    """
    kind, _, parameters = name.partition("-")
    match kind:
        case "digit":
            return _discrete(name, np.full(10, 0.1), tuple("0123456789"))
        case "letter":
            return _discrete(name, np.full(4, 0.25), tuple(words.LETTERS))
        case "bernoulli":
            share = int(parameters) / 100
            return _discrete(name, np.array([1 - share, share]), ("0", "1"))
        case "categorical":
            weights = np.array([int(part) for part in parameters.split("-")]) / 100
            return _discrete(name, weights, tuple(words.LETTERS[: weights.size]))
        case "uniform" | "seed" | "uniform10":
            high = 10.0 if name == "uniform10" else 1.0
            decimals = words.U_DECIMALS if name == "seed" else words.DECIMALS["uniform"]
            return _real(name, stats.uniform(0, high), decimals, 0.0, high)
        case "normal":
            return _real(name, stats.norm(), words.DECIMALS["normal"], -np.inf, np.inf)
    raise ValueError(f"no target {name!r}")


def _discrete(name: str, probabilities: NDArray, labels: tuple[str, ...]) -> Target:
    mean = float(probabilities @ np.arange(probabilities.size))
    return Target(name, probabilities, labels, mean, 0)


def _real(name: str, law: "stats.rv_frozen", decimals: int, low: float, high: float) -> Target:
    step = 10.0**-decimals
    quantiles = law.ppf(np.arange(1, CELLS) / CELLS)
    edges = (np.floor(quantiles / step) + 0.5) * step
    probabilities = np.diff(law.cdf(edges), prepend=0.0, append=1.0)
    ends = ["", *(f"{edge:.2f}" for edge in edges), ""]
    labels = tuple(f"{a}..{b}" for a, b in pairwise(ends))
    return Target(
        name, probabilities, labels, float(law.mean()), decimals, edges, low, high, law.cdf, law.ppf
    )
