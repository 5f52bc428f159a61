"""Tests that may be looked at after every observation, and stopped at any time.

An e-process is at most 1 on average under its null hypothesis whenever it is stopped, so that it
ever reaches 1 / level has at most the probability `level` (Ville 1939). The numerator is a mixture
of likelihoods over the alternatives. For a composite null, the denominator is the largest
likelihood in it, which no member exceeds (universal inference, Wasserman, Ramdas and Balakrishnan
2020, section 7). All likelihoods are those of the sequence; so only counts matter. K cells.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

MOST_CELLS = 16  # a test of a distance looks at each of their 2^K subsets
LEVEL = 0.05
RUNS = 100  # simulated runs per planned number

FAR, NEAR = "far", "near"


class Plan(NamedTuple):
    """How many observations decide, in a share of simulated runs; None if more than were tried."""

    truth: float
    decides: str
    n: int | None


@dataclass(frozen=True, eq=False)
class Distance:
    """Whether a sampler's total variation from a target is above a tolerance, or at most it.

    `probabilities`, shape (K,), is the target. Whatever the sampler, the wrong answer is ever given
    with a probability of at most `level`. Raises `ValueError` for more than `MOST_CELLS` cells, a
    probability of 0, or a tolerance outside (0, 1).
    """

    probabilities: NDArray
    tolerance: float
    level: float = LEVEL

    def __post_init__(self) -> None:
        p = self.probabilities
        if p.size > MOST_CELLS or p.min() <= 0 or not 0 < self.tolerance < 1:
            raise ValueError(
                f"distance: expected at most {MOST_CELLS} cells of positive probability and a "
                f"tolerance in (0, 1), found {p.size} cells, {p.min():g} and {self.tolerance:g}"
            )

    @cached_property
    def _subsets(self) -> tuple[NDArray, NDArray]:
        """Sets of cells that can hold their p + tolerance, shape (sets, K), and that border."""
        subsets = _sets(self.probabilities.size)
        border = subsets @ self.probabilities + self.tolerance
        return subsets[border < 1], border[border < 1]

    def log_e(self, counts: ArrayLike) -> tuple[float, float]:
        """Natural logarithms of the e-values against "near" and against "far", of counts (K,)."""
        c = np.asarray(counts, dtype=float)
        most = self._numerator(c)
        return most - self._near(c), most - self._far(c)

    def decision(self, counts: ArrayLike) -> str | None:
        """`FAR`, `NEAR`, or None while neither is decided, from the counts so far, shape (K,)."""
        against_near, against_far = self.log_e(counts)
        border = math.log(1 / self.level)
        if max(against_near, against_far) < border:
            return None
        return FAR if against_near >= against_far else NEAR

    def interval(self, counts: ArrayLike) -> tuple[float, float]:
        """Ends of an interval of the total variation that holds at all times, from counts (K,).

        Its ends are the largest tolerance that is exceeded, and the smallest that is kept to. Each
        is wrong at any time with a probability of at most `level`.
        """
        c, border = np.asarray(counts, dtype=float), math.log(1 / self.level)

        def end(side: int) -> float:
            low, high = 0.0, 1.0
            for _ in range(20):
                middle = 0.5 * (low + high)
                passed = Distance(self.probabilities, middle, self.level).log_e(c)[side] >= border
                low, high = (middle, high) if passed == (side == 0) else (low, middle)
            return low if side == 0 else high

        return end(0), end(1)

    def plan(
        self, distances: Sequence[float], step: int, most: int, power: float, seed: int
    ) -> list[Plan]:
        """How many draws decide in a share `power` of runs, for samplers at some distances.

        The counts are looked at every `step` draws, `most` at most. A sampler at a distance has it
        spread evenly: the first cells that hold half of the target are likelier, the others less.
        """
        return [self._planned(far, step, most, power, seed) for far in distances]

    def _planned(self, far: float, step: int, most: int, power: float, seed: int) -> Plan:
        truth = shifted(self.probabilities, far)
        decides = FAR if far > self.tolerance else NEAR
        return Plan(far, decides, deciding(self.decision, truth, step, most, power, seed))

    def _numerator(self, c: NDArray) -> float:
        """Half the target itself, half the mixture of all samplers by Jeffreys's prior."""
        return float(
            np.logaddexp(_log_likelihood(c, self.probabilities), _log_dirichlet(c)) - math.log(2)
        )

    def _near(self, c: NDArray) -> float:
        """The largest log-likelihood of a sampler within the tolerance.

        Its probabilities are p, but c / hi where that is larger and c / lo where it is smaller; hi
        and lo move the tolerance's mass to the cells of the first kind, from those of the second.
        """
        p, n = self.probabilities, c.sum()
        if n == 0 or 0.5 * np.abs(c / n - p).sum() <= self.tolerance:
            return _log_likelihood(c, c / max(n, 1))
        hi = _root(lambda x: np.maximum(c / x - p, 0).sum() - self.tolerance, c, p)
        q = np.where(c / p > hi, c / hi, p)
        if p[c == 0].sum() < self.tolerance:  # else cells without a count give all that is moved
            lo = _root(lambda x: self.tolerance - np.maximum(p - c / x, 0).sum(), c, p)
            q = np.where(c / p < lo, c / lo, q)
        return _log_likelihood(c, q)

    def _far(self, c: NDArray) -> float:
        """The largest log-likelihood of a sampler at least the tolerance away.

        It gives some set of cells the tolerance more than the target does.
        """
        n = c.sum()
        best = _log_likelihood(c, c / max(n, 1))
        if n == 0 or 0.5 * np.abs(c / n - self.probabilities).sum() >= self.tolerance:
            return best
        subsets, border = self._subsets
        if border.size == 0:  # no sampler is that far away
            return -math.inf
        share = subsets @ c / n
        lost = _binary_kl(share, border)
        return best - n * float(np.where(share >= border, 0.0, lost).min())


