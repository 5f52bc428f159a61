"""Intervals and tests used by more than one study, on SciPy and statsmodels.

Intervals are 95 % by default. An interval of a sampled quantity never has width 0: where the sample
shows no spread, its ends are NaN, or follow from the bounds of the quantity. Libraries are imported
where they are used, so that a script that needs one interval does not load all of them.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 2000
FEWEST_RESAMPLED = 10  # rows; a bootstrap of fewer covers much less than its level
DUST = (
    1.0e-12  # differences up to this share of the values, or of their bounds, are rounding errors
)

Bounds = tuple[float, float]  # the range that one unit's value can take


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
    values: ArrayLike,
    seed: int,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    bounds: Bounds | None = None,
) -> Interval:
    """Mean of `values`, shape (n,), with the interval of `bootstrap` over its entries."""
    return bootstrap(values, np.mean, seed, level, resamples, bounds)


def bootstrap(
    values: ArrayLike | tuple[ArrayLike, ...],
    statistic: Callable[..., NDArray],
    seed: int,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    bounds: Bounds | None = None,
) -> Interval:
    """`statistic` of `values` with a BCa bootstrap interval (Efron 1987).

    `values` has shape (n,), or is a tuple of columns of shape (n,) whose rows are resampled
    together. `statistic` takes the columns and `axis`, and reduces that axis. Fewer than 10 rows
    get a jackknife interval with Student's t, which is `seed_interval` for a mean. So, if it is
    wider, does an end beyond which no resample can lie (`stuck`). One row, or rows without spread,
    get the interval of `without_spread`. Ends are clipped to `bounds`, the range of the statistic.
    Raises `ValueError` on an empty sample or on NaN.
    """
    columns = [
        np.asarray(c, dtype=float) for c in (values if isinstance(values, tuple) else (values,))
    ]
    n = columns[0].shape[0]
    if n == 0 or any(np.isnan(column).any() for column in columns):
        raise ValueError("bootstrap: expected numbers, the sample is empty or holds NaN")
    estimate = _without_dust(float(statistic(*columns, axis=0)), columns, bounds)
    if n < 2 or all(_equal(column, bounds) for column in columns):
        return without_spread(estimate, n, level, bounds)
    if n < FEWEST_RESAMPLED:
        low, high = _jackknife(columns, statistic, estimate, level)
    else:
        (low, high), resampled = _bca(columns, statistic, seed, level, resamples)
        if stuck(resampled, level):
            ends = _jackknife(columns, statistic, estimate, level)
            low, high = min(low, ends[0]), max(high, ends[1])
    if high - low <= DUST * _scale([np.asarray(estimate)], bounds):
        return without_spread(estimate, n, level, bounds)
    return _clipped(Interval(estimate, min(low, estimate), max(high, estimate), n), bounds)


def _bca(
    columns: Sequence[NDArray],
    statistic: Callable[..., NDArray],
    seed: int,
    level: float,
    resamples: int,
) -> tuple[tuple[float, float], NDArray]:
    """Ends of the BCa interval, and the resampled statistics, shape (resamples,)."""
    from scipy import stats

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
    return (low, high), result.bootstrap_distribution


def stuck(resampled: NDArray, level: float = 0.95) -> bool:
    """Whether an end of a bootstrap interval is the least or largest value that can be resampled.

    It is where so few units differ from the others that resamples often have none of them. Of 30
    differences, one is -1 and the others are 0: no resample has a positive mean, which is no reason
    to rule one out. `resampled` has shape (resamples,).
    """
    most = (1 - level) / 2
    dust = DUST * float(np.abs(resampled).max())
    least, largest = resampled <= resampled.min() + dust, resampled >= resampled.max() - dust
    return bool(max(least.mean(), largest.mean()) > most)


def _jackknife(
    columns: Sequence[NDArray], statistic: Callable[..., NDArray], estimate: float, level: float
) -> tuple[float, float]:
    """Ends of the jackknife interval with Student's t (Efron and Tibshirani 1993, chapter 11)."""
    from scipy import stats

    n = columns[0].shape[0]
    with np.errstate(invalid="ignore", divide="ignore"):
        left_out = np.array(
            [float(statistic(*(np.delete(c, row) for c in columns), axis=0)) for row in range(n)]
        )
    spread = np.sqrt((n - 1) / n * np.square(left_out - left_out.mean()).sum())
    half = float(stats.t.ppf((1 + level) / 2, n - 1) * spread)
    return estimate - half, estimate + half


