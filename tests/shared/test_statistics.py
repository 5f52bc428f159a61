"""Intervals keep their stated coverage; tests agree with closed forms and keep their level."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from workflow_scripts.shared import statistics


def coverage(make_interval, truth, draws):
    intervals = [make_interval(sample, index) for index, sample in enumerate(draws)]
    return np.mean([interval.low <= truth <= interval.high for interval in intervals])


def test_bootstrap_interval_covers_the_mean_at_its_level():
    rng = np.random.default_rng(0)
    draws = rng.exponential(size=(300, 60))
    share = coverage(lambda s, i: statistics.bootstrap_mean(s, i, resamples=400), 1.0, draws)
    # 300 intervals at 95 % (a little less for 60 skewed values): four standard errors either way.
    assert 0.87 < share < 0.99


def test_seed_interval_is_exact_for_normal_means_of_few_seeds():
    rng = np.random.default_rng(1)
    draws = rng.normal(3.0, 2.0, size=(4000, 4))
    share = coverage(lambda s, i: statistics.seed_interval(s), 3.0, draws)
    assert abs(share - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 4000)


def test_bootstrap_draws_the_rows_of_paired_columns_together():
    first = np.random.default_rng(9).normal(size=50)

    def gap(a, b, axis):
        return np.mean(a, axis=axis) - np.mean(b, axis=axis)

    # The columns differ by exactly 1 in every row, so resampled rows give no spread in the
    # difference; rows drawn apart would.
    interval = statistics.bootstrap((first, first - 1.0), gap, seed=0)
    assert interval.value == pytest.approx(1.0)
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)


@pytest.mark.parametrize("sample", [[0.3], [-0.08, -0.08, -0.08], [-4e-16, 1e-16, -4e-16]])
@pytest.mark.parametrize(
    "make", [statistics.seed_interval, lambda s, **k: statistics.bootstrap_mean(s, 0, **k)]
)
def test_a_sample_without_spread_has_no_interval_of_width_0(make, sample):
    free, bounded = make(sample, bounds=None), make(sample, bounds=(-1.0, 1.0))
    if len(sample) == 1:
        assert all(map(math.isnan, (*free[1:3], *bounded[1:3])))
        return
    assert bounded.low < bounded.value < bounded.high
    assert -1 <= bounded.low <= bounded.high <= 1
    if sample[0] == -0.08:
        assert math.isnan(free.low)
    else:
        assert bounded.value == 0.0  # rounding errors of accuracies


@given(st.integers(2, 60), st.sampled_from([0.0, 1.0]))
def test_where_all_units_agree_at_a_bound_the_interval_is_clopper_and_pearson_s(n, value):
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(int(n * value), n, method="beta")
    found = statistics.seed_interval([value] * n, bounds=(0.0, 1.0))
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)


def test_the_mean_of_small_binary_samples_is_covered_also_where_all_agree():
    rng = np.random.default_rng(11)
    for truth in (0.02, 0.5, 0.97):
        draws = (rng.random((2000, 5)) < truth).astype(float)
        found = [statistics.seed_interval(draw, bounds=(0.0, 1.0)) for draw in draws]
        assert np.mean([f.low <= truth <= f.high for f in found]) > 0.9


def test_a_bootstrap_of_few_rows_is_the_jackknife_with_student_s_t():
    sample = np.random.default_rng(12).normal(size=6)
    assert statistics.bootstrap_mean(sample, 0) == pytest.approx(statistics.seed_interval(sample))
    # A ratio of means of 6 pairs: its bootstrap covers 84 to 88 %.
    rng = np.random.default_rng(13)

    def ratio(a, b, axis):
        return np.mean(a, axis=axis) / np.mean(b, axis=axis)

    draws = rng.normal(2.0, 1.0, size=(1500, 2, 6)) + np.array([[0.0], [3.0]])
    found = [statistics.bootstrap((a, b), ratio, 0) for a, b in draws]
    assert np.mean([f.low <= 0.4 <= f.high for f in found]) > 0.92


def test_a_unit_or_two_that_differ_do_not_rule_out_the_other_side():
    for few in (1, 2, 3):
        sample = np.zeros(30)
        sample[:few] = -1.0
        found = statistics.bootstrap_mean(sample, 0, bounds=(-1.0, 1.0))
        assert found.low < found.value < 0 < found.high
        mirrored = statistics.bootstrap_mean(-sample, 0, bounds=(-1.0, 1.0))
        assert mirrored.low < 0 < mirrored.value < mirrored.high
    share = statistics.bootstrap_mean([0.0] * 19 + [1.0], 0, bounds=(0.0, 1.0))
    assert (share.low, share.high) == pytest.approx((0.0, 0.25), abs=0.03)


def test_sparse_differences_are_covered_on_both_sides():
    # 30 questions, of which 5 in 100 are won and 3 in 100 are lost.
    rng = np.random.default_rng(15)
    draws = rng.choice([-1.0, 0.0, 1.0], p=[0.03, 0.92, 0.05], size=(400, 30))
    found = [
        statistics.bootstrap_mean(draw, i, resamples=400, bounds=(-1.0, 1.0))
        for i, draw in enumerate(draws)
    ]
    assert np.mean([f.high < 0.02 for f in found]) < 0.05
    assert np.mean([f.low > 0.02 for f in found]) < 0.05


def test_differences_of_independent_samples():
    from scipy import stats

    rng = np.random.default_rng(14)
    first, second = rng.normal(1, 1, 8), rng.normal(0, 3, 5)
    found = statistics.difference(first, second)
    expected = stats.ttest_ind(first, second, equal_var=False).confidence_interval()
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.n == 13
    assert math.isnan(statistics.difference([1.0], second).low)
    both = statistics.difference([0.0] * 4, [0.0] * 4, bounds=(0.0, 1.0))
    assert both.low < 0 < both.high


def test_newcombe_s_interval_by_his_example():
    # Newcombe (1998), table II: 56/70 less 48/80, method 10.
    found = statistics.share_difference(56, 70, 48, 80)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_bootstrap_refuses_nan_and_nothing():
    for bad in ([], [1.0, float("nan")]):
        with pytest.raises(ValueError, match="empty or holds NaN"):
            statistics.bootstrap_mean(bad, seed=0)


def test_same_seed_same_interval():
    values = np.random.default_rng(2).normal(size=30)
    assert statistics.bootstrap_mean(values, 5) == statistics.bootstrap_mean(values, 5)


@given(st.integers(0, 50), st.integers(1, 50))
def test_wilson_interval_is_the_closed_form(successes, n):
    successes = min(successes, n)
    z, share = 1.959963984540054, successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    interval = statistics.proportion(successes, n)
    assert interval.low == pytest.approx(max(centre - half, 0), abs=1e-12)
    assert interval.high == pytest.approx(min(centre + half, 1), abs=1e-12)
    assert interval.low <= interval.value <= interval.high


def test_paired_t_by_hand():
    # Differences 1, 2, 3: mean 2, standard error 1/sqrt(3), t = 2 sqrt(3), two degrees of freedom,
    # for which the survival function is 1/2 - t / (2 sqrt(t^2 + 2)).
    t = 2 * math.sqrt(3)
    test = statistics.paired_t([2, 4, 6], [1, 2, 3])
    assert test.statistic == pytest.approx(t)
    assert test.p == pytest.approx(2 * (0.5 - t / (2 * math.sqrt(t * t + 2))))
    assert statistics.paired_t([1, 1], [1, 1]).p == 1.0
    assert statistics.paired_t([0.1 + 0.2, 1], [0.3, 1]).p == 1.0
    assert math.isnan(statistics.paired_t([1.0, 0.5, 0.2], [0.92, 0.42, 0.12]).p)


def test_holm_leaves_out_what_was_not_tested():
    found = statistics.holm([0.01, math.nan, 0.03])
    assert found == pytest.approx([0.02, math.nan, 0.03], nan_ok=True)


def test_an_empty_sample_of_seeds_is_named():
    with pytest.raises(ValueError, match="seed_interval: expected numbers"):
        statistics.seed_interval([])


def test_holm_by_hand():
    assert statistics.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert statistics.holm([]).size == 0


def test_chi_square_by_hand():
    # One degree of freedom: p = erfc(sqrt(x / 2)).
    test = statistics.chi_square([60, 40], [0.5, 0.5])
    assert test.statistic == pytest.approx(4.0)
    assert test.p == pytest.approx(math.erfc(math.sqrt(2.0)))
    assert statistics.chi_square([5, 5, 1], [0.5, 0.5, 0.0]).p == 0.0
    with pytest.raises(ValueError, match="expected probabilities of sum 1"):
        statistics.chi_square([1, 1], [0.5, 0.6])


def test_goodness_of_fit_tests_keep_their_level():
    rng = np.random.default_rng(3)
    trials = 1000
    chi = [
        statistics.chi_square(rng.multinomial(1024, [0.1] * 10), [0.1] * 10).p < 0.05
        for _ in range(trials)
    ]
    ks = [
        statistics.kolmogorov_smirnov(rng.random(256), lambda x: np.clip(x, 0, 1)).p < 0.05
        for _ in range(trials)
    ]
    for rejected in (chi, ks):
        assert statistics.binomial(sum(rejected), trials, 0.05).p > 1e-3


def test_calibration_of_a_calibrated_forecaster_and_of_a_liar():
    rng = np.random.default_rng(4)
    confidence = rng.random(200_000)
    correct = rng.random(200_000) < confidence
    assert statistics.expected_calibration_error(confidence, correct) < 0.01
    # For uniform, calibrated confidence the Brier score is E[c(1-c)] = 1/6 and AUROC is 5/6.
    assert statistics.brier(confidence, correct) == pytest.approx(1 / 6, abs=0.005)
    assert statistics.auroc(confidence, correct) == pytest.approx(5 / 6, abs=0.005)
    assert statistics.expected_calibration_error([1.0, 1.0], [0, 0]) == 1.0
    assert math.isnan(statistics.auroc([0.2, 0.9], [1, 1]))


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -0.1, 1.1])
def test_what_is_no_confidence_is_refused_as_by_scikit_learn(wrong):
    correct, confidence = [0, 1, 1], [0.2, wrong, 0.9]
    with pytest.raises(ValueError, match="expected confidences in"):
        statistics.brier(confidence, correct)
    with pytest.raises(ValueError, match=r"."):
        metrics.brier_score_loss(correct, confidence)
    if not math.isfinite(wrong):
        with pytest.raises(ValueError, match="expected finite confidences"):
            statistics.auroc(confidence, correct)
        with pytest.raises(ValueError, match=r"."):
            metrics.roc_auc_score(correct, confidence)


@pytest.mark.parametrize("places", [1, 2, 12])
def test_brier_and_auroc_are_those_of_scikit_learn(places):
    rng = np.random.default_rng(places)
    for n in (2, 5, 300):
        confidence = rng.random(n).round(places)  # with few places many are equal
        correct = rng.permutation(np.arange(n) < rng.integers(1, n))
        expected = metrics.brier_score_loss(correct, confidence)
        assert statistics.brier(confidence, correct) == pytest.approx(expected, rel=1e-12)
        expected = metrics.roc_auc_score(correct, confidence)
        assert statistics.auroc(confidence, correct.astype(float)) == pytest.approx(expected)


@pytest.mark.parametrize(("start", "end"), [(0.0, 2.0), (2.0, 0.0)])
def test_bisection_finds_the_last_number_that_passes_from_either_side(start, end):
    found = statistics.last_passing(lambda x: (x * x < 2) == (start == 0), start, end, 40)
    assert found == pytest.approx(np.sqrt(2), abs=1e-11)
    assert (found * found < 2) == (start == 0)
