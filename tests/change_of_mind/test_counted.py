"""Confidences from eight draws: what is fitted to counts, its bias, and the intervals' coverage."""

import numpy as np
import pytest
from scipy.special import expit

from tests.change_of_mind import made, sampled
from workflow_scripts.change_of_mind import answers, counted, metrics, resample

DRAWN = {**made.IDEAL, "temperature": 1.0}  # draws from its beliefs
BIASED = {**made.BIASED, "temperature": 1.0}


def counts(mean, spread, n, draws, seed):
    rng = np.random.default_rng(seed)
    odds = rng.normal(mean, spread, n)
    return rng.binomial(draws, expit(odds)), np.full(n, draws), odds


@pytest.mark.parametrize(("mean", "spread"), [(0.0, 1.0), (1.5, 2.0), (-3.0, 1.5), (0.5, 0.5)])
def test_a_normal_distribution_of_log_odds_comes_back(mean, spread):
    hits, draws, _ = counts(mean, spread, 6000, 8, 1)
    ((ratio, precision),) = counted.fit(hits, draws, np.zeros(6000, int), np.ones(6000))
    assert ratio / precision == pytest.approx(mean, abs=0.15)
    assert precision**-0.5 == pytest.approx(spread, rel=0.08)


def test_posterior_means_average_to_the_truth_though_half_of_the_counts_are_full():
    hits, draws, odds = counts(2.5, 2.0, 4000, 8, 2)
    assert np.mean(hits == 8) > 0.45
    both = np.stack([hits, draws - hits], axis=1)
    rows = np.arange(4000)
    found = counted.measure(both, rows * 0, rows * 0, 1.0, np.ones(4000), rows)
    assert found.log_odds().mean() == pytest.approx(odds.mean(), abs=0.1)
    for shift in (-2.0, 0.0, 1.0):  # Bayes' rule is such a shift
        truth = expit(odds + shift).mean()
        assert found.confidence(shift).mean() == pytest.approx(truth, abs=0.01)
    # Half a draw more on each side, the usual repair, is far off.
    assert abs(np.log((hits + 0.5) / (8.5 - hits)).mean() - odds.mean()) > 0.5


def test_the_other_options_share_the_rest():
    rows = np.arange(2)
    given = np.array([[5, 2, 1, 0], [5, 2, 1, -1]])
    found = counted.measure(given, np.array([0, 0]), rows * 0, 1.0, np.ones(2), rows)
    assert found.shares == pytest.approx(
        np.array([[0, 2.5, 1.5, 0.5], [0, 2.5, 1.5, 0]]) / [[4.5], [4.0]]
    )
    assert found.offset == pytest.approx(0)
    colder = counted.measure(given, np.array([0, 0]), rows * 0, 0.5, np.ones(2), rows)
    assert (colder.offset > 0).all()  # the others split what is left, and a split counts for less


def test_counts_that_are_all_full_stay_finite():
    hits = np.full(20, 8)
    found = counted.fit(hits, hits, np.zeros(20, int), np.ones(20))
    assert np.isfinite(found).all()


TRUTHS = {  # metric and condition, and the truth as a function of parameters and log-odds
    "temperature": lambda own, before, after, given: own["temperature"],
    "weight": lambda own, before, after, given: own["opposite_weight"],
    "gain": lambda own, before, after, given: _gain(expit(after), given),
    "oucs": lambda own, before, after, given: _oucs(before, after, given),
}
KEYS = {
    "weight": ("advice_weight", "hidden", "opposite", "all", ""),
    "gain": ("confidence_gain", "", "neutral", "all", ""),
    "oucs": ("oucs", "hidden", "opposite", "all", ""),
}


def _gain(after, given):
    neutral = given.advice == 2
    return (
        after[neutral & (given.display == 1)].mean() - after[neutral & (given.display == 0)].mean()
    )


def _oucs(before, after, given):
    here = (given.advice == 1) & (given.display == 0)
    stated = np.minimum(given.accuracy[here] / 100, 1 - 1e-9)
    return (expit(after[here]) - expit(before[here] - np.log(stated / (1 - stated)))).mean()


def estimates(own, seed, questions=160, resamples=0):
    """Point estimates, errors and whether the interval holds the truth, by name of `TRUTHS`."""
    given, fitted, before, after = sampled.world(own, questions, 240, resamples, seed)

    def statistic(*arguments):
        found = metrics.means(*arguments) | metrics.advice_weights(*arguments)
        return {key: found[key] for key in KEYS.values()}

    rng = np.random.default_rng(seed)
    rows = {
        row["metric"]: row for row in resample.estimate("E1", given, fitted, [(statistic, rng)])
    }
    truth = {name: of(own, before, after, given) for name, of in TRUTHS.items()}
    errors = {"temperature": fitted.value - truth["temperature"]}
    errors |= {name: rows[key[0]]["value"] - truth[name] for name, key in KEYS.items()}
    inside = {
        name: (row := rows[key[0]])["ci_low"] is not None
        and row["ci_low"] <= truth[name] <= row["ci_high"]
        for name, key in KEYS.items()
    }
    return errors, inside


@pytest.mark.parametrize(
    ("own", "weight"), [(DRAWN, 0.25), (BIASED, 0.3), (DRAWN | {"noise": 1.0}, 0.3)]
)
def test_estimates_from_eight_draws_are_nearly_unbiased(own, weight):
    errors = [estimates(own, seed)[0] for seed in range(12)]
    bias = {name: np.mean([error[name] for error in errors]) for name in TRUTHS}
    assert abs(bias["gain"]) < 0.005
    assert abs(bias["oucs"]) < 0.015
    assert abs(bias["temperature"]) < 0.15
    assert abs(bias["weight"]) < weight


@pytest.mark.long
@pytest.mark.parametrize("own", [DRAWN, BIASED])
def test_intervals_hold_the_noise_of_the_draws(own):
    inside = [estimates(own, seed, 100, 60)[1] for seed in range(100, 124)]
    for name in KEYS:
        assert sum(each[name] for each in inside) >= 19, name  # of 24; 2 % of right intervals fail


@pytest.mark.parametrize(
    ("choices", "remedy"),
    [("first_token", "m"), ("logprobs", "m"), ("sampled", "a model that answers with a letter")],
)
def test_answers_that_cannot_be_read_stop_the_run_before_turn_2(choices, remedy):
    unread = answers.Answer(-1, [], [], 1.0, 0, 8)
    read = answers.Answer(0, [-0.1, -2.4], [], 0.0, 8, 8)
    answers.refuse_unread({"a": read, "b": read, "c": read}, "m", choices)
    with pytest.raises(ValueError, match=r"found one for 0 of 3 questions; use .*" + remedy):
        answers.refuse_unread(dict.fromkeys("abc", unread), "m", choices)