def seed_interval(values: ArrayLike, level: float = 0.95, bounds: Bounds | None = None) -> Interval:
    """Mean over a few independent seeds, shape (n,), with Student's t interval.

    For about ten seeds or fewer a bootstrap is too narrow; t is exact for normal means. One seed,
    or seeds without spread, get the interval of `without_spread`; ends are clipped to `bounds`.
    Raises `ValueError` on an empty sample.
    """
    from scipy import stats

    sample = np.asarray(values, dtype=float)
    n = sample.size
    if n == 0:
        raise ValueError("seed_interval: expected numbers, the sample is empty")
    mean = _without_dust(float(sample.mean()), [sample], bounds)
    if n < 2 or _equal(sample, bounds):
        return without_spread(mean, n, level, bounds)
    half = float(stats.t.ppf((1 + level) / 2, n - 1) * sample.std(ddof=1) / np.sqrt(n))
    return _clipped(Interval(mean, mean - half, mean + half, n), bounds)


def without_spread(
    value: float, n: int, level: float = 0.95, bounds: Bounds | None = None
) -> Interval:
    """The interval of a mean whose `n` units all have the same value.

    The sample says nothing about the spread, so the ends are NaN. With `bounds`, the range that one
    unit's value can take, and at least two units: a share of the population up to
    1 - ((1 - level) / 2)^(1/n) could differ and not show in n draws, and may lie at either bound.
    For 0 of n hits this is the interval of Clopper and Pearson (1934).
    """
    if n < 2 or bounds is None:
        return Interval(value, np.nan, np.nan, n)
    unseen = 1 - ((1 - level) / 2) ** (1 / n)
    low, high = bounds
    return Interval(value, value - unseen * (value - low), value + unseen * (high - value), n)


def difference(
    first: ArrayLike, second: ArrayLike, level: float = 0.95, bounds: Bounds | None = None
) -> Interval:
    """Mean of `first` less mean of `second`, independent samples of shapes (n,) and (m,).

    Welch's t interval. `bounds` is the range of one unit's value: where neither sample has spread,
    the interval combines those of `without_spread`. `n` counts the units of both samples.
    """
    from scipy import stats

    samples = [np.asarray(sample, dtype=float) for sample in (first, second)]
    if min(sample.size for sample in samples) < 2 or all(
        _equal(sample, bounds) for sample in samples
    ):
        return difference_of(*(seed_interval(sample, level, bounds) for sample in samples))
    gap = _without_dust(float(samples[0].mean() - samples[1].mean()), samples, bounds)
    ends = stats.ttest_ind(*samples, equal_var=False).confidence_interval(level)
    widest = None if bounds is None else (bounds[0] - bounds[1], bounds[1] - bounds[0])
    n = sum(sample.size for sample in samples)
    return _clipped(Interval(gap, float(ends.low), float(ends.high), n), widest)


def difference_of(first: Interval, second: Interval) -> Interval:
    """`first` less `second`, two independent estimates with intervals (Zou and Donner 2008).

    An end is NaN where an end that it needs is NaN. `n` counts the units of both.
    """
    gap = first.value - second.value
    low = gap - float(np.hypot(first.value - first.low, second.high - second.value))
    high = gap + float(np.hypot(first.high - first.value, second.value - second.low))
    return Interval(gap, low, high, first.n + second.n)


