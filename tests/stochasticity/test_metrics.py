"""Targets, tests and effect sizes compared with SciPy, closed forms and simulations."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial import distance

from workflow_scripts.stochasticity import metrics, targets

NAMES = ["digit", "letter", "uniform", "uniform10", "normal", "seed", "bernoulli-30"]


def rng(seed=1):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("name", [*NAMES, "categorical-70-10-10-10"])
def test_true_draws_fill_the_cells_as_stated(name):
    target = targets.of(name)
    assert target.probabilities.sum() == pytest.approx(1)
    values = target.draw(rng(), 20000)
    assert all(target.holds(float(value)) for value in values[:200])
    assert stats.chisquare(target.counts(values), target.probabilities * 20000).pvalue > 1e-4
    assert values.mean() == pytest.approx(target.mean, abs=5 * values.std() / 20000**0.5)


def test_an_unknown_target_is_refused():
    with pytest.raises(ValueError, match="no target 'poisson'"):
        targets.of("poisson")


@pytest.mark.parametrize(("name", "decimals"), [("uniform", 1), ("normal", 0)])
def test_spreading_moves_a_value_within_its_rounding_and_undoes_ties(name, decimals):
    target = dataclasses.replace(targets.of(name), decimals=decimals)
    values = target.draw(rng(2), 200000)
    assert stats.kstest(values, target.cdf).pvalue < 1e-6
    spread = target.spread(values, rng(3))
    assert np.abs(spread - values).max() <= 0.5 * 10.0**-decimals + 1e-12
    if name == "uniform":  # exact there; elsewhere to second order in the rounding
        assert stats.kstest(spread, target.cdf).pvalue > 1e-4


shares = st.lists(st.integers(0, 50), min_size=2, max_size=8).filter(sum)


@given(shares)
def test_distances_equal_scipys(counts):
    p = np.array(counts) / sum(counts)
    q = np.full(p.size, 1 / p.size)
    assert metrics.total_variation(p, q) == pytest.approx(distance.cityblock(p, q) / 2)
    assert metrics.kl_bits(p, q) == pytest.approx(stats.entropy(p, q, base=2), abs=1e-9)
    assert metrics.entropy_bits(p) == pytest.approx(stats.entropy(p, base=2), abs=1e-9)


def test_wasserstein_is_that_of_scipy_against_many_true_draws():
    target = targets.of("normal")
    values = rng(4).normal(0.3, 1.2, 800)
    truth = target.ppf((np.arange(200000) + 0.5) / 200000)
    found = metrics.wasserstein_1(values, target, 5)
    assert found.value == pytest.approx(stats.wasserstein_distance(values, truth), abs=0.01)
    assert found.low <= found.value <= found.high


def test_a_bootstrap_interval_covers_the_true_distance():
    p, q = np.array([0.5, 0.3, 0.2]), np.full(3, 1 / 3)
    truth = metrics.total_variation(p, q)
    generator, covered = rng(6), 0
    for i in range(200):
        found = metrics.over_counts(
            generator.multinomial(400, p), metrics.total_variation, q, i, (0, 1)
        )
        covered += found.low <= truth <= found.high
    assert stats.binomtest(covered, 200, 0.95).pvalue > 1e-4


MEASURES = {
    "tv": (metrics.total_variation, (0.0, 1.0)),
    "kl_bits": (metrics.kl_bits, (0.0, 4.0)),
    "entropy_bits": (metrics.entropy_bits, (0.0, 4.0)),
}


@pytest.mark.parametrize("excess", [0.0, 0.03, 0.1])
@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("cells", [2, 10])
def test_intervals_cover_the_measure_of_a_sampler_at_its_target_and_off_it(name, cells, excess):
    even = np.full(cells, 1 / cells)
    shares = even + excess * (np.eye(cells)[0] - (1 - np.eye(cells)[0]) / (cells - 1))
    measure, bounds = MEASURES[name]
    truth, generator = measure(shares, even), rng(7)
    found = [
        metrics.over_counts(generator.multinomial(512, shares), measure, even, i, bounds, even)
        for i in range(60)
    ]
    covered = sum(each.low - 1e-9 <= truth <= each.high + 1e-9 for each in found)
    assert stats.binom.cdf(covered, 60, 0.93) > 1e-3
    assert all(each.low < each.high for each in found)


def test_shares_that_are_those_of_the_target_leave_a_distance_open():
    half = np.full(2, 0.5)
    found = metrics.over_counts([511, 511], metrics.entropy_bits, half, 1, (0, 1), half)
    assert found.high == 1
    # The standard error of a share is .0156; half of all samplers at the target are off by .0105.
    most = 0.0105 + 1.96 * 0.0156
    assert found.low == pytest.approx(stats.entropy([0.5 + most, 0.5 - most], base=2), abs=5e-4)
    distance = metrics.over_counts([511, 511], metrics.total_variation, half, 1, (0, 1))
    assert (distance.low, distance.high) == pytest.approx((0, most), abs=2e-3)


@pytest.mark.parametrize("repeats", [0.0, 0.7])
def test_an_interval_over_chains_covers_the_distance_however_alike_their_draws_are(repeats):
    generator, even, covered = rng(8), np.full(10, 0.1), 0
    for i in range(60):
        chains = generator.integers(10, size=(24, 32))
        again = generator.random(chains.shape) < repeats
        for step in range(1, 32):
            chains[:, step] = np.where(again[:, step], chains[:, step - 1], chains[:, step])
        table = np.stack([(chains == cell).sum(axis=1) for cell in range(10)], axis=1)
        found = metrics.over_chains(table, metrics.total_variation, even, i, (0, 1))
        covered += found.low <= 1e-9
    assert stats.binom.cdf(covered, 60, 0.95) > 1e-3


@pytest.mark.parametrize("shift", [0.0, 0.05, 0.3])
def test_the_interval_of_a_wasserstein_distance_covers_it_at_0_too(shift):
    target, generator = targets.of("normal"), rng(9)
    found = [
        metrics.wasserstein_1(generator.normal(shift, 1, 400).round(2), target, i)
        for i in range(60)
    ]
    covered = sum(each.low <= shift <= each.high for each in found)
    assert stats.binom.cdf(covered, 60, 0.95) > 1e-3


def test_draws_that_all_agree_leave_the_others_of_the_population_anywhere():
    p, counts = targets.of("digit").probabilities, np.eye(10, dtype=int)[7]
    one = metrics.over_counts(counts, metrics.total_variation, p, 1, (0, 1))
    assert np.isnan([one.low, one.high]).all()
    unseen = 1 - 0.025 ** (1 / 8)  # of a population of which 8 draws are equal
    found = metrics.over_counts(8 * counts, metrics.total_variation, p, 1, (0, 1))
    assert (found.low, found.high) == pytest.approx((0.9 - unseen, 0.9))
    bits = metrics.over_counts(8 * counts, metrics.entropy_bits, p, 1, (0, np.log2(10)))
    rest = np.full(10, unseen / 9)
    rest[7] = 1 - unseen
    assert (bits.low, bits.high) == pytest.approx((0, stats.entropy(rest, base=2)), abs=1e-9)


def test_few_units_get_intervals_by_student_s_t_and_few_draws_no_rejection_rate():
    p, normal = targets.of("digit").probabilities, targets.of("normal")
    two = np.eye(10, dtype=int)[:2].sum(axis=0)
    few = metrics.over_counts(two, metrics.total_variation, p, 1, (0, 1))
    assert few.high - few.low > 0.5  # a bootstrap of two draws gives at most 0.1
    draws, chains = rng(9).normal(size=(200, 4, 8)).round(2), np.repeat(np.arange(4), 8)
    wide = [metrics.wasserstein_1(each.ravel(), normal, 1, chains) for each in draws]
    spread = np.std([each.value for each in wide])
    assert np.median([each.high - each.value for each in wide]) > 2 * spread
    twice = metrics.goodness_of_fit([0.1, 0.1], normal, 1)["chi_square"]
    rate = metrics.rejection_rate(twice, normal.size - 1)
    assert np.isnan([rate.low, rate.high]).all()


def test_the_distance_of_true_draws_stays_below_its_quantile():
    target, generator = targets.of("digit"), rng(7)
    bound = metrics.expected_distance(target, 300)
    shares = generator.multinomial(300, target.probabilities, 2000) / 300
    below = (metrics.total_variation(shares, target.probabilities) <= bound).sum()
    assert stats.binomtest(int(below), 2000, 0.95).pvalue > 1e-4


def test_goodness_of_fit_is_scipys():
    target, generator = targets.of("uniform"), rng(8)
    values = target.draw(generator, 500)
    tests = metrics.goodness_of_fit(values, target, 1)
    expected = stats.chisquare(target.counts(values), target.probabilities * 500)
    assert tests["chi_square"].p == pytest.approx(expected.pvalue)
    assert tests["ks_ties"].p == pytest.approx(stats.kstest(values, stats.uniform.cdf).pvalue)


def test_independence_is_scipys_with_empty_lines_left_out():
    table = np.array([[10, 20, 0], [30, 5, 0], [0, 0, 0]])
    expected = stats.chi2_contingency(table[:2, :2], correction=False)
    found = metrics.independence(table)
    assert found.test.p == pytest.approx(expected.pvalue)
    assert found.freedom == expected.dof == 1
    assert metrics.independence(np.array([[3, 0], [4, 0]])) == ((0.0, 1.0, 7), 0)


def test_transitions_do_not_cross_chains_or_gaps():
    chains = [np.array([1.0, 2.0, np.nan, 3.0]), np.array([3.0, 1.0])]
    table = metrics.transitions(chains, targets.of("digit"))
    assert table.sum() == 2
    assert table[1, 2] == table[3, 1] == 1


def test_autocorrelation_of_an_autoregression_is_its_coefficient():
    generator = rng(9)
    chains = []
    for _ in range(60):
        values = [generator.normal()]
        for _ in range(99):
            values.append(0.5 * values[-1] + 0.75**0.5 * generator.normal())
        chains.append(np.array(values))
    for found, expected in zip(metrics.autocorrelation(chains, 3), [0.5, 0.25, 0.125], strict=True):
        assert found.low - 0.02 < expected < found.high + 0.02
        assert found.value == pytest.approx(expected, abs=0.06)
