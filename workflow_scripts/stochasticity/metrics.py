"""Distances between draws and a target, tests of fit and of dependence, with intervals.

Shapes: K cells, B = `RESAMPLES` resamples. Information is in bits. A chain is a sequence of draws
(or a batched reply), an array of shape (length,) in which NaN marks an unreadable draw.
"""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

from workflow_scripts.shared.statistics import Interval, Test, chi_square, kolmogorov_smirnov
from workflow_scripts.stochasticity.targets import Target

RESAMPLES = 1000
LEVEL = 0.05  # of every test
PAPER_DRAWS = 1024  # draws per condition in the paper


def total_variation(shares: NDArray, probabilities: NDArray) -> NDArray:
    """Total variation distance over the last axis, shape (..., K) to (...)."""
    return 0.5 * np.abs(shares - probabilities).sum(axis=-1)


def kl_bits(shares: NDArray, probabilities: NDArray) -> NDArray:
    """KL(shares || probabilities) over the last axis, shape (..., K) to (...)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = shares * np.log2(shares / probabilities)
    return np.where(shares > 0, terms, 0.0).sum(axis=-1)


def entropy_bits(shares: NDArray, probabilities: NDArray | None = None) -> NDArray:
    """Entropy of `shares` over the last axis, shape (..., K) to (...).

    `probabilities` is not used; it gives the three distances one signature.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = -shares * np.log2(shares)
    return np.where(shares > 0, terms, 0.0).sum(axis=-1)


def over_counts(
    counts: ArrayLike,
    measure: Callable[[NDArray, NDArray], NDArray],
    probabilities: NDArray,
    seed: int,
) -> Interval:
    """`measure` of the cell shares, with a bias-corrected bootstrap interval over the draws.

    `counts` and `probabilities` have shape (K,). Plain percentiles are biased: resampling adds
    noise, which increases every resampled distance. Raises `ValueError` without draws.
    """
    observed = np.asarray(counts, dtype=int)
    n = int(observed.sum())
    if n == 0:
        raise ValueError("over_counts: expected at least one draw, found none")
    shares = observed / n
    estimate = float(measure(shares, probabilities))
    resampled = np.random.default_rng(seed).multinomial(n, shares, RESAMPLES) / n
    low, high = bias_corrected(measure(resampled, probabilities), estimate)
    return Interval(estimate, low, high, n)


def bias_corrected(resampled: NDArray, estimate: float, level: float = 0.95) -> tuple[float, float]:
    """Ends of the bias-corrected percentile interval (Efron 1981); they include the estimate.

    `resampled` has shape (B,); entries that are not finite are left out.
    """
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
    """The total variation below which `n` true draws stay with probability `quantile`.

    A reference for measured distances: `n` draws of a perfect sampler have a positive one, too.
    """
    return _expected_distance(tuple(target.probabilities), n, quantile)


@cache
def _expected_distance(probabilities: tuple[float, ...], n: int, quantile: float) -> float:
    p = np.array(probabilities)
    # The seed is fixed: the quantile is a property of the target and n, not of a run.
    shares = np.random.default_rng(0).multinomial(n, p / p.sum(), 20000) / n
    return float(np.quantile(total_variation(shares, p), quantile))