def deciding(
    decision: Callable[[NDArray], str | None],
    truth: NDArray,
    step: int,
    most: int,
    power: float,
    seed: int,
) -> int | None:
    """How many observations decide in a share `power` of `RUNS` simulated runs; None: over `most`.

    Observations fall into K cells with probabilities `truth`, shape (K,). The counts of a run,
    shape (K,), are shown to `decision` after every `step` of them.
    """
    rng = np.random.default_rng(seed)
    counts = np.zeros((RUNS, truth.size))
    open_ones = np.ones(RUNS, dtype=bool)
    for n in range(step, most + 1, step):
        counts[open_ones] += rng.multinomial(step, truth, int(open_ones.sum()))
        for run in np.flatnonzero(open_ones):
            open_ones[run] = decision(counts[run]) is None
        if open_ones.mean() <= 1 - power:
            return n
    return None


def shifted(p: NDArray, far: float) -> NDArray:
    """A distribution at total variation `far` from `p`, shape (K,) both.

    The mass is moved in proportion from cells that hold at least half of `p` to the others; as
    much as there is.
    """
    first = np.cumsum(p) - p < 0.5
    moved = min(far, p[first].sum())
    gain = p[~first].sum()
    if gain == 0:
        raise ValueError("shifted: expected two cells or more with a part of the probability")
    return np.where(first, p * (1 - moved / p[first].sum()), p * (1 + moved / gain))


@cache
def _sets(k: int) -> NDArray:
    """All sets of k cells but the empty one, shape (2^k - 1, k)."""
    return ((np.arange(1, 2**k)[:, None] >> np.arange(k)) & 1).astype(float)


def _log_likelihood(c: NDArray, q: NDArray) -> float:
    seen = c > 0
    with np.errstate(divide="ignore"):
        return float((c[seen] * np.log(q[seen])).sum())


def _log_dirichlet(c: NDArray) -> float:
    """Log-likelihood of a sequence with counts c under the mixture by Dirichlet(1/2, ...)."""
    from scipy.special import gammaln

    k, n = c.size, c.sum()
    return float(gammaln(k / 2) - gammaln(k / 2 + n) + (gammaln(c + 0.5) - gammaln(0.5)).sum())


def _root(function: Callable[[float], float], c: NDArray, p: NDArray) -> float:
    from scipy.optimize import brentq

    ratio = c / p
    low = max(float(ratio[c > 0].min()) * 1e-9, 1e-300)
    return float(brentq(function, low, float(ratio.max()) * (1 + 1e-9), xtol=1e-300, rtol=1e-13))


def _binary_kl(share: NDArray, border: NDArray) -> NDArray:
    """KL divergence in nats between two coins, shape (n,) each; borders lie in (0, 1)."""
    from scipy.special import xlogy

    return (
        xlogy(share, share) - xlogy(share, border)
        + xlogy(1 - share, 1 - share) - xlogy(1 - share, 1 - border)
    )  # fmt: skip