def share_difference(
    hits: int, n: int, other_hits: int, other_n: int, level: float = 0.95
) -> Interval:
    """`hits` of `n` less `other_hits` of `other_n`, with Newcombe's interval (1998, method 10)."""
    return difference_of(proportion(hits, n, level), proportion(other_hits, other_n, level))


def _equal(sample: NDArray, bounds: Bounds | None) -> bool:
    """Whether the values differ by rounding errors at most."""
    return bool(np.ptp(sample) <= DUST * _scale([sample], bounds))


def _without_dust(estimate: float, columns: Sequence[NDArray], bounds: Bounds | None) -> float:
    return 0.0 if abs(estimate) <= DUST * _scale(columns, bounds) else estimate


def _scale(columns: Sequence[NDArray], bounds: Bounds | None) -> float:
    """The magnitude that rounding errors are relative to."""
    largest = max(float(np.abs(column).max()) for column in columns)
    return largest if bounds is None else max(largest, bounds[1] - bounds[0])


def _clipped(found: Interval, bounds: Bounds | None) -> Interval:
    if bounds is None:
        return found
    return found._replace(low=max(found.low, bounds[0]), high=min(found.high, bounds[1]))


def last_passing(
    passes: Callable[[float], bool], start: float, end: float, halvings: int = 20
) -> float:
    """Where `passes`, which holds from `start` on and not at `end`, ceases to hold, by bisection.

    `end` may lie below `start`. The result passes; it is exact to 2^-halvings of their distance.
    """
    for _ in range(halvings):
        middle = 0.5 * (start + end)
        start, end = (middle, end) if passes(middle) else (start, middle)
    return start


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
    """Paired t-test of `first` - `second`, shape (n,) each; p = 1 where all differences are 0.

    NaN where the differences are equal and not 0: without spread there is no test.
    """
    from scipy import stats

    columns = [np.asarray(column, dtype=float) for column in (first, second)]
    differences = columns[0] - columns[1]
    dust = DUST * _scale(columns, None)
    if np.abs(differences).max() <= dust:
        return Test(0.0, 1.0, differences.size)
    if np.ptp(differences) <= dust:
        return Test(np.nan, np.nan, differences.size)
    result = stats.ttest_1samp(differences, 0.0)
    return Test(float(result.statistic), float(result.pvalue), differences.size)


def holm(p_values: ArrayLike) -> NDArray:
    """p-values, shape (n,), adjusted by Holm's step-down method, in the order given.

    An entry that is NaN stays NaN and does not count.
    """
    from statsmodels.stats.multitest import multipletests

    values = np.array(p_values, dtype=float)
    known = ~np.isnan(values)
    if known.any():
        values[known] = multipletests(values[known], method="holm")[1]
    return values


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
    """Mean squared difference between confidence and outcome, shape (n,) each (Brier 1950).

    Raises `ValueError` for confidences outside [0, 1], and without any.
    """
    certainty = np.asarray(confidence, dtype=float)
    inside = (certainty >= 0) & (certainty <= 1)
    if not certainty.size or not inside.all():
        raise ValueError(f"expected confidences in [0, 1], found {certainty[~inside][:3].tolist()}")
    return float(np.square(certainty - np.asarray(correct, dtype=float)).mean())


def auroc(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Probability that a right answer has more confidence than a wrong one; both of shape (n,).

    NaN where all answers are right or all are wrong. Raises `ValueError` for a confidence that is
    NaN or infinite.
    """
    from scipy import stats

    certainty, hit = np.asarray(confidence, dtype=float), np.asarray(correct, dtype=bool)
    right = int(hit.sum())
    wrong = hit.size - right
    if not right or not wrong:
        return float("nan")
    if not np.isfinite(certainty).all():
        raise ValueError("expected finite confidences, found NaN or infinity")
    # The rank sum of Mann and Whitney (1947). Equal confidences share the mean of their ranks.
    ranks = stats.rankdata(certainty)[hit].sum()
    return float((ranks - right * (right + 1) / 2) / (right * wrong))
