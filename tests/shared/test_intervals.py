"""Coverage of the intervals over seeds and items, by simulation, and their limiting cases."""

import numpy as np
import pytest
from scipy import stats

from workflow_scripts.shared import intervals
from workflow_scripts.shared.intervals import Part
from workflow_scripts.shared.statistics import bootstrap_mean, seed_interval

RUNS = 1500


def drawn(rng, seeds, items, of_seeds, of_items, rest, runs=RUNS):
    """Values of shape (runs, seeds, items) with mean 0."""
    shape = (runs, seeds, items)
    effects = rng.normal(0, of_seeds, (runs, seeds, 1)) + rng.normal(0, of_items, (runs, 1, items))
    return effects + rng.normal(0, rest, shape)


def covered(values, truth=0.0):
    found = [intervals.mean([Part(1.0, one)]).interval() for one in values]
    return np.mean([one.low <= truth <= one.high for one in found])


@pytest.mark.parametrize("seeds", [2, 3, 4])
@pytest.mark.parametrize("spread", [(0.0, 0.3), (0.05, 0.3), (0.3, 0.3), (0.3, 0.0)])
def test_the_interval_covers_the_mean_whichever_factor_varies(seeds, spread):
    rng = np.random.default_rng(seeds)
    assert covered(drawn(rng, seeds, 60, *spread, 0.4)) >= 0.94


def test_it_covers_the_mean_of_right_and_wrong_answers():
    rng = np.random.default_rng(5)
    chance = 0.5 + 0.1 * rng.normal(size=(RUNS, 3, 1)) + 0.25 * rng.normal(size=(RUNS, 1, 60))
    right = (rng.random((RUNS, 3, 60)) < chance).astype(float)
    wide = 0.5 + np.hypot(0.1, 0.25) * rng.normal(size=400_000)
    assert covered(right, np.clip(wide, 0, 1).mean()) >= 0.94


def test_intervals_over_seeds_alone_or_a_bootstrap_cover_too_little():
    """With prompts that differ in difficulty, which all seeds share."""
    rng = np.random.default_rng(0)
    values = drawn(rng, 3, 60, 0.05, 0.5, 0.2, runs=300)
    by_seed = [seed_interval(one.mean(1)) for one in values]
    assert np.mean([one.low <= 0 <= one.high for one in by_seed]) < 0.9
    # Three seeds that differ: the bootstrap over both factors, percentile limits.
    values = drawn(rng, 3, 60, 0.3, 0.1, 0.2, runs=300)
    rows, columns = rng.integers(0, 3, (400, 3)), rng.integers(0, 60, (400, 60))
    hits = 0
    for one in values:
        again = one[rows[:, :, None], columns[:, None]].mean((1, 2))
        low, high = np.quantile(again, [0.025, 0.975])
        hits += low <= 0 <= high
    assert hits / len(values) < 0.85
    assert covered(values) >= 0.93


def test_one_item_gives_students_interval():
    values = [0.2, 0.5, 0.4, 0.1]
    found, expected = intervals.of_seeds(values).interval(), seed_interval(values)
    assert found == pytest.approx(expected)
    assert found.low < bootstrap_mean(values, 0).value < found.high


def test_without_differences_between_seeds_the_items_remain():
    values = np.tile([0.0, 1.0, 1.0, 0.0, 1.0], (3, 1))
    found = intervals.mean([Part(1.0, values)]).interval()
    half = stats.t.isf(0.025, 4) * np.std(values[0], ddof=1) / np.sqrt(5)
    assert (found.value, found.high) == pytest.approx((0.6, 0.6 + half))


def test_parts_are_weighted_and_share_their_seeds():
    rng = np.random.default_rng(1)
    luck = rng.normal(size=(4, 1))
    one, two = luck + 1 + np.zeros((4, 30)), luck + np.zeros((4, 20))
    found = intervals.mean([Part(1.0, one), Part(-1.0, two)])
    assert found.value == pytest.approx(1)
    assert found.even  # the luck of a seed cancels


@pytest.mark.parametrize("values", [np.ones((1, 9)), np.ones((3, 9)), np.full((3, 9), 0.1) * 3])
def test_no_spread_gives_no_interval_unless_the_range_is_known(values):
    value, low, high, _ = intervals.mean([Part(1.0, values)]).interval()
    assert np.isnan([low, high]).all()
    assert value == pytest.approx(values[0, 0])


def test_a_ceiling_of_one_value_per_seed_leaves_room_for_unseen_seeds():
    found = intervals.of_seeds(np.ones(3), bounds=(0, 1)).interval()
    assert (found.low, found.high) == pytest.approx((0.025 ** (1 / 3), 1))


def test_at_a_ceiling_the_items_bound_the_mean():
    """As the interval of Clopper and Pearson for a share of as many items."""
    found = intervals.mean([Part(1.0, np.ones((3, 9)))], bounds=(0, 1)).interval()
    assert (found.low, found.high, found.n) == pytest.approx((0.025 ** (1 / 9), 1, 3))
    parts = [Part(0.5, np.zeros((4, 500)))] * 2
    found = intervals.mean(parts, bounds=(0, 1)).interval()
    assert (found.low, found.high) == pytest.approx((0, 1 - 0.025 ** (1 / 1000)))


def test_equal_values_within_the_range_leave_room_for_unseen_seeds():
    """A difference of 0 on all items is no end of its range."""
    found = intervals.mean([Part(1.0, np.zeros((3, 9)))], bounds=(-1, 1)).interval()
    assert found.high == pytest.approx(1 - 0.025 ** (1 / 3))


@pytest.mark.parametrize("k", [1, 3, 5])
def test_the_interval_of_an_order_statistic_covers_it(k):
    rng = np.random.default_rng(k)
    truth = np.array([0.0, 0.0, 0.1, 0.1, 0.5])
    hits = 0
    for _ in range(400):
        tasks = [intervals.of_seeds(rng.normal(centre, 0.2, 4)) for centre in truth]
        found = intervals.kth_largest(tasks, k)
        hits += found.low <= np.sort(truth)[-k] <= found.high
    assert hits / 400 >= 0.94


def test_the_largest_of_equal_tasks_is_rarely_called_positive():
    """Thirty tasks without a difference: one test per task would find some."""
    rng = np.random.default_rng(9)
    found = [
        intervals.kth_largest([intervals.of_seeds(one) for one in rng.normal(size=(30, 6))], 1)
        for _ in range(200)
    ]
    assert np.mean([one.low > 0 for one in found]) <= 0.05


def test_a_rank_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="between 1 and 1"):
        intervals.kth_largest([intervals.of_seeds([0.1, 0.2])], 2)