def wasserstein_1(values: ArrayLike, target: Target, seed: int) -> Interval:
    """Wasserstein-1 distance of real draws, shape (n,), to their target, in units of a draw.

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
    """Tests of draws, shape (n,): chi-square over the cells; for real targets Kolmogorov-Smirnov.

    `ks` first undoes the rounding of the replies (`Target.spread`). `ks_ties` is the plain test,
    whose p-values are slightly too small for rounded numbers because of ties.
    """
    numbers = np.asarray(values, dtype=float)
    tests = {"chi_square": chi_square(target.counts(numbers), target.probabilities)}
    if target.cdf is not None:
        spread = target.spread(numbers, np.random.default_rng(seed))
        tests["ks"] = kolmogorov_smirnov(spread, target.cdf)
        tests["ks_ties"] = kolmogorov_smirnov(numbers, target.cdf)
    return tests


def independence(table: ArrayLike) -> Test:
    """Chi-square test of independence of a contingency table, shape (I, J).

    Empty rows and columns are left out.
    """
    counts = np.asarray(table, dtype=float)
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    n = int(counts.sum())
    if min(counts.shape) < 2:
        return Test(0.0, 1.0, n)
    result = stats.chi2_contingency(counts, correction=False)
    return Test(float(result.statistic), float(result.pvalue), n)


def transitions(chains: Sequence[NDArray], target: Target) -> NDArray:
    """How often cell j directly follows cell i within chains, shape (K, K); NaN breaks a chain."""
    table = np.zeros((target.size, target.size), dtype=int)
    for chain in chains:
        before, after = chain[:-1], chain[1:]
        kept = ~(np.isnan(before) | np.isnan(after))
        np.add.at(table, (target.cells(before[kept]), target.cells(after[kept])), 1)
    return table


def autocorrelation(chains: Sequence[NDArray], lags: int, seed: int) -> tuple[NDArray, NDArray]:
    """ACF at lags 1 to `lags`, shape (lags,), and its resamples over chains, shape (B, lags).

    Chains are pooled, with the mean and variance of all draws together. NaN where no two draws are
    that far apart or all draws are equal.
    """
    terms = _lag_terms(chains, lags)
    weights = np.random.default_rng(seed).multinomial(
        len(chains), np.full(len(chains), 1 / len(chains)), RESAMPLES
    )
    return _ratio(terms.sum(axis=0)), _ratio(np.tensordot(weights, terms, axes=1))


def _lag_terms(chains: Sequence[NDArray], lags: int) -> NDArray:
    """Summed products, pairs, summed squares and draws, shape (chains, lags, 4)."""
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


def around(value: float, resampled: NDArray, n: int) -> Interval:
    """`value` with the bias-corrected interval of its resamples, shape (B,); n = 0 if it is NaN."""
    if np.isnan(value):
        return Interval(np.nan, np.nan, np.nan, 0)
    low, high = bias_corrected(resampled, float(value))
    return Interval(float(value), low, high, n)


def periodicity(chains: Sequence[NDArray], lags: int, seed: int) -> tuple[Interval, str]:
    """The ACF at the period of the chains, each of shape (length,), and that period as text.

    The period is the lag of at least 2 with the largest ACF in half of the chains. The ACF is
    measured in the other half, so that the choice does not inflate it.
    """
    chosen, _ = autocorrelation(chains[::2], lags, seed)
    later = np.nan_to_num(chosen[1:], nan=-np.inf)
    if len(chains) < 4 or later.size == 0 or not np.isfinite(later.max()):
        return Interval(np.nan, np.nan, np.nan, 0), ""
    lag = int(np.argmax(later)) + 2
    acf, resampled = autocorrelation(chains[1::2], lags, seed)
    return around(acf[lag - 1], resampled[:, lag - 1], len(chains[1::2])), str(lag)


def rejection_rate(test: Test, freedom: int, draws: int = PAPER_DRAWS) -> Interval:
    """How often a chi-square test at `LEVEL` would reject `draws` draws from the same sampler.

    The statistic of n draws is approximately noncentral chi-square. The 95 % interval of its
    noncentrality, found by inverting the test, is scaled from n to `draws` and converted to power.
    A true sampler has 0.05; near 1 means p near 0. The interval is wide where n is small: passing
    one test does not show that a sampler is true.
    """
    least, most = _noncentrality(test.statistic, freedom)
    middle = min(max(test.statistic - freedom, least), most)
    critical = stats.chi2.isf(LEVEL, freedom)
    rates = [
        LEVEL if x <= 0 else float(_above(critical, freedom, x * draws / test.n))
        for x in (middle, least, most)
    ]
    return Interval(rates[0], min(rates[1], rates[0]), max(rates[2], rates[0]), test.n)


def _noncentrality(statistic: float, freedom: int) -> tuple[float, float]:
    """The 95 % interval of the noncentrality, given the statistic."""
    if statistic > 1000:  # normal approximation; SciPy's series does not converge for large values
        half = 1.96 * np.sqrt(2 * (2 * statistic - freedom)) if np.isfinite(statistic) else 0.0
        return max(statistic - freedom - half, 0.0), statistic - freedom + half

    def solve(tail: float) -> float:
        def excess(x: float) -> float:
            return _above(statistic, freedom, x) - tail

        return (
            0.0 if excess(0.0) >= 0 else float(optimize.brentq(excess, 0.0, 10 * statistic + 100))
        )

    return solve(0.025), solve(0.975)


def _above(statistic: float, freedom: int, noncentrality: float) -> float:
    """Probability that noncentral chi-square exceeds the statistic."""
    if noncentrality > 1e5 or not np.isfinite(noncentrality):
        return 1.0
    if noncentrality <= 0:
        return float(stats.chi2.sf(statistic, freedom))
    return float(stats.ncx2.sf(statistic, freedom, noncentrality))
