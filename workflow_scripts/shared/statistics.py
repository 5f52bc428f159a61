"""Intervals and tests used by more than one study, on SciPy, statsmodels and scikit-learn.

Intervals are 95 % by default. Libraries are imported where they are used, so that a script that
needs one interval does not load all of them.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 2000


class Interval(NamedTuple):
    """An estimate with its interval; `n` is the number of units that it is based on."""

    value: float
    low: float
    high: float
    n: int


class Test(NamedTuple):
    """A test statistic with its two-sided (or upper-tail, for goodness of fit) p-value."""

    statistic: float
    p: float
    n: int


def bootstrap_mean(
    values: ArrayLike, seed: int, level: float = 0.95, resamples: int = RESAMPLES
) -> Interval:
    """Mean of `values`, shape (n,), with a BCa bootstrap interval over its entries."""
    return bootstrap(values, np.mean, seed, level, resamples)


def bootstrap(
    values: ArrayLike | tuple[ArrayLike, ...],
    statistic: Callable[..., NDArray],
    seed: int,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> Interval:
    """`statistic` of `values` with a BCa bootstrap interval (Efron 1987).

    `values` has shape (n,), or is a tuple of columns of shape (n,) whose rows are resampled
    together. `statistic` takes the columns and `axis`, and reduces that axis. With fewer than two
    rows, or all rows equal, both ends equal the estimate. Raises `ValueError` on an empty sample
    or on NaN.
    """
    from scipy import stats

    columns = [
        np.asarray(c, dtype=float) for c in (values if isinstance(values, tuple) else (values,))
    ]
    n = columns[0].shape[0]
    if n == 0 or any(np.isnan(column).any() for column in columns):
        raise ValueError("bootstrap: expected numbers, the sample is empty or holds NaN")
    estimate = float(statistic(*columns, axis=0))
    if n < 2 or all(np.ptp(column) == 0 for column in columns):
        return Interval(estimate, estimate, estimate, n)
    with np.errstate(invalid="ignore", divide="ignore"):
        result = stats.bootstrap(
            columns,
            statistic,
            paired=True,
            vectorized=True,
            axis=0,
            confidence_level=level,
            n_resamples=resamples,
            rng=np.random.default_rng(seed),
        )
    low, high = map(float, result.confidence_interval)
    if np.isnan(low) or np.isnan(high):
        # BCa is undefined when no resample falls on one side of the estimate.
        ends = [(1 - level) / 2, (1 + level) / 2]
        low, high = np.quantile(result.bootstrap_distribution, ends).tolist()
    return Interval(estimate, min(low, estimate), max(high, estimate), n)


def seed_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Mean over a few independent seeds, shape (n,), with Student's t interval.

    For about ten seeds or fewer a bootstrap is too narrow; t is exact for normal means.
    """
    from scipy import stats

    sample = np.asarray(values, dtype=float)
    n = sample.size
    mean = float(sample.mean())
    if n < 2 or np.ptp(sample) == 0:
        return Interval(mean, mean, mean, n)
    half = float(stats.t.ppf((1 + level) / 2, n - 1) * sample.std(ddof=1) / np.sqrt(n))
    return Interval(mean, mean - half, mean + half, n)


def proportion(successes: int, n: int, level: float = 0.95) -> Interval:
    """A share with Wilson's interval; NaN if `n` is 0."""
    from statsmodels.stats.proportion import proportion_confint

    if n == 0:
        return Interval(np.nan, np.nan, np.nan, 0)
    low, high = proportion_confint(successes, n, alpha=1 - level, method="wilson")
    share = successes / n
    # Rounding can put an end a few ulp past the estimate at 0 and 1.
    return Interval(share, min(float(low), share), max(float(high), share), n)


def paired_t(first: ArrayLike, second: ArrayLike) -> Test:
    """Paired t-test of `first` - `second`, shape (n,) each; p = 1 where all differences are 0."""
    from scipy import stats

    differences = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    if not differences.any():
        return Test(0.0, 1.0, differences.size)
    result = stats.ttest_1samp(differences, 0.0)
    return Test(float(result.statistic), float(result.pvalue), differences.size)


def holm(p_values: ArrayLike) -> NDArray:
    """p-values, shape (n,), adjusted by Holm's step-down method, in the order given."""
    from statsmodels.stats.multitest import multipletests

    values = np.asarray(p_values, dtype=float)
    return multipletests(values, method="holm")[1] if values.size else values


def binomial(successes: int, n: int, p: float) -> Test:
    """Exact two-sided binomial test of a share against `p`; the statistic is the share."""
    from scipy import stats

    return Test(successes / n, float(stats.binomtest(successes, n, p).pvalue), n)


def chi_square(counts: ArrayLike, probabilities: ArrayLike) -> Test:
    """Pearson's goodness of fit of counts, shape (K,), to cell probabilities, shape (K,).

    A count in a cell of probability 0 gives an infinite statistic and p = 0.
    Raises `ValueError` if the probabilities do not sum to 1.
    """
    from scipy import stats

    observed = np.asarray(counts, dtype=float)
    expected = np.asarray(probabilities, dtype=float)
    if not np.isclose(expected.sum(), 1.0):
        raise ValueError(f"chi_square: expected probabilities of sum 1, found {expected.sum()}")
    n = int(observed.sum())
    possible = expected > 0
    if observed[~possible].any():
        return Test(np.inf, 0.0, n)
    result = stats.chisquare(observed[possible], expected[possible] * n)
    return Test(float(result.statistic), float(result.pvalue), n)


def kolmogorov_smirnov(sample: ArrayLike, cdf: Callable[[NDArray], NDArray]) -> Test:
    """One-sample, two-sided Kolmogorov-Smirnov test of `sample`, shape (n,).

    Ties make its p-value too small.
    """
    from scipy import stats

    values = np.asarray(sample, dtype=float)
    result = stats.kstest(values, cdf)
    return Test(float(result.statistic), float(result.pvalue), values.size)


def expected_calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int = 10) -> float:
    """Mean gap between confidence and accuracy over equal-width bins, weighted by their counts.

    `confidence` and `correct` have shape (n,), both in [0, 1] (Naeini et al. 2015).
    """
    certainty = np.asarray(confidence, dtype=float)
    hit = np.asarray(correct, dtype=float)
    place = np.minimum((certainty * bins).astype(int), bins - 1)
    gaps = np.bincount(place, weights=certainty - hit, minlength=bins)
    return float(np.abs(gaps).sum() / certainty.size)


def brier(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Mean squared difference between confidence and outcome, shape (n,) each (Brier 1950)."""
    from sklearn.metrics import brier_score_loss

    return float(brier_score_loss(np.asarray(correct, dtype=int), np.asarray(confidence)))


def auroc(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Probability that a right answer has more confidence than a wrong one; both of shape (n,).

    NaN where all answers are right or all are wrong.
    """
    from sklearn.metrics import roc_auc_score

    outcome: Sequence[int] | NDArray = np.asarray(correct, dtype=int)
    if np.unique(outcome).size < 2:
        return float("nan")
    return float(roc_auc_score(outcome, np.asarray(confidence)))
