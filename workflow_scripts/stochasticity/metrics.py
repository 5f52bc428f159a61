"""Distances between draws and a target, tests of fit and of dependence, with intervals.

Shapes: K cells, B = `RESAMPLES` resamples. Information is in bits. A chain is a sequence of draws
(or a batched reply), an array of shape (length,) in which NaN marks an unreadable draw.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

from workflow_scripts.shared.statistics import (
    FEWEST_RESAMPLED,
    Bounds,
    Interval,
    Test,
    bootstrap,
    chi_square,
    kolmogorov_smirnov,
    last_passing,
    proportion,
    without_spread,
)
from workflow_scripts.stochasticity.targets import Target

RESAMPLES = 1000
BISECTIONS = 12  # of a distance: its ends are exact to 2^-12 of the largest
LEVEL = 0.05  # of every test
PAPER_DRAWS = 1024  # draws per condition in the paper
# The largest total variation at which chi-square on 1,024 draws rejects at most half of the runs,
# however the deviation is spread: at worst, all of it is in one of ten cells.
TOLERATED = 0.03
FEWEST_CHAINS = 16  # for a test of periodicity
NULL_RUNS = 999  # simulated data sets of the null hypothesis of that test


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
    bounds: Bounds,
    centre: NDArray | None = None,
) -> Interval:
    """`measure` of the cell shares, with an interval over the draws by inverted tests.

    `counts` and `probabilities` have shape (K,); the draws are independent. `bounds` is the range
    of the measure, `centre`, by default `probabilities`, the shares at which it has an extreme. A
    bootstrap never covers the measure of a sampler at its target: there, noise increases every
    distance, also the measured one. So samplers on the line from the centre through the measured
    shares are simulated (`inverted`). Fewer than 10 draws get the jackknife interval of
    `over_chains`. Where all draws lie in one cell, an unseen share of the population may lie in one
    other cell, or in all others as the target or evenly; the interval holds the measure of each.
    Raises `ValueError` without draws.
    """
    observed = np.asarray(counts, dtype=int)
    n = int(observed.sum())
    if n == 0:
        raise ValueError("over_counts: expected at least one draw, found none")
    shares = observed / n
    estimate = float(measure(shares, probabilities))
    if observed.max() == n:
        if n < 2:
            return Interval(estimate, np.nan, np.nan, n)
        elsewhere = np.vstack([np.eye(shares.size), probabilities, np.ones(shares.size)])
        elsewhere = elsewhere[elsewhere @ (observed == 0) > 0] * (observed == 0)
        elsewhere /= elsewhere.sum(axis=1, keepdims=True)
        unseen = (1 - 0.025 ** (1 / n)) * np.linspace(0, 1, 101)[:, None, None]
        mixed = (1 - unseen) * shares + unseen * elsewhere
        found = measure(mixed, probabilities)
        return Interval(estimate, float(found.min()), float(found.max()), n)
    if n < FEWEST_RESAMPLED:
        rows = np.repeat(np.eye(shares.size, dtype=int), observed, axis=0)
        return over_chains(rows, measure, probabilities, seed, bounds)
    low, high = _on_the_line(shares, n, measure, probabilities, seed, centre)
    return Interval(estimate, low, high, n)


def _on_the_line(
    shares: NDArray,
    n: int,
    measure: Callable[[NDArray, NDArray], NDArray],
    probabilities: NDArray,
    seed: int,
    centre: NDArray | None,
) -> tuple[float, float]:
    """Ends of the interval of `over_counts` for measured `shares`, (K,), of `n` draws."""
    estimate = float(measure(shares, probabilities))
    start = probabilities if centre is None else centre
    away = shares - start
    if np.abs(away).max() < 0.5 / n:  # no draw off the centre: any direction
        away = np.eye(shares.size)[start.argmin()] - start
    away /= total_variation(start + away, start)
    most = float((start[away < 0] / -away[away < 0]).min())
    extreme = float(measure(start, probabilities))

    def simulated(distance: float) -> NDArray:
        rng = np.random.default_rng(seed)
        chance = np.clip(start + distance * away, 0, None)
        drawn = rng.multinomial(n, chance / chance.sum(), RESAMPLES) / n
        return np.abs(measure(drawn, probabilities) - extreme)

    ends = inverted(simulated, abs(estimate - extreme), most)
    found = measure(start + np.array(ends)[:, None] * away, probabilities)
    return float(min(*found, estimate)), float(max(*found, estimate))


def inverted(
    simulated: Callable[[float], NDArray], observed: float, most: float, level: float = 0.95
) -> tuple[float, float]:
    """The least and the largest distance, up to `most`, that `observed` does not reject.

    `simulated` gives the statistic, shape (B,), of B samplers' draws at a distance; it grows with
    the distance. Each end is that of a one-sided test (Neyman 1937), which holds at distance 0,
    too. Draws that lie closer than half of those at distance 0 do not lower the largest distance
    further (a power-constrained limit, Cowan et al. 2011): that would reward luck.
    """
    tail = (1 - level) / 2
    centred, low, high = simulated(0.0), 0.0, most
    usual = max(observed, float(np.median(centred)))

    def too_near(drawn: NDArray) -> bool:
        return bool(np.mean(drawn >= observed) <= tail)

    def too_far(drawn: NDArray) -> bool:
        return bool(np.mean(drawn <= usual) <= tail)

    if too_near(centred):
        low = last_passing(lambda d: too_near(simulated(d)), 0.0, most, BISECTIONS)
    if too_far(simulated(most)):
        high = last_passing(lambda d: too_far(simulated(d)), most, low, BISECTIONS)
    return low, high


def over_chains(
    counts: ArrayLike,
    measure: Callable[[NDArray, NDArray], NDArray],
    probabilities: NDArray,
    seed: int,
    bounds: Bounds,
    centre: NDArray | None = None,
) -> Interval:
    """`measure` of the shares of all draws, with an interval over whole chains.

    `counts` has shape (chains, K), `probabilities` (K,). `bounds` is the range of the measure. The
    interval is that of `over_counts` for as many independent draws as have the variance of the
    chains' shares, the first-order correction of Rao and Scott (1981), but no more than there are.
    Fewer than 10 chains, or draws in one cell only, get that of `bootstrap`.
    """
    table = np.asarray(counts)
    totals, chains = table.sum(axis=0), len(table)
    n = int(totals.sum())
    if chains >= FEWEST_RESAMPLED and totals.max() < n:
        shares = totals / n
        apart = table - table.sum(axis=1, keepdims=True) * shares
        variance = chains / (chains - 1) * np.square(apart).sum() / n**2
        effect = variance / ((shares * (1 - shares)).sum() / n)
        alike = max(round(n / max(effect, 1.0)), 2)
        low, high = _on_the_line(shares, alike, measure, probabilities, seed, centre)
        return Interval(float(measure(shares, probabilities)), low, high, chains)

    def statistic(*columns: NDArray, axis: int) -> NDArray:
        totals = np.stack([column.sum(axis=axis) for column in columns], axis=-1)
        return measure(totals / totals.sum(axis=-1, keepdims=True), probabilities)

    return bootstrap(tuple(table.T), statistic, seed, bounds=bounds)


def ratio(
    parts: ArrayLike, wholes: ArrayLike, bounds: Bounds | None = None, level: float = 0.95
) -> Interval:
    """Sum of `parts` over sum of `wholes`, shape (chains,) each, with an interval over the chains.

    The jackknife with Student's t (Efron and Tibshirani 1993, chapter 11). Chains without a whole
    do not count. NaN where there is none; without spread, as `without_spread`.
    """
    part, whole = (np.asarray(column, dtype=float) for column in (parts, wholes))
    part, whole = part[whole > 0], whole[whole > 0]
    n = part.size
    if n == 0:
        return Interval(np.nan, np.nan, np.nan, 0)
    value = float(part.sum() / whole.sum())
    if n < 2:
        return without_spread(value, n, level, bounds)
    spread = _jackknife_error((part.sum() - part) / (whole.sum() - whole))
    if spread < 1e-9:
        return without_spread(value, n, level, bounds)
    half = float(stats.t.ppf((1 + level) / 2, n - 1) * spread)
    least, most = bounds or (-np.inf, np.inf)
    low, high = max(value - half, least), min(value + half, most)
    return Interval(value, min(low, value), max(high, value), n)


def _jackknife_error(left_out: NDArray) -> NDArray:
    """Standard error from the values without each chain, shape (chains, ...) to (...)."""
    n = left_out.shape[0]
    return np.sqrt((n - 1) / n * np.square(left_out - left_out.mean(axis=0)).sum(axis=0))


def expected_distance(target: Target, n: int, quantile: float = 0.95) -> float:
    """The total variation below which `n` true draws stay with probability `quantile`.

    A reference for measured distances: `n` draws of a perfect sampler have a positive one, too.
    """
    return float(np.quantile(_true_distances(tuple(target.probabilities), n), quantile))


def distance_error(target: Target, n: int) -> float:
    """Standard deviation of the total variation of `n` true draws."""
    return float(_true_distances(tuple(target.probabilities), n).std())


@cache
def _true_distances(probabilities: tuple[float, ...], n: int) -> NDArray:
    """Total variation of runs of `n` true draws, shape (20000,)."""
    p = np.array(probabilities)
    # The seed is fixed: the distribution is a property of the target and n, not of a run.
    return total_variation(np.random.default_rng(0).multinomial(n, p / p.sum(), 20000) / n, p)


def wasserstein_1(
    values: ArrayLike, target: Target, seed: int, chains: ArrayLike | None = None
) -> Interval:
    """Wasserstein-1 distance of real draws, shape (n,), to their target, in units of a draw.

    The mean distance between sorted draws and the target's mid-quantiles, exact up to O(1/n). The
    interval is over the draws or, with the number of each draw's chain, shape (n,), over chains. A
    bootstrap of the distance never covers 0; but by the triangle inequality the distance errs by
    at most that of the draws from their population, of which a bootstrap has the 95 % quantile.
    Fewer than 10 units get the jackknife with Student's t.
    """
    assert target.ppf is not None
    ppf = target.ppf
    numbers = np.asarray(values, dtype=float)
    units = np.arange(numbers.size) if chains is None else np.asarray(chains)
    groups = [numbers[units == unit] for unit in np.unique(units)] if chains is not None else []

    def distance(sample: NDArray, quantile: Callable[[NDArray], NDArray] = ppf) -> NDArray:
        n = sample.shape[-1]
        return np.abs(np.sort(sample) - quantile((np.arange(n) + 0.5) / n)).mean(axis=-1)

    estimate = float(distance(numbers))
    number = numbers.size if chains is None else len(groups)
    if number < 2:
        return Interval(estimate, np.nan, np.nan, number)
    if number < FEWEST_RESAMPLED:
        left_out = np.array([distance(numbers[units != unit]) for unit in np.unique(units)])
        if np.ptp(left_out) == 0:
            return Interval(estimate, np.nan, np.nan, number)
        half = float(stats.t.ppf(0.975, number - 1) * _jackknife_error(left_out))
        return Interval(estimate, max(estimate - half, 0.0), estimate + half, number)
    rng = np.random.default_rng(seed)
    picked = rng.integers(number, size=(RESAMPLES // 2, number))
    own = np.sort(numbers)

    def own_quantile(at: NDArray) -> NDArray:
        return own[(at * own.size).astype(int)]

    if chains is None:
        moved = distance(numbers[picked], own_quantile)
    else:
        samples = (np.concatenate([groups[i] for i in p]) for p in picked)
        moved = np.array([distance(sample, own_quantile) for sample in samples])
    if np.ptp(moved) == 0:
        return Interval(estimate, np.nan, np.nan, number)
    error = float(np.quantile(moved, 0.95))
    return Interval(estimate, max(estimate - error, 0.0), estimate + error, number)


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


class Independence(NamedTuple):
    """A chi-square test of a table, with the degrees of freedom of the table that occurred."""

    test: Test
    freedom: int  # 0 where fewer than two rows or columns occurred: nothing was tested


def independence(table: ArrayLike) -> Independence:
    """Chi-square test of independence of a contingency table, shape (I, J).

    Empty rows and columns are left out, and do not count for the degrees of freedom.
    """
    counts = np.asarray(table, dtype=float)
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    n = int(counts.sum())
    if min(counts.shape) < 2:
        return Independence(Test(0.0, 1.0, n), 0)
    result = stats.chi2_contingency(counts, correction=False)
    return Independence(Test(float(result.statistic), float(result.pvalue), n), int(result.dof))


def transitions(chains: Sequence[NDArray], target: Target) -> NDArray:
    """How often cell j directly follows cell i within chains, shape (K, K); NaN breaks a chain."""
    table = np.zeros((target.size, target.size), dtype=int)
    for chain in chains:
        before, after = chain[:-1], chain[1:]
        kept = ~(np.isnan(before) | np.isnan(after))
        np.add.at(table, (target.cells(before[kept]), target.cells(after[kept])), 1)
    return table


def autocorrelation(chains: Sequence[NDArray], lags: int) -> list[Interval]:
    """ACF at lags 1 to `lags`, each with an interval over the chains.

    Every chain is centred on its own mean, so that differences between chains are not dependence.
    Centring gives draws in random order a negative product on average, minus the chain's variance
    over its length; it is added back, so their ACF is 0. NaN where no two draws are that far apart
    or no chain varies.
    """
    products, variances = _lag_terms(*_padded(chains), lags)
    return [
        ratio(part, whole, (-1.0, 1.0)) for part, whole in zip(products.T, variances.T, strict=True)
    ]


def _padded(chains: Sequence[NDArray]) -> tuple[NDArray, NDArray]:
    """Chains as one array, shape (chains, longest), and where it holds a draw (bool)."""
    values = np.full((len(chains), max(chain.size for chain in chains)), np.nan)
    for row, chain in zip(values, chains, strict=True):
        row[: chain.size] = chain
    return np.nan_to_num(values), ~np.isnan(values)


def _lag_terms(values: NDArray, present: NDArray, lags: int) -> tuple[NDArray, NDArray]:
    """Products at each lag and the variances to divide them by, shape (..., chains, lags) each.

    `values` has shape (..., chains, length), `present` (chains, length).
    """
    count = present.sum(axis=-1)
    known = np.maximum(count, 1)
    mean = np.where(present, values, 0.0).sum(axis=-1, keepdims=True) / known[:, None]
    centred = np.where(present, values - mean, 0.0)
    variance = np.square(centred).sum(axis=-1) / np.maximum(count - 1, 1)
    shape = (*values.shape[:-1], lags)
    products, wholes = np.zeros(shape), np.zeros(shape)
    for lag in range(1, min(lags, values.shape[-1] - 1) + 1):
        pairs = (present[:, :-lag] & present[:, lag:]).sum(axis=-1)
        wholes[..., lag - 1] = pairs * variance
        summed = np.einsum("...t,...t->...", centred[..., :-lag], centred[..., lag:])
        products[..., lag - 1] = summed + pairs * variance / known
    return products, wholes


class Period(NamedTuple):
    """The highest peak of the ACF beyond what the last draw explains, its p-value and its lag."""

    excess: Interval
    p: float
    lag: int  # 0 where nothing was tested


NO_PERIOD = Period(Interval(np.nan, np.nan, np.nan, 0), np.nan, 0)


def periodicity(chains: Sequence[NDArray], target: Target, lags: int, seed: int) -> Period:
    """Test whether the ACF of the chains has a peak that dependence on the last draw leaves open.

    A peak at a lag of at least 2 is the ACF there less the mean of its two neighbours. Its null
    distribution is that of reversible first-order Markov chains with the same pairs of successive
    draws, each pair read in both directions: they have the chains' draws and their dependence on
    the last one, but no direction in which to cycle. A real target's next draw is that of a pair
    whose first draw is among the nearest (local bootstrap, Paparoditis and Politis 2002). The
    excess over the null mean is divided by its standard deviation; p is that of the largest over
    all lags, and the interval holds for all lags together. Lags go up to half of the longest chain.
    `NO_PERIOD` with fewer than `FEWEST_CHAINS` chains that vary, or chains shorter than 6.
    """
    chains = [chain for chain in chains if np.isfinite(chain).sum() > 1]
    varied = sum(np.nanmax(chain) > np.nanmin(chain) for chain in chains)
    lags = min(lags, max((chain.size for chain in chains), default=0) // 2)
    if varied < FEWEST_CHAINS or lags < 3:
        return NO_PERIOD
    values, present = _padded(chains)
    products, wholes = _lag_terms(values, present, lags)
    # The sums without each chain, shape (chains, lags).
    left_out = [column.sum(axis=0) - column for column in (products, wholes)]
    with np.errstate(divide="ignore", invalid="ignore"):
        peaks = _peaks(products.sum(axis=0) / wholes.sum(axis=0))
        error = _jackknife_error(_peaks(left_out[0] / left_out[1]))
    simulated = _reversible(chains, present.shape[1], target, np.random.default_rng(seed))
    if simulated is None or not np.isfinite(peaks).all():
        return NO_PERIOD
    null_products, null_wholes = _lag_terms(simulated, present, lags)
    totals = null_wholes.sum(axis=-2)
    acf = np.divide(null_products.sum(axis=-2), totals, out=np.zeros_like(totals), where=totals > 0)
    null = _peaks(acf)
    # No spread is smaller than that of independent draws.
    least = 1 / np.sqrt(present.sum())
    spread = np.maximum(null.std(axis=0), least)
    excess = peaks - null.mean(axis=0)
    highest = ((null - null.mean(axis=0)) / spread).max(axis=1)
    chosen = int(np.argmax(excess / spread))
    p = (1 + np.sum(highest >= (excess / spread)[chosen])) / (1 + NULL_RUNS)
    # At least the margin of one lag: chains that alternate exactly have a null without spread.
    reach = max(float(np.quantile(highest, 0.975)), 1.96)
    margin = reach * np.maximum(spread, np.nan_to_num(error))
    value = float(excess[chosen])
    ends = value - float(margin[chosen]), float((excess + margin).max())
    return Period(Interval(value, *ends, len(chains)), float(p), chosen + 2)


def _peaks(acf: NDArray) -> NDArray:
    """ACF at each lag from 2 less the mean of its neighbours, (..., lags) to (..., lags - 2)."""
    return acf[..., 1:-1] - 0.5 * (acf[..., :-2] + acf[..., 2:])


def _reversible(
    chains: Sequence[NDArray], length: int, target: Target, rng: np.random.Generator
) -> NDArray | None:
    """Chains of the null hypothesis of `periodicity`, shape (`NULL_RUNS`, chains, length).

    None where no two draws follow each other.
    """
    pairs = np.concatenate([np.stack([chain[:-1], chain[1:]], axis=1) for chain in chains])
    pairs = pairs[~np.isnan(pairs).any(axis=1)]
    if len(pairs) == 0:
        return None
    both = np.concatenate([pairs, pairs[:, ::-1]])
    first, second = both[np.argsort(both[:, 0], kind="stable")].T
    # Real draws hardly repeat: the nearest 1 % of the pairs on either side stand for the same draw.
    window = 0 if target.edges is None else max(len(first) // 100, 1)
    least = np.maximum(np.searchsorted(first, second, side="left") - window, 0)
    most = np.minimum(np.searchsorted(first, second, side="right") + window, len(first))
    state = rng.integers(len(first), size=(NULL_RUNS, len(chains)))
    drawn = np.empty((NULL_RUNS, len(chains), length))
    for step in range(length):
        drawn[..., step] = second[state]
        span = most[state] - least[state]
        state = least[state] + (rng.random(state.shape) * span).astype(int)
    return drawn


def image_distance(results: ArrayLike, images: ArrayLike, target: Target, seed: int) -> Interval:
    """Total variation between results and the true images of the same numbers, shape (n,) each.

    The images are known, so a result that is right adds no noise, and no sampling test is needed.
    The distance exceeds that of the population by at most the distance between the two, of which
    the low end takes the 97.5 % quantile by a bootstrap over the numbers. The high end bounds it
    without assumptions: two samples differ by at most the share of pairs in different
    cells (the coupling inequality), of which it is the upper Wilson limit.
    """
    found, true = target.cells(results), target.cells(images)
    n = found.size
    moved = np.flatnonzero(found != true)
    shift = np.zeros((moved.size, target.size))
    shift[np.arange(moved.size), found[moved]] = 1
    shift[np.arange(moved.size), true[moved]] -= 1
    value = float(0.5 * np.abs(shift.sum(axis=0)).sum() / n)
    low = 0.0
    if moved.size:
        # Numbers with a right result add nothing, so only the others are resampled.
        chance = np.append(np.full(moved.size, 1 / n), 1 - moved.size / n)
        drawn = np.random.default_rng(seed).multinomial(n, chance, RESAMPLES)[:, :-1]
        errors = 0.5 * np.abs((drawn - 1) @ shift).sum(axis=1) / n
        low = max(value - float(np.quantile(errors, 0.975)), 0.0)
    return Interval(value, min(low, value), max(proportion(moved.size, n).high, value), n)


def rejection_rate(
    test: Test, freedom: int, draws: int = PAPER_DRAWS, level: float = 0.95
) -> Interval:
    """How often a chi-square test at `LEVEL` would reject `draws` draws from the same sampler.

    The statistic of n draws is approximately noncentral chi-square. The interval of its
    noncentrality, found by inverting the test, is scaled from n to `draws` and converted to power.
    A true sampler has 0.05; near 1 means p near 0. The interval is wide where n is small: passing
    one test does not show that a sampler is true. A statistic below its expectation under the null
    is chance: it gives the upper end of that expectation. Ends of 1 are stated to 1e-6, for the
    approximation is no better. No more draws than degrees of freedom give no interval: there, the
    approximation finds 2 equal draws of 16 cells impossible.
    """
    least, most = _noncentrality(test.statistic, freedom, level)
    middle = min(max(test.statistic - freedom, least), most)
    critical = stats.chi2.isf(LEVEL, freedom)
    rates = [
        LEVEL if x <= 0 else float(_above(critical, freedom, x * draws / test.n))
        for x in (middle, least, most)
    ]
    if test.n <= freedom:
        return Interval(rates[0], np.nan, np.nan, test.n)
    return Interval(rates[0], min(rates[1], rates[0], 1 - 1e-6), max(rates[2], rates[0]), test.n)


def _noncentrality(statistic: float, freedom: int, level: float) -> tuple[float, float]:
    """The interval of the noncentrality at `level`, given the statistic."""
    tail = (1 - level) / 2
    if statistic > 1000:  # normal approximation; SciPy's series does not converge for large values
        width = -stats.norm.ppf(tail)
        half = width * np.sqrt(2 * (2 * statistic - freedom)) if np.isfinite(statistic) else 0.0
        return max(statistic - freedom - half, 0.0), statistic - freedom + half

    def solve(found: float, tail: float) -> float:
        def excess(x: float) -> float:
            return _above(found, freedom, x) - tail

        return 0.0 if excess(0.0) >= 0 else float(optimize.brentq(excess, 0.0, 10 * found + 100))

    return solve(statistic, tail), solve(max(statistic, float(freedom)), 1 - tail)


def _above(statistic: float, freedom: int, noncentrality: float) -> float:
    """Probability that noncentral chi-square exceeds the statistic."""
    if noncentrality > 1e5 or not np.isfinite(noncentrality):
        return 1.0
    if noncentrality <= 0:
        return float(stats.chi2.sf(statistic, freedom))
    return float(stats.ncx2.sf(statistic, freedom, noncentrality))
