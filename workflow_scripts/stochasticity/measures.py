"""How far draws are from a target: effect sizes with intervals, and what true draws would show.

Shapes: K cells, B resamples. Information is in bits. Every random number comes from the seed that
a function is given.
"""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from workflow_scripts.shared.statistics import Interval, Test, chi_square, kolmogorov_smirnov
from workflow_scripts.stochasticity.targets import Target

RESAMPLES = 1000


def total_variation(shares: NDArray, probabilities: NDArray) -> NDArray:
    """Half the summed absolute difference over the last axis."""
    return 0.5 * np.abs(shares - probabilities).sum(axis=-1)


def kl_bits(shares: NDArray, probabilities: NDArray) -> NDArray:
    """KL(shares || probabilities) over the last axis; an empty cell adds nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = shares * np.log2(shares / probabilities)
    return np.where(shares > 0, terms, 0.0).sum(axis=-1)


def entropy_bits(shares: NDArray, probabilities: NDArray | None = None) -> NDArray:
    """Entropy of the cells over the last axis (`probabilities` is there for a common signature)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = -shares * np.log2(shares)
    return np.where(shares > 0, terms, 0.0).sum(axis=-1)


def over_counts(
    counts: ArrayLike,
    measure: Callable[[NDArray, NDArray], NDArray],
    probabilities: NDArray,
    seed: int,
) -> Interval:
    """A measure of the cell shares, with a bias-corrected bootstrap interval over the draws.

    Plain percentiles would not do: resampling adds noise of its own to a distance from the target,
    which pushes all resampled distances up. Raises `ValueError` without draws.
    """
    observed = np.asarray(counts, dtype=int)
    n = int(observed.sum())
    if n == 0:
        raise ValueError("over_counts: no draws")
    shares = observed / n
    estimate = float(measure(shares, probabilities))
    resampled = np.random.default_rng(seed).multinomial(n, shares, RESAMPLES) / n
    low, high = bias_corrected(measure(resampled, probabilities), estimate)
    return Interval(estimate, low, high, n)


def bias_corrected(resampled: NDArray, estimate: float, level: float = 0.95) -> tuple[float, float]:
    """Ends of Efron's bias-corrected percentile interval, never past the estimate."""
    resampled = resampled[np.isfinite(resampled)]
    if resampled.size == 0 or np.ptp(resampled) == 0:
        return estimate, estimate
    half = 0.5 / resampled.size
    below = np.mean(resampled < estimate) + 0.5 * np.mean(resampled == estimate)
    shift = stats.norm.ppf(np.clip(below, half, 1 - half))
    ends = stats.norm.cdf(2 * shift + stats.norm.ppf([(1 - level) / 2, (1 + level) / 2]))
    low, high = np.quantile(resampled, ends)
    return min(float(low), estimate), max(float(high), estimate)


def expected_distance(target: Target, n: int, quantile: float = 0.95) -> float:
    """The total variation that `n` true draws stay below with probability `quantile`.

    What a distance is measured against: `n` draws of a perfect sampler have some, too.
    """
    return _expected_distance(tuple(target.probabilities), n, quantile)


@cache
def _expected_distance(probabilities: tuple[float, ...], n: int, quantile: float) -> float:
    p = np.array(probabilities)
    # The seed is fixed: this is a property of the target and n, not of a run.
    shares = np.random.default_rng(0).multinomial(n, p / p.sum(), 20000) / n
    return float(np.quantile(total_variation(shares, p), quantile))


def wasserstein_1(values: ArrayLike, target: Target, seed: int) -> Interval:
    """Wasserstein-1 distance of real draws to their target, in the draws' own unit.

    The mean distance between sorted draws and the target's mid-quantiles, exact up to O(1/n).
    """
    assert target.ppf is not None
    numbers = np.sort(np.asarray(values, dtype=float))
    n = numbers.size
    quantiles = target.ppf((np.arange(n) + 0.5) / n)
    estimate = float(np.abs(numbers - quantiles).mean())
    rng = np.random.default_rng(seed)
    picked = np.sort(numbers[rng.integers(n, size=(RESAMPLES // 2, n))], axis=1)
    low, high = bias_corrected(np.abs(picked - quantiles).mean(axis=1), estimate)
    return Interval(estimate, low, high, n)


def goodness_of_fit(values: ArrayLike, target: Target, seed: int) -> dict[str, Test]:
    """The tests of a target: chi-square over its cells and, for a real one, Kolmogorov-Smirnov.

    `ks` undoes the rounding of the replies first (`Target.spread`); `ks_ties` is the plain test,
    ties and all, whose p-values are somewhat too small for rounded numbers.
    """
    numbers = np.asarray(values, dtype=float)
    tests = {"chi_square": chi_square(target.counts(numbers), target.probabilities)}
    if target.cdf is not None:
        spread = target.spread(numbers, np.random.default_rng(seed))
        tests["ks"] = kolmogorov_smirnov(spread, target.cdf)
        tests["ks_ties"] = kolmogorov_smirnov(numbers, target.cdf)
    return tests


def independence(table: ArrayLike) -> Test:
    """Chi-square test of independence of a contingency table, empty rows and columns left out."""
    counts = np.asarray(table, dtype=float)
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    n = int(counts.sum())
    if min(counts.shape) < 2:
        return Test(0.0, 1.0, n)
    result = stats.chi2_contingency(counts, correction=False)
    return Test(float(result.statistic), float(result.pvalue), n)


def transitions(chains: Sequence[NDArray], target: Target) -> NDArray:
    """Counts of cell j right after cell i within chains, shape (K, K); NaN breaks a chain."""
    table = np.zeros((target.size, target.size), dtype=int)
    for chain in chains:
        before, after = chain[:-1], chain[1:]
        kept = ~(np.isnan(before) | np.isnan(after))
        np.add.at(table, (target.cells(before[kept]), target.cells(after[kept])), 1)
    return table


def autocorrelation(chains: Sequence[NDArray], lags: int, seed: int) -> tuple[NDArray, NDArray]:
    """ACF(k) for k = 1..lags, pooled over chains, and its resamples over chains, (B, lags).

    Mean and variance are those of all draws together. NaN where no two draws are k apart or all
    draws are equal.
    """
    terms = _lag_terms(chains, lags)
    weights = np.random.default_rng(seed).multinomial(
        len(chains), np.full(len(chains), 1 / len(chains)), RESAMPLES
    )
    return _ratio(terms.sum(axis=0)), _ratio(np.tensordot(weights, terms, axes=1))


def _lag_terms(chains: Sequence[NDArray], lags: int) -> NDArray:
    """For each chain and lag: summed products, number of pairs, summed squares, number of draws."""
    every = np.concatenate(chains)
    mean = np.nanmean(every) if np.isfinite(every).any() else 0.0
    terms = np.zeros((len(chains), lags, 4))
    for chain, row in zip(chains, terms, strict=True):
        centred = np.nan_to_num(chain - mean)
        present = ~np.isnan(chain)
        row[:, 2:] = (centred**2).sum(), present.sum()
        for lag in range(1, min(lags, chain.size - 1) + 1):
            row[lag - 1, 0] = centred[:-lag] @ centred[lag:]
            row[lag - 1, 1] = (present[:-lag] & present[lag:]).sum()
    return terms


def _ratio(terms: NDArray) -> NDArray:
    products, pairs, squares, draws = np.moveaxis(terms, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (products / pairs) / (squares / draws)
